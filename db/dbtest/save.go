package dbtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
)

func testSave(t *testing.T, driver db.Driver) {
	clock := NewClock(start)
	store := Open(t, driver, db.Hooks{Now: clock.Now})

	created := save(t, store, db.ThreadPatch{})
	if len(created.ID) != 36 || created.ID[14] != '7' {
		t.Errorf("the server made the id %q, want a UUIDv7", created.ID)
	}
	want := thread{ID: created.ID, Title: ptr("Untitled Thread"), Attributes: map[string]any{}, CreatedAt: start,
		UpdatedAt: start}
	diff(t, "created with nothing given", *load(t, store, created.ID), want)
	diff(t, "returned", shownThread(t, created, nil), want)

	// Every field, omitted, null and given, on a thread that has them all.
	full := db.ThreadPatch{ID: ptr("full"), Title: some("Title"),
		Attributes: givenObject(t, `{"a":1.50,"big":12345678901234567890,"n":null}`),
		Source:     givenObject(t, `{"name":"slack"}`), CreatedAt: ptr(start.Add(-time.Hour)),
		Messages: list(withID("m1", user("hi")))}
	base := thread{ID: "full", Title: ptr("Title"),
		Attributes: value(t, `{"a":1.5,"big":12345678901234567890,"n":null}`),
		Source:     map[string]any{"name": "slack"}, CreatedAt: start.Add(-time.Hour), UpdatedAt: start}
	for _, c := range []struct {
		name   string
		patch  db.ThreadPatch
		change func(*thread)
	}{
		{"all omitted", db.ThreadPatch{}, func(*thread) {}},
		{"title null", db.ThreadPatch{Title: null[*string]()}, func(w *thread) { w.Title = nil }},
		{"title empty", db.ThreadPatch{Title: some("")}, func(w *thread) { w.Title = ptr("") }},
		{"attributes null", db.ThreadPatch{Attributes: null[db.JSON]()},
			func(w *thread) { w.Attributes = map[string]any{} }},
		{"attributes given", db.ThreadPatch{Attributes: givenObject(t, `{"b":{}}`)},
			func(w *thread) { w.Attributes = value(t, `{"b":{}}`) }},
		{"source null", db.ThreadPatch{Source: null[db.JSON]()}, func(w *thread) { w.Source = nil }},
		{"source given", db.ThreadPatch{Source: givenObject(t, `{}`)}, func(w *thread) { w.Source = map[string]any{} }},
		{"createdAt does not count on update", db.ThreadPatch{CreatedAt: ptr(start.Add(-2 * time.Hour))},
			func(*thread) {}},
		{"no messages", db.ThreadPatch{Messages: list()}, func(w *thread) { w.Messages = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := store.Scope("").Threads().Delete(ctx, "full"); err != nil {
				t.Fatal(err)
			}
			save(t, store, full)
			want := base
			want.Messages = load(t, store, "full").Messages
			if len(want.Messages) != 1 {
				t.Fatalf("%d messages, want 1", len(want.Messages))
			}
			diff(t, "created", *load(t, store, "full"), want)
			c.change(&want)
			c.patch.ID = ptr("full")
			got := save(t, store, c.patch)
			want.UpdatedAt = start.Add(time.Microsecond)
			diff(t, "updated", *load(t, store, "full"), want)
			diff(t, "returned", shownThread(t, got, all(t, store, "full")), want)
		})
	}
	t.Run("the answer is what is stored, also for an equal number", func(t *testing.T) {
		for _, text := range []string{`{"n":1}`, `{"n":1.0}`, `{"n":1.00}`} {
			got := save(t, store, db.ThreadPatch{ID: ptr("spelled"), Attributes: givenObject(t, text),
				Source: givenObject(t, text)})
			stored, err := store.Scope("").Threads().ByIDs(ctx, []string{"spelled"})
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range []db.JSON{got.Attributes, got.Source, stored["spelled"].Attributes,
				stored["spelled"].Source} {
				if strings.ReplaceAll(string(j), " ", "") != text {
					t.Errorf("saved %s, got %s", text, j)
				}
			}
		}
	})
	t.Run("null on create is the default, but for the title", func(t *testing.T) {
		save(t, store, db.ThreadPatch{ID: ptr("nulls"), Title: null[*string](), Attributes: null[db.JSON](),
			Source: null[db.JSON]()})
		diff(t, "created", *load(t, store, "nulls"),
			thread{ID: "nulls", Attributes: map[string]any{}, CreatedAt: start, UpdatedAt: start})
	})
}

