package db_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.SQLite)
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.PostgreSQL)
}

// TestPgBouncer runs the suite through a pgbouncer that lends a connection for one transaction.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, dbtest.PgBouncer)
}

// TestMigrationNames holds the two folders of migrations against each other.
func TestMigrationNames(t *testing.T) {
	t.Parallel()
	names := func(dir string) (names []string) {
		files, err := fs.ReadDir(os.DirFS("migrations"), dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			names = append(names, f.Name())
		}
		return names
	}
	if d := cmp.Diff(names("postgres"), names("sqlite")); d != "" {
		t.Errorf("migrations of PostgreSQL (-) and SQLite (+):\n%s", d)
	}
	for i, name := range names("postgres") {
		if !strings.HasPrefix(name, fmt.Sprintf("%04d_", i+1)) {
			t.Errorf("migration %d is named %s", i+1, name)
		}
		if i == 0 {
			continue // run by a Go function, not by goose
		}
		for _, dir := range []string{"postgres", "sqlite"} {
			if text, err := os.ReadFile("migrations/" + dir + "/" + name); err != nil ||
				!strings.HasPrefix(string(text), "-- +goose Up\n") {
				t.Errorf("%s/%s does not begin with \"-- +goose Up\", %v", dir, name, err)
			}
		}
	}
}

// TestPreparedStatements changes a table under a server's prepared statements, and drops the statements themselves.
func TestPreparedStatements(t *testing.T) {
	t.Parallel()
	o := dbtest.Options(t, db.PostgreSQL)
	o.PoolSize, o.MaxOverflow = 1, 0
	store := dbtest.OpenOptions(t, o, db.Hooks{})
	list := func() {
		t.Helper()
		for range 2 {
			if _, err := store.Scope("").Threads().List(t.Context(), 10, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	list()
	raw := dbtest.Raw(t, o)
	dbtest.Exec(t, raw, `ALTER TABLE threads ALTER COLUMN title TYPE varchar(1000)`)
	list()
	// Many shapes: more than a connection keeps.
	for columns := range db.Columns(300) {
		if _, err := store.Scope("").Messages().ListByThreads(db.WithProjection(t.Context(), 0, columns), []string{"t"},
			db.NewWindow(nil, nil, nil, nil, nil)); err != nil {
			t.Fatal(err)
		}
	}
	var kept int
	if err := raw.QueryRow(`SELECT count(*) FROM pg_stat_activity ` +
		`WHERE datname = current_database() AND application_name = 'threadstore'`).Scan(&kept); err != nil ||
		kept != 1 {
		t.Errorf("%d connections, %v; the pool has one", kept, err)
	}
	list()
}

// losing is a connection that loses the answer of one append after the server has done it.
type losing struct {
	driver.Connector
	lost *atomic.Bool
}

func (l losing) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := l.Connector.Connect(ctx)
	return losingConn{c, l.lost}, err
}

type losingConn struct {
	driver.Conn
	lost *atomic.Bool
}

func (c losingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}

func (c losingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c losingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	if err == nil && strings.Contains(query, "INSERT INTO messages") && c.lost.CompareAndSwap(false, true) {
		return nil, errors.Join(io.ErrUnexpectedEOF, rows.Close())
	}
	return rows, err
}

// TestLostAnswer loses the answer of an append whose id the server makes: the client gets it all the same, and it is
// there once.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for _, d := range []db.Driver{db.PostgreSQL, dbtest.PgBouncer} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			var lost atomic.Bool
			store := dbtest.OpenOptions(t, dbtest.Options(t, d),
				db.Hooks{Connector: func(c driver.Connector) driver.Connector { return losing{c, &lost} }})
			id := "t"
			if _, err := store.Scope("").Threads().Save(t.Context(), db.ThreadPatch{ID: &id}); err != nil {
				t.Fatal(err)
			}
			added, _, err := store.Scope("").Messages().Add(t.Context(), id, []db.MessagePatch{{Role: db.RoleUser}})
			if err != nil || !lost.Load() {
				t.Fatalf("the append: %v; an answer was lost: %v", err, lost.Load())
			}
			all, err := store.Scope("").Messages().ListByThreads(t.Context(), []string{id},
				db.NewWindow(nil, nil, nil, nil, nil))
			if err != nil || len(all[id]) != 1 || all[id][0].ID != added[0].ID {
				t.Errorf("the thread has %v, %v; want the one message %v", all[id], err, added)
			}
		})
	}
}

