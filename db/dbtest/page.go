package dbtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
)

// testPages compares every combination of arguments with a scan of the list.
func testPages(t *testing.T, driver db.Driver) {
	clock := NewClock(start)
	store := Open(t, driver, db.Hooks{Now: clock.Now})
	page := func(p db.PageRequest) *db.Page {
		t.Helper()
		got, err := store.Scope("").Threads().Page(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	places := []*db.Cursor{nil, {UpdatedAt: start, ID: "b"},
		{UpdatedAt: start.Add(500 * time.Millisecond), ID: "between"},
		{UpdatedAt: start, ID: "0"}, // before the first by id, and no thread's
		{UpdatedAt: time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), ID: "newest"},
		{UpdatedAt: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), ID: "oldest"}}
	for _, after := range places {
		for _, before := range places {
			for _, fromEnd := range []bool{false, true} {
				diff(t, "a page of an empty store",
					page(db.PageRequest{After: after, Before: before, Limit: 5, FromEnd: fromEnd,
						LookBeyondCursors: true}),
					&db.Page{})
			}
		}
	}
	if n, err := store.Scope("").Threads().Count(ctx); n != 0 || err != nil {
		t.Errorf("Count of an empty store = %d, %v", n, err)
	}

	// Ties of updatedAt come by id, as bytes: é and 😀 after Z, a after Z.
	for _, id := range []string{"a", "B", "b", "Z", "é", "😀", "a:b"} {
		save(t, store, db.ThreadPatch{ID: &id})
	}
	for i := range 3 {
		clock.Add(time.Second)
		id := number("newer ", i)
		save(t, store, db.ThreadPatch{ID: &id})
	}
	all := []string{"newer 2", "newer 1", "newer 0", "😀", "é", "b", "a:b", "a", "Z", "B"}
	if n, err := store.Scope("").Threads().Count(ctx); n != len(all) || err != nil {
		t.Errorf("Count = %d, %v, want %d", n, err, len(all))
	}
	whole := page(db.PageRequest{Limit: 100})
	diff(t, "all threads", ids(whole.Threads), all)

	// at is where the list stands to a cursor: so many threads are before it, and so many not after it.
	at := func(c *db.Cursor) (before, notAfter int) {
		for _, th := range whole.Threads {
			newer, older := th.UpdatedAt.After(c.UpdatedAt), th.UpdatedAt.Before(c.UpdatedAt)
			if newer || !older && th.ID > c.ID {
				before++
			}
			if newer || !older && th.ID >= c.ID {
				notAfter++
			}
		}
		return before, notAfter
	}
	for _, th := range whole.Threads {
		c := th.Cursor()
		places = append(places, &c)
	}
	for i, after := range places {
		for j, before := range places {
			for _, limit := range []int{0, 1, 3, 100} {
				for _, fromEnd := range []bool{false, true} {
					// all on SQLite; a share on PostgreSQL, where each is a round trip
					if driver == db.PostgreSQL && (i+j+limit)%3 != 0 {
						continue
					}
					from, to := 0, len(all)
					want := &db.Page{}
					if after != nil {
						_, from = at(after)
						want.HasPrevious = from > 0
					}
					if before != nil {
						to, _ = at(before)
						want.HasNext = to < len(all)
					}
					to = max(from, to)
					if beyond := to - from - limit; beyond > 0 && fromEnd {
						from, want.HasPrevious = to-limit, true
					} else if beyond > 0 {
						to, want.HasNext = from+limit, true
					}
					p := db.PageRequest{After: after, Before: before, Limit: limit, FromEnd: fromEnd}
					less := page(p)
					p.LookBeyondCursors = true
					got := page(p)
					diff(t, "not asking beyond the cursors", ids(less.Threads), ids(got.Threads))
					if less.HasPrevious && !got.HasPrevious || less.HasNext && !got.HasNext {
						t.Errorf("not asking beyond the cursors, %+v has more than %+v", less, got)
					}
					diff(t, fmt.Sprintf("after %v before %v limit %d from the end %v", after, before, limit, fromEnd),
						[]any{ids(got.Threads), got.HasPrevious, got.HasNext},
						[]any{slices.Clone(all[from:to]), want.HasPrevious, want.HasNext})
				}
			}
		}
	}

	// What was not asked for is not read, but for what cursors are made of.
	only, err := store.Scope("").Threads().Page(db.WithProjection(ctx, 0, 0), db.PageRequest{Limit: 1})
	if err != nil || only.Threads[0].Cursor() != whole.Threads[0].Cursor() || only.Threads[0].Title != nil {
		t.Errorf("a page without optional columns: %+v, %v", only.Threads[0], err)
	}
}

// testPageWalk walks in both directions while threads are written: one that
// nobody writes to comes exactly once, and a cursor outlives its thread.
func testPageWalk(t *testing.T, driver db.Driver) {
	for _, backward := range []bool{false, true} {
		t.Run(fmt.Sprintf("backward %v", backward), func(t *testing.T) {
			clock := NewClock(start)
			store := Open(t, driver, db.Hooks{Now: clock.Now})
			const n = 60
			left := map[string]bool{} // not written to during the walk
			var want []string
			for i := range n {
				id := fmt.Sprintf("t%02d", i)
				save(t, store, db.ThreadPatch{ID: &id})
				if left[id] = true; i%4 == 3 { // four share each time
					clock.Add(time.Second)
				}
			}
			written := func(id string) string {
				left[id] = false
				return id
			}
			var got []string
			p := db.PageRequest{Limit: 7, FromEnd: backward}
			for pages := 0; ; pages++ {
				if pages > n {
					t.Fatal("the walk does not end")
				}
				page, err := store.Scope("").Threads().Page(ctx, p)
				if err != nil {
					t.Fatal(err)
				}
				part := ids(page.Threads)
				more := page.HasNext
				if backward {
					slices.Reverse(part)
					more = page.HasPrevious
				}
				got = append(got, part...)
				if !more {
					break
				}
				last := page.Threads[len(page.Threads)-1]
				c := last.Cursor()
				p.After = &c
				if backward {
					last = page.Threads[0]
					c = last.Cursor()
					p.After, p.Before = nil, &c
				}
				// The thread of the cursor goes away or to the front; so do one that was seen and one that may be to
				// come. A new one comes.
				clock.Add(time.Second)
				if pages%2 == 0 {
					if _, err := store.Scope("").Threads().Delete(ctx, written(last.ID)); err != nil {
						t.Fatal(err)
					}
				} else if _, _, err := store.Scope("").Messages().Add(ctx, written(last.ID),
					[]db.MessagePatch{user("x")}); err != nil {
					t.Fatal(err)
				}
				if _, err := store.Scope("").Threads().Delete(ctx, written(part[1])); err != nil {
					t.Fatal(err)
				}
				save(t, store, db.ThreadPatch{ID: ptr(written(fmt.Sprintf("t%02d", 5*pages%n)))})
				if pages < 5 {
					save(t, store, db.ThreadPatch{ID: ptr(number("new ", pages))})
				}
			}
			got = slices.DeleteFunc(got, func(id string) bool { return !left[id] })
			for i := range n {
				if id := fmt.Sprintf("t%02d", i); left[id] {
					want = append(want, id)
				}
			}
			if !backward {
				slices.Reverse(want)
			}
			if len(want) < n/4 {
				t.Fatalf("only %d threads were left alone", len(want))
			}
			diff(t, "the threads left alone, as walked", got, want)
		})
	}
}
