package dbtest

import (
	"bytes"
	"context"
	"encoding/json"
	"math/big"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/jsontext"
)

// Run runs the whole suite on one kind of database.
func Run(t *testing.T, driver db.Driver) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, db.Driver)
	}{
		{"Save", testSave},
		{"SaveMessages", testSaveMessages},
		{"SaveGuard", testSaveGuard},
		{"SaveStatements", testSaveStatements},
		{"UpdatedAt", testUpdatedAt},
		{"Random", testRandom},
		{"Add", testAdd},
		{"AddRetry", testAddRetry},
		{"AddMany", testAddMany},
		{"Invalid", testInvalid},
		{"Delete", testDelete},
		{"List", testList},
		{"Pages", testPages},
		{"PageWalk", testPageWalk},
		{"Windows", testWindows},
		{"Counts", testCounts},
		{"Find", testFind},
		{"FindCommon", testFindCommon},
		{"FindRandom", testFindRandom},
		{"Changes", testChanges},
		{"Restore", testRestore},
		{"Walk", testWalk},
		{"BrokenRows", testBrokenRows},
		{"ParallelAdd", testParallelAdd},
		{"SharedAdd", testSharedAdd},
		{"SharedRead", testSharedRead},
		{"ParallelErrors", testParallelErrors},
		{"ParallelSave", testParallelSave},
		{"SaveWhileDeleting", testSaveWhileDeleting},
		{"ParallelIDs", testParallelIDs},
		{"PoolTimeout", testPoolTimeout},
		{"Cancel", testCancel},
		{"Durability", testDurability},
		{"Migrate", testMigrate},
		{"MigrateTogether", testMigrateTogether},
		{"MigrateSources", testMigrateSources},
		{"MigrateTenants", testMigrateTenants},
		{"Scopes", testScopes},
		{"FutureSchema", testFutureSchema},
		{"Adopt", testAdopt},
		{"AdoptFailure", testAdoptFailure},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, driver)
		})
	}
}

var ctx = context.Background()

// start is where the clocks of tests begin.
var start = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

func ptr[T any](v T) *T { return &v }

// some returns a given optional pointer.
func some[T any](v T) db.Opt[*T] { return db.Some(&v) }

// null returns explicit null.
func null[T any]() db.Opt[T] { return db.Opt[T]{Set: true} }

func object(t testing.TB, text string) db.JSON {
	t.Helper()
	v, err := jsontext.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	j, err := db.NewObject(v.(map[string]any))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func givenObject(t testing.TB, text string) db.Opt[db.JSON] { return db.Some(object(t, text)) }

func mustDocument(j db.JSON, err error) db.Opt[db.JSON] {
	if err != nil {
		panic(err)
	}
	return db.Some(j)
}

// value decodes JSON text so that equal values are equal in Go: numbers become exact fractions.
func value(t testing.TB, j db.JSON) any {
	t.Helper()
	if j == "" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(j)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", j, err)
	}
	return exact(v)
}

func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		r, _ := new(big.Rat).SetString(v.String())
		return "number " + r.String()
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exact(v[k])
		}
	}
	return v
}

// thread and message are what the API shows of them, comparable by cmp.
type thread struct {
	ID                   string
	Title                *string
	Attributes, Source   any
	CreatedAt, UpdatedAt time.Time
	Messages             []message
}

type message struct {
	ID, ThreadID       string
	Role               db.Role
	Sequence           int
	Content            *string
	Parts              []db.Part
	Name, ToolCallID   *string
	ToolCalls          []db.ToolCall
	Attributes, Source any
	Timestamp          time.Time
	Attachments        []db.Attachment
	Metrics            db.Metrics
}

