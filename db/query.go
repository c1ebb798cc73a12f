package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jmoiron/sqlx"
)

// session runs statements on one connection, inside a transaction or outside.
// All queries of the package go through its methods, which put them in
// the dialect's words and echo them.
type session struct {
	db   *DB
	conn *sqlx.Conn
	inTx bool
	// whole: a statement that has begun runs to its end, whatever becomes of its context.
	whole bool
	on    interface {
		SelectContext(ctx context.Context, dest any, query string, args ...any) error
		GetContext(ctx context.Context, dest any, query string, args ...any) error
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	}
}

// rows reads all rows into dest, a slice of row structs.
func (s session) rows(ctx context.Context, dest any, query string, args ...any) error {
	query, done := s.prepare(query)
	defer done()
	return s.on.SelectContext(s.lasting(ctx), dest, query, args...)
}

// row reads one row into dest and reports whether there was one.
func (s session) row(ctx context.Context, dest any, query string, args ...any) (bool, error) {
	query, done := s.prepare(query)
	defer done()
	err := s.on.GetContext(s.lasting(ctx), dest, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// exec runs a statement and returns how many rows it changed.
func (s session) exec(ctx context.Context, query string, args ...any) (int64, error) {
	query, done := s.prepare(query)
	defer done()
	result, err := s.on.ExecContext(s.lasting(ctx), query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s session) prepare(query string) (text string, done func()) {
	translated, ok := s.db.queries.Load(query)
	if !ok {
		translated, _ = s.db.queries.LoadOrStore(query, s.db.dialect.query(query))
	}
	text = translated.(string)
	if !s.db.options.Echo {
		return text, func() {}
	}
	start := time.Now()
	return text, func() { s.db.log.Info("sql", "statement", text, "ms", milliseconds(time.Since(start))) }
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// read runs fn on a connection for reading.
func (db *DB) read(ctx context.Context, fn func(session) error) error {
	return db.retry(ctx, func() error {
		conn, err := db.take(ctx, db.reader)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := db.again(fn(session{db: db, conn: conn, whole: db.options.Path == Memory, on: conn})); err != nil {
			return err
		}
		// The SQLite driver leaves out what it is given after the context has ended, and says nothing: an empty answer
		// may be none. (In a transaction, it is the commit that fails then.)
		return ctx.Err()
	})
}

// snapshot runs fn in a transaction for reading in which all reads see one
// state of the database, however long it takes.
func (db *DB) snapshot(ctx context.Context, fn func(session) error) error {
	return db.transaction(ctx, db.reader, func(s session) error {
		if _, err := s.exec(ctx, db.dialect.snapshot); err != nil {
			return err
		}
		return fn(s)
	})
}

// inTx runs fn in one transaction for writing and commits it if fn returns nil.
// fn may run more than once: when the database undid the transaction in favour
// of another one, and on SQLite when another process was writing.
// There, writers at the same time share a transaction; late says that fn may
// return an [*Error] after it has written.
func (db *DB) inTx(ctx context.Context, late bool, fn func(session) error) error {
	return db.retry(ctx, func() error {
		if db.group != nil {
			return db.group.do(ctx, late, fn)
		}
		return db.transaction(ctx, db.writer, fn)
	})
}

func (db *DB) transaction(ctx context.Context, pool *sqlx.DB, fn func(session) error) error {
	conn, err := db.take(ctx, pool)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, begun := session{db: db}.prepare("BEGIN")
	whole := db.options.Path == Memory
	tx, err := conn.BeginTxx(session{whole: whole}.lasting(ctx), nil)
	begun()
	if err != nil {
		return db.again(err)
	}
	if err := fn(session{db: db, conn: conn, inTx: true, whole: whole, on: tx}); err != nil {
		_, undone := session{db: db}.prepare("ROLLBACK")
		_ = tx.Rollback() // the error that matters is fn's
		undone()
		return err
	}
	_, committed := session{db: db}.prepare("COMMIT")
	defer committed()
	err = tx.Commit()
	if err != nil && db.group != nil { // SQLite's transaction may still be open, and database/sql would hand it to the next
		_, _ = conn.ExecContext(context.Background(), "ROLLBACK")
	}
	return err
}

// lasting returns the context for statements and transactions. database/sql
// closes the connection of a transaction whose context ends, and with it a
// database in memory: there, what has begun is not cancelled.
func (s session) lasting(ctx context.Context) context.Context {
	if s.whole {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// again turns the loss of a connection into a reason to try again, where nothing
// can have been changed yet: after a restart of the server, each idle connection
// is found broken by who takes it.
func (db *DB) again(err error) error {
	if db.dialect.classify(err) == lost {
		return fmt.Errorf("%w: %w", errOvertaken, err)
	}
	return err
}

// take returns a connection of the pool, waiting for at most the pool timeout:
// database/sql itself would wait as long as the request.
func (db *DB) take(ctx context.Context, pool *sqlx.DB) (*sqlx.Conn, error) {
	waiting, cancel := context.WithTimeout(ctx, db.options.PoolTimeout)
	defer cancel()
	conn, err := pool.Connx(waiting)
	if err != nil && ended(waiting) && !ended(ctx) {
		return nil, &Error{Code: Unavailable, Reason: "no database connection became free in time; try again", Err: err}
	}
	return conn, err
}

// ended reports whether ctx is over; a network call can tell that its deadline has passed before ctx itself does.
func ended(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// Waiting times between two attempts of a transaction. They are short, since
// what they wait for is one other transaction, and random, so that two that
// undo each other do not meet again.
const (
	firstWait = time.Millisecond
	longWait  = 20 * time.Millisecond
)

func newWaits() *backoff.ExponentialBackOff {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval = firstWait, longWait
	return waits
}

// retry runs op until it ends in something else than a lost race, for at most
// the pool timeout, and returns its error as one of ours.
func (db *DB) retry(ctx context.Context, op func() error) error {
	err := op()
	if err == nil || ended(ctx) || db.classify(err) != retryable {
		return db.explain(ctx, err)
	}
	waits := newWaits()
	time.Sleep(waits.NextBackOff()) // milliseconds
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		err := op()
		if err != nil && (ended(ctx) || db.classify(err) != retryable) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(waits), backoff.WithMaxElapsedTime(db.options.PoolTimeout))
	return db.explain(ctx, err)
}

// errOvertaken: another transaction has done meanwhile what this one had found undone.
var errOvertaken = errors.New("overtaken by another transaction")

func (db *DB) classify(err error) problem {
	if errors.Is(err, errOvertaken) {
		return retryable
	}
	return db.dialect.classify(err)
}

// explain turns a driver's error into one of ours; what stays as it is, is a defect or a broken row.
func (db *DB) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*backoff.PermanentError](err); ok {
		err = p.Err
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if ended(ctx) {
		return &Error{Code: Timeout, Reason: "the request was not finished in time, or its client left", Err: err}
	}
	switch db.classify(err) {
	case retryable:
		return &Error{Code: Unavailable, Reason: "the database is too busy; try again", Err: err}
	case unavailable, lost:
		return &Error{Code: Unavailable, Reason: "the database cannot take the request; try again", Err: err}
	}
	return err
}

// bind returns v as the text of a bound JSON list. The values are strings,
// numbers, nil and JSON texts as strings, which cannot fail to encode.
func bind(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// null returns SQL NULL for "".
func (j JSON) null() any {
	if j == "" {
		return nil
	}
	return string(j)
}

// columnJSON reads a JSON column; NULL and the JSON null are "".
type columnJSON JSON

func (c *columnJSON) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*c = ""
	case string:
		*c = columnJSON(v)
	case *string:
		*c = columnJSON(*v)
	case []byte:
		*c = columnJSON(v)
	default:
		return errors.New("no JSON text")
	}
	if *c == "null" { // what SQLAlchemy writes for None
		*c = ""
	}
	return nil
}
