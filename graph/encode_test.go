package graph_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/db/interchange"
	"github.com/threadstore/threadstore/graph"
	"github.com/threadstore/threadstore/graph/encode"
	"github.com/threadstore/threadstore/graph/model"
)

// duel asks the same of our encoders and of gqlgen's executor alone, on one store.
type duel struct {
	schema       *ast.Schema
	ours, theirs http.Handler
	cursors      []string // of all threads
	// Results of root fields: those that our encoders wrote, and objects that were left to gqlgen.
	encoded, left atomic.Int64
}

func newDuel(t testing.TB, change ...func(*graph.Options)) *duel {
	t.Helper()
	d := &duel{}
	var o graph.Options
	a := newAPI(t, db.SQLite, append(change, func(p *graph.Options) { o = *p })...)
	ctx := t.Context()
	if err := interchange.ImportSample(ctx, a.store.Scope("").Threads(), func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	odd := `{"id":"odd \"\\\u0001\u2028 é","title":"\t<>&\u001f\u007f😀",` +
		`"created_at":"2024-05-15T15:00:00.123456+00:00","messages":[` +
		`{"id":"odd1","role":"user","content":[{"type":"text","text":"a\"\n"},{"type":"image_url",` +
		`"image_url":{"url":"x"}}],"metrics":{"timing":{"latency":0.1},"weave_call":{"id":"w","ui_url":"u"}}},` +
		`{"id":"odd2","role":"assistant","content":"","name":"n",` +
		`"metrics":{"timing":{"started_at":"2024-05-15T15:00:00+00:00","latency":1e21}}},` +
		`{"id":"odd3","role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function",` +
		`"function":{"name":"f","arguments":"{}"}}]}]}`
	if err := interchange.Import(ctx, a.store.Scope("").Threads(), "odd", strings.NewReader(odd),
		func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	// Rows that cannot be read, for errors in the middle of an answer.
	raw := dbtest.Raw(t, a.options)
	dbtest.Exec(t, raw, `UPDATE messages SET tool_calls = '{"no": "list"}' WHERE id = 'sample-refund/3'`)
	dbtest.Exec(t, raw, `UPDATE messages SET parts = '[1]' WHERE id = 'sample-photo/2'`)
	dbtest.Exec(t, raw, `UPDATE messages SET metrics = '{"timing": 7}' WHERE id = 'sample-outage/4'`)
	dbtest.Exec(t, raw, `UPDATE messages SET attachments = '[{}]' WHERE id = 'sample-stock/3'`)

	plain, fast := o, o
	graph.GqlgenOnly(&plain)
	graph.Observe(func(ctx context.Context, next graphql.Resolver) (any, error) {
		result, err := next(ctx)
		if fc := graphql.GetFieldContext(ctx); err == nil && fc.Parent != nil && fc.Parent.Parent == nil {
			switch v := result.(type) {
			case encode.Encoded:
				d.encoded.Add(1)
			case *db.Thread:
				if v != nil {
					d.left.Add(1)
				}
			case *db.Message:
				if v != nil {
					d.left.Add(1)
				}
			case []*db.Thread, []*db.Message, *model.ThreadConnection:
				d.left.Add(1)
			}
		}
		return result, err
	})(&fast)
	d.ours, d.theirs = graph.New(fast), graph.New(plain)
	text := httptest.NewRecorder()
	d.ours.ServeHTTP(text, httptest.NewRequest(http.MethodGet, "/schema.graphql", nil))
	d.schema = gqlparser.MustLoadSchema(&ast.Source{Input: text.Body.String()})
	threads, err := a.store.Scope("").Threads().List(ctx, 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, th := range threads {
		d.cursors = append(d.cursors, th.Cursor().String())
	}
	return d
}

// answer is what must be equal: the bytes of the data, and the errors in any order.
type answer struct {
	status int
	data   string
	errors []string
}

func ask(t testing.TB, h http.Handler, query string, variables map[string]any) answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-Id", "duel")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var got struct {
		Data   json.RawMessage
		Errors []json.RawMessage
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("no JSON (%v): %s\nfor %s", err, w.Body, query)
	}
	result := answer{status: w.Code, data: string(got.Data)}
	for _, e := range got.Errors {
		result.errors = append(result.errors, string(e))
	}
	slices.Sort(result.errors)
	result.errors = slices.Compact(result.errors)
	return result
}

// compare fails for any difference, and returns our answer.
func (d *duel) compare(t testing.TB, query string, variables map[string]any) answer {
	t.Helper()
	ours := ask(t, d.ours, query, variables)
	theirs := ask(t, d.theirs, query, variables)
	if ours.status != theirs.status || ours.data != theirs.data || !slices.Equal(ours.errors, theirs.errors) {
		t.Fatalf("the answers differ\nquery: %s\nvariables: %v\nours:   %+v\ntheirs: %+v", query, variables, ours,
			theirs)
	}
	return ours
}

// TestEncoders asks thousands of random queries.
func TestEncoders(t *testing.T) {
	d := newDuel(t)
	withErrors, fields := 0, map[string]bool{}
	const n = 3000
	for seed := range uint64(n) {
		g := newGenerator(d, rand.New(rand.NewPCG(seed, 1)))
		query := g.document()
		if a := d.compare(t, query, g.variables); len(a.errors) > 0 {
			withErrors++
			if a.status != http.StatusOK || strings.Contains(strings.Join(a.errors, ""), "GRAPHQL_") {
				t.Fatalf("the generator made what is not valid: %+v\n%s", a, query)
			}
		}
		for f := range g.fields {
			fields[f] = true
		}
	}
	for name, def := range d.schema.Types {
		if def.Kind != ast.Object || strings.HasPrefix(name, "__") || name == "Mutation" {
			continue
		}
		for _, f := range def.Fields {
			if !strings.HasPrefix(f.Name, "__") && !fields[name+"."+f.Name] {
				t.Errorf("%s.%s was never asked for", name, f.Name)
			}
		}
	}
	encoded, left := d.encoded.Load(), d.left.Load()
	if encoded < n/2 || left*10 > encoded {
		t.Errorf("%d results were encoded directly and %d were not; want 90%% or more of them", encoded, left)
	}
	if withErrors < n/50 || withErrors > n*9/10 {
		t.Errorf("%d of %d operations had errors: that is no good mix", withErrors, n)
	}
	t.Logf("%d operations, %d results encoded directly and %d not, %d operations with errors", n, encoded, left,
		withErrors)
}

// TestEncoderFailures makes the resolver of a field fail that is not of a list.
func TestEncoderFailures(t *testing.T) {
	for _, err := range []error{errors.New("broken"), nil} { // nil is a panic
		d := newDuel(t, func(o *graph.Options) { o.Threads = failing{o.Threads, err} })
		for _, query := range []string{
			`{ threadConnection { totalCount } }`,
			`{ threadConnection(first: 2) { pageInfo { endCursor } a: totalCount edges { node { id } } b: ` +
				`totalCount } thread(id: "sample-photo") { id } }`,
		} {
			if a := d.compare(t, query, nil); a.data != "null" || len(a.errors) == 0 ||
				!strings.Contains(a.errors[0], `"threadConnection"`) {
				t.Errorf("%s: %+v", query, a)
			}
		}
	}
}

// TestEncoderMutations sends what leaves the same answer when it is sent again.
func TestEncoderMutations(t *testing.T) {
	d := newDuel(t)
	for _, m := range []string{
		`mutation { addMessage(threadId: "sample-refund", message: {id: "again", role: USER, content: "x"}) { id ` +
			`sequence thread { id messageCount messages(last: 2) { id } } } }`,
		`mutation { a: addMessages(threadId: "sample-refund", messages: [{id: "a1", role: USER}, {id: "a2", role: ` +
			`TOOL, toolCallId: "c"}]) { ...M } b: addMessages(threadId: "sample-refund", messages: []) { ...M } } ` +
			`fragment M on Message { id __typename thread { title } }`,
		`mutation { addMessage(threadId: "nowhere", message: {role: USER}) { id } }`,
		`mutation { saveThread(thread: {id: "new", messages: [{id: "again", role: USER}]}) { id messages { id } } }`,
		// A row that cannot be read makes null of the whole field, which is not nullable here as it is in Query.
		`mutation { saveThread(thread: {id: "sample-refund"}) { id messages { toolCalls { callId } } } }`,
		`mutation { a: deleteThread(id: "nowhere") b: addMessage(threadId: "nowhere", message: {role: USER}) { id } }`,
	} {
		ask(t, d.theirs, m, nil)
		d.compare(t, m, nil)
	}
}

// sharedThreads and sharedMessages hand the same lists to everybody, as a bus does that tells many subscribers of one
// event.
type sharedThreads struct {
	graph.ThreadStore
	list []*db.Thread
}

func (s *sharedThreads) List(context.Context, int, int) ([]*db.Thread, error) { return s.list, nil }

type sharedMessages struct {
	graph.MessageStore
	lists map[string][]*db.Message
}

func (s *sharedMessages) ListByThreads(context.Context, []string, db.Window) (map[string][]*db.Message, error) {
	return s.lists, nil
}

// TestEncodersShare encodes the same lists many times, at once: encoders must not write to what they encode.
func TestEncodersShare(t *testing.T) {
	threads, messages := &sharedThreads{}, &sharedMessages{}
	d := newDuel(t, func(o *graph.Options) {
		threads.ThreadStore, messages.MessageStore = o.Threads, o.Messages
		o.Threads, o.Messages = threads, messages
	})
	ids := []string{"sample-photo", "sample-stock"}
	found, err := threads.ByIDs(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	threads.list = []*db.Thread{found[ids[0]], found[ids[1]]}
	all := db.NewWindow(nil, nil, nil, nil, nil)
	if messages.lists, err = messages.MessageStore.ListByThreads(t.Context(), ids, all); err != nil {
		t.Fatal(err)
	}
	before := map[string][]*db.Message{}
	for id, list := range messages.lists {
		before[id] = slices.Clone(list)
	}
	const query = `{ threads { id title messages { id content } } messages(threadId: "sample-photo") { id content ` +
		`thread { id } } }`
	want := ask(t, d.theirs, query, nil)
	if len(want.errors) > 0 || strings.Count(want.data, `"content"`) < 6 {
		t.Fatalf("that is not much to encode: %+v", want)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 10 {
				if got := ask(t, d.ours, query, nil); got.data != want.data {
					t.Errorf("got %+v, want %+v", got, want)
				}
			}
		})
	}
	group.Wait()
	for id, list := range messages.lists {
		if !slices.Equal(list, before[id]) {
			t.Errorf("the messages of %s are changed", id)
		}
	}
}