// fullMessage has every field.
func fullMessage(t testing.TB) db.MessagePatch {
	t.Helper()
	return db.MessagePatch{
		ID: ptr("full"), Role: db.RoleTool, Content: some("text"), Name: some("name"), ToolCallID: some("call"),
		ToolCalls: mustDocument(db.EncodeToolCalls([]db.ToolCall{{CallID: "c1", Type: "function",
			Function: db.ToolCallFunction{Name: "f", Arguments: `{"x": 1}`}}})),
		Attributes: givenObject(t, `{"k":0.1}`), Timestamp: some(start.Add(-time.Minute)),
		Source: givenObject(t, `{"id":"u1"}`),
		Attachments: mustDocument(db.EncodeAttachments([]db.Attachment{{Filename: "a.txt", MimeType: ptr("text/plain"),
			FileID:      ptr("f1"),
			StoragePath: ptr("p"), StorageBackend: ptr("local"), Status: db.AttachmentStored,
			Attributes: object(t, `{"s":1}`)}})),
		Metrics: mustDocument(db.EncodeMetrics(db.Metrics{Model: ptr("gpt"),
			Timing:    db.Timing{StartedAt: ptr(start), EndedAt: ptr(start.Add(time.Second)), LatencyMS: 1000.25},
			Usage:     db.TokenUsage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 4},
			WeaveCall: &db.WeaveCall{CallID: "w", UIURL: "u"}})),
	}
}

// fullShown is fullMessage as it is read.
func fullShown(t testing.TB, threadID string, sequence int) message {
	t.Helper()
	return message{
		ID: "full", ThreadID: threadID, Role: db.RoleTool, Sequence: sequence, Content: ptr("text"),
		Parts: []db.Part{db.TextPart{Text: "text"}},
		Name:  ptr("name"), ToolCallID: ptr("call"),
		ToolCalls: []db.ToolCall{{CallID: "c1", Type: "function",
			Function: db.ToolCallFunction{Name: "f", Arguments: `{"x": 1}`}}},
		Attributes: value(t, `{"k":0.1}`), Source: value(t, `{"id":"u1"}`), Timestamp: start.Add(-time.Minute),
		Attachments: []db.Attachment{{Filename: "a.txt", MimeType: ptr("text/plain"), FileID: ptr("f1"),
			StoragePath: ptr("p"), StorageBackend: ptr("local"), Status: db.AttachmentStored,
			Attributes: `{"s":"number 1/1"}`}},
		Metrics: db.Metrics{Model: ptr("gpt"),
			Timing:    db.Timing{StartedAt: ptr(start), EndedAt: ptr(start.Add(time.Second)), LatencyMS: 1000.25},
			Usage:     db.TokenUsage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 4},
			WeaveCall: &db.WeaveCall{CallID: "w", UIURL: "u"}},
	}
}

