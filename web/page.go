// Package web is the page at /: GraphiQL with this API's examples. Vite builds it
// from src into dist/app (make page), which is embedded. A binary that was built
// without Node has no page in it, and serves gqlgen's, which a CDN completes.
package web

import (
	"compress/gzip"
	"embed"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// securityPolicy lets the page load and call only where it came from. The editor sets styles in
// the page, and its style sheet holds a font and images.
const securityPolicy = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self' data:; worker-src 'self'; connect-src 'self'; object-src 'none'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// mediaTypes are the media types of what Vite makes. The mime package would look them up in
// the files of the system.
var mediaTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".ttf":  "font/ttf",
}

// Built reports whether the page is in this binary.
func Built() bool { return built(dist) }

func built(files fs.FS) bool {
	_, err := fs.Stat(files, "dist/app/index.html.gz")
	return err == nil
}

// Handler serves / and /assets/. The page calls the API at graphql beside it.
func Handler() http.Handler { return handler(dist) }

func handler(files fs.FS) http.Handler {
	if !built(files) {
		return fallbackPage()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		caching := "public, max-age=31536000, immutable" // a name in assets/ has a hash of what it holds
		if name == "" {
			name, caching = "index.html", "no-store"
		}
		file, err := files.Open("dist/app/" + name + ".gz")
		if err != nil || mediaTypes[path.Ext(name)] == "" {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		defer file.Close()
		header := w.Header()
		setSecurityHeaders(header, securityPolicy) // of an asset, too: a worker obeys the policy of its own file
		header.Set("Cache-Control", caching)
		header.Set("Content-Type", mediaTypes[path.Ext(name)])
		header.Set("Vary", "Accept-Encoding")
		body := io.Reader(file)
		if acceptsGzip(r) {
			header.Set("Content-Encoding", "gzip")
			if info, err := file.Stat(); err == nil {
				header.Set("Content-Length", strconv.FormatInt(info.Size(), 10))
			}
		} else if body, err = gzip.NewReader(file); err != nil { // of our own making: it is whole
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		if r.Method != http.MethodHead {
			_, _ = io.Copy(w, body) // the client may be gone
		}
	})
}

// setSecurityHeaders sets what a page of ours tells every browser.
func setSecurityHeaders(header http.Header, policy string) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
}

// acceptsGzip reports whether the client takes gzip. One that does not say is taken at its word: it gets plain bytes.
func acceptsGzip(r *http.Request) bool {
	for _, coding := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			return weight == "" || err == nil && q > 0
		}
	}
	return false
}