// FuzzEncoders lets the fuzzer choose the queries: go test ./graph -run - -fuzz FuzzEncoders -fuzztime 10m
func FuzzEncoders(f *testing.F) {
	d := newDuel(f)
	for seed := range uint64(20) {
		f.Add(binary.LittleEndian.AppendUint64(nil, seed))
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		var key [32]byte
		copy(key[:], choices)
		g := newGenerator(d, rand.New(rand.NewChaCha8(key)))
		d.compare(t, g.document(), g.variables)
	})
}

// generator makes random valid operations.
type generator struct {
	*rand.Rand
	schema    *ast.Schema
	cursors   []string // of all threads
	aliases   int
	declared  []string // variables, as the operation declares them
	variables map[string]any
	fragments []string
	fields    map[string]bool // that occur
}

func newGenerator(d *duel, r *rand.Rand) *generator {
	return &generator{Rand: r, schema: d.schema, cursors: d.cursors, variables: map[string]any{},
		fields: map[string]bool{}}
}

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) document() string {
	body := g.selection(g.schema.Query, 0)
	head := "query Random"
	if len(g.declared) > 0 {
		head += "(" + strings.Join(g.declared, ", ") + ")"
	}
	return head + " " + body + "\n" + strings.Join(g.fragments, "\n")
}

