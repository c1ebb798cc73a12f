//go:build !race

// The race detector slows SQLite, which is Go here, by a factor of fifteen, and there is nothing parallel in a plan.

package db_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

var (
	planThreads = flag.Int("plan-threads", 200_000, "how many threads TestPlans makes")
	update      = flag.Bool("update", false, "TestPlans writes ../docs/plans.md")
)

// TestPlans reads the plan of every read on a big store: each is a search, or a
// walk in order that stops at its limit, so the rows it touches are at most a
// small multiple of those it returns.
func TestPlans(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	n := *planThreads
	const messages = 2
	some := func(k int) (ids []string) {
		for i := range k {
			ids = append(ids, dbtest.BulkID(i*(n/k)))
		}
		return ids
	}
	seven := 7
	window := func(first, last, after *int, roles ...db.Role) db.Window {
		return db.NewWindow(first, last, after, nil, roles)
	}
	// page reads a page of 100 threads from a place in the list, a share of it from its start; -1 is the start itself.
	page := func(share float64, p db.PageRequest) func(*db.DB) (int, error) {
		p.Limit = 100
		if share >= 0 {
			i := n - 1 - int(share*float64(n))
			c := db.Cursor{UpdatedAt: dbtest.BulkTime(i), ID: dbtest.BulkID(i)}
			if p.FromEnd {
				p.Before = &c
			} else {
				p.After = &c
			}
		}
		return func(s *db.DB) (int, error) {
			got, err := s.Scope("").Threads().Page(ctx, p)
			if err != nil {
				return 0, err
			}
			return len(got.Threads), nil
		}
	}
	cases := []struct {
		name string
		read func(*db.DB) (int, error)
		most int    // rows touched for each row returned, on PostgreSQL
		plan string // in the plan of SQLite
	}{
		{"threads(limit: 100)", func(s *db.DB) (int, error) { return count(s.Scope("").Threads().List(ctx, 100, 0)) },
			1, `SEARCH t USING INDEX threads_updated_at (tenant=?`},
		{"threadConnection(first: 100)", page(-1, db.PageRequest{}), 2,
			`SEARCH t USING INDEX threads_updated_at (tenant=?`},
		{"threadConnection(first: 100, after), three quarters down", page(0.75, db.PageRequest{}), 2,
			`SEARCH t USING INDEX threads_updated_at (tenant=? AND (updated_at,id)<(?,?))`},
		{"threadConnection(first: 100, after) { pageInfo { hasPreviousPage } }, three quarters down",
			page(0.75, db.PageRequest{LookBeyondCursors: true}), 2,
			`SEARCH t USING INDEX threads_updated_at (tenant=? AND (updated_at,id)>(?,?))`},
		{"threadConnection(last: 100)", page(-1, db.PageRequest{FromEnd: true}), 2,
			`SEARCH t USING INDEX threads_updated_at (tenant=?`},
		{"threadConnection(last: 100, before), three quarters down", page(0.75, db.PageRequest{FromEnd: true}), 2,
			`SEARCH t USING INDEX threads_updated_at (tenant=? AND (updated_at,id)>(?,?))`},
		{"threadConnection { totalCount }, which counts an index's entries",
			func(s *db.DB) (int, error) { return s.Scope("").Threads().Count(ctx) }, 1, `COVERING INDEX`},
		{"thread(id)", func(s *db.DB) (int, error) {
			m, err := s.Scope("").Threads().ByIDs(ctx, some(1))
			return len(m), err
		}, 1, `SEARCH t USING INDEX sqlite_autoindex_threads_1 (tenant=? AND id=?)`},
		{"message(id)", func(s *db.DB) (int, error) {
			_, err := s.Scope("").Messages().Get(ctx, dbtest.BulkID(5)+"/1")
			return 1, err
		}, 1, `SEARCH m USING INDEX sqlite_autoindex_messages_1 (tenant=? AND id=?)`},
		{"findThreadsByAttributes(customer), 10 matches", func(s *db.DB) (int, error) {
			return count(s.Scope("").Threads().FindByAttributes(ctx, map[string]any{"customer": "7"}, 100, 0))
		}, 4, `SEARCH x USING COVERING INDEX thread_properties_key_value (tenant=? AND key=? AND value=?)`},
		{"findThreadsByAttributes(priority, customer), 1 of 4 and 10 matches", func(s *db.DB) (int, error) {
			return count(s.Scope("").Threads().FindByAttributes(ctx,
				map[string]any{"priority": "low", "customer": "7"}, 100, 0))
		}, 15, `SEARCH x USING PRIMARY KEY (tenant=? AND thread_id=? AND key=?)`},
		{"findThreadsByAttributes(priority), 1 of 4 matches", func(s *db.DB) (int, error) {
			return count(s.Scope("").Threads().FindByAttributes(ctx, map[string]any{"priority": "high"}, 100, 0))
		}, 30, `SEARCH t USING INDEX threads_updated_at (tenant=?`},
		{"findThreadsByAttributes(kind), all match", func(s *db.DB) (int, error) {
			return count(s.Scope("").Threads().FindByAttributes(ctx, map[string]any{"kind": "all"}, 100, 0))
		}, 25, `SEARCH t USING INDEX threads_updated_at (tenant=?`},
		{"findThreadsBySource(name, channel), 10 matches", func(s *db.DB) (int, error) {
			return count(s.Scope("").Threads().FindBySource(ctx, "slack", map[string]any{"channel": "C7"}, 100, 0))
		}, 4, `SEARCH x USING COVERING INDEX thread_properties_key_value (tenant=? AND key=? AND value=?)`},
		{"findThreadsByAttributes(none), no match", func(s *db.DB) (int, error) {
			return count(s.Scope("").Threads().FindByAttributes(ctx, map[string]any{"none": 1}, 100, 0))
		}, 5, `SEARCH x USING COVERING INDEX thread_properties_key_value (tenant=? AND key=? AND value=?)`},
		{"messages of 100 threads", func(s *db.DB) (int, error) {
			return messagesIn(s.Scope("").Messages().ListByThreads(ctx, some(100), window(nil, nil, nil)))
		}, 1, `SEARCH m USING INDEX messages_thread_ordinal (tenant=? AND thread_id=? AND ordinal>? AND ordinal<?)`},
		{"messages(last: 1) of 100 threads", func(s *db.DB) (int, error) {
			one := 1
			return messagesIn(s.Scope("").Messages().ListByThreads(ctx, some(100), window(nil, &one, nil)))
		}, 3, `SEARCH m USING INDEX messages_thread_ordinal (tenant=? AND thread_id=? AND ordinal>? AND ordinal<?)`},
		{"messages(last: 7) of the long thread", func(s *db.DB) (int, error) {
			return messagesIn(s.Scope("").Messages().ListByThreads(ctx, []string{"long"}, window(nil, &seven, nil)))
		}, 3, `SEARCH m USING INDEX messages_thread_ordinal (tenant=? AND thread_id=? AND ordinal>? AND ordinal<?)`},
		{"messages(first: 7, afterSequence: 5000) of the long thread", func(s *db.DB) (int, error) {
			after := 5000
			return messagesIn(s.Scope("").Messages().ListByThreads(ctx, []string{"long"}, window(&seven, nil, &after)))
		}, 3, `SEARCH m USING INDEX messages_thread_ordinal (tenant=? AND thread_id=? AND ordinal>? AND ordinal<?)`},
		{"messages(last: 7, roles: [TOOL]) of the long thread, whose tool messages are its oldest",
			func(s *db.DB) (int, error) {
				return messagesIn(s.Scope("").Messages().ListByThreads(ctx, []string{"long"},
					window(nil, &seven, nil, db.RoleTool)))
			}, 3,
			`SEARCH m USING INDEX messages_thread_role_ordinal (tenant=? AND thread_id=? AND role=? AND ordinal>? ` +
				`AND ordinal<?)`},
		{"messages(last: 7, roles: [TOOL, ASSISTANT]) of the long thread", func(s *db.DB) (int, error) {
			return messagesIn(s.Scope("").Messages().ListByThreads(ctx, []string{"long"},
				window(nil, &seven, nil, db.RoleTool, db.RoleAssistant)))
		}, 5,
			`SEARCH m USING INDEX messages_thread_role_ordinal (tenant=? AND thread_id=? AND role=? AND ordinal>? ` +
				`AND ordinal<?)`},
		{"messageCount of 100 threads", func(s *db.DB) (int, error) {
			m, err := s.Scope("").Messages().CountByThreads(ctx, some(100))
			return len(m), err
		}, 1, `SEARCH t USING INDEX sqlite_autoindex_threads_1 (tenant=? AND id=?)`},
	}
	var mu sync.Mutex
	plans := map[db.Driver][]string{}
	t.Run("databases", func(t *testing.T) {
		dbtest.Each(t, func(t *testing.T, driver db.Driver) {
			o := dbtest.Options(t, driver)
			seen := &dbtest.Statements{}
			store := dbtest.OpenOptions(t, o, db.Hooks{Connector: seen.Connector})
			dbtest.Bulk(t, o, n, messages)
			makeLong(t, store)
			raw := dbtest.Raw(t, o)
			if driver == db.PostgreSQL { // what the store's own connections have
				raw.SetMaxOpenConns(1)
				dbtest.Exec(t, raw, "SET enable_seqscan = off", "SET enable_hashjoin = off",
					"SET enable_mergejoin = off", "SET enable_bitmapscan = off",
					"SET plan_cache_mode = force_generic_plan", "SET jit = off")
			}
			for _, c := range cases {
				if _, err := c.read(store); err != nil { // a search finds out here whether the value is common
					t.Fatal(err)
				}
				seen.Take()
				returned, err := c.read(store)
				if err != nil {
					t.Fatal(err)
				}
				calls := seen.TakeCalls()
				if len(calls) != 1 {
					t.Errorf("%s: %d statements, want 1", c.name, len(calls))
				}
				plan, touched := explain(t, raw, driver, calls[0])
				if most := max(c.most*returned, 20); touched > most {
					t.Errorf("%s: touches %d rows to return %d, want at most %d:\n%s", c.name, touched, returned,
						most, plan)
				}
				if driver == db.SQLite && !strings.Contains(plan, c.plan) {
					t.Errorf("%s: the plan has no %s:\n%s", c.name, c.plan, plan)
				}
				mu.Lock()
				plans[driver] = append(plans[driver],
					fmt.Sprintf("### %s\n\n%d rows returned%s\n\n```\n%s\n```\n", c.name, returned,
						touchedText(driver, touched), plan))
				mu.Unlock()
			}
			wantWritePlans(t, store, raw, driver, seen)
		})
	})
	if *update && !t.Failed() {
		writePlans(t, n, messages, plans)
	}
}

