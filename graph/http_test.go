package graph_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/graph"
	"github.com/threadstore/threadstore/graph/codes"
)

const (
	typeJSON    = "application/json"
	typeGraphQL = "application/graphql-response+json"
)

func TestHTTP(t *testing.T) {
	t.Parallel()
	a := newAPI(t, db.SQLite, func(o *graph.Options) { o.Limits.MaxBody = 2000 })
	body := func(query string) string { return fmt.Sprintf(`{"query":%s}`, quoted(query)) }
	padded := func(n int) string { // a valid request of n bytes
		b := body(`{ __typename }`)
		return b + strings.Repeat(" ", n-len(b))
	}
	mutation := `mutation { saveThread(thread: {id: "no"}) { id } }`
	get := func(values ...string) string {
		v := url.Values{}
		for i := 0; i+1 < len(values); i += 2 {
			v.Set(values[i], values[i+1])
		}
		return "/graphql?" + v.Encode()
	}
	const marker = "MARKER"
	for _, c := range []struct {
		name, method, path, contentType, body string
		headers                               []string
		status                                int
		code                                  string // of the only error; "" for none
	}{
		{"query", "POST", "/graphql", typeJSON, body(`{ __typename }`), nil, 200, ""},
		{"content type with charset", "POST", "/graphql", typeJSON + "; charset=UTF-8", body(`{ __typename }`), nil,
			200, ""},
		{"content type in upper case", "POST", "/graphql", "APPLICATION/JSON", body(`{ __typename }`), nil, 200, ""},
		{"@defer, which needs more than one answer", "POST", "/graphql", typeJSON,
			body(`{ threads { ... @defer { id } } }`), nil, 200, codes.ValidationFailed},
		{"all parameters", "POST", "/graphql", typeJSON,
			`{"query":"query A($v: Int) { recentThreads(limit: $v) { id } } query B { __typename ` +
				`}","operationName":"A","variables":{"v":1},"extensions":{}}`, nil, 200, ""},
		{"null parameters", "POST", "/graphql", typeJSON,
			`{"query":"{ __typename }","operationName":null,"variables":null,"extensions":null}`, nil, 200, ""},
		{"query by GET", "GET", get("query", "query($v: Int) { recentThreads(limit: $v) { id } }", "variables",
			`{"v":1}`), "", "", nil, 200, ""},
		{"one of two operations by GET", "GET", get("query",
			"query A { __typename } mutation B { deleteThread(id: \"x\") }", "operationName", "A"), "", "", nil, 200,
			""},
		{"body at the limit", "POST", "/graphql", typeJSON, padded(2000), nil, 200, ""},

		{"body over the limit", "POST", "/graphql", typeJSON, padded(2001), nil, 413, codes.BadUserInput},
		{"broken JSON", "POST", "/graphql", typeJSON, `{"query":"` + marker, nil, 400, codes.BadUserInput},
		{"no body", "POST", "/graphql", typeJSON, ``, nil, 400, codes.BadUserInput},
		{"more after the JSON", "POST", "/graphql", typeJSON, body(`{ __typename }`) + marker, nil, 400,
			codes.BadUserInput},
		{"a list", "POST", "/graphql", typeJSON, `[` + body(mutation) + `]`, nil, 400, codes.BadUserInput},
		{"a string", "POST", "/graphql", typeJSON, `"` + marker + `"`, nil, 400, codes.BadUserInput},
		{"no query", "POST", "/graphql", typeJSON, `{"variables":{}}`, nil, 400, codes.BadUserInput},
		{"query no string", "POST", "/graphql", typeJSON, `{"query":7}`, nil, 400, codes.BadUserInput},
		{"operationName no string", "POST", "/graphql", typeJSON, `{"query":"{ __typename }","operationName":7}`, nil,
			400, codes.BadUserInput},
		{"variables no object", "POST", "/graphql", typeJSON, `{"query":"{ __typename }","variables":"` + marker + `"}`,
			nil, 400, codes.BadUserInput},
		{"variables a list", "POST", "/graphql", typeJSON, `{"query":"{ __typename }","variables":[]}`, nil, 400,
			codes.BadUserInput},
		{"extensions no object", "POST", "/graphql", typeJSON, `{"query":"{ __typename }","extensions":7}`, nil, 400,
			codes.BadUserInput},
		{"no UTF-8", "POST", "/graphql", typeJSON,
			"{\"query\":\"mutation { saveThread(thread: {title: \\\"\xff\\\"}) { id } }\"}", nil, 400,
			codes.BadUserInput},
		{"overlong UTF-8", "POST", "/graphql", typeJSON,
			"{\"query\":\"{ __typename }\",\"variables\":{\"x\":\"\xc0\x80\"}}", nil, 400, codes.BadUserInput},
		{"lone high surrogate", "POST", "/graphql", typeJSON, `{"query":"{ __typename }","variables":{"x":"\ud800"}}`,
			nil, 400, codes.BadUserInput},
		{"lone low surrogate", "POST", "/graphql", typeJSON, `{"query":"{ __typename }","variables":{"x":"\udc00x"}}`,
			nil, 400, codes.BadUserInput},
		{"swapped surrogates", "POST", "/graphql", typeJSON,
			`{"query":"{ __typename }","variables":{"x":"\udc00\ud800"}}`, nil, 400, codes.BadUserInput},
		{"surrogate pair", "POST", "/graphql", typeJSON, `{"query":"{ __typename }","variables":{"x":"\ud83d\ude00"}}`,
			nil, 200, ""},
		{"lone surrogate in the document", "POST", "/graphql", typeJSON,
			body(`mutation { saveThread(thread: {title: "\ud800"}) { id } }`), nil, 400, codes.BadUserInput},
		{"surrogate pair in the document", "POST", "/graphql", typeJSON, body(`{ thread(id: "\ud83d\ude00") { id } }`),
			nil, 200, ""},
		{"what looks like a surrogate in a comment and in a block string", "POST", "/graphql", typeJSON,
			body("{ thread(id: \"\"\"\\ud800 \\\"\"\" \"\"\") { id } # \\ud800 \"\n }"), nil, 200, ""},
		{"another content type", "POST", "/graphql", "text/plain", body(mutation), nil, 415, codes.BadUserInput},
		{"a form", "POST", "/graphql", "application/x-www-form-urlencoded", "query=" + url.QueryEscape(mutation), nil,
			415, codes.BadUserInput},
		{"no content type", "POST", "/graphql", "", body(mutation), nil, 415, codes.BadUserInput},
		{"another charset", "POST", "/graphql", typeJSON + "; charset=latin1", body(mutation), nil, 415,
			codes.BadUserInput},
		{"mutation by GET", "GET", get("query", mutation), "", "", nil, 405, codes.BadUserInput},
		{"named mutation by GET", "GET", get("query",
			"query A { __typename } "+strings.Replace(mutation, "mutation", "mutation B", 1), "operationName", "B"), "",
			"", nil, 405, codes.BadUserInput},
		{"GET without query", "GET", "/graphql", "", "", nil, 400, codes.BadUserInput},
		{"GET with broken variables", "GET", get("query", "{ __typename }", "variables", "{"+marker), "", "", nil, 400,
			codes.BadUserInput},
		{"GET with variables no object", "GET", get("query", "{ __typename }", "variables", "[]"), "", "", nil, 400,
			codes.BadUserInput},
		{"GET with a lone surrogate", "GET", get("query", "{ __typename }", "variables", `{"x":"\ud800"}`), "", "", nil,
			400, codes.BadUserInput},
		{"GET without UTF-8", "GET", "/graphql?query=%7B%20__typename%20%7D%ff", "", "", nil, 400, codes.BadUserInput},
		{"GET without UTF-8 in a parameter of no use", "GET", get("query", "{ __typename }") + "&x=%ff", "", "", nil,
			400, codes.BadUserInput},
		{"an upgrade that is not wanted", "POST", "/graphql", typeJSON, body(`{ __typename }`),
			[]string{"Upgrade", "h2c"}, 200, ""},
		{"GET with a broken escape", "GET", "/graphql?query=%zz", "", "", nil, 400, codes.BadUserInput},
		{"PUT", "PUT", "/graphql", typeJSON, body(mutation), nil, 405, codes.BadUserInput},
		{"DELETE", "DELETE", "/graphql", "", "", nil, 405, codes.BadUserInput},

		{"parse error, as JSON", "POST", "/graphql", typeJSON, body(`{`), nil, 200, codes.ParseFailed},
		{"parse error", "POST", "/graphql", typeJSON, body(`{`), []string{"Accept", typeGraphQL}, 400,
			codes.ParseFailed},
		{"validation error, as JSON", "POST", "/graphql", typeJSON, body(`{ nothing }`), []string{"Accept", typeJSON},
			200, codes.ValidationFailed},
		{"validation error", "POST", "/graphql", typeJSON, body(`{ nothing }`),
			[]string{"Accept", typeGraphQL + ", " + typeJSON + ";q=0.9"}, 400, codes.ValidationFailed},
		{"bad variable", "POST", "/graphql", typeJSON,
			`{"query":"query($v: Int!) { threads(limit: $v) { id } }","variables":{"v":"5"}}`,
			[]string{"Accept", typeGraphQL}, 400, codes.BadUserInput},
		{"unknown operation", "POST", "/graphql", typeJSON, `{"query":"query A { __typename }","operationName":"B"}`,
			[]string{"Accept", typeGraphQL}, 400, codes.ValidationFailed},
		{"which operation?", "POST", "/graphql", typeJSON, `{"query":"query A { __typename } query B { __typename }"}`,
			[]string{"Accept", typeGraphQL}, 400, codes.ValidationFailed},
		{"execution error", "POST", "/graphql", typeJSON,
			body(`mutation { addMessage(threadId: "x", message: {role: USER}) { id } }`),
			[]string{"Accept", typeGraphQL}, 200, codes.NotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := *a
			a.t = t
			r := a.send(c.method, c.path, c.contentType, c.body, c.headers...)
			code := ""
			if len(r.Errors) > 0 {
				code = r.Errors[0].Extensions.Code
			}
			if r.status != c.status || code != c.code || len(r.Errors) > 1 {
				t.Errorf("status %d, code %q, want %d, %q: %.300s", r.status, code, c.status, c.code, r.body)
			}
			if strings.Contains(r.body, marker) {
				t.Errorf("the answer echoes the request: %s", r.body)
			}
			if code != "" && r.Errors[0].Extensions.RequestID == "" {
				t.Errorf("the error has no request id: %s", r.body)
			}
			want := typeJSON
			if len(c.headers) > 0 && strings.HasPrefix(c.headers[1], typeGraphQL) {
				want = typeGraphQL
			}
			if got := r.header.Get("Content-Type"); got != want+"; charset=utf-8" {
				t.Errorf("content type %q, want %q", got, want)
			}
			if c.status == 405 && r.header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
	if got := a.must(`{ threads { id } }`, nil)["threads"].([]any); len(got) != 0 {
		t.Errorf("a refused request wrote: %v", got)
	}
	t.Run("body over the limit, of unknown length", func(t *testing.T) {
		req, err := http.NewRequest("POST", a.url+"/graphql",
			struct{ *strings.Reader }{strings.NewReader(padded(5000))})
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", typeJSON)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 413 {
			t.Errorf("status %d, want 413", res.StatusCode)
		}
	})
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	a := newAPI(t, db.SQLite)
	for path, want := range map[string]int{"/schema.graphql": 200, "/healthz": 200, "/readyz": 200, "/nothing": 404} {
		if r := a.send("GET", path, "", ""); r.status != want {
			t.Errorf("GET %s: %d, want %d", path, r.status, want)
		}
	}
	for sent, keep := range map[string]bool{"abc-123": true, "": false, "two words": false,
		strings.Repeat("x", 129): false, "a\tb": false} {
		got := a.send("GET", "/healthz", "", "", "X-Request-Id", sent).header.Get("X-Request-Id")
		if (got == sent) != keep || got == "" {
			t.Errorf("X-Request-Id %q is answered by %q", sent, got)
		}
	}
}

func TestSchemaFile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(t, db.SQLite)
	r := a.send("GET", "/schema.graphql", "", "")
	if r.status != 200 || r.body != string(text) || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
		t.Errorf("GET /schema.graphql: %d, %q, %d bytes; want the %d of schema.graphqls", r.status,
			r.header.Get("Content-Type"), len(r.body), len(text))
	}
	if again := a.send("GET", "/schema.graphql", "", "", "If-None-Match", r.header.Get("ETag")); again.status != 304 {
		t.Errorf("the same again: %d, want 304", again.status)
	}
	small := newAPI(t, db.SQLite, func(o *graph.Options) { o.Limits.MaxPage = 7 })
	want := strings.ReplaceAll(string(text), "limit: Int! = 100\n", "limit: Int! = 7\n")
	if r := small.send("GET", "/schema.graphql", "", ""); r.body != want || want == string(text) {
		t.Error("with a page maximum of 7, the schema's default limits are not 7, or something else has changed")
	}
}

