package db

import (
	"database/sql/driver"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
)

// dialect holds what differs between the two databases. A statement is written
// once, with these words where the databases have their own:
//
//	{in}    equals one of a bound list of strings
//	{keys}  a bound list of strings as rows k, columns value and key, the index from 0
//	{rows}  a bound JSON list of lists as rows, column value
//	{json}  the type of a JSON column
//	{time}  the type of a time column
//	{text of} … {as text}  a time as text
//	{bytes of} … {as bytes}  a text in the form that its driver reads fastest
//	{lock}  locks the selected rows until the transaction ends
//	{matches p of r}, {thread t of p}
//	        in find: the tables thread_properties p and threads t, in joins that begin with what stands before them
//	{limit if walked}  in find: a bound limit, of the half that walks the threads (on SQLite 0 if that half is off)
//	{sync commit}  after the columns of a SELECT that writes, without a transaction around it: sets
//	        synchronous_commit, where the connection cannot keep it
//
// A few statements have a form for each database, which a flag of the dialect chooses
// where they are written, since no words would make one form fast on both: an append
// (writableCTE), a search for one property and the messages of several threads
// (lateralJoins). That of a bulk insert is made by bulkInsert.
//
// Each has a case in the conformance suite that fails when the answers differ.
type dialect struct {
	driver   Driver
	bindType int // of sqlx
	words    *strings.Replacer
	// snapshotStatement comes first in a transaction, and makes it one in which all reads see one state.
	snapshotStatement string
	// jsonColumnsValid: the type of JSON columns holds valid JSON only. (SQLite keeps any text, from other programs.)
	jsonColumnsValid bool
	// bytesNotReused: the driver does not write again to the bytes that it has given.
	bytesNotReused bool
	// lateralJoins: a subquery in FROM can name what stands before it.
	lateralJoins bool
	// writableCTE: one statement can change two tables.
	writableCTE bool
	// sessionLocks: a lock can be held over several transactions.
	sessionLocks bool
	// array returns strings as {in} and {keys} bind them.
	array func([]string) any
	// bulkInsert returns a statement that inserts rows for a tenant, of which there are at most maxBulkRows.
	bulkInsert  func(tenant, table string, columns []bulkColumn, rows [][]any) (query string, args []any)
	maxBulkRows int
	// formatTime returns a time as it is bound.
	formatTime func(time.Time) string
	// open returns how the connections of a pool are made.
	open func(Options) (connectors, error)
	// classify says what a driver's error means.
	classify func(error) errClass
}

// connectors are how connections of a database are made. One without a reader has one pool for both.
type connectors struct {
	writer, reader driver.Connector
	singleWriter   bool // the writer's pool has one connection
	inMemory       bool // that connection is the database, and stays while it is open
}

// errClass is what a driver's error means to us.
type errClass int

const (
	other       errClass = iota
	duplicate            // the primary key of messages
	lost                 // the connection is gone, and with it what was not committed
	retryable            // the transaction was undone in favour of another; it may be run again
	unavailable          // the server is away, starting, full or read-only
)

// query returns text in the words and placeholders of the dialect.
func (d *dialect) query(text string) string {
	return sqlx.Rebind(d.bindType, d.words.Replace(text))
}

// checkObject reports whether stored JSON can be part of an answer as an object; "" is none.
func (d *dialect) checkObject(j JSON) error {
	if j == "" || d.jsonColumnsValid && j[0] == '{' && utf8.ValidString(string(j)) {
		return nil
	}
	return j.CheckObject()
}
