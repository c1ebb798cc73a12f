package dbtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
)

func testAdd(t *testing.T, driver db.Driver) {
	clock := NewClock(start)
	store := Open(t, driver, db.Hooks{Now: clock.Now})
	save(t, store, db.ThreadPatch{ID: ptr("t"), Title: some("kept"), Attributes: givenObject(t, `{"a":1}`)})
	clock.Add(time.Second)

	got, th, err := store.Scope("").Messages().Add(ctx, "t", []db.MessagePatch{fullMessage(t)})
	if err != nil {
		t.Fatal(err)
	}
	want := fullShown(t, "t", 1)
	diff(t, "returned", shownAll(t, got), []message{want})
	diff(t, "stored", load(t, store, "t").Messages, []message{want})
	diff(t, "the thread as returned", shownThread(t, th, got), *load(t, store, "t"))
	if th.UpdatedAt != start.Add(time.Second) || *th.Title != "kept" {
		t.Errorf("the thread is %+v", th)
	}

	for i, c := range []struct {
		role     db.Role
		sequence int
	}{{db.RoleUser, 2}, {db.RoleSystem, 0}, {db.RoleAssistant, 3}, {db.RoleSystem, 0}, {db.RoleUser, 4}} {
		got, _, err := store.Scope("").Messages().Add(ctx, "t",
			[]db.MessagePatch{{ID: ptr(number("m", i)), Role: c.role}})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, number("message ", i), shown(t, got[0]),
			message{ID: number("m", i), ThreadID: "t", Role: c.role, Sequence: c.sequence,
				Attributes: map[string]any{}, Timestamp: clock.Now()})
	}
	var order []string
	for _, m := range all(t, store, "t") {
		order = append(order, m.ID)
	}
	diff(t, "order", order, []string{"m1", "m3", "full", "m0", "m2", "m4"})

	for _, id := range []string{"unknown", "", "\x00", strings.Repeat("x", 256)} {
		_, _, err := store.Scope("").Messages().Add(ctx, id, []db.MessagePatch{user("x")})
		wantCode(t, fmt.Sprintf("Add to %.10q", id), err, db.NotFound)
		_, _, err = store.Scope("").Messages().Add(ctx, id, nil)
		wantCode(t, fmt.Sprintf("Add nothing to %.10q", id), err, db.NotFound)
	}
	if got, _, err := store.Scope("").Messages().Add(ctx, "t", nil); err != nil || len(got) != 0 {
		t.Errorf("Add nothing = %v, %v", got, err)
	}

	t.Run("after a save", func(t *testing.T) {
		save(t, store, db.ThreadPatch{ID: ptr("t"), Messages: list(user("only"))})
		got, _, err := store.Scope("").Messages().Add(ctx, "t", []db.MessagePatch{user("next")})
		if err != nil || got[0].Sequence != 2 {
			t.Errorf("sequence %v, %v; want 2", got, err)
		}
	})
}