// selection returns a selection set. Fields with arguments or objects get names
// of their own, so that no two of one name differ.
func (g *generator) selection(d *ast.Definition, depth int) string {
	var b strings.Builder
	b.WriteString("{ ")
	if d.Kind == ast.Union {
		b.WriteString("__typename ")
		for _, p := range g.schema.GetPossibleTypes(d) {
			if g.chance(80) {
				b.WriteString("... on " + p.Name + g.directives() + " " + g.selection(p, depth) + " ")
			}
		}
		return b.String() + "}"
	}
	most := 6
	if depth == 0 {
		most = 3
	}
	for range 1 + g.IntN(most) {
		switch n := g.IntN(100); {
		case n < 5 && depth > 0:
			b.WriteString(pick(g, "", "other: ") + "__typename ")
		case n < 12:
			b.WriteString("..." + pick(g, "", " on "+d.Name) + g.directives() + " " + g.selection(d, depth) + " ")
		case n < 18:
			name := fmt.Sprintf("F%d", len(g.fragments))
			g.fragments = append(g.fragments, "")
			g.fragments[len(g.fragments)-1] = "fragment " + name + " on " + d.Name + " " + g.selection(d, depth)
			// The list may have grown meanwhile, and the name's own place is what counts.
			g.place(name)
			b.WriteString("..." + name + g.directives() + " ")
		default:
			b.WriteString(g.field(d, depth))
		}
	}
	return b.String() + "}"
}