func testSaveMessages(t *testing.T, driver db.Driver) {
	store := Open(t, driver, db.Hooks{Now: NewClock(start).Now})
	parts := func(p ...db.Part) db.Opt[db.JSON] { return mustDocument(db.EncodeParts(p)) }
	twoParts := parts(db.TextPart{Text: "one"}, db.ImagePart{URL: "u"}, db.TextPart{Text: "two"})
	withParts := func(m *message) {
		m.Content, m.Parts = ptr("one\ntwo"),
			[]db.Part{db.TextPart{Text: "one"}, db.ImagePart{URL: "u"}, db.TextPart{Text: "two"}}
	}
	noContent := func(m *message) { m.Content, m.Parts = nil, nil }

	for _, c := range []struct {
		name   string
		before db.MessagePatch // on top of fullMessage
		patch  db.MessagePatch // the update
		change func(*message)
	}{
		{name: "all omitted", change: func(*message) {}},
		{name: "role", patch: db.MessagePatch{Role: db.RoleUser}, change: func(m *message) { m.Role = db.RoleUser }},
		{name: "role system", patch: db.MessagePatch{Role: db.RoleSystem},
			change: func(m *message) { m.Role, m.Sequence = db.RoleSystem, 0 }},
		{name: "content null", patch: db.MessagePatch{Content: null[*string]()}, change: noContent},
		{name: "content empty", patch: db.MessagePatch{Content: some("")},
			change: func(m *message) { m.Content, m.Parts = ptr(""), []db.Part{db.TextPart{}} }},
		{name: "parts null", patch: db.MessagePatch{Parts: null[db.JSON]()}, change: noContent},
		{name: "content null and parts", patch: db.MessagePatch{Content: null[*string](), Parts: twoParts},
			change: withParts},
		{name: "content and parts null", patch: db.MessagePatch{Content: some("x"), Parts: null[db.JSON]()},
			change: func(m *message) { m.Content, m.Parts = ptr("x"), []db.Part{db.TextPart{Text: "x"}} }},
		{name: "parts replace content", patch: db.MessagePatch{Parts: twoParts}, change: withParts},
		{name: "no parts", patch: db.MessagePatch{Parts: parts()}, change: noContent},
		{name: "only images", patch: db.MessagePatch{Parts: parts(db.ImagePart{URL: "u"})},
			change: func(m *message) { m.Content, m.Parts = nil, []db.Part{db.ImagePart{URL: "u"}} }},
		{name: "content replaces parts", before: db.MessagePatch{Parts: twoParts},
			patch:  db.MessagePatch{Content: some("x")},
			change: func(m *message) { m.Content, m.Parts = ptr("x"), []db.Part{db.TextPart{Text: "x"}} }},
		{name: "content null clears parts", before: db.MessagePatch{Parts: twoParts},
			patch: db.MessagePatch{Content: null[*string]()}, change: noContent},
		{name: "parts null clears parts", before: db.MessagePatch{Parts: twoParts},
			patch: db.MessagePatch{Parts: null[db.JSON]()}, change: noContent},
		{name: "text that looks like parts", patch: db.MessagePatch{Content: some(`[{"type":"text","text":"x"}]`)},
			change: func(m *message) {
				m.Content, m.Parts = ptr(`[{"type":"text","text":"x"}]`),
					[]db.Part{db.TextPart{Text: `[{"type":"text","text":"x"}]`}}
			}},
		{name: "name null", patch: db.MessagePatch{Name: null[*string]()}, change: func(m *message) { m.Name = nil }},
		{name: "name empty", patch: db.MessagePatch{Name: some("")}, change: func(m *message) { m.Name = ptr("") }},
		{name: "toolCallId null", patch: db.MessagePatch{Role: db.RoleUser, ToolCallID: null[*string]()},
			change: func(m *message) { m.Role, m.ToolCallID = db.RoleUser, nil }},
		{name: "toolCalls null", patch: db.MessagePatch{ToolCalls: null[db.JSON]()},
			change: func(m *message) { m.ToolCalls = nil }},
		{name: "attributes null", patch: db.MessagePatch{Attributes: null[db.JSON]()},
			change: func(m *message) { m.Attributes = map[string]any{} }},
		{name: "attributes given", patch: db.MessagePatch{Attributes: givenObject(t, `{"x":[1,{}]}`)},
			change: func(m *message) { m.Attributes = value(t, `{"x":[1,{}]}`) }},
		{name: "timestamp null", patch: db.MessagePatch{Timestamp: null[*time.Time]()},
			change: func(m *message) { m.Timestamp = start }},
		{name: "timestamp given", patch: db.MessagePatch{Timestamp: some(start.Add(time.Hour))},
			change: func(m *message) { m.Timestamp = start.Add(time.Hour) }},
		{name: "source null", patch: db.MessagePatch{Source: null[db.JSON]()},
			change: func(m *message) { m.Source = nil }},
		{name: "attachments null", patch: db.MessagePatch{Attachments: null[db.JSON]()},
			change: func(m *message) { m.Attachments = nil }},
		{name: "metrics null", patch: db.MessagePatch{Metrics: null[db.JSON]()},
			change: func(m *message) { m.Metrics = db.Metrics{} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := "thread " + c.name
			first := fullMessage(t)
			first.ID = ptr("full " + c.name)
			want := fullShown(t, id, 1)
			want.ID = *first.ID
			if c.before.Parts.Set {
				first.Content, first.Parts = db.Opt[*string]{}, c.before.Parts
				withParts(&want)
			}
			save(t, store, db.ThreadPatch{ID: &id, Messages: list(first)})
			diff(t, "inserted", load(t, store, id).Messages, []message{want})

			c.patch.ID = first.ID
			if c.patch.Role == "" {
				c.patch.Role = db.RoleTool
			}
			c.change(&want)
			save(t, store, db.ThreadPatch{ID: &id, Messages: list(c.patch)})
			diff(t, "updated in place", load(t, store, id).Messages, []message{want})
		})
	}

	t.Run("null is as omitted on insert", func(t *testing.T) {
		p := db.MessagePatch{ID: ptr("nulls"), Role: db.RoleUser, Content: null[*string](), Parts: null[db.JSON](),
			Name: null[*string](), ToolCallID: null[*string](),
			ToolCalls: null[db.JSON](), Attributes: null[db.JSON](), Timestamp: null[*time.Time](),
			Source: null[db.JSON](), Attachments: null[db.JSON](), Metrics: null[db.JSON]()}
		save(t, store, db.ThreadPatch{ID: ptr("nulls"),
			Messages: list(p, withID("omitted", db.MessagePatch{Role: db.RoleUser}))})
		got := load(t, store, "nulls").Messages
		want := message{ID: "nulls", ThreadID: "nulls", Role: db.RoleUser, Sequence: 1, Attributes: map[string]any{},
			Timestamp: start}
		second := want
		second.ID, second.Sequence = "omitted", 2
		diff(t, "inserted", got, []message{want, second})
	})

	t.Run("the exact new list, sequences by position", func(t *testing.T) {
		roles := map[string]db.Role{"s1": db.RoleSystem, "s2": db.RoleSystem, "s3": db.RoleSystem}
		patches := func(names ...string) *[]db.MessagePatch {
			var all []db.MessagePatch
			for _, n := range names {
				p := withID(n, user(n))
				if roles[n] != "" {
					p.Role = roles[n]
				}
				all = append(all, p)
			}
			return &all
		}
		id := "order"
		for _, names := range [][]string{
			{"a", "s1", "b", "s2", "c"},
			{"c", "b", "a", "s2", "s1"}, // everything moves
			{"b"},
			{"s3", "x", "b", "y", "s1"},
			{"y", "x", "b"},
			{},
			{"s1", "s2", "s3"},
		} {
			save(t, store, db.ThreadPatch{ID: &id, Messages: patches(names...)})
			var system, others, got []string
			var sequences, wantSequences []int
			for _, n := range names {
				if roles[n] == db.RoleSystem {
					system = append(system, n)
					wantSequences = slices.Insert(wantSequences, 0, 0)
				} else {
					others = append(others, n)
					wantSequences = append(wantSequences, len(others))
				}
			}
			for _, m := range load(t, store, id).Messages {
				got = append(got, m.ID)
				sequences = append(sequences, m.Sequence)
			}
			diff(t, fmt.Sprint(names), got, append(system, others...))
			diff(t, fmt.Sprint(names, " sequences"), sequences, wantSequences)
		}
	})

	t.Run("a message of another thread", func(t *testing.T) {
		save(t, store, db.ThreadPatch{ID: ptr("owner"), Messages: list(withID("owned", user("mine")))})
		before := save(t, store, db.ThreadPatch{ID: ptr("thief"), Messages: list(withID("own", user("x")))})
		_, err := store.Scope("").Threads().Save(ctx,
			db.ThreadPatch{ID: ptr("thief"), Title: some("changed"),
				Messages: list(withID("new", user("y")), withID("owned", user("z")))})
		wantCode(t, "Save", err, db.Conflict)
		_, err = store.Scope("").Threads().Save(ctx,
			db.ThreadPatch{ID: ptr("new thief"), Messages: list(withID("owned", user("z")))})
		wantCode(t, "Save of a new thread", err, db.Conflict)
		if load(t, store, "new thief") != nil {
			t.Error("the new thread was made")
		}
		got := load(t, store, "thief")
		if got.UpdatedAt != before.UpdatedAt || *got.Title != "Untitled Thread" || len(got.Messages) != 1 {
			t.Errorf("the thread changed: %+v", got)
		}
		if n := len(load(t, store, "owner").Messages); n != 1 {
			t.Errorf("the owner has %d messages, want 1", n)
		}
	})

	t.Run("the same id twice", func(t *testing.T) {
		_, err := store.Scope("").Threads().Save(ctx,
			db.ThreadPatch{ID: ptr("twice"), Messages: list(withID("t", user("x")), user("y"), withID("t", user("x")))})
		wantCode(t, "Save", err, db.Invalid, "messages", 2, "id")
		if load(t, store, "twice") != nil {
			t.Error("the thread was made")
		}
	})

	t.Run("a stored message that would break a rule", func(t *testing.T) {
		save(t, store, db.ThreadPatch{ID: ptr("rule"), Messages: list(withID("rule", user("x")))})
		_, err := store.Scope("").Threads().Save(ctx,
			db.ThreadPatch{ID: ptr("rule"), Title: some("changed"),
				Messages: list(withID("rule", db.MessagePatch{Role: db.RoleTool}))})
		wantCode(t, "Save", err, db.Invalid, "messages", 0, "toolCallId")
		if got := load(t, store, "rule"); *got.Title != "Untitled Thread" || got.Messages[0].Role != db.RoleUser {
			t.Errorf("the thread changed: %+v", got)
		}
	})
}