func shown(t testing.TB, m *db.Message) message {
	t.Helper()
	parts, err1 := m.Parts()
	calls, err2 := m.ToolCalls()
	attachments, err3 := m.Attachments()
	metrics, err4 := m.Metrics()
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range attachments {
		if a := &attachments[i]; a.Attributes != "" {
			text, _ := json.Marshal(value(t, a.Attributes))
			a.Attributes = db.JSON(text)
		}
	}
	none := func(n int) bool { return n == 0 }
	if none(len(parts)) {
		parts = nil
	}
	if none(len(calls)) {
		calls = nil
	}
	if none(len(attachments)) {
		attachments = nil
	}
	return message{m.ID, m.ThreadID, m.Role, m.Sequence, m.Content, parts, m.Name, m.ToolCallID, calls,
		value(t, m.Attributes), value(t, m.Source), m.Timestamp, attachments, metrics}
}

func shownAll(t testing.TB, messages []*db.Message) []message {
	t.Helper()
	var all []message
	for _, m := range messages {
		all = append(all, shown(t, m))
	}
	return all
}

func shownThread(t testing.TB, th *db.Thread, messages []*db.Message) thread {
	t.Helper()
	return thread{th.ID, th.Title, value(t, th.Attributes), value(t, th.Source), th.CreatedAt, th.UpdatedAt,
		shownAll(t, messages)}
}

// load returns the thread with its messages, nil when it is unknown. It also
// checks that the counters are those of the messages.
func load(t testing.TB, store *db.DB, id string) *thread {
	t.Helper()
	threads, err := store.Scope("").Threads().ByIDs(ctx, []string{id})
	if err != nil {
		t.Fatal(err)
	}
	messages := all(t, store, id)
	th := threads[id]
	if th == nil {
		if len(messages) > 0 {
			t.Fatalf("thread %q is unknown but has %d messages", id, len(messages))
		}
		return nil
	}
	counts, err := store.Scope("").Messages().CountByThreads(ctx, []string{id})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []db.Role{db.RoleSystem, db.RoleUser, db.RoleAssistant, db.RoleTool} {
		n := 0
		for _, m := range messages {
			if m.Role == r {
				n++
			}
		}
		if got := counts[id].Of(db.NewRoleSet([]db.Role{r})); got != n {
			t.Fatalf("thread %q has %d messages of role %s and counts %d", id, n, r, got)
		}
	}
	s := shownThread(t, th, messages)
	return &s
}

func all(t testing.TB, store *db.DB, id string) []*db.Message {
	t.Helper()
	return window(t, store, id, db.NewWindow(nil, nil, nil, nil, nil))
}

func window(t testing.TB, store *db.DB, id string, w db.Window) []*db.Message {
	t.Helper()
	found, err := store.Scope("").Messages().ListByThreads(ctx, []string{id}, w)
	if err != nil {
		t.Fatal(err)
	}
	return found[id]
}

func save(t testing.TB, store *db.DB, p db.ThreadPatch) *db.Thread {
	t.Helper()
	th, err := store.Scope("").Threads().Save(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	return th
}

// user is a message from a user.
func user(content string) db.MessagePatch {
	return db.MessagePatch{Role: db.RoleUser, Content: some(content)}
}

func withID(id string, p db.MessagePatch) db.MessagePatch {
	p.ID = &id
	return p
}

func list(patches ...db.MessagePatch) *[]db.MessagePatch { return &patches }

// wantCode fails unless err has the code and, for Invalid, the path.
func wantCode(t testing.TB, what string, err error, code db.Code, path ...any) {
	t.Helper()
	if !code.Is(err) {
		t.Errorf("%s: error %v, want code %d", what, err, code)
		return
	}
	if e := err.(*db.Error); len(path) > 0 && !cmp.Equal(e.Path, path) {
		t.Errorf("%s: error at %v (%s), want %v", what, e.Path, e.Reason, path)
	}
}

func diff(t testing.TB, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s: got (+), want (-):\n%s", what, d)
	}
}

func ids(threads []*db.Thread) []string {
	out := []string{}
	for _, th := range threads {
		out = append(out, th.ID)
	}
	return out
}

func number(prefix string, i int) string { return prefix + strconv.Itoa(i) }