// place moves a fragment that was written last to where its name says.
func (g *generator) place(name string) {
	var i int
	_, _ = fmt.Sscanf(name, "F%d", &i)
	last := len(g.fragments) - 1
	if i != last {
		g.fragments[i], g.fragments[last] = g.fragments[last], g.fragments[i]
	}
}

func (g *generator) field(d *ast.Definition, depth int) string {
	for {
		f := d.Fields[g.IntN(len(d.Fields))]
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		def := g.schema.Types[f.Type.Name()]
		composite := def.Kind == ast.Object || def.Kind == ast.Union
		if composite && depth >= 5 {
			continue
		}
		g.fields[d.Name+"."+f.Name] = true
		text := f.Name
		if composite || len(f.Arguments) > 0 || g.chance(10) {
			g.aliases++
			text = fmt.Sprintf("a%d: %s", g.aliases, f.Name)
		}
		text += g.arguments(f) + g.directives()
		if composite {
			text += " " + g.selection(def, depth+1)
		}
		return text + " "
	}
}

func (g *generator) directives() string {
	if !g.chance(12) {
		return ""
	}
	value := pick(g, "true", "false")
	if g.chance(50) {
		value = g.variable("Boolean!", g.chance(50))
	}
	return " @" + pick(g, "include", "skip") + "(if: " + value + ")"
}

func (g *generator) variable(typ string, value any) string {
	name := fmt.Sprintf("$v%d", len(g.declared))
	g.declared = append(g.declared, name+": "+typ)
	g.variables[name[1:]] = value
	return name
}

func (g *generator) arguments(f *ast.FieldDefinition) string {
	var given []string
	window := pick(g, "first", "last") // not both, as a rule
	for _, a := range f.Arguments {
		if (a.Name == "first" || a.Name == "last") && a.Name != window && g.chance(98) {
			continue
		}
		if !a.Type.NonNull && g.chance(50) || a.DefaultValue != nil && g.chance(30) {
			continue
		}
		value := g.value(a)
		text := ""
		switch v := value.(type) {
		case map[string]any:
			text = g.variable(a.Type.String(), v)
		case []string:
			if text = "[" + strings.Join(v, ", ") + "]"; g.chance(30) {
				text = g.variable(a.Type.String(), v)
			}
		default:
			literal, _ := json.Marshal(v)
			if text = string(literal); g.chance(30) {
				text = g.variable(a.Type.String(), v)
			}
		}
		given = append(given, a.Name+": "+text)
	}
	if len(given) == 0 {
		return ""
	}
	return "(" + strings.Join(given, ", ") + ")"
}

func (g *generator) value(a *ast.ArgumentDefinition) any {
	switch {
	case a.Type.Name() == "ID":
		return pick(g, "sample-refund", "sample-photo", "sample-outage", "sample-numbers", "odd \"\\\u0001\u2028 é",
			"nothing", "", "odd1", "odd2", "sample-refund/3", "sample-stock/4")
	case a.Type.Name() == "JSONObject":
		return pick(g, map[string]any{}, map[string]any{"language": "en"},
			map[string]any{"customer_id": "C-17", "resolved": true}, map[string]any{"channel": "C123"},
			map[string]any{"nothing": nil})
	case a.Type.Name() == "Role":
		return pick(g, []string{}, []string{"TOOL"}, []string{"SYSTEM", "USER"}, []string{"ASSISTANT", "TOOL", "TOOL"})
	case a.Name == "after" || a.Name == "before":
		if g.chance(3) {
			return pick(g, "", "garbage", g.cursors[0]+"A", g.cursors[0][1:])
		}
		return pick(g, g.cursors...)
	case a.Type.Name() == "String":
		return pick(g, "web", "slack", "none")
	case a.Name == "limit":
		return pick(g, 0, 1, 2, 3, 9, -1)
	case a.Name == "offset":
		return pick(g, 0, 0, 0, 1, 5)
	}
	return pick(g, 0, 1, 2, 3, 5, 10, 10, -1)
}