// TestKeptPlans makes all statements of reading on new tables, and looks what the
// plans that were kept read when the tables are full: no table whole. (A plan
// lives until the server has new statistics or the connection ends, which is
// after five minutes unless the settings say otherwise.)
func TestKeptPlans(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	o := dbtest.Options(t, db.PostgreSQL)
	raw := dbtest.Raw(t, o)
	o.PoolSize, o.MaxOverflow = 1, 0
	store, err := db.Open(o, db.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	last := 2
	read := func() {
		t.Helper()
		threads, messages := store.Scope("").Threads(), store.Scope("").Messages()
		tail := db.NewWindow(nil, &last, nil, nil, nil)
		some := []string{"t1", "t2", "t3"}
		for name, run := range map[string]func() error{
			"List":  func() error { _, err := threads.List(ctx, 3, 0); return err },
			"Page":  func() error { _, err := threads.Page(ctx, db.PageRequest{Limit: 3}); return err },
			"ByIDs": func() error { _, err := threads.ByIDs(ctx, some); return err },
			"FindByAttributes": func() error {
				_, err := threads.FindByAttributes(ctx, map[string]any{"n": 7}, 3, 0)
				return err
			},
			"FindByAttributes 2": func() error {
				_, err := threads.FindByAttributes(ctx, map[string]any{"n": 7, "all": 1}, 3, 0)
				return err
			},
			"FindBySource": func() error {
				_, err := threads.FindBySource(ctx, "slack", map[string]any{"n": 7}, 3, 0)
				return err
			},
			"Get":             func() error { _, err := messages.Get(ctx, "t1/1"); return err },
			"ListByThreads":   func() error { _, err := messages.ListByThreads(ctx, some, tail); return err },
			"ListByThreads 1": func() error { _, err := messages.ListByThreads(ctx, some[:1], tail); return err },
			"ListByThreads all": func() error {
				_, err := messages.ListByThreads(ctx, some, db.NewWindow(nil, nil, nil, nil, nil))
				return err
			},
			"ListWithThread": func() error { _, _, err := messages.ListWithThread(ctx, "t1", tail); return err },
			"CountByThreads": func() error { _, err := messages.CountByThreads(ctx, some); return err },
		} {
			if err := run(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	read()
	other := dbtest.OpenOptions(t, o, db.Hooks{})
	const n = 2000
	var list []db.Restored
	for i := range n {
		id := fmt.Sprintf("t%d", i)
		object := func(text string) db.Opt[db.JSON] { return db.Some(db.JSON(text)) }
		messages := []db.MessagePatch{{Role: db.RoleUser}, {Role: db.RoleAssistant}, {Role: db.RoleUser}}
		for m := range messages {
			mid := fmt.Sprintf("%s/%d", id, m)
			messages[m].ID = &mid
		}
		list = append(list, db.Restored{ThreadPatch: db.ThreadPatch{ID: &id,
			Attributes: object(fmt.Sprintf(`{"n":%d,"all":1}`, i)),
			Source:     object(fmt.Sprintf(`{"name":"slack","n":%d}`, i)), Messages: &messages},
			UpdatedAt: dbtest.BulkTime(i)})
	}
	if err := other.Scope("").Threads().RestoreAll(ctx, list); err != nil {
		t.Fatal(err)
	}
	// A process of the server tells what it has read when it ends.
	ended := func(left int) {
		t.Helper()
		for n := left + 1; n > left; time.Sleep(5 * time.Millisecond) {
			if err := raw.QueryRow(`SELECT count(*) FROM pg_stat_activity ` +
				`WHERE datname = current_database() AND application_name = 'threadstore'`).Scan(&n); err != nil {
				t.Fatal(err)
			}
		}
	}
	other.Close()
	ended(1)
	touched := func() (whole, entries int) {
		t.Helper()
		if err := raw.QueryRow(`SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables `+
			`WHERE relname IN ('threads', 'messages', 'thread_properties')),
				(SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)`).Scan(&whole, &entries); err != nil {
			t.Fatal(err)
		}
		return whole, entries
	}
	wholeBefore, entriesBefore := touched()
	read()
	store.Close()
	ended(0)
	whole, entries := touched()
	if whole > wholeBefore {
		t.Errorf("%d rows were read by reading tables whole", whole-wholeBefore)
	}
	// 207, and sometimes 300 more of the migration, which its connection tells late. A plan that walks reads all n.
	if read := entries - entriesBefore; read == 0 || read > n/2 {
		t.Errorf("%d index entries were read for about 60 rows", read)
	}
}

// TestDeadlock makes PostgreSQL undo an import in favour of another transaction: it is run again.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := dbtest.Options(t, db.PostgreSQL)
	threads := dbtest.OpenOptions(t, o, db.Hooks{}).Scope("").Threads()
	var list []db.Restored
	for _, id := range []string{"a", "b"} {
		title := "imported"
		list = append(list, db.Restored{ThreadPatch: db.ThreadPatch{ID: &id, Title: db.Some(&title)},
			UpdatedAt: time.Now()})
		if _, err := threads.Save(ctx, db.ThreadPatch{ID: &id}); err != nil {
			t.Fatal(err)
		}
	}
	raw := dbtest.Raw(t, o)
	other, err := raw.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Rollback() //nolint:errcheck // it is over when the test went well
	// Who has waited for deadlock_timeout, a second, looks for a deadlock and is undone: that is to be the import.
	if _, err := other.Exec(`SET LOCAL deadlock_timeout = '1min'`); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(`UPDATE threads SET title = 'other' WHERE id = 'b'`); err != nil {
		t.Fatal(err)
	}
	imported := make(chan error, 1)
	go func() { imported <- threads.RestoreAll(ctx, list) }() // has a, and waits for b
	for waiting := 0; waiting == 0; time.Sleep(time.Millisecond) {
		if err := raw.QueryRow(`SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := other.Exec(`UPDATE threads SET title = 'other' WHERE id = 'a'`); err != nil {
		t.Fatalf("the other transaction was undone instead: %v", err)
	}
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-imported; err != nil {
		t.Fatalf("the import: %v", err)
	}
	found, err := threads.ByIDs(ctx, []string{"a", "b"})
	if err != nil || *found["a"].Title != "imported" || *found["b"].Title != "imported" {
		t.Errorf("stored are %v, %v", found, err)
	}
}
