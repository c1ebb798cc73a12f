package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/db/interchange"
	"github.com/threadstore/threadstore/graph"
	"github.com/threadstore/threadstore/graph/httpmw"
	"github.com/threadstore/threadstore/internal/envconfig"
)

// api is a server on a database of its own, asked over HTTP.
type api struct {
	t       testing.TB
	url     string
	store   *db.DB
	options db.Options
	seen    *dbtest.Statements
	log     *dbtest.Output
}

func newAPI(t testing.TB, driver db.Driver, change ...func(*graph.Options)) *api {
	t.Helper()
	a := &api{t: t, options: dbtest.Options(t, driver), seen: &dbtest.Statements{}, log: &dbtest.Output{}}
	a.store = dbtest.OpenOptions(t, a.options, db.Hooks{Connector: a.seen.Connector})
	o := graph.Options{Threads: a.store.Scope("").Threads(), Messages: a.store.Scope("").Messages(),
		Middleware: httpmw.Options{Log: slog.New(slog.NewTextHandler(a.log,
			&slog.HandlerOptions{Level: slog.LevelDebug}))},
		Limits: defaultLimits(t),
		Sample: func(ctx context.Context) (threads, messages int, err error) {
			err = interchange.ImportSample(ctx, a.store.Scope("").Threads(),
				func(t, m int) { threads, messages = t, m })
			return
		}}
	for _, c := range change {
		c(&o)
	}
	mux := http.NewServeMux()
	mux.Handle("/", graph.New(o))
	probes := graph.Probes(a.store.Ready, o.Middleware)
	mux.Handle("/healthz", probes)
	mux.Handle("/readyz", probes)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

// defaultLimits are those of a server without settings.
func defaultLimits(t testing.TB) (l graph.Limits) {
	t.Helper()
	if err := envconfig.Parse(nil, &l); err != nil {
		t.Fatal(err)
	}
	if err := l.Complete(0); err != nil {
		t.Fatal(err)
	}
	return l
}

type apiError struct {
	Message    string
	Path       []any
	Extensions struct {
		Code         string
		ArgumentPath []any
		RequestID    string `json:"requestId"`
	}
}

type response struct {
	status int
	header http.Header
	body   string
	Data   json.RawMessage
	Errors []apiError
}

// send sends a request and reads the answer, which must be well-formed.
func (a *api) send(method, path, contentType, body string, headers ...string) response {
	a.t.Helper()
	req, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	r := response{status: res.StatusCode, header: res.Header, body: string(text)}
	if (strings.HasPrefix(path, "/graphql") || strings.Contains(res.Header.Get("Content-Type"), "json")) &&
		method != http.MethodHead {
		if err := json.Unmarshal(text, &r); err != nil {
			a.t.Fatalf("%s %s: the answer is no JSON: %.200s", method, path, text)
		}
	}
	return r
}

// ask sends an operation; variables may be nil, a Go value or JSON text.
func (a *api) ask(query string, variables any) response {
	a.t.Helper()
	v, ok := variables.(string)
	if !ok {
		text, err := json.Marshal(variables)
		if err != nil {
			a.t.Fatal(err)
		}
		v = string(text)
	}
	q, _ := json.Marshal(query)
	return a.send(http.MethodPost, "/graphql", "application/json", fmt.Sprintf(`{"query":%s,"variables":%s}`, q, v))
}

// must asks for what has to succeed and returns its data, decoded with exact numbers.
func (a *api) must(query string, variables any) map[string]any {
	a.t.Helper()
	r := a.ask(query, variables)
	if r.status != http.StatusOK || len(r.Errors) > 0 {
		a.t.Fatalf("%.300s\nstatus %d: %.500s", query, r.status, r.body)
	}
	return decode(a.t, string(r.Data)).(map[string]any)
}

func decode(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%.200s: %v", text, err)
	}
	return v
}

// wantData fails unless the operation's data is this JSON.
func (a *api) wantData(query string, variables any, want string) {
	a.t.Helper()
	if d := cmp.Diff(decode(a.t, want), any(a.must(query, variables))); d != "" {
		a.t.Errorf("%.300s: got (+), want (-):\n%s", query, d)
	}
}

// wantError fails unless the operation's only error has the code and the argument path (as JSON, "" for none).
func (a *api) wantError(query string, variables any, code, argumentPath string) response {
	a.t.Helper()
	r := a.ask(query, variables)
	if len(r.Errors) != 1 {
		a.t.Errorf("%.300s %.200v: %d errors, want 1: %.500s", query, variables, len(r.Errors), r.body)
		return r
	}
	e := r.Errors[0]
	path, _ := json.Marshal(e.Extensions.ArgumentPath)
	if argumentPath == "" {
		argumentPath = "null"
	}
	if e.Extensions.Code != code || string(path) != argumentPath {
		a.t.Errorf("%.300s %.200v: %s at %s (%s), want %s at %s", query, variables, e.Extensions.Code, path, e.Message,
			code, argumentPath)
	}
	if e.Extensions.RequestID == "" || e.Extensions.RequestID != r.header.Get("X-Request-Id") {
		a.t.Errorf("%.300s: the error's request id %q is not the answer's %q", query, e.Extensions.RequestID,
			r.header.Get("X-Request-Id"))
	}
	for _, leak := range []string{"pq:", "sqlite", "SQL", "strconv", "json:", ".go:", "goroutine", "/db/", "panic"} {
		if strings.Contains(r.body, leak) {
			a.t.Errorf("%.300s: the answer holds %q: %.500s", query, leak, r.body)
		}
	}
	return r
}
