package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

// TestFullDisk lets SQLite's files grow up to a limit, as on a full disk: with the smaller one SQLite's log is full
// before it was ever moved into the database file, with the larger one afterwards.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, blocks := range []int{2 << 10, 5 << 10} {
		t.Run(fmt.Sprintf("%d KiB", blocks), func(t *testing.T) {
			t.Parallel()
			url := dbtest.URL(t, db.SQLite)
			in := invocation{env: []string{"DATABASE_URL=" + url}, blocks: blocks}
			s := in.start(t)
			s.makeThread("t")
			batch := func(i int) []input {
				list := make([]input, 5)
				for j := range list {
					id := fmt.Sprintf("%d/%d", i, j)
					list[j] = input{id, "USER", id + strings.Repeat("x", 20_000)}
				}
				return list
			}
			var acked []input
			var failed [][]input
			refused := func(a answer) {
				t.Helper()
				if a.code() != "SERVICE_UNAVAILABLE" {
					t.Errorf("code %q, want SERVICE_UNAVAILABLE: %.500s", a.code(), a.body)
				}
				for _, leak := range []string{filepath.Dir(path(t, url)), "threads.db", "sqlite", "SQL", "disk", "I/O",
					"IOERR", "(10)", "(13)", "full"} {
					if strings.Contains(a.body, leak) {
						t.Errorf("the answer holds %q: %.500s", leak, a.body)
					}
				}
			}
			n := 0
			for ; n < 500 && len(failed) < 5; n++ {
				a := s.ask(addMessages, object{"id": "t", "messages": batch(n)})
				if a.code() == "" {
					acked = append(acked, batch(n)...)
					continue
				}
				refused(a)
				failed = append(failed, batch(n))
			}
			if len(failed) == 0 {
				t.Fatalf("%d batches of 100 kB fitted into %d KiB", n, blocks)
			}
			var group sync.WaitGroup
			answers := make([]answer, 8)
			for i := range answers {
				group.Go(func() { answers[i], _ = s.send(addMessages, object{"id": "t", "messages": batch(n + i)}) })
			}
			group.Wait()
			for i, a := range answers {
				if a.status != 0 && a.code() == "" { // room may have been made meanwhile
					acked = append(acked, batch(n+i)...)
					continue
				}
				refused(a)
				failed = append(failed, batch(n+i))
			}
			t.Logf("%d messages acknowledged, %d batches refused", len(acked), len(failed))

			check := func(when string) {
				t.Helper()
				th := s.thread("t")
				th.wantWhole(t)
				got, want := map[string]input{}, map[string]input{}
				for _, m := range th.inputs() {
					got[m.ID] = m
				}
				for _, m := range acked {
					want[m.ID] = m
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s: got (+), want (-):\n%s", when, tail(d))
				}
			}
			check("while the disk is full")
			if got := s.status("/readyz"); got != 200 {
				t.Errorf("/readyz while reads go on: %d, want 200", got)
			}
			imported := invocation{args: []string{"import", dbtest.ConversationsFile(t)}, env: in.env,
				blocks: blocks}.run(t)
			if imported.code == 0 || strings.Count(strings.TrimSpace(imported.stderr), "\n") != 0 {
				t.Errorf("import on a full disk: exit status %d, want another than 0, and one line: %s", imported.code,
					imported.stderr)
			}

			if blocks == 2<<10 {
				s.signal(syscall.SIGKILL)
			} else {
				// without room its log cannot be moved into the file, so any exit status will do
				s.signal(syscall.SIGTERM)
			}
			in.blocks = 0
			s = in.start(t)
			check("after a restart with room")
			for _, list := range failed {
				s.must(addMessages, object{"id": "t", "messages": list}, nil)
				acked = append(acked, list...)
			}
			check("after sending what was refused again")
			checkIntegrity(t, url)
			s.stop()
			wantOneFile(t, path(t, url))
		})
	}
}