func testSaveGuard(t *testing.T, driver db.Driver) {
	store := Open(t, driver, db.Hooks{Now: NewClock(start).Now})
	first := save(t, store, db.ThreadPatch{ID: ptr("t"), Title: some("first")})
	guarded := func(id *string, since time.Time) error {
		_, err := store.Scope("").Threads().Save(ctx,
			db.ThreadPatch{ID: id, Title: some("saved"), IfUnmodifiedSince: &since})
		return err
	}
	if err := guarded(ptr("t"), first.UpdatedAt); err != nil {
		t.Errorf("with the updatedAt that was read: %v", err)
	}
	before := *load(t, store, "t")
	wantCode(t, "with an older updatedAt", guarded(ptr("t"), first.UpdatedAt), db.Conflict)
	wantCode(t, "a microsecond too early", guarded(ptr("t"), before.UpdatedAt.Add(-time.Microsecond)), db.Conflict)
	wantCode(t, "an unknown id", guarded(ptr("unknown"), start.Add(time.Hour)), db.Conflict)
	wantCode(t, "no id", guarded(nil, start.Add(time.Hour)), db.Conflict)
	diff(t, "nothing changed", *load(t, store, "t"), before)
	if load(t, store, "unknown") != nil {
		t.Error("the unknown thread was made")
	}
	if err := guarded(ptr("t"), before.UpdatedAt.Add(999*time.Nanosecond)); err != nil {
		t.Errorf("with digits beyond the microsecond: %v", err)
	}
	if _, _, err := store.Scope("").Messages().Add(ctx, "t", []db.MessagePatch{user("x")}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "after an append", guarded(ptr("t"), before.UpdatedAt.Add(time.Microsecond)), db.Conflict)
}