func testAddRetry(t *testing.T, driver db.Driver) {
	clock := NewClock(start)
	store := Open(t, driver, db.Hooks{Now: clock.Now})
	save(t, store, db.ThreadPatch{ID: ptr("t")})
	save(t, store, db.ThreadPatch{ID: ptr("other")})
	add := func(id string, p db.MessagePatch) (*db.Message, error) {
		clock.Add(time.Second)
		got, _, err := store.Scope("").Messages().Add(ctx, id, []db.MessagePatch{p})
		if err != nil {
			return nil, err
		}
		return got[0], nil
	}
	if _, err := add("t", fullMessage(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := add("t", withID("bare", db.MessagePatch{Role: db.RoleUser})); err != nil {
		t.Fatal(err)
	}
	before := *load(t, store, "t")

	document := func(j db.JSON, err error) db.Opt[db.JSON] { return mustDocument(j, err) }
	omit := func(change func(*db.MessagePatch)) db.MessagePatch {
		p := fullMessage(t)
		change(&p)
		return p
	}
	for _, c := range []struct {
		name  string
		patch db.MessagePatch
		same  bool
	}{
		{"the same", fullMessage(t), true},
		{"without the timestamp", omit(func(p *db.MessagePatch) { p.Timestamp = db.Opt[*time.Time]{} }), true},
		{"timestamp null", omit(func(p *db.MessagePatch) { p.Timestamp = null[*time.Time]() }), true},
		{"another timestamp", omit(func(p *db.MessagePatch) { p.Timestamp = some(start) }), false},
		{"numbers spelled otherwise", omit(func(p *db.MessagePatch) { p.Attributes = givenObject(t, `{"k":1e-1}`) }),
			true},
		{"another number", omit(func(p *db.MessagePatch) {
			p.Attributes = givenObject(t, `{"k":0.10000000000000000001}`)
		}), false},
		{"another role", omit(func(p *db.MessagePatch) { p.Role = db.RoleUser }), false},
		{"other content", omit(func(p *db.MessagePatch) { p.Content = some("text ") }), false},
		{"content omitted", omit(func(p *db.MessagePatch) { p.Content = db.Opt[*string]{} }), false},
		{"the content as parts", omit(func(p *db.MessagePatch) {
			p.Content, p.Parts = db.Opt[*string]{}, document(db.EncodeParts([]db.Part{db.TextPart{Text: "text"}}))
		}), false},
		{"name omitted", omit(func(p *db.MessagePatch) { p.Name = db.Opt[*string]{} }), false},
		{"name null", omit(func(p *db.MessagePatch) { p.Name = null[*string]() }), false},
		{"another name", omit(func(p *db.MessagePatch) { p.Name = some("x") }), false},
		{"another toolCallId", omit(func(p *db.MessagePatch) { p.ToolCallID = some("x") }), false},
		{"toolCalls omitted", omit(func(p *db.MessagePatch) { p.ToolCalls = db.Opt[db.JSON]{} }), false},
		{"other arguments", omit(func(p *db.MessagePatch) {
			p.ToolCalls = document(db.EncodeToolCalls([]db.ToolCall{{CallID: "c1", Type: "function",
				Function: db.ToolCallFunction{Name: "f", Arguments: `{"x":1}`}}}))
		}), false},
		{"attributes omitted", omit(func(p *db.MessagePatch) { p.Attributes = db.Opt[db.JSON]{} }), false},
		{"source omitted", omit(func(p *db.MessagePatch) { p.Source = db.Opt[db.JSON]{} }), false},
		{"another source", omit(func(p *db.MessagePatch) { p.Source = givenObject(t, `{"id":"u2"}`) }), false},
		{"attachments omitted", omit(func(p *db.MessagePatch) { p.Attachments = db.Opt[db.JSON]{} }), false},
		{"another attachment status", omit(func(p *db.MessagePatch) {
			p.Attachments = document(db.EncodeAttachments([]db.Attachment{{Filename: "a.txt",
				MimeType: ptr("text/plain"), FileID: ptr("f1"),
				StoragePath: ptr("p"), StorageBackend: ptr("local"), Status: db.AttachmentFailed,
				Attributes: object(t, `{"s":1}`)}}))
		}), false},
		{"metrics omitted", omit(func(p *db.MessagePatch) { p.Metrics = db.Opt[db.JSON]{} }), false},
		{"other metrics", omit(func(p *db.MessagePatch) {
			p.Metrics = document(db.EncodeMetrics(db.Metrics{Model: ptr("gpt")}))
		}), false},
		{"bare, again", withID("bare", db.MessagePatch{Role: db.RoleUser}), true},
		{"bare, defaults spelled out", withID("bare",
			db.MessagePatch{Role: db.RoleUser, Content: null[*string](), Attributes: givenObject(t, `{}`),
				Metrics: document(db.EncodeMetrics(db.Metrics{}))}), true},
		{"bare, with empty content", withID("bare", db.MessagePatch{Role: db.RoleUser, Content: some("")}), false},
		{"bare, with empty parts", withID("bare",
			db.MessagePatch{Role: db.RoleUser, Parts: document(db.EncodeParts(nil))}), true},
	} {
		got, err := add("t", c.patch)
		if c.same {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			for _, m := range before.Messages {
				if m.ID == got.ID {
					diff(t, c.name, shown(t, got), m)
				}
			}
		} else {
			wantCode(t, c.name, err, db.Conflict)
		}
		diff(t, c.name+": nothing changed", *load(t, store, "t"), before)
	}
	_, err := add("other", fullMessage(t))
	wantCode(t, "the id in another thread", err, db.Conflict)
	if n := len(all(t, store, "other")); n != 0 {
		t.Errorf("the other thread has %d messages", n)
	}
	if _, err := add("unknown", fullMessage(t)); !db.NotFound.Is(err) {
		t.Errorf("a known message id and an unknown thread: %v, want NotFound", err)
	}
}

func testAddMany(t *testing.T, driver db.Driver) {
	clock := NewClock(start)
	seen := &Statements{}
	store := Open(t, driver, db.Hooks{Now: clock.Now, Connector: seen.Connector})
	save(t, store, db.ThreadPatch{ID: ptr("t")})
	save(t, store, db.ThreadPatch{ID: ptr("other"), Messages: list(withID("taken", user("x")))})
	add := func(patches ...db.MessagePatch) ([]*db.Message, error) {
		got, _, err := store.Scope("").Messages().Add(ctx, "t", patches)
		return got, err
	}
	a, b := withID("a", user("a")), withID("b", user("b"))

	got, err := add(a, user("no id"), b, a)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, m := range got {
		order = append(order, fmt.Sprint(m.Sequence, *m.Content))
	}
	diff(t, "with the same message twice", order, []string{"1a", "2no id", "3b", "1a"})

	for name, patches := range map[string][]db.MessagePatch{
		"another message of an id in the list": {withID("n1", user("x")), withID("n1", user("y"))},
		"another message of a stored id":       {withID("n2", user("x")), withID("a", user("z"))},
		"an id of another thread":              {withID("n3", user("x")), withID("taken", user("x"))},
	} {
		before := *load(t, store, "t")
		_, err := add(patches...)
		wantCode(t, name, err, db.Conflict)
		diff(t, name+": nothing changed", *load(t, store, "t"), before)
	}
	before := *load(t, store, "t")
	_, err = add(user("x"), db.MessagePatch{Role: db.RoleTool})
	wantCode(t, "an invalid one", err, db.Invalid, 1, "toolCallId")
	diff(t, "an invalid one: nothing changed", *load(t, store, "t"), before)

	if _, err := add(a, b, withID("c", user("c"))); err != nil { // a retry whose last part was never stored
		t.Fatal(err)
	}
	if got := load(t, store, "t").Messages; len(got) != 4 || got[3].ID != "c" || got[3].Sequence != 4 {
		t.Errorf("after a partial retry: %d messages, last %+v", len(got), got[len(got)-1])
	}

	var counts []int
	for _, n := range []int{1, 100, 5000} {
		patches := make([]db.MessagePatch, n)
		for i := range patches {
			patches[i] = withID(fmt.Sprintf("%d/%d", n, i), user("x"))
		}
		clock.Add(time.Second)
		seen.Take()
		if _, err := add(patches...); err != nil {
			t.Fatal(err)
		}
		counts = append(counts, len(seen.Take()))
	}
	one := 3
	if driver != db.SQLite { // on PostgreSQL, a message alone takes a single statement
		one = 1
	}
	diff(t, "statements for 1, 100 and 5000 messages", counts, []int{one, 4, 4})
}

// testInvalid breaks every rule that the database package checks itself.
func testInvalid(t *testing.T, driver db.Driver) {
	store := Open(t, driver, db.Hooks{})
	save(t, store, db.ThreadPatch{ID: ptr("t")})
	long, longest := strings.Repeat("é", 256), strings.Repeat("é", 255)
	for _, c := range []struct {
		name  string
		patch db.MessagePatch
		path  []any
	}{
		{"id empty", withID("", user("x")), []any{"id"}},
		{"id too long", withID(long, user("x")), []any{"id"}},
		{"id with NUL", withID("a\x00", user("x")), []any{"id"}},
		{"content with NUL", user("a\x00b"), []any{"content"}},
		{"name with NUL", db.MessagePatch{Role: db.RoleUser, Name: some("\x00")}, []any{"name"}},
		{"toolCallId with NUL", db.MessagePatch{Role: db.RoleUser, ToolCallID: some("\x00")}, []any{"toolCallId"}},
		{"tool without toolCallId", db.MessagePatch{Role: db.RoleTool}, []any{"toolCallId"}},
		{"tool with empty toolCallId", db.MessagePatch{Role: db.RoleTool, ToolCallID: some("")}, []any{"toolCallId"}},
		{"content and parts", db.MessagePatch{Role: db.RoleUser, Content: some("x"),
			Parts: mustDocument(db.EncodeParts([]db.Part{db.TextPart{Text: "x"}}))}, []any{"parts"}},
		{"no role", db.MessagePatch{}, []any{"role"}},
	} {
		_, _, err := store.Scope("").Messages().Add(ctx, "t", []db.MessagePatch{user("fine"), c.patch})
		wantCode(t, c.name+", Add", err, db.Invalid, append([]any{1}, c.path...)...)
		_, err = store.Scope("").Threads().Save(ctx,
			db.ThreadPatch{ID: ptr("t"), Messages: list(user("fine"), c.patch)})
		wantCode(t, c.name+", Save", err, db.Invalid, append([]any{"messages", 1}, c.path...)...)
	}
	for _, c := range []struct {
		name  string
		patch db.ThreadPatch
		path  []any
	}{
		{"id empty", db.ThreadPatch{ID: ptr("")}, []any{"id"}},
		{"id too long", db.ThreadPatch{ID: &long}, []any{"id"}},
		{"id with NUL", db.ThreadPatch{ID: ptr("\x00")}, []any{"id"}},
		{"title with NUL", db.ThreadPatch{ID: ptr("t"), Title: some("\x00")}, []any{"title"}},
	} {
		_, err := store.Scope("").Threads().Save(ctx, c.patch)
		wantCode(t, c.name, err, db.Invalid, c.path...)
	}
	if n := len(all(t, store, "t")); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
	if _, err := store.Scope("").Threads().Save(ctx,
		db.ThreadPatch{ID: &longest, Messages: list(withID(longest, user("x")))}); err != nil {
		t.Errorf("ids of 255 code points: %v", err)
	}
}

func testDelete(t *testing.T, driver db.Driver) {
	o := Options(t, driver)
	store := OpenOptions(t, o, db.Hooks{})
	patch := db.ThreadPatch{ID: ptr("t"), Attributes: givenObject(t, `{"a":1}`), Messages: list(withID("m", user("x")))}
	for range 2 { // the ids are free again at once
		save(t, store, patch)
		for _, want := range []bool{true, false} {
			if got, err := store.Scope("").Threads().Delete(ctx, "t"); got != want || err != nil {
				t.Errorf("Delete = %v, %v, want %v", got, err, want)
			}
		}
		if m, err := store.Scope("").Messages().Get(ctx, "m"); m != nil || err != nil {
			t.Errorf("the message is still there: %v, %v", m, err)
		}
		for _, table := range []string{"threads", "messages", "thread_properties"} {
			var n int
			if err := Raw(t, o).QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil || n != 0 {
				t.Errorf("%s has %d rows left, %v", table, n, err)
			}
		}
	}
	for _, id := range []string{"", "\x00", strings.Repeat("x", 256)} {
		if got, err := store.Scope("").Threads().Delete(ctx, id); got || err != nil {
			t.Errorf("Delete(%.10q) = %v, %v", id, got, err)
		}
		if got, err := store.Scope("").Messages().Get(ctx, id); got != nil || err != nil {
			t.Errorf("Get(%.10q) = %v, %v", id, got, err)
		}
		if got, err := store.Scope("").Threads().ByIDs(ctx, []string{id}); len(got) != 0 || err != nil {
			t.Errorf("ByIDs(%.10q) = %v, %v", id, got, err)
		}
		if got, err := store.Scope("").Messages().ListByThreads(ctx, []string{id},
			db.NewWindow(nil, nil, nil, nil, nil)); len(got) != 0 || err != nil {
			t.Errorf("ListByThreads(%.10q) = %v, %v", id, got, err)
		}
	}
}

var errStop = errors.New("stop")