// TestCompression sends what is long enough compressed to those who take it, and to nobody else.
func TestCompression(t *testing.T) {
	t.Parallel()
	a := newAPI(t, db.SQLite, func(o *graph.Options) { o.Limits.MaxBody = 100_000 })
	dbtest.Import(t, a.store)
	query := func(text string) string { return fmt.Sprintf(`{"query":%s}`, quoted(text)) }
	long, short := query(`{ threads(limit: 5) { messages { content } } }`), query(`{ __typename }`)
	byGET := "/graphql?query=" + url.QueryEscape(`{ threads(limit: 5) { messages { content } } }`)
	// Ten errors, each with a long name: more than a kibibyte.
	wrong := query(`{ ` + strings.Repeat(strings.Repeat("x", 100)+" ", 20) + `}`)
	for _, c := range []struct {
		name, method, path, body, accept string
		headers                          []string
		status                           int
		want                             string // the coding; "" for none
	}{
		{"nothing said", "POST", "/graphql", long, "", nil, 200, ""},
		{"gzip", "POST", "/graphql", long, "gzip", nil, 200, "gzip"},
		{"as curl and Node say it", "POST", "/graphql", long, "gzip, deflate, br", nil, 200, "gzip"},
		{"as browsers say it", "POST", "/graphql", long, "gzip, deflate, br, zstd", nil, 200, "gzip"},
		{"again", "POST", "/graphql", long, "gzip", nil, 200, "gzip"},
		{"not gzip", "POST", "/graphql", long, "gzip;q=0", nil, 200, ""},
		{"none of ours", "POST", "/graphql", long, "br, zstd", nil, 200, ""},
		{"a short answer", "POST", "/graphql", short, "gzip", nil, 200, ""},
		{"by GET", "GET", byGET, "", "gzip", nil, 200, "gzip"},
		{"by HEAD", "HEAD", byGET, "", "gzip", nil, 200, ""},
		{"errors", "POST", "/graphql", wrong, "gzip", []string{"Accept", typeGraphQL}, 400, "gzip"},
		{"a refusal", "POST", "/graphql", strings.Repeat("x", 100_001), "gzip", nil, 413, ""},
		{"the schema", "GET", "/schema.graphql", "", "gzip", nil, 200, "gzip"},
		{"the schema, plain", "GET", "/schema.graphql", "", "", nil, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			send := func(accept string) (*http.Response, []byte) {
				t.Helper()
				req, err := http.NewRequest(c.method, a.url+c.path, strings.NewReader(c.body))
				if err != nil {
					t.Fatal(err)
				}
				if req.Header.Set("X-Request-Id", "same"); c.method == "POST" {
					req.Header.Set("Content-Type", typeJSON)
				}
				for i := 0; i+1 < len(c.headers); i += 2 {
					req.Header.Set(c.headers[i], c.headers[i+1])
				}
				req.Header.Set("Accept-Encoding", cmp.Or(accept, "identity")) // else Go asks for gzip by itself
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatal(err)
				}
				return res, body
			}
			res, body := send(c.accept)
			if got := res.Header.Get("Content-Encoding"); res.StatusCode != c.status || got != c.want {
				t.Fatalf("status %d, encoding %q, want %d, %q", res.StatusCode, got, c.status, c.want)
			}
			if got := res.Header.Values("Vary"); !slices.Contains(got, "Accept-Encoding") {
				t.Errorf("Vary is %q", got)
			}
			if n := res.Header.Get("Content-Length"); n != "" && n != fmt.Sprint(len(body)) && c.method != "HEAD" {
				t.Errorf("Content-Length is %s, and the body has %d bytes", n, len(body))
			}
			plain, want := send("")
			if got, want := res.Header.Get("Content-Type"), plain.Header.Get("Content-Type"); got != want {
				t.Errorf("Content-Type is %q, want %q", got, want)
			}
			if got := decompressed(t, c.want, body); got != string(want) {
				t.Errorf("the answer is %.200q, want %.200q", got, want)
			}
		})
	}
	again := a.send("GET", "/schema.graphql", "", "", "Accept-Encoding", "gzip", "If-None-Match",
		a.send("GET", "/schema.graphql", "", "").header.Get("ETag"))
	if again.status != 304 || again.header.Get("Content-Encoding") != "" {
		t.Errorf("the schema again: %d, encoding %q, want 304", again.status, again.header.Get("Content-Encoding"))
	}
}