// testSaveStatements shows that the number of statements does not depend on how many messages change.
func testSaveStatements(t *testing.T, driver db.Driver) {
	seen := &Statements{}
	store := Open(t, driver, db.Hooks{Connector: seen.Connector})
	counts := map[string][]int{}
	for _, n := range []int{3, 300, 3000} {
		var first, second []db.MessagePatch
		for i := range n {
			first = append(first, withID(fmt.Sprintf("%d/%d", n, i), user("x")))
		}
		for i := range n { // a third goes, a third changes, a third is new, and all move
			if i%3 != 0 {
				second = append(second, withID(fmt.Sprintf("%d/%d", n, n-1-i), user(strings.Repeat("y", i%3))))
			} else {
				second = append(second, user("new"))
			}
		}
		id := number("t", n)
		for _, step := range []struct {
			name  string
			patch db.ThreadPatch
		}{
			{"create", db.ThreadPatch{ID: &id, Attributes: givenObject(t, `{"a":1}`), Messages: &first}},
			{"change", db.ThreadPatch{ID: &id, Attributes: givenObject(t, `{"a":2}`), Messages: &second}},
		} {
			seen.Take()
			begun := seen.Transactions()
			save(t, store, step.patch)
			counts[step.name] = append(counts[step.name], len(seen.Take()))
			if got := seen.Transactions() - begun; got != 1 {
				t.Errorf("%s of %d messages: %d transactions, want 1", step.name, n, got)
			}
		}
		if got := len(all(t, store, id)); got != n {
			t.Errorf("%d messages, want %d", got, n)
		}
	}
	diff(t, "statements for 3, 300 and 3000 messages", counts,
		map[string][]int{"create": {7, 7, 7}, "change": {10, 10, 10}})
}

