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
			if text, err := os.ReadFile("migrations/" + dir + "/" + name); err != nil || !strings.HasPrefix(string(text), "-- +goose Up\n") {
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
			if _, err := store.Threads().List(t.Context(), 10, 0); err != nil {
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
		if _, err := store.Messages().ListByThreads(db.Only(t.Context(), 0, columns), []string{"t"}, db.NewWindow(nil, nil, nil, nil, nil)); err != nil {
			t.Fatal(err)
		}
	}
	var kept int
	if err := raw.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'threadstore'`).Scan(&kept); err != nil || kept != 1 {
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

// TestLostAnswer loses the answer of an append whose id the server makes: the client gets it all the same, and it is there once.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for _, d := range []db.Driver{db.PostgreSQL, dbtest.PgBouncer} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			var lost atomic.Bool
			store := dbtest.OpenOptions(t, dbtest.Options(t, d), db.Hooks{Connector: func(c driver.Connector) driver.Connector { return losing{c, &lost} }})
			id := "t"
			if _, err := store.Threads().Save(t.Context(), db.ThreadPatch{ID: &id}); err != nil {
				t.Fatal(err)
			}
			added, _, err := store.Messages().Add(t.Context(), id, []db.MessagePatch{{Role: db.RoleUser}})
			if err != nil || !lost.Load() {
				t.Fatalf("the append: %v; an answer was lost: %v", err, lost.Load())
			}
			all, err := store.Messages().ListByThreads(t.Context(), []string{id}, db.NewWindow(nil, nil, nil, nil, nil))
			if err != nil || len(all[id]) != 1 || all[id][0].ID != added[0].ID {
				t.Errorf("the thread has %v, %v; want the one message %v", all[id], err, added)
			}
		})
	}
}
