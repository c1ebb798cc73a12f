package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

// bundle is a built page of two files.
func bundle(t *testing.T) fs.FS {
	files := fstest.MapFS{"dist/README": {Data: []byte("not for browsers")}}
	for name, text := range map[string]string{"index.html": "<!doctype html>", "assets/app-1234.js": "let x",
		"assets/odd-1.wasm": "?"} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil || z.Close() != nil {
			t.Fatal("gzip:", err)
		}
		files["dist/app/"+name+".gz"] = &fstest.MapFile{Data: b.Bytes()}
	}
	return files
}

func get(h http.Handler, method, path, encodings string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept-Encoding", encodings)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestPage(t *testing.T) {
	h := handler(bundle(t))
	for _, c := range []struct {
		method, path, encodings            string
		status                             int
		contentType, coding, caching, body string
	}{
		{"GET", "/", "gzip, deflate, br", 200, "text/html; charset=utf-8", "gzip", "no-store", "<!doctype html>"},
		{"GET", "/", "", 200, "text/html; charset=utf-8", "", "no-store", "<!doctype html>"},
		{"GET", "/assets/app-1234.js", "br, gzip;q=0.5", 200, "text/javascript; charset=utf-8", "gzip",
			"public, max-age=31536000, immutable", "let x"},
		{"GET", "/assets/app-1234.js", "gzip;q=0, *", 200, "text/javascript; charset=utf-8", "",
			"public, max-age=31536000, immutable", "let x"},
		{"HEAD", "/assets/app-1234.js", "gzip", 200, "text/javascript; charset=utf-8", "gzip",
			"public, max-age=31536000, immutable", ""},
		{"GET", "/assets/app-0000.js", "gzip", 404, "", "", "", ""},
		{"GET", "/assets/", "gzip", 404, "", "", "", ""},
		{"GET", "/assets", "gzip", 404, "", "", "", ""},
		{"GET", "/assets/odd-1.wasm", "gzip", 404, "", "", "", ""}, // a type we do not know is a type we do not serve
		{"GET", "/assets/../../README", "gzip", 404, "", "", "", ""},
		{"GET", "/assets/app-1234.js.gz", "gzip", 404, "", "", "", ""},
	} {
		r := get(h, c.method, c.path, c.encodings)
		if r.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, r.StatusCode, c.status)
			continue
		}
		if c.status != 200 {
			continue
		}
		coding := r.Header.Get("Content-Encoding")
		body := io.Reader(r.Body)
		if coding == "gzip" && c.method == "GET" {
			var err error
			if body, err = gzip.NewReader(r.Body); err != nil {
				t.Errorf("%s: %v", c.path, err)
				continue
			}
		}
		text, err := io.ReadAll(body)
		if err != nil || string(text) != c.body || coding != c.coding ||
			r.Header.Get("Content-Type") != c.contentType || r.Header.Get("Cache-Control") != c.caching {
			t.Errorf("%s %s (%q): %q, %v, %v", c.method, c.path, c.encodings, text, r.Header, err)
		}
		if r.Header.Get("Content-Security-Policy") != securityPolicy ||
			r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %v", c.path, r.Header)
		}
	}
	if strings.Contains(securityPolicy, "unsafe-eval") || strings.Contains(securityPolicy, "http") ||
		strings.Contains(securityPolicy, "script-src 'self' 'unsafe") {
		t.Error("the policy is too wide:", securityPolicy)
	}
}

// TestFallback is a binary that was built without Node.
func TestFallback(t *testing.T) {
	h := handler(fstest.MapFS{"dist/README": {Data: []byte("no page here")}})
	r := get(h, "GET", "/", "gzip")
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 || r.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %v", r.StatusCode, r.Header, err)
	}
	for _, want := range []string{"cdn.jsdelivr.net/npm/graphiql@", "GraphiQL.createFetcher", "/graphql",
		"<body>" + notice, "make run", "go run . import --sample", "shouldPersistHeaders: false", "calc(100vh"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page lacks %q: has gqlgen's page changed?", want)
		}
	}
	if got := strings.Count(string(text), "<script>"); got != 1 ||
		got != strings.Count(r.Header.Get("Content-Security-Policy"), "'sha256-") {
		t.Errorf("%d scripts in the page, and a policy of %s", got, r.Header.Get("Content-Security-Policy"))
	}
	if r := get(h, "GET", "/assets/app-1234.js", "gzip"); r.StatusCode != 404 {
		t.Errorf("an asset: %d, want 404", r.StatusCode)
	}
}