// testUpdatedAt moves the clock in every way; the thread's updatedAt advances each time.
func testUpdatedAt(t *testing.T, driver db.Driver) {
	clock := NewClock(start)
	store := Open(t, driver, db.Hooks{Now: clock.Now})
	last := save(t, store, db.ThreadPatch{ID: ptr("t")}).UpdatedAt
	for i, step := range []time.Duration{0, time.Nanosecond, -time.Hour, -time.Hour, time.Microsecond,
		3 * time.Hour, 0} {
		clock.Add(step)
		for _, write := range []string{"Save", "Add"} {
			var got time.Time
			if write == "Save" {
				got = save(t, store, db.ThreadPatch{ID: ptr("t")}).UpdatedAt
			} else {
				_, th, err := store.Scope("").Messages().Add(ctx, "t", []db.MessagePatch{user("x")})
				if err != nil {
					t.Fatal(err)
				}
				got = th.UpdatedAt
			}
			if !got.After(last) {
				t.Errorf("step %d, %s: updatedAt %s does not come after %s", i, write, got, last)
			}
			if want := db.TruncateTime(clock.Now()); got.Before(want) {
				t.Errorf("step %d, %s: updatedAt %s is before the clock's %s", i, write, got, want)
			}
			last = got
			if stored := load(t, store, "t").UpdatedAt; stored != got {
				t.Errorf("step %d, %s: returned updatedAt %s, stored %s", i, write, got, stored)
			}
		}
	}
}

// testRandom runs random writes on the store and on a model of it.
func testRandom(t *testing.T, driver db.Driver) {
	store := Open(t, driver, db.Hooks{})
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	threadIDs := []string{"t1", "t2", "t3"}
	model := map[string][]db.MessagePatch{} // what the thread's messages are, in the order of the list
	roles := []db.Role{db.RoleSystem, db.RoleUser, db.RoleUser, db.RoleAssistant}
	next := 0
	patch := func() db.MessagePatch {
		next++
		return withID(number("m", next), db.MessagePatch{Role: roles[rng.IntN(len(roles))],
			Content: some(number("content ", rng.IntN(1000)))})
	}
	for step := range 150 {
		id := threadIDs[rng.IntN(len(threadIDs))]
		current, exists := model[id]
		switch rng.IntN(6) {
		case 0:
			deleted, err := store.Scope("").Threads().Delete(ctx, id)
			if err != nil || deleted != exists {
				t.Fatalf("step %d: Delete(%s) = %v, %v, want %v", step, id, deleted, err, exists)
			}
			delete(model, id)
		case 1, 2, 3:
			if !exists {
				continue
			}
			var added []db.MessagePatch
			for range 1 + rng.IntN(3) {
				added = append(added, patch())
			}
			sent := slices.Clone(added)
			if len(current) > 0 && rng.IntN(2) == 0 { // and a retry among them
				sent = slices.Insert(sent, rng.IntN(len(sent)+1), current[rng.IntN(len(current))])
			}
			if _, _, err := store.Scope("").Messages().Add(ctx, id, sent); err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
			model[id] = append(slices.Clone(current), added...)
		default:
			list := slices.Clone(current)
			rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			list = list[:rng.IntN(len(list)+1)]
			for i := range list {
				if rng.IntN(3) == 0 {
					list[i].Role, list[i].Content = roles[rng.IntN(len(roles))], some(number("changed ", step))
				}
			}
			for range rng.IntN(3) {
				list = slices.Insert(list, rng.IntN(len(list)+1), patch())
			}
			save(t, store, db.ThreadPatch{ID: &id, Messages: &list})
			model[id] = list
		}
		for _, id := range threadIDs {
			want, exists := model[id]
			got := load(t, store, id)
			if (got != nil) != exists {
				t.Fatalf("step %d: thread %s exists: %v, want %v", step, id, got != nil, exists)
			}
			if !exists {
				continue
			}
			var lines, wantLines []string
			for _, m := range got.Messages {
				lines = append(lines, fmt.Sprintf("%d %s %s %s", m.Sequence, m.ID, m.Role, *m.Content))
			}
			for _, system := range []bool{true, false} {
				sequence := 0
				for _, m := range want {
					if (m.Role == db.RoleSystem) != system {
						continue
					}
					if !system {
						sequence++
					}
					wantLines = append(wantLines, fmt.Sprintf("%d %s %s %s", sequence, *m.ID, m.Role, *m.Content.Value))
				}
			}
			if d := cmp.Diff(wantLines, lines); d != "" {
				t.Fatalf("step %d, thread %s: got (+), want (-):\n%s", step, id, d)
			}
		}
	}
}