// tenantAlone matches a search that all rows of a tenant are read by, or as many as are older than something.
var tenantAlone = regexp.MustCompile(`\(tenant=\?( AND updated_at[<>]\?)?\)|Index Cond: \(\w*\.?tenant = [^)]*\)$`)

// wantWritePlans wants each statement of the writes to find its rows by their ids.
func wantWritePlans(t *testing.T, store *db.DB, raw *sql.DB, driver db.Driver, seen *dbtest.Statements) {
	t.Helper()
	ctx := t.Context()
	threads, messages := store.Scope("").Threads(), store.Scope("").Messages()
	id, title, other := dbtest.BulkID(7), "x", "other"
	message := func() db.MessagePatch { return db.MessagePatch{Role: db.RoleUser} }
	given := message()
	given.ID = &other
	seen.Take()
	for name, write := range map[string]func() error{
		"addMessage":     func() error { _, _, err := messages.Add(ctx, id, []db.MessagePatch{message()}); return err },
		"addMessage, id": func() error { _, _, err := messages.Add(ctx, id, []db.MessagePatch{given}); return err },
		"addMessage, 32 at once": func() error {
			var group sync.WaitGroup
			errs := make([]error, 32)
			for i := range errs {
				group.Go(func() {
					_, _, errs[i] = messages.Add(ctx, dbtest.BulkID(100+i), []db.MessagePatch{message()})
				})
			}
			group.Wait()
			return errors.Join(errs...)
		},
		"addMessages": func() error {
			_, _, err := messages.Add(ctx, id, []db.MessagePatch{message(), message()})
			return err
		},
		"saveThread": func() error {
			_, err := threads.Save(ctx, db.ThreadPatch{ID: &id, Title: db.Some(&title)})
			return err
		},
		"saveThread, new": func() error {
			_, err := threads.Save(ctx, db.ThreadPatch{Attributes: db.Some(db.JSON(`{"a":1}`))})
			return err
		},
		"saveThread, list": func() error {
			_, err := threads.Save(ctx, db.ThreadPatch{ID: &id, Attributes: db.Some(db.JSON(`{"a":1}`)),
				Messages: &[]db.MessagePatch{message(), given}})
			return err
		},
		"import": func() error {
			return threads.RestoreAll(ctx, []db.Restored{{ThreadPatch: db.ThreadPatch{ID: &id, Title: db.Some(&title)},
				UpdatedAt: time.Now()}})
		},
		"deleteThread": func() error { _, err := threads.Delete(ctx, dbtest.BulkID(8)); return err },
	} {
		if err := write(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, c := range seen.TakeCalls() {
			query := "EXPLAIN QUERY PLAN " + c.Text
			if driver == db.PostgreSQL {
				query = "EXPLAIN (COSTS OFF) " + c.Text
			}
			rows, err := raw.Query(query, c.Args...)
			if err != nil {
				t.Fatalf("%s: %s: %v", name, c.Text, err)
			}
			columns, _ := rows.Columns()
			for rows.Next() {
				var detail string
				row := []any{&detail}
				if len(columns) > 1 { // SQLite's: id, parent, unused, detail
					var unused [3]int
					row = []any{&unused[0], &unused[1], &unused[2], &detail}
				}
				if err := rows.Scan(row...); err != nil {
					t.Fatal(err)
				}
				if tenantAlone.MatchString(detail) || scan.MatchString(detail) ||
					strings.Contains(detail, "Seq Scan on") {
					t.Errorf("%s: %s in the plan of\n%s", name, detail, c.Text)
				}
			}
			rows.Close()
		}
	}
}

func count(threads []*db.Thread, err error) (int, error) { return len(threads), err }

func messagesIn(found map[string][]*db.Message, err error) (n int, _ error) {
	for _, m := range found {
		n += len(m)
	}
	return n, err
}

// makeLong makes a thread of 10,000 messages, the first ten of them from a tool.
func makeLong(t *testing.T, store *db.DB) {
	t.Helper()
	ctx := context.Background()
	id, call := "long", "c"
	if _, err := store.Scope("").Threads().Save(ctx, db.ThreadPatch{ID: &id}); err != nil {
		t.Fatal(err)
	}
	patches := make([]db.MessagePatch, 10_000)
	for i := range patches {
		patches[i] = db.MessagePatch{Role: []db.Role{db.RoleUser, db.RoleAssistant}[i%2]}
		if i < 10 {
			patches[i] = db.MessagePatch{Role: db.RoleTool, ToolCallID: db.Some(&call)}
		}
	}
	if _, _, err := store.Scope("").Messages().Add(ctx, id, patches); err != nil {
		t.Fatal(err)
	}
}

// scan matches what a plan of SQLite must not have: reading a table from one end to the other.
var scan = regexp.MustCompile(`SCAN (threads|messages|thread_properties|t|m|x|p)\b`)

// walked matches what it may have: the walk in order, which stops at its limit, and the count of all threads.
var walked = regexp.MustCompile(`USING (INDEX threads_updated_at|COVERING INDEX sqlite_autoindex_threads_1)`)

// explain returns the plan of a statement, and on PostgreSQL how many rows its scans touched.
func explain(t *testing.T, raw *sql.DB, driver db.Driver, c dbtest.Call) (string, int) {
	t.Helper()
	if driver == db.SQLite {
		rows, err := raw.Query("EXPLAIN QUERY PLAN "+c.Text, c.Args...)
		if err != nil {
			t.Fatalf("%s: %v", c.Text, err)
		}
		defer rows.Close()
		depth := map[int]int{}
		var lines []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			depth[id] = depth[parent] + 1
			lines = append(lines, strings.Repeat("  ", depth[id]-1)+detail)
			if scan.MatchString(detail) && !walked.MatchString(detail) {
				t.Errorf("%s:\n%s", detail, c.Text)
			}
		}
		return strings.Join(lines, "\n"), 0
	}
	// The plan of a prepared statement for any values, which is what the store's connections run.
	dbtest.Exec(t, raw, "PREPARE q AS "+c.Text)
	defer dbtest.Exec(t, raw, "DEALLOCATE q")
	var values []string
	for _, a := range c.Args {
		values = append(values, pq.QuoteLiteral(fmt.Sprint(a)))
	}
	call := " EXECUTE q"
	if len(values) > 0 {
		call += "(" + strings.Join(values, ", ") + ")"
	}
	var lines []string
	rows, err := raw.Query("EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF)" + call)
	if err != nil {
		t.Fatalf("%s: %v", c.Text, err)
	}
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	rows.Close()
	var text []byte
	if err := raw.QueryRow("EXPLAIN (ANALYZE, FORMAT JSON)" + call).Scan(&text); err != nil {
		t.Fatal(err)
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal(text, &plans); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n"), plans[0].Plan.touched()
}

// node is a node of PostgreSQL's plan.
type node struct {
	Relation string  `json:"Relation Name"`
	Index    string  `json:"Index Name"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Rechecks float64 `json:"Rows Removed by Index Recheck"`
	Plans    []node
}

// touched is how many rows the scans of tables and indexes read.
func (n node) touched() (rows int) {
	if n.Relation != "" || n.Index != "" {
		rows += int(math.Round((n.Rows + n.Removed + n.Rechecks) * n.Loops)) // PostgreSQL 18 gives fractions
	}
	for _, p := range n.Plans {
		rows += p.touched()
	}
	return rows
}

func touchedText(driver db.Driver, touched int) string {
	if driver == db.SQLite {
		return ""
	}
	return fmt.Sprintf(", %d rows touched", touched)
}

func writePlans(t *testing.T, threads, messages int, plans map[db.Driver][]string) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `# The plan of every read, at size

Written by `+"`.ci/with-postgres go test ./db -run TestPlans -update`"+`; the test checks the same plans each time `+
		`it runs.
The store has %d threads of %d messages, and one thread of 10,000 messages whose first ten are from a tool (Bulk in `+
		`db/dbtest/bulk.go, makeLong in db/plans_test.go).

A plan is fine when it is a search, or a walk in order that stops at its limit. On PostgreSQL the test counts the `+
		`rows that the scans touch; on
SQLite it fails for a SCAN of a table, the walk of threads_updated_at and the count of all threads aside. A search `+
		`for several properties first counts how many threads have each, up
to a bound of 2,000 (threads_find.go): for a property that many threads have, these index entries are most of the `+
		`rows touched.
`, threads, messages)
	for _, d := range dbtest.Drivers {
		fmt.Fprintf(&b, "\n## %s\n\n%s", d, strings.Join(plans[d], "\n"))
	}
	if err := os.WriteFile("../docs/plans.md", []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
