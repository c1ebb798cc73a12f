package dbtest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
)

// testChanges wants each write to say what it has changed, and nothing of what fails or changes nothing.
func testChanges(t *testing.T, driver db.Driver) {
	var mu sync.Mutex
	var seen []db.Change
	store := Open(t, driver, db.Hooks{Changes: func(changes []db.Change) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, changes...)
	}})
	threads, messages := store.Scope("").Threads(), store.Scope("").Messages()
	save := func(p db.ThreadPatch) error { _, err := threads.Save(ctx, p); return err }
	add := func(thread string, list ...db.MessagePatch) error {
		_, _, err := messages.Add(ctx, thread, list)
		return err
	}
	system := withID("s", db.MessagePatch{Role: db.RoleSystem})
	restored := func(id string, list *[]db.MessagePatch) db.Restored {
		return db.Restored{ThreadPatch: db.ThreadPatch{ID: ptr(id), Messages: list}, UpdatedAt: start}
	}
	counts := func(last, system, user int) db.Counters {
		return db.Counters{LastSequence: last, Messages: db.Counts{system, user}}
	}
	for _, c := range []struct {
		name  string
		write func() error
		fails bool
		want  []db.Change
	}{
		{"a new thread", func() error { return save(db.ThreadPatch{ID: ptr("t")}) }, false,
			[]db.Change{{ThreadID: "t", Kind: db.Created}}},
		{"a new thread with messages", func() error {
			return save(db.ThreadPatch{ID: ptr("u"),
				Messages: list(withID("u1", user("x")), withID("us", db.MessagePatch{Role: db.RoleSystem}))})
		}, false, []db.Change{{ThreadID: "u", Kind: db.Created, Added: []string{"u1", "us"},
			Counters: counts(1, 1, 1)}}},
		{"one append", func() error { return add("t", withID("a", user("x"))) }, false,
			[]db.Change{{ThreadID: "t", Kind: db.Updated, Added: []string{"a"}, Counters: counts(1, 0, 1)}}},
		{"a system message", func() error { return add("t", system) }, false,
			[]db.Change{{ThreadID: "t", Kind: db.Updated, Added: []string{"s"}, Counters: counts(0, 1, 0)}}},
		{"a retry", func() error { return add("t", system) }, false, nil},
		{"several appends, one of them again",
			func() error { return add("t", withID("b", user("x")), system, withID("c", user("x"))) }, false,
			[]db.Change{{ThreadID: "t", Kind: db.Updated, Added: []string{"b", "c"}, Counters: counts(2, 0, 2)}}},
		{"no append", func() error { return add("t") }, false, nil},
		{"an append to nowhere", func() error { return add("nowhere", user("x")) }, true, nil},
		{"an id that is taken", func() error { return add("t", withID("u1", user("x"))) }, true, nil},
		{"another title", func() error { return save(db.ThreadPatch{ID: ptr("t"), Title: some("x")}) }, false,
			[]db.Change{{ThreadID: "t", Kind: db.Updated}}},
		{"a save that says nothing", func() error { return save(db.ThreadPatch{ID: ptr("t")}) }, false,
			[]db.Change{{ThreadID: "t", Kind: db.Updated}}},
		{"another list", func() error {
			return save(db.ThreadPatch{ID: ptr("t"),
				Messages: list(withID("new", user("x")), withID("a", user("x")), withID("c", user("changed")), system)})
		}, false, []db.Change{{ThreadID: "t", Kind: db.Updated, Added: []string{"new"}, Updated: []string{"a", "c"},
			Deleted: []string{"b"}}}},
		{"a save that conflicts", func() error {
			return save(db.ThreadPatch{ID: ptr("t"), IfUnmodifiedSince: ptr(time.Unix(0, 0))})
		}, true, nil},
		{"a save with an id that is taken", func() error {
			return save(db.ThreadPatch{ID: ptr("v"), Messages: list(withID("u1", user("x")))})
		}, true, nil},
		{"an import", func() error {
			return threads.RestoreAll(ctx, []db.Restored{restored("i", list(withID("i1", user("x")))),
				restored("j", nil), restored("u", list())})
		}, false, []db.Change{{ThreadID: "i", Kind: db.Created, Added: []string{"i1"}, Counters: counts(1, 0, 1)},
			{ThreadID: "j", Kind: db.Created},
			{ThreadID: "u", Kind: db.Updated, Deleted: []string{"us", "u1"}, Counters: counts(-1, -1, -1)}}},
		{"an import of one", func() error {
			_, err := threads.Restore(ctx, restored("j", list(withID("j1", user("x")))).ThreadPatch, start)
			return err
		}, false,
			[]db.Change{{ThreadID: "j", Kind: db.Updated, Added: []string{"j1"}, Counters: counts(1, 0, 1)}}},
		{"a deletion", func() error { _, err := threads.Delete(ctx, "t"); return err }, false,
			[]db.Change{{ThreadID: "t", Kind: db.Deleted}}},
		{"a deletion of nothing", func() error { _, err := threads.Delete(ctx, "t"); return err }, false, nil},
	} {
		seen = nil
		if err := c.write(); (err != nil) != c.fails {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, change := range seen { // those of a stored list come in the order of its rows
			slices.SortFunc(change.Deleted, func(a, b string) int { return strings.Compare(b, a) })
		}
		if d := cmp.Diff(c.want, seen); d != "" {
			t.Errorf("%s: said (+), want (-):\n%s", c.name, d)
		}
	}
	// At once, on threads of their own and on one together: each says its own.
	const writers = 32
	for i := range writers {
		if err := save(db.ThreadPatch{ID: ptr(number("w", i))}); err != nil {
			t.Fatal(err)
		}
	}
	seen = nil
	for _, err := range together(writers, func(i int) error {
		if err := add(number("w", i), withID(number("own", i), user("x"))); err != nil {
			return err
		}
		return add("u", withID(number("shared", i), user("x")))
	}) {
		t.Error(err)
	}
	added := map[string]string{}
	for _, change := range seen {
		if d := cmp.Diff(counts(1, 0, 1), change.Counters); d != "" || len(change.Added) != 1 ||
			added[change.Added[0]] != "" {
			t.Errorf("at once: %+v", change)
			continue
		}
		added[change.Added[0]] = change.ThreadID
	}
	for i := range writers {
		if added[number("own", i)] != number("w", i) || added[number("shared", i)] != "u" {
			t.Errorf("writer %d: its messages are said of %q and %q", i, added[number("own", i)],
				added[number("shared", i)])
		}
	}
}