func decompressed(t *testing.T, coding string, body []byte) string {
	t.Helper()
	if coding == "" {
		return string(body)
	}
	from, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSample(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		a := newAPI(t, driver)
		for _, foreign := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
			if r := a.send("POST", "/sample", "", "", foreign...); r.status != 403 {
				t.Errorf("from a page with %s: %d, want 403", foreign, r.status)
			}
		}
		if r := a.send("GET", "/sample", "", ""); r.status != 405 {
			t.Errorf("GET: %d, want 405", r.status)
		}
		if r := a.ask(`{ threads { id } }`, nil); string(r.Data) != `{"threads":[]}` {
			t.Fatalf("refused requests left %s", r.Data)
		}
		if r := a.send("POST", "/sample", "", ""); r.status != 200 || r.body != `{"threads":8,"messages":61}`+"\n" {
			t.Fatalf("POST: %d %s", r.status, r.body)
		}
		r := a.ask(`{ findThreadsByAttributes(attributes: {customer_id: "C-17"}) { id messageCount(roles: [TOOL]) } }`,
			nil)
		if want := `{"findThreadsByAttributes":[{"id":"sample-outage","messageCount":2},{"id":"sample-order-status",` +
			`"messageCount":2}]}`; string(r.Data) != want {
			t.Errorf("the sample data has %s, want %s", r.Data, want)
		}
		full := a.send("POST", "/sample", "", "")
		if full.status != 409 || len(full.Errors) != 1 || full.Errors[0].Extensions.Code != codes.Conflict ||
			full.Errors[0].Extensions.RequestID == "" {
			t.Errorf("POST to a store that is not empty: %d %s", full.status, full.body)
		}
	})
	broken := newAPI(t, db.SQLite)
	broken.store.Close()
	if r := broken.send("POST", "/sample", "", ""); r.status < 500 || len(r.Errors) != 1 ||
		r.Errors[0].Extensions.Code == "" {
		t.Errorf("without a database: %d %s", r.status, r.body)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		origins []string
		origin  string
		want    string
	}{
		{nil, "https://a.example", ""},
		{[]string{"https://a.example"}, "https://a.example", "https://a.example"},
		{[]string{"https://a.example"}, "https://b.example", ""},
		{[]string{"https://a.example", "http://localhost:3000"}, "http://localhost:3000", "http://localhost:3000"},
		{[]string{"*"}, "https://any.example", "*"},
	} {
		a := newAPI(t, db.SQLite, func(o *graph.Options) { o.Middleware.CORSOrigins = c.origins })
		preflight := a.send("OPTIONS", "/healthz", "", "", "Origin", c.origin, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "content-type,x-request-id")
		if got := preflight.header.Get("Access-Control-Allow-Origin"); got != c.want {
			t.Errorf("origins %v: preflight from %s allows %q, want %q", c.origins, c.origin, got, c.want)
		}
		r := a.send("POST", "/graphql", typeJSON, `{"query":"{ __typename }"}`, "Origin", c.origin)
		if got := r.header.Get("Access-Control-Allow-Origin"); got != c.want {
			t.Errorf("origins %v: answer to %s allows %q, want %q", c.origins, c.origin, got, c.want)
		}
	}
}

