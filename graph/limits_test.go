package graph_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/graph"
	"github.com/threadstore/threadstore/graph/codes"
	"github.com/threadstore/threadstore/internal/budget"
)

// wantRefusal checks that an answer is one error that names the limit's setting.
func wantRefusal(t *testing.T, what string, r response, status int, code, setting string) {
	t.Helper()
	if r.status != status || len(r.Errors) != 1 || r.Errors[0].Extensions.Code != code ||
		!strings.Contains(r.Errors[0].Message, setting) || len(r.Data) > 0 && string(r.Data) != "null" {
		t.Errorf("%s: %d %.300s, want %d with %s and %s", what, r.status, r.body, status, code, setting)
	}
}

// addMessages makes a thread of n messages with a content each.
func (a *api) addMessages(id string, n int, content string) {
	a.t.Helper()
	thread := map[string]any{"id": id}
	a.must(`mutation($t: ThreadInput!) { saveThread(thread: $t) { id } }`, map[string]any{"t": thread})
	for n > 0 {
		var list []map[string]any
		for range min(n, 50) {
			list = append(list, map[string]any{"role": "USER", "content": content})
		}
		n -= len(list)
		a.must(`mutation($t: ID!, $m: [MessageInput!]!) { addMessages(threadId: $t, messages: $m) { id } }`,
			map[string]any{"t": id, "m": list})
	}
}

// TestAnswerLimit asks for answers that are larger than an answer may be.
func TestAnswerLimit(t *testing.T) {
	t.Parallel()
	for _, driver := range []db.Driver{db.SQLite, db.PostgreSQL} {
		a := newAPI(t, driver, func(o *graph.Options) { o.Limits.MaxAnswer = 300_000 })
		a.addMessages("long", 400, strings.Repeat("x", 1000))
		refused := func(what, query string) {
			t.Helper()
			wantRefusal(t, what, a.ask(query, nil), http.StatusOK, codes.ResponseTooLarge,
				"300000 bytes (THREADSTORE_MAX_ANSWER)")
		}
		refused("messages", `{ messages(threadId: "long") { content } }`)
		refused("a thread with messages", `{ thread(id: "long") { messages { content } } }`)
		refused("a list", `{ threads { messages { content } } }`)
		refused("a connection", `{ threadConnection { edges { node { messages { content } } } } }`)
		refused("a cycle", `{ messages(threadId: "long", first: 30) { thread { messages(first: 30) { content } } } }`)
		refused("aliases", `{ `+repeated(8, `a%d: messages(threadId: "long", first: 50) { content } `)+`}`)
		refused("the schema, again and again", `{ `+repeated(120, `a%d: __type(name: "Query") {
			fields { name description args { name description } } } `)+`}`)
		const types = `{ name description fields { name args { name type { ofType { ofType { name } } } } } }`
		r := a.ask(`{ `+repeated(30, `a%d: __schema { types `+types+`} `)+`}`, nil)
		wantRefusal(t, "much more of the schema", r, http.StatusOK, codes.TooComplex,
			"fields of the schema's description")
		r = a.ask(`{ messages(threadId: "long", first: 250) { content } }`, nil)
		if len(r.Errors) > 0 || len(r.body) < 250_000 {
			t.Errorf("%s: what fits: %.200s", driver, r.body)
		}
		r = a.ask(`mutation { addMessage(threadId: "long", message: {role: USER, content: "one more"}) {
			thread { messages { content } } } }`, nil)
		if len(r.Errors) != 1 || r.Errors[0].Extensions.Code != codes.ResponseTooLarge {
			t.Errorf("%s: a mutation: %.200s", driver, r.body)
		}
	}
}

