package db

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// read runs fn on a connection for reading.
func (db *DB) read(ctx context.Context, fn func(session) error) error {
	return db.retry(ctx, func() error {
		conn, err := db.acquire(ctx, db.reader)
		if err != nil {
			return err
		}
		defer conn.Close()
		s := session{db: db, conn: conn, uncancellable: db.options.Path == Memory, queryer: conn}
		if err := db.asRetryable(fn(s)); err != nil {
			return err
		}
		// The SQLite driver leaves out what it is given after the context has ended, and says nothing: an empty answer
		// may be none. (In a transaction, it is the commit that fails then.)
		return ctx.Err()
	})
}

// read runs fn on a connection for reading.
func (sc Scope) read(ctx context.Context, fn func(session) error) error {
	return sc.db.read(ctx, func(s session) error {
		s.tenant = sc.tenant
		return fn(s)
	})
}

// snapshot runs fn in a transaction for reading in which all reads see one
// state of the database, however long it takes.
func (sc Scope) snapshot(ctx context.Context, fn func(session) error) error {
	db := sc.db
	return db.transaction(ctx, db.reader, func(s session) error {
		if _, err := s.exec(ctx, db.dialect.snapshotStatement); err != nil {
			return err
		}
		s.tenant = sc.tenant
		return fn(s)
	})
}

// commitOptions say how a write is to be committed.
type commitOptions struct {
	// needsSavepoint: fn may return an [*Error] after it has written. (On SQLite, writers at the same time share a
	// transaction.)
	needsSavepoint bool
	// oneStatement: fn runs a single statement, which is a transaction by itself. When its connection is lost it runs
	// again, perhaps after it was stored: it must find out by itself, as an append does by the message's id.
	oneStatement bool
}

// commit is where every write is committed. fn writes, and returns what it has
// changed; all of that is stored when commit returns nil, and none of it else. fn
// may run more than once: when the database undid the transaction in favour of
// another one, when a connection was lost, and on SQLite when another process was
// writing. Its statements must have the context that it is given.
func (sc Scope) commit(
	ctx context.Context, o commitOptions, fn func(context.Context, session) ([]threadChange, error),
) error {
	db := sc.db
	ctx = context.WithValue(ctx, committing{}, true)
	var changes []threadChange
	run := func(s session) (err error) {
		s.tenant = sc.tenant
		if changes, err = fn(ctx, s); err != nil {
			return err
		}
		return writeChanges(ctx, s, changes)
	}
	err := db.retry(ctx, func() error {
		switch {
		case o.oneStatement:
			return db.statement(ctx, run)
		case db.group != nil:
			return db.group.do(ctx, o.needsSavepoint, run)
		}
		return db.transaction(ctx, db.writer, run)
	})
	if err == nil && db.changed != nil {
		public := make([]Change, len(changes))
		for i, c := range changes {
			public[i] = c.Change
		}
		db.changed(public)
	}
	return err
}

// statement runs fn, which is one statement, on a connection for writing.
func (db *DB) statement(ctx context.Context, fn func(session) error) error {
	conn, err := db.acquire(ctx, db.writer)
	if err != nil {
		return err
	}
	defer conn.Close()
	return db.asRetryable(fn(session{db: db, conn: conn, queryer: conn}))
}

// duplicateAsConflict returns the error of a write that has checked its message ids: one that is taken all the same
// went to another thread meanwhile.
func (db *DB) duplicateAsConflict(err error) error {
	if err != nil && db.dialect.classify(err) == duplicate {
		return conflictf("a message id belongs to another thread")
	}
	return err
}

func (db *DB) transaction(ctx context.Context, pool *sqlx.DB, fn func(session) error) error {
	conn, err := db.acquire(ctx, pool)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, begun := session{db: db}.translate("BEGIN")
	inMemory := db.options.Path == Memory
	tx, err := conn.BeginTxx(session{uncancellable: inMemory}.statementContext(ctx), nil)
	begun()
	if err != nil {
		return db.asRetryable(err)
	}
	if err := fn(session{db: db, conn: conn, inTx: true, uncancellable: inMemory, queryer: tx}); err != nil {
		_, undone := session{db: db}.translate("ROLLBACK")
		_ = tx.Rollback() // the error that matters is fn's
		undone()
		return err
	}
	_, committed := session{db: db}.translate("COMMIT")
	defer committed()
	err = tx.Commit()
	// SQLite's transaction may still be open, and database/sql would hand it to the next.
	if err != nil && db.group != nil {
		_, _ = conn.ExecContext(context.Background(), "ROLLBACK")
	}
	return err
}

// acquire returns a connection of the pool, waiting for at most the pool timeout:
// database/sql itself would wait as long as the request.
func (db *DB) acquire(ctx context.Context, pool *sqlx.DB) (*sqlx.Conn, error) {
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