// TestFloods sends documents that are cheap to write and could be dear to answer.
func TestFloods(t *testing.T) {
	t.Parallel()
	a := newAPI(t, db.SQLite)
	for name, query := range map[string]string{
		"unknown directives": `query ` + strings.Repeat("@x ", 5000) + `{ __typename }`,
		"unknown fields":     `{ ` + strings.Repeat("nothing ", 10000) + `}`,
		"the same field":     `{ ` + strings.Repeat("__typename ", 14000) + `}`,
		"aliases": func() string {
			var b strings.Builder
			for i := range 4000 {
				fmt.Fprintf(&b, "a%d: __typename ", i)
			}
			return "{ " + b.String() + "}"
		}(),
		"tokens": `{ ` + strings.Repeat("__typename ", 100000) + `}`,
		"depth":  strings.Repeat("{ a ", 5000) + strings.Repeat("}", 5000),
		"lists":  `{ thread(id: ` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `) { id } }`,
		"fragments that double": func() string {
			var b strings.Builder
			b.WriteString("{ ...f0 }")
			for i := range 60 {
				fmt.Fprintf(&b, " fragment f%d on Query { ...f%d ...f%d }", i, i+1, i+1)
			}
			return b.String() + " fragment f60 on Query { __typename }"
		}(),
		"fragments that double through fields": func() string {
			var b strings.Builder
			b.WriteString("{ threads { ...f0 } }")
			for i := range 60 {
				fmt.Fprintf(&b, " fragment f%d on Thread { messages { thread { ...f%d } } a: messages { thread { "+
					"...f%d } } }", i, i+1, i+1)
			}
			return b.String() + " fragment f60 on Thread { id }"
		}(),
		"block strings":         `{ thread(id: "\u0041` + strings.Repeat(`""""""`, 1<<20) + `") { id } }`,
		"a long operation name": `query ` + strings.Repeat("x", 1<<20) + ` { nothing }`,
		"a cycle of fragments":  `{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }`,
	} {
		start := time.Now()
		r := a.ask(query, nil)
		t.Logf("%s: %s, %d bytes", name, time.Since(start), len(r.body))
		if took := time.Since(start); took > 20*time.Second { // a bound that only a quadratic or worse reaches
			t.Errorf("%s: took %s", name, took)
		}
		if name == "the same field" && (len(r.Errors) == 0 || r.Errors[0].Extensions.Code != codes.TooComplex) {
			t.Errorf("%s: %.200s, want %s", name, r.body, codes.TooComplex)
		}
		if len(r.Errors) > 10 || len(r.body) > 400_000 {
			t.Errorf("%s: %d errors in %d bytes", name, len(r.Errors), len(r.body))
		}
	}
}

// TestSchemaIsDescribed fails for anything in the schema that has no description.
func TestSchemaIsDescribed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: string(text)})
	elements := 0
	check := func(what, description string) {
		elements++
		if len(strings.Fields(description)) < 2 {
			t.Errorf("%s has no description", what)
		}
	}
	for name, d := range schema.Types {
		if d.BuiltIn {
			continue
		}
		check(name, d.Description)
		for _, f := range d.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			check(name+"."+f.Name, f.Description)
			for _, arg := range f.Arguments {
				check(name+"."+f.Name+"("+arg.Name+")", arg.Description)
			}
		}
		for _, v := range d.EnumValues {
			if len(v.Description) == 0 {
				t.Errorf("%s.%s has no description", name, v.Name)
			}
		}
	}
	if elements < 100 {
		t.Errorf("only %d elements were looked at", elements)
	}
}
