// Package dbtest is the conformance suite of package db: every behaviour, run
// on a real SQLite file and a real PostgreSQL. It also makes databases for the
// tests of other packages. Only tests import it.
package dbtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/lib/pq" // registers the driver that this package makes and drops databases with

	"github.com/threadstore/threadstore/db"
)

// Drivers are the databases that every behaviour is tested on.
var Drivers = []db.Driver{db.SQLite, db.PostgreSQL}

// PgBouncer stands for PostgreSQL behind a pgbouncer that lends a connection for one transaction.
// It is a driver for the functions of this package only.
const PgBouncer db.Driver = "pgbouncer"

// Each runs fn as a parallel subtest for each database, and for more.
func Each(t *testing.T, fn func(t *testing.T, driver db.Driver), more ...db.Driver) {
	t.Helper()
	for _, d := range slices.Concat(Drivers, more) {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			fn(t, d)
		})
	}
}

// PostgresURL returns the URL of the tests' PostgreSQL server, without a database.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return server(t, "THREADSTORE_TEST_POSTGRES")
}

func server(t testing.TB, variable string) string {
	t.Helper()
	url := os.Getenv(variable)
	if url == "" {
		t.Fatalf("%s is not set: run the tests by `make test`, or one package by `.ci/with-postgres go test ./db`, "+
			"which bring PostgreSQL and pgbouncer up", variable)
	}
	return url
}

var (
	template     sync.Once
	templateErr  error
	databases    atomic.Int64
	templateName = fmt.Sprintf("template_%d", os.Getpid())
)

// URL returns the DATABASE_URL of a new, empty database that ends with the test.
func URL(t testing.TB, driver db.Driver) string {
	t.Helper()
	if driver == db.SQLite {
		return "sqlite:" + filepath.Join(t.TempDir(), "threads.db")
	}
	return newPostgres(t, driver, "template0")
}

// newPostgres makes a database as a copy of another one.
func newPostgres(t testing.TB, driver db.Driver, from string) string {
	t.Helper()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), databases.Add(1))
	admin(t, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, from))
	t.Cleanup(func() { admin(t, fmt.Sprintf("DROP DATABASE IF EXISTS %s (FORCE)", name)) })
	if driver == PgBouncer {
		return server(t, "THREADSTORE_TEST_PGBOUNCER") + "/" + name + "?binary_parameters=yes"
	}
	return PostgresURL(t) + "/" + name
}

func admin(t testing.TB, statement string) {
	t.Helper()
	conn, err := sql.Open("postgres", PostgresURL(t)+"/postgres?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Options returns the options of a new database that ends with the test. On
// PostgreSQL it is migrated already, which saves time.
func Options(t testing.TB, driver db.Driver) db.Options {
	t.Helper()
	if driver == db.SQLite {
		return parse(t, URL(t, driver))
	}
	template.Do(func() {
		admin(t, "CREATE DATABASE "+templateName)
		store, err := db.Open(parse(t, PostgresURL(t)+"/"+templateName), db.Hooks{})
		if err != nil {
			templateErr = err
			return
		}
		templateErr = store.Migrate(context.Background())
		store.Close()
	})
	if templateErr != nil {
		t.Fatal(templateErr)
	}
	return parse(t, newPostgres(t, driver, templateName))
}

func parse(t testing.TB, url string) db.Options {
	t.Helper()
	o, err := db.ParseOptions(map[string]string{"DATABASE_URL": url})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Open returns a new, migrated database that ends with the test.
func Open(t testing.TB, driver db.Driver, h db.Hooks) *db.DB {
	t.Helper()
	return OpenOptions(t, Options(t, driver), h)
}

// OpenOptions opens and migrates a database, and closes it with the test.
func OpenOptions(t testing.TB, o db.Options, h db.Hooks) *db.DB {
	t.Helper()
	if h.Log == nil {
		h.Log = slog.New(slog.DiscardHandler)
	}
	g := &guard{t: t}
	inner := h.Connector
	h.Connector = func(c driver.Connector) driver.Connector {
		if inner != nil {
			c = inner(c)
		}
		return seenConnector{c, g}
	}
	store, err := db.Open(o, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	g.on.Store(true)
	t.Cleanup(func() { g.on.Store(false) })
	return store
}

// Raw returns a connection pool to the same database for statements of the test's own. It goes past pgbouncer.
func Raw(t testing.TB, o db.Options) *sql.DB {
	t.Helper()
	driver, dsn := "sqlite", "file:"+o.Path+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)"
	if o.Driver == db.PostgreSQL {
		var b strings.Builder
		if o.Postgres["binary_parameters"] != "" {
			o = parse(t, PostgresURL(t)+"/"+o.Postgres["dbname"])
		}
		for k, v := range o.Postgres {
			fmt.Fprintf(&b, "%s='%s' ", k, v)
		}
		driver, dsn = "postgres", b.String()
	}
	raw, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	return raw
}

// Exec runs statements of the test's own; ? is the placeholder of neither, so they hold their values.
func Exec(t testing.TB, raw *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := raw.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// Clock is a clock that tests move by hand. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at a time.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add moves the clock, back too.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
