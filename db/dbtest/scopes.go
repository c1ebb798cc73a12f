package dbtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/threadstore/threadstore/db"
)

// testScopes keeps two tenants whose threads and messages have the same ids, and lets neither see, find, count, change
// or delete anything of the other's, one after the other and at once, when requests share statements.
func testScopes(t *testing.T, driver db.Driver) {
	store := Open(t, driver, db.Hooks{})
	a, b := store.Scope("a"), store.Scope("b")
	const threads = 24
	patch := func(tenant string, i int) db.ThreadPatch {
		return db.ThreadPatch{ID: ptr(number("t", i)), Title: some(tenant),
			Attributes: givenObject(t, fmt.Sprintf(`{"n":%d}`, i%4)),
			Source:     givenObject(t, `{"name":"slack"}`),
			Messages:   list(withID(number("m", i), db.MessagePatch{Role: db.RoleUser, Content: some(tenant)}))}
	}
	for _, err := range together(2*threads, func(i int) error {
		scope, tenant := a, "a"
		if i%2 == 1 {
			scope, tenant = b, "b"
		}
		_, err := scope.Threads().Save(ctx, patch(tenant, i/2))
		return err
	}) {
		t.Fatal(err)
	}
	// appends, searches and reads that could share a statement
	for _, err := range together(8*threads, func(i int) error {
		scope, tenant := a, "a"
		if i%2 == 1 {
			scope, tenant = b, "b"
		}
		id := number("t", i/2%threads)
		added, thread, err := scope.Messages().Add(ctx, id,
			[]db.MessagePatch{withID(fmt.Sprint("more ", i/2),
				db.MessagePatch{Role: db.RoleUser, Content: some(tenant)})})
		if err != nil || *thread.Title != tenant || *added[0].Content != tenant {
			return fmt.Errorf("%s: append: %v, %+v", tenant, err, thread)
		}
		return errors.Join(wantOnly(ctx, scope, tenant, id), wantFound(scope, tenant, i%4, threads/4))
	}) {
		t.Error(err)
	}
	nobody := store.Scope("c")
	for name, found := range map[string]func() (any, error){
		"List": func() (any, error) { l, err := nobody.Threads().List(ctx, 10, 0); return len(l), err },
		"Page": func() (any, error) {
			p, err := nobody.Threads().Page(ctx, db.PageRequest{Limit: 10})
			return len(p.Threads), err
		},
		"Count": func() (any, error) { return nobody.Threads().Count(ctx) },
		"ByIDs": func() (any, error) {
			m, err := nobody.Threads().ByIDs(ctx, []string{"t0", number("t", 0)})
			return len(m), err
		},
		"FindByAttributes": func() (any, error) {
			l, err := nobody.Threads().FindByAttributes(ctx, map[string]any{"n": 0}, 10, 0)
			return len(l), err
		},
		"without the key": func() (any, error) {
			l, err := nobody.Threads().FindByAttributes(ctx, map[string]any{"x": nil}, 10, 0)
			return len(l), err
		},
		"FindBySource": func() (any, error) {
			l, err := nobody.Threads().FindBySource(ctx, "slack", nil, 10, 0)
			return len(l), err
		},
		"Get": func() (any, error) { m, err := nobody.Messages().Get(ctx, number("m", 0)); return btoi(m != nil), err },
		"Counts": func() (any, error) {
			m, err := nobody.Messages().CountByThreads(ctx, []string{number("t", 0)})
			return len(m), err
		},
		"ListByThreads": func() (any, error) {
			m, err := nobody.Messages().ListByThreads(ctx, []string{number("t", 0), number("t", 1)},
				db.NewWindow(nil, nil, nil, nil, nil))
			return len(m[number("t", 0)]) + len(m[number("t", 1)]), err
		},
		"Walk": func() (any, error) {
			n := 0
			err := nobody.Threads().Walk(ctx, func(*db.Thread, []*db.Message) error { n++; return nil })
			return n, err
		},
		"Delete": func() (any, error) {
			deleted, err := nobody.Threads().Delete(ctx, number("t", 0))
			return btoi(deleted), err
		},
		"Add": func() (any, error) {
			_, _, err := nobody.Messages().Add(ctx, number("t", 0), []db.MessagePatch{user("x")})
			return btoi(!db.NotFound.Is(err)), nil
		},
	} {
		if n, err := found(); err != nil || n != 0 {
			t.Errorf("%s of a tenant without anything: %v, %v", name, n, err)
		}
	}
	// What one changes and deletes is still there for the other.
	if deleted, err := a.Threads().Delete(ctx, number("t", 1)); err != nil || !deleted {
		t.Errorf("Delete: %v, %v", deleted, err)
	}
	if _, err := a.Threads().Save(ctx, db.ThreadPatch{ID: ptr(number("t", 2)), Messages: list()}); err != nil {
		t.Error(err)
	}
	if err := a.Threads().RestoreAll(ctx, []db.Restored{{ThreadPatch: patch("a", 3), UpdatedAt: start},
		{ThreadPatch: patch("a", threads), UpdatedAt: start}}); err != nil {
		t.Error(err)
	}
	for i := range threads {
		if err := wantOnly(ctx, b, "b", number("t", i)); err != nil {
			t.Error(err)
		}
	}
	for scope, want := range map[db.Scope]int{a: threads, b: threads} {
		if n, err := scope.Threads().Count(ctx); err != nil || n != want {
			t.Errorf("%d threads, %v, want %d", n, err, want)
		}
		walked := 0
		if err := scope.Threads().Walk(ctx,
			func(*db.Thread, []*db.Message) error { walked++; return nil }); err != nil || walked != want {
			t.Errorf("%d threads walked, %v, want %d", walked, err, want)
		}
	}
}

// wantOnly reads a thread in every way, and wants what the tenant has written.
func wantOnly(ctx context.Context, scope db.Scope, tenant, id string) error {
	all := db.NewWindow(nil, nil, nil, nil, nil)
	thread, messages, err := scope.Messages().ListWithThread(ctx, id, all)
	if err != nil || thread == nil || *thread.Title != tenant || len(messages) == 0 {
		return fmt.Errorf("%s: thread %s: %+v, %v", tenant, id, thread, err)
	}
	byThread, err := scope.Messages().ListByThreads(ctx, []string{id, "unknown"}, all)
	if err != nil {
		return err
	}
	for _, m := range append(messages, byThread[id]...) {
		if *m.Content != tenant {
			return fmt.Errorf("%s: thread %s has a message of %s", tenant, id, *m.Content)
		}
	}
	m, err := scope.Messages().Get(ctx, messages[0].ID)
	if err != nil || m == nil || *m.Content != tenant {
		return fmt.Errorf("%s: message %s: %+v, %v", tenant, messages[0].ID, m, err)
	}
	found, err := scope.Threads().ByIDs(ctx, []string{id})
	if err != nil || *found[id].Title != tenant {
		return fmt.Errorf("%s: thread %s by id: %+v, %v", tenant, id, found[id], err)
	}
	return nil
}

// wantFound searches for an attribute, and wants so many of the tenant's threads.
func wantFound(scope db.Scope, tenant string, n, want int) error {
	found, err := scope.Threads().FindByAttributes(ctx, map[string]any{"n": n}, 100, 0)
	if err != nil || len(found) != want {
		return fmt.Errorf("%s: found %d threads, %v, want %d", tenant, len(found), err, want)
	}
	for _, th := range found {
		if *th.Title != tenant {
			return fmt.Errorf("%s: found a thread of %s", tenant, *th.Title)
		}
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