func repeated(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestMemoryLimit sends and asks for what all requests together may not hold, and holds it with one of them.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	a := newAPI(t, db.SQLite, func(o *graph.Options) { o.Limits.MaxMemory = budget.MinSize })
	large := `{"query":"{ __typename }","variables":{"x":"` + strings.Repeat("x", 8<<20) + `"}}`
	const setting = "8388608 bytes (THREADSTORE_MAX_MEMORY)"
	wantRefusal(t, "a body", a.send("POST", "/graphql", typeJSON, large), http.StatusRequestEntityTooLarge,
		codes.BadUserInput, setting)
	small := `{"query":"{ __typename }","variables":{"x":[` + strings.Repeat(`{"":0},`, 30_000) + `0]}}`
	wantRefusal(t, "a body of many values", a.send("POST", "/graphql", typeJSON, small),
		http.StatusRequestEntityTooLarge, codes.BadUserInput, setting)
	many := `{"query":"{ __typename }","variables":{"x":[` + strings.Repeat(`0,`, 1_000_000) + `0]}}`
	b := newAPI(t, db.SQLite)
	wantRefusal(t, "a body of more values than there may be", b.send("POST", "/graphql", typeJSON, many),
		http.StatusBadRequest, codes.BadUserInput, "1000000 JSON values")

	a.addMessages("long", 120, strings.Repeat("x", 50_000))
	wantRefusal(t, "an answer", a.ask(`{ messages(threadId: "long") { content } }`, nil), http.StatusOK,
		codes.ResponseTooLarge, setting)

	// A body of which most has come holds what large requests may have.
	body, feed := io.Pipe()
	held := make(chan error)
	go func() {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, a.url+"/graphql", body)
		if err == nil {
			req.Header.Set("Content-Type", typeJSON)
			var res *http.Response
			if res, err = http.DefaultClient.Do(req); err == nil {
				err = res.Body.Close()
			}
		}
		held <- err
	}()
	_, _ = feed.Write([]byte(`{"query":"{ __typename }","variables":{"x":"` + strings.Repeat("x", 6<<20)))
	time.Sleep(100 * time.Millisecond)
	r := a.send("POST", "/graphql", typeJSON,
		`{"query":"{ __typename }","variables":{"x":"`+strings.Repeat("x", 2<<20)+`"}}`)
	wantRefusal(t, "a large body beside it", r, http.StatusServiceUnavailable, codes.ServiceUnavailable, setting)
	if r.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	wantRefusal(t, "a large answer beside it", a.ask(`{ messages(threadId: "long", first: 50) { content } }`, nil),
		http.StatusServiceUnavailable, codes.ServiceUnavailable, setting)
	if r := a.ask(`{ messages(threadId: "long", first: 2) { content } }`, nil); len(r.Errors) > 0 {
		t.Errorf("a small request beside it: %.200s", r.body)
	}
	_ = feed.CloseWithError(io.ErrUnexpectedEOF)
	<-held
	if r := a.ask(`{ messages(threadId: "long", first: 50) { content } }`, nil); len(r.Errors) > 0 {
		t.Errorf("a large request after it: %.200s", r.body)
	}
}

// TestSlowReader asks for large answers and does not read them: what they hold is given back when the clients leave.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	a := newAPI(t, db.SQLite, func(o *graph.Options) { o.Limits.MaxMemory = 16 << 20 })
	a.addMessages("long", 120, strings.Repeat("x", 50_000))
	query := `{"query":"{ messages(threadId: \"long\", first: 80) { content } }"}`
	for range 5 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
			"Content-Length: %d\r\n\r\n%s",
			len(query), query)
		if n, err := conn.Read(make([]byte, 10)); err != nil {
			t.Fatal(n, err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r := a.send("POST", "/graphql", typeJSON, query); len(r.Errors) > 0 {
		t.Errorf("after others that did not read: %.200s", r.body)
	}
}

// TestRootFields runs many root fields and looks how many at once.
func TestRootFields(t *testing.T) {
	t.Parallel()
	var running, most atomic.Int32
	a := newAPI(t, db.SQLite, graph.Observe(func(ctx context.Context, next graphql.Resolver) (any, error) {
		if fc := graphql.GetFieldContext(ctx); fc.Parent != nil && fc.Parent.Parent == nil {
			n := running.Add(1)
			defer running.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			time.Sleep(2 * time.Millisecond)
		}
		return next(ctx)
	}))
	if r := a.ask(`{ `+repeated(60, `a%d: thread(id: "none") { id } `)+`}`, nil); len(r.Errors) > 0 {
		t.Error(r.body)
	}
	if n := most.Load(); n != 4 {
		t.Errorf("%d root fields ran at once, want 4", n)
	}
}

// TestRequestTimeout lets a mutation wait for a lock longer than a request may take.
func TestRequestTimeout(t *testing.T) {
	t.Parallel()
	a := newAPI(t, db.PostgreSQL, func(o *graph.Options) { o.Limits.RequestTimeout = 0.3 })
	a.addMessages("t", 1, "x")
	raw := dbtest.Raw(t, a.options)
	tx, err := raw.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`SELECT 1 FROM threads WHERE id = 't' FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	r := a.ask(`mutation { addMessage(threadId: "t", message: {role: USER, content: "x"}) { id } }`, nil)
	if len(r.Errors) != 1 || r.Errors[0].Extensions.Code != codes.Timeout || time.Since(start) > 5*time.Second {
		t.Errorf("after %s: %s, want %s", time.Since(start), r.body, codes.Timeout)
	}
	r = a.ask(`{ thread(id: "t") { messageCount } }`, nil)
	if len(r.Errors) > 0 || !bytes.Contains(r.Data, []byte(`"messageCount":1`)) {
		t.Errorf("after it: %s", r.body)
	}
}
