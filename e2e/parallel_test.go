package e2e_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

// TestParallelWriters has many clients of two servers append to one thread.
func TestParallelWriters(t *testing.T) {
	t.Parallel()
	const writers, each = 64, 8
	// One database after the other: what is measured is the wait for one another, not for the other database.
	for _, driver := range append(slices.Clone(dbtest.Drivers), dbtest.PgBouncer) {
		t.Run(string(driver), func(t *testing.T) {
			url := dbtest.URL(t, driver)
			servers := []*server{serve(t, "DATABASE_URL="+url), serve(t, "DATABASE_URL="+url)}
			servers[0].makeThread("t")

			var group sync.WaitGroup
			times := make([][]time.Duration, writers)
			sequences := make([][]int, writers)
			start := time.Now()
			for w := range writers {
				group.Go(func() {
					for i := range each {
						sent := time.Now()
						a, err := servers[w%2].send(`mutation($m: MessageInput!) { addMessage(threadId: "t", `+
							`message: $m) { sequence } }`,
							object{"m": input{fmt.Sprintf("%d/%d", w, i), "USER", fmt.Sprintf("%d of %d", i, w)}})
						times[w] = append(times[w], time.Since(sent))
						if err != nil || len(a.Errors) > 0 {
							t.Errorf("writer %d, message %d: %v %.300s", w, i, err, a.body)
							continue
						}
						var data struct{ AddMessage struct{ Sequence int } }
						decode(t, a.Data, &data)
						sequences[w] = append(sequences[w], data.AddMessage.Sequence)
					}
				})
			}
			group.Wait()
			all := slices.Concat(times...)
			slices.Sort(all)
			t.Logf("%d writers, %d messages in %s; longest request %s, median %s", writers, len(all),
				time.Since(start).Round(time.Millisecond),
				all[len(all)-1].Round(time.Millisecond), all[len(all)/2].Round(time.Millisecond))

			for i, s := range servers {
				th := s.thread("t")
				th.wantWhole(t)
				if len(th.Messages) != writers*each {
					t.Errorf("server %d: %d messages, want %d", i, len(th.Messages), writers*each)
				}
			}
			told := slices.Concat(sequences...)
			slices.Sort(told)
			for i, n := range told {
				if n != i+1 {
					t.Fatalf("the writers were told the sequences %v, want 1 to %d", told, writers*each)
				}
			}
			for w, list := range sequences {
				if !slices.IsSorted(list) {
					t.Errorf("writer %d, who waits for each answer, was told the sequences %v", w, list)
				}
			}
		})
	}
}

// TestServersStartTogether starts servers on a database that has no tables yet.
func TestServersStartTogether(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		url := dbtest.URL(t, driver)
		start := time.Now()
		servers := make([]*server, 5)
		for i := range servers {
			servers[i] = invocation{env: []string{"DATABASE_URL=" + url}}.launch(t)
		}
		for _, s := range servers {
			s.ready()
		}
		t.Logf("all were ready after %s", time.Since(start).Round(time.Millisecond))
		for i, s := range servers {
			s.makeThread(fmt.Sprint(i))
		}
		for i, s := range servers {
			if n := len(s.threads()); n != len(servers) {
				t.Errorf("server %d sees %d threads, want %d", i, n, len(servers))
			}
		}
		for _, s := range servers {
			s.stop()
		}
	}, dbtest.PgBouncer)
}
