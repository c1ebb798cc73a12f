package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/glebarez/go-sqlite"
	"github.com/jmoiron/sqlx"
)

var sqlite3 = dialect{
	driver:   SQLite,
	bindType: sqlx.QUESTION,
	words: strings.NewReplacer(
		"{in}", "IN (SELECT value FROM json_each(?))",
		"{keys}", "json_each(?) AS k",
		"{rows}", "json_each(?)",
		"{json}", "text",
		"{time}", "text",
		"{text of}", "", "{as text}", "", // it is
		"{bytes of}", "CAST(", "{as bytes}", " AS blob)",
		"{lock}", "", // a transaction that writes is the only one from its first statement on
		"{matches p of r}", "thread_properties p", // CROSS JOIN keeps the order
		"{thread t of p}", "threads t",
		"{limit if walked}", fmt.Sprintf("LIMIT (SELECT CASE WHEN n < %d THEN 0 ELSE ? END FROM rarest)", maxCount),
	),
	bytesNotReused: true,
	// The first read fixes what a deferred transaction sees.
	snapshotStatement: "SELECT 1 FROM threads WHERE tenant = '' LIMIT 1",
	bulkInsert:        insertValues,
	// Preparing a statement is a tenth of what it costs to insert these; 15 columns of them stay far below the 32,766
	// values that it can have.
	maxBulkRows: 200,
	array:       func(s []string) any { return bind(s) },
	formatTime:  func(t time.Time) string { return t.Format(sqliteTime) },
	open: func(o Options) (connectors, error) {
		if o.Path == Memory {
			writer := sqliteConnector(":memory:?" + pragmas("memory").Encode())
			return connectors{writer: writer, singleWriter: true, inMemory: true}, nil
		}
		path, err := filepath.Abs(o.Path)
		if err != nil {
			return connectors{}, err
		}
		// SQLite would say "out of memory" for both.
		if folder, err := os.Stat(filepath.Dir(path)); err != nil || !folder.IsDir() {
			return connectors{}, errors.New("its folder does not exist")
		}
		if file, err := os.Stat(path); err == nil && file.IsDir() {
			return connectors{}, errors.New("it is a folder, not a file")
		}
		// In a file: URI only these characters have a meaning of their own.
		file := "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path) + "?"
		read, write := pragmas("wal"), pragmas("wal")
		write.Set("_txlock", "immediate")
		read.Add("_pragma", "query_only(1)")
		read.Add("_pragma", "cache_size(-2048)") // a commit of the writer's empties it; the system keeps the pages, too
		return connectors{
			writer:       sqliteConnector(file + write.Encode()),
			reader:       sqliteConnector(file + read.Encode()),
			singleWriter: true,
		}, nil
	},
	classify: func(err error) errClass {
		e, ok := errors.AsType[*sqlite.Error](err)
		if !ok {
			return other
		}
		switch e.Code() { // https://sqlite.org/rescode.html
		case 1555: // CONSTRAINT_PRIMARYKEY
			return duplicate
		}
		switch e.Code() & 0xff {
		case 5, 6: // BUSY, LOCKED: another process is writing
			return retryable
		case 8, 10, 13, 14: // READONLY, IOERR, FULL, CANTOPEN
			return unavailable
		}
		return other
	},
}

// busyTimeout is how long one attempt waits for another process's write, in
// milliseconds. SQLite polls ever more slowly and is not fair, so attempts are
// short and [Scope.commit] makes many of them.
const busyTimeout = "50"

// pragmas returns what every connection sets, in the driver's terms.
func pragmas(journal string) url.Values {
	return url.Values{"_pragma": {
		// First, since the others may have to wait already.
		"busy_timeout(" + busyTimeout + ")",
		"journal_mode(" + journal + ")",
		"synchronous(full)",
		"foreign_keys(1)",
		"temp_store(memory)",
		"cache_size(-16384)", // KiB
	}}
}

// sqliteConnector makes connections to a DSN.
type sqliteConnector string

func (c sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	return c.Driver().Open(string(c))
}

func (sqliteConnector) Driver() driver.Driver { return &sqlite.Driver{} }

// insertValues inserts rows by VALUES. When it fails it leaves the rows before the
// one to blame, and the transaction has to be undone, or its savepoint: to undo a
// statement alone SQLite would copy each page before it changes it.
func insertValues(tenant, table string, columns []bulkColumn, rows [][]any) (string, []any) {
	row := `, (?1` + strings.Repeat(`, ?`, len(columns)) + `)`
	args := append(make([]any, 0, 1+len(rows)*len(columns)), tenant)
	for _, r := range rows {
		args = append(args, r...)
	}
	query := `INSERT OR FAIL INTO ` + table + ` (tenant, ` + columnNames(columns) + `) VALUES ` +
		strings.Repeat(row, len(rows))[2:]
	return query, args
}
