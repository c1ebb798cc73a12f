package dbtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
)

// together runs fn n times at once and returns the errors that are not nil.
func together(n int, fn func(i int) error) (failed []error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		wg.Go(func() {
			if err := fn(i); err != nil {
				mu.Lock()
				failed = append(failed, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

// handles opens one database several times, as several server processes do.
func handles(t testing.TB, o db.Options, n int) []*db.DB {
	t.Helper()
	var all []*db.DB
	for range n {
		all = append(all, OpenOptions(t, o, db.Hooks{}))
	}
	return all
}

// testParallelAdd appends to one thread from 64 writers over two handles.
func testParallelAdd(t *testing.T, driver db.Driver) {
	stores := handles(t, Options(t, driver), 2)
	save(t, stores[0], db.ThreadPatch{ID: ptr("t")})
	const writers, each = 64, 5
	for _, err := range together(writers, func(w int) error {
		for i := range each {
			p := user("x")
			if i == 0 {
				p.Role = db.RoleSystem
			}
			_, _, err := stores[w%2].Scope("").Messages().Add(ctx, "t",
				[]db.MessagePatch{withID(fmt.Sprintf("%d/%d", w, i), p)})
			if err != nil {
				return err
			}
		}
		return nil
	}) {
		t.Error(err)
	}
	got := load(t, stores[0], "t").Messages
	if len(got) != writers*each {
		t.Fatalf("%d messages, want %d", len(got), writers*each)
	}
	for i, m := range got {
		if want := max(i-writers+1, 0); m.Sequence != want {
			t.Fatalf("message %d has sequence %d, want %d", i, m.Sequence, want)
		}
	}
}

// testSharedAdd appends to many threads at once: the writers share statements on
// PostgreSQL (and transactions on SQLite, see testParallelErrors), and one whose
// message cannot be stored harms no other.
func testSharedAdd(t *testing.T, driver db.Driver) {
	seen := &Statements{}
	store := Open(t, driver, db.Hooks{Connector: seen.Connector, MaxWait: time.Minute}) // shares on a busy machine, too
	const threads, rounds = 48, 4
	for i := range threads {
		save(t, store, db.ThreadPatch{ID: ptr(number("t", i))})
		save(t, store, db.ThreadPatch{ID: ptr(number("pair", i))})
	}
	save(t, store, db.ThreadPatch{ID: ptr("other"), Messages: list(withID("taken", user("x")))})
	seen.Take()
	add := func(round int, bad bool) {
		t.Helper()
		for _, err := range together(threads, func(i int) error {
			p := withID(fmt.Sprintf("%d/%d", round, i),
				db.MessagePatch{Role: []db.Role{db.RoleUser, db.RoleSystem, db.RoleAssistant}[i%3],
					Content: db.Some(ptr(fmt.Sprintf(`"%d\{,}é`, i))), Attributes: givenObject(t, `{"a":"\\\""}`)})
			if bad && i%8 == 0 {
				p.ID = ptr("taken")
			}
			got, thread, err := store.Scope("").Messages().Add(ctx, number("t", i), []db.MessagePatch{p})
			if bad && i%8 == 0 {
				if !db.Conflict.Is(err) {
					return fmt.Errorf("writer %d: %v, want a conflict", i, err)
				}
				return nil
			}
			if err != nil {
				return fmt.Errorf("writer %d: %w", i, err)
			}
			if thread == nil || thread.ID != number("t", i) || *got[0].Content != *p.Content.Value ||
				got[0].ThreadID != thread.ID {
				return fmt.Errorf("writer %d got %+v of %+v", i, got[0], thread)
			}
			return nil
		}) {
			t.Error(err)
		}
	}
	for round := range rounds {
		add(round, false)
	}
	if n := len(seen.Take()); driver != db.SQLite && n > threads*rounds*2/3 {
		t.Errorf("%d appends took %d statements; they should share some", threads*rounds, n)
	}
	add(rounds, true)
	// Two writers choose the same id for different threads, at once, while others save: one of them has it, and nothing
	// is half written.
	for round := range rounds {
		var won [threads / 4]atomic.Int32
		for _, err := range together(threads, func(i int) error {
			if i >= threads/2 {
				_, err := store.Scope("").Threads().Save(ctx,
					db.ThreadPatch{ID: ptr(number("t", i)), Title: db.Some(ptr(number("round", round)))})
				return err
			}
			_, _, err := store.Scope("").Messages().Add(ctx, number("pair", i),
				[]db.MessagePatch{withID(fmt.Sprintf("same %d/%d", round, i/2), user("x"))})
			if err == nil {
				won[i/2].Add(1)
			}
			if err != nil && !db.Conflict.Is(err) {
				return err
			}
			return nil
		}) {
			t.Error(err)
		}
		for i := range won {
			if n := won[i].Load(); n != 1 {
				t.Errorf("%d writers of pair %d have the id, want 1", n, i)
			}
		}
	}
	for i := range threads / 2 {
		load(t, store, number("pair", i)) // checks the counters
	}
	for i := range threads {
		th := load(t, store, number("t", i)) // checks the counters
		want := rounds + 1
		if i%8 == 0 {
			want--
		}
		if len(th.Messages) != want {
			t.Errorf("thread %d has %d messages, want %d", i, len(th.Messages), want)
		}
		for n, m := range th.Messages {
			if sequence := map[bool]int{true: 0, false: n + 1}[m.Role == db.RoleSystem]; m.Sequence != sequence ||
				m.ID != fmt.Sprintf("%d/%d", n, i) {
				t.Errorf("message %d of thread %d: %+v", n, i, m)
			}
		}
	}
}

// testSharedRead reads threads and searches from many readers at once, who share
// statements on PostgreSQL: each gets what it would get alone.
func testSharedRead(t *testing.T, driver db.Driver) {
	seen := &Statements{}
	o := Options(t, driver)
	// shares on a busy machine, too
	store := OpenOptions(t, o, db.Hooks{Connector: seen.Connector, MaxWait: time.Minute})
	const threads = 40
	sizes := []int{0, 1, 30, 199, 200, 201, 450} // about what is read in a batch, and beyond
	for i := range threads {
		var messages []db.MessagePatch
		for m := range sizes[i%len(sizes)] {
			role := db.RoleUser
			if m < 2 {
				role = db.RoleSystem
			}
			messages = append(messages, withID(fmt.Sprintf("%d/%d", i, m), db.MessagePatch{Role: role}))
		}
		save(t, store, db.ThreadPatch{ID: ptr(number("t", i)), Attributes: givenObject(t, fmt.Sprintf(`{"n":%d}`, i%8)),
			Messages: &messages})
	}
	windows := []db.Window{db.NewWindow(nil, nil, nil, nil, nil), db.NewWindow(ptr(3), nil, nil, nil, nil),
		db.NewWindow(nil, ptr(210), nil, nil, nil), db.NewWindow(nil, ptr(5), ptr(2), ptr(190), nil)}
	read := func(reader int) error {
		id, w := number("t", reader%(threads+1)), windows[reader/8%len(windows)] // the last is unknown
		thread, messages, err := store.Scope("").Messages().ListWithThread(ctx, id, w)
		if err != nil {
			return err
		}
		want, err := store.Scope("").Messages().ListByThreads(ctx, []string{id}, w)
		if err != nil {
			return err
		}
		if known := reader%(threads+1) < threads; (thread != nil) != known || known && thread.ID != id {
			return fmt.Errorf("%s: got %+v", id, thread)
		}
		if d := cmp.Diff(messageIDs(messages), messageIDs(want[id])); d != "" {
			return fmt.Errorf("%s in %+v: %s", id, w, d)
		}
		found, err := store.Scope("").Threads().FindByAttributes(ctx, map[string]any{"n": reader % 9}, 100, 0)
		if want := map[bool]int{true: threads / 8}[reader%9 < 8]; err != nil || len(found) != want {
			return fmt.Errorf("search for %d: %d threads, %v", reader%9, len(found), err)
		}
		return nil
	}
	const readers = 164
	seen.Take()
	for _, err := range together(readers, read) {
		t.Error(err)
	}
	if n := len(seen.Take()); driver != db.SQLite && n > 3*readers {
		t.Errorf("%d readers took %d statements; they should share some", readers, n)
	}
	// Somebody else's broken thread harms nobody.
	Exec(t, Raw(t, o), `UPDATE messages SET role = 'robot' WHERE thread_id = 't2'`)
	for _, err := range together(readers, func(reader int) error {
		if reader%(threads+1) != 2 {
			return read(reader)
		}
		if _, _, err := store.Scope("").Messages().ListWithThread(ctx, "t2", windows[0]); err == nil ||
			!strings.Contains(err.Error(), "2/0") {
			return fmt.Errorf("the broken thread: %v, want an error that tells the message", err)
		}
		return nil
	}) {
		t.Error(err)
	}
}

func messageIDs(messages []*db.Message) (ids []string) {
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	return ids
}

// testParallelErrors lets writes that fail, some of them after they have written,
// share what SQLite commits together with writes that do not.
func testParallelErrors(t *testing.T, driver db.Driver) {
	o := Options(t, driver)
	seen := &Statements{}
	store := OpenOptions(t, o, db.Hooks{Connector: seen.Connector})
	save(t, store, db.ThreadPatch{ID: ptr("t")})
	save(t, store, db.ThreadPatch{ID: ptr("other"), Messages: list(withID("taken", user("x")))})
	var begun atomic.Int64 // transactions, before the writers could write
	const writers = 80
	if driver == db.SQLite { // somebody else holds the file until all writers wait for it
		held, err := Raw(t, o).Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := held.Exec(`UPDATE threads SET title = title`); err != nil {
			t.Fatal(err)
		}
		go func() {
			defer held.Rollback()
			for store.Waiting() < writers { // between two attempts all of them do
				time.Sleep(time.Millisecond)
			}
			begun.Store(int64(seen.Transactions()))
		}()
	}
	for _, err := range together(writers, func(i int) error {
		var err error
		want := db.Conflict
		switch i % 4 {
		case 0: // fails when the thread has been made and its messages are put in
			_, err = store.Scope("").Threads().Save(ctx,
				db.ThreadPatch{ID: ptr(number("new", i)), Messages: list(user("x"), withID("taken", user("y")))})
		case 1:
			_, _, err = store.Scope("").Messages().Add(ctx, "nowhere", []db.MessagePatch{user("x")})
			want = db.NotFound
		case 2:
			_, _, err = store.Scope("").Messages().Add(ctx, "t", []db.MessagePatch{withID("taken", user("y"))})
		default:
			_, _, err = store.Scope("").Messages().Add(ctx, "t", []db.MessagePatch{withID(number("m", i), user("x"))})
			return err
		}
		if !want.Is(err) {
			return fmt.Errorf("write %d: %v, want code %d", i, err, want)
		}
		return nil
	}) {
		t.Error(err)
	}
	messages := load(t, store, "t").Messages // checks the counters
	if len(messages) != writers/4 {
		t.Errorf("%d messages, want %d", len(messages), writers/4)
	}
	for i, m := range messages {
		if m.Sequence != i+1 {
			t.Errorf("message %d has sequence %d", i, m.Sequence)
		}
	}
	if got := load(t, store, "new0"); got != nil {
		t.Errorf("a save that failed left %+v", got)
	}
	// All wait at first, and share a few. Half of them, who append to nowhere or what is taken, then ask once more,
	// each perhaps alone.
	if n := seen.Transactions() - int(begun.Load()); driver == db.SQLite && n > writers/2+5 {
		t.Errorf("%d writers at once took %d transactions; they should share them", writers, n)
	}
}

// testParallelSave saves, appends to, deletes and reads the same threads at once.
func testParallelSave(t *testing.T, driver db.Driver) {
	stores := handles(t, Options(t, driver), 2)
	for _, err := range together(12, func(w int) error {
		store := stores[w%2]
		for i := range 15 {
			id := number("t", i%3)
			var err error
			switch (w + i) % 4 {
			case 0: // two threads, whose writers meet in both orders
				_, err = store.Scope("").Threads().Save(ctx,
					db.ThreadPatch{ID: &id, Attributes: givenObject(t, `{"a":1}`),
						Messages: list(user("x"), withID(id+"/kept", user("y")), user("z"))})
			case 1:
				_, _, err = store.Scope("").Messages().Add(ctx, id, []db.MessagePatch{user("x"), user("y")})
				if db.NotFound.Is(err) {
					err = nil
				}
			case 2:
				if w == 2 {
					_, err = store.Scope("").Threads().Delete(ctx, id)
				}
			case 3:
				_, err = store.Scope("").Messages().ListByThreads(ctx, []string{"t0", "t1", "t2"},
					db.NewWindow(nil, ptr(3), nil, nil, nil))
			}
			if err != nil && !db.Conflict.Is(err) {
				return err
			}
		}
		return nil
	}) {
		t.Error(err)
	}
	for _, id := range []string{"t0", "t1", "t2"} {
		th := load(t, stores[0], id) // checks the counters
		if th == nil {
			continue
		}
		for i, m := range th.Messages {
			if m.Sequence != i+1 {
				t.Errorf("thread %s: message %d has sequence %d", id, i, m.Sequence)
			}
		}
	}
}

// testSaveWhileDeleting saves and deletes one thread at once: saving creates it when it is gone.
func testSaveWhileDeleting(t *testing.T, driver db.Driver) {
	stores := handles(t, Options(t, driver), 2)
	for _, err := range together(8, func(w int) error {
		for range 40 {
			var err error
			if w%2 == 0 {
				_, err = stores[w/2%2].Scope("").Threads().Save(ctx,
					db.ThreadPatch{ID: ptr("t"), Messages: list(user("x"))})
			} else {
				_, err = stores[w/2%2].Scope("").Threads().Delete(ctx, "t")
			}
			if err != nil {
				return err
			}
		}
		return nil
	}) {
		t.Error(err)
	}
}

// testParallelIDs gives the same message id to many writers at once.
func testParallelIDs(t *testing.T, driver db.Driver) {
	stores := handles(t, Options(t, driver), 2)
	for i := range 8 {
		save(t, stores[0], db.ThreadPatch{ID: ptr(number("t", i))})
	}
	t.Run("in one thread: all but one are retries", func(t *testing.T) {
		for _, err := range together(16, func(w int) error {
			_, _, err := stores[w%2].Scope("").Messages().Add(ctx, "t0", []db.MessagePatch{withID("one", user("same"))})
			return err
		}) {
			t.Error(err)
		}
		if n := len(load(t, stores[0], "t0").Messages); n != 1 {
			t.Errorf("%d messages, want 1", n)
		}
	})
	t.Run("in many threads: all but one conflict", func(t *testing.T) {
		failed := together(7, func(w int) error {
			_, _, err := stores[w%2].Scope("").Messages().Add(ctx, number("t", w+1),
				[]db.MessagePatch{withID("contested", user("same"))})
			return err
		})
		if len(failed) != 6 {
			t.Errorf("%d failed, want 6", len(failed))
		}
		for _, err := range failed {
			wantCode(t, "Add", err, db.Conflict)
		}
	})
	t.Run("one new thread", func(t *testing.T) {
		for _, err := range together(8, func(w int) error {
			_, err := stores[w%2].Scope("").Threads().Save(ctx,
				db.ThreadPatch{ID: ptr("new"), Title: some(number("by ", w))})
			return err
		}) {
			t.Error(err)
		}
		if load(t, stores[0], "new") == nil {
			t.Error("the thread is not there")
		}
	})
}

// testPoolTimeout takes all connections and asks for one more.
func testPoolTimeout(t *testing.T, driver db.Driver) {
	o := Options(t, driver)
	o.PoolSize, o.MaxOverflow, o.PoolTimeout = 1, 1, 50*time.Millisecond
	store := OpenOptions(t, o, db.Hooks{})
	save(t, store, db.ThreadPatch{ID: ptr("t")})
	hold := func(then func() error) error { // a walk holds a reading connection while it calls us
		return store.Scope("").Threads().Walk(ctx, func(*db.Thread, []*db.Message) error { return then() })
	}
	err := hold(func() error {
		if _, err := store.Scope("").Threads().List(ctx, 1, 0); err != nil {
			t.Errorf("with one of two taken: %v", err)
		}
		return hold(func() error {
			_, err := store.Scope("").Threads().List(ctx, 1, 0)
			wantCode(t, "with both taken", err, db.Unavailable)
			if driver == db.SQLite { // the writer is beside the readers
				save(t, store, db.ThreadPatch{ID: ptr("written meanwhile")})
			}
			short, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			_, err = store.Scope("").Threads().List(short, 1, 0)
			wantCode(t, "with both taken and a caller who waits less", err, db.Timeout)
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := store.Scope("").Threads().List(ctx, 1, 0); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// testCancel cancels requests at random moments; nothing is half written and the store goes on.
func testCancel(t *testing.T, driver db.Driver) {
	cancelled(t, Open(t, driver, db.Hooks{}))
	if driver == db.SQLite {
		t.Run("in memory", func(t *testing.T) { cancelled(t, OpenOptions(t, parse(t, db.Memory), db.Hooks{})) })
	}
}

func cancelled(t *testing.T, store *db.DB) {
	t.Helper()
	save(t, store, db.ThreadPatch{ID: ptr("t")})
	batch := make([]db.MessagePatch, 50)
	for i := range batch {
		batch[i] = user("x")
	}
	add := func(ctx context.Context) error {
		_, _, err := store.Scope("").Messages().Add(ctx, "t", batch)
		return err
	}
	start := time.Now()
	if err := add(ctx); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(start)
	const rounds = 150
	for i := range rounds { // from before the append begins to after it ends
		short, cancel := context.WithTimeout(ctx, whole*time.Duration(i)/(rounds*3/4))
		if err := add(short); err != nil && !db.Timeout.Is(err) {
			t.Errorf("append %d: %v", i, err)
		}
		if _, err := store.Scope("").Threads().List(short, 10, 0); err != nil && !db.Timeout.Is(err) {
			t.Errorf("list %d: %v", i, err)
		}
		cancel()
	}
	if n := len(load(t, store, "t").Messages); n%len(batch) != 0 {
		t.Errorf("%d messages: a part of an append was stored", n)
	}
	short, leave := context.WithCancel(ctx)
	if err := store.Scope("").Threads().Walk(short, func(*db.Thread, []*db.Message) error {
		leave()
		time.Sleep(20 * time.Millisecond) // for what watches the context
		return nil
	}); err != nil && !db.Timeout.Is(err) {
		t.Errorf("walk: %v", err)
	}
	if err := add(ctx); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
