package db

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"github.com/threadstore/threadstore/db/coalesce"
	"github.com/threadstore/threadstore/db/pgconn"
)

// DB is an open database. It is safe for concurrent use.
type DB struct {
	dialect *dialect
	options Options
	writer  *sqlx.DB
	reader  *sqlx.DB        // the writer, unless SQLite has a file
	group   *groupCommitter // on SQLite
	// Requests at the same time that share statements; finds and threads on PostgreSQL only.
	appends    *coalesce.Coalescer[appendRequest]
	finds      *coalesce.Coalescer[findRequest]
	threads    *coalesce.Coalescer[threadRequest]
	background tasks // work whose caller may be gone; Close waits for it
	common     commonProperties
	queries    sync.Map // query text as written -> as the dialect has it
	log        *slog.Logger
	now        func() time.Time
	newID      func() string
	changed    func([]Change) // of Hooks
}

// Hooks replace what a test or an instrument needs to see. Zero fields mean the real thing.
type Hooks struct {
	// Log receives the statement echo, and what the adoption of Tyler's tables did; by default slog's default logger.
	Log *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// Connector wraps how connections are made, so that every statement can be seen.
	Connector func(driver.Connector) driver.Connector
	// Changes is called after each write with what it has changed, at the same time for writes at the same time.
	Changes func([]Change)
	// MaxWait is how long to wait for a shared statement before taking a connection of one's own; 0 is maxWait.
	MaxWait time.Duration
}

// Open returns the database of o without touching it; [DB.Migrate] makes it usable.
func Open(o Options, h Hooks) (*DB, error) {
	d, err := dialectOf(o)
	if err != nil {
		return nil, err
	}
	c, err := d.open(o)
	if err != nil {
		return nil, err
	}
	db := &DB{
		dialect: d,
		options: o,
		log:     h.Log,
		now:     h.Now,
		newID:   newUUID,
		changed: h.Changes,
		common:  commonProperties{seed: maphash.MakeSeed()},
	}
	if db.log == nil {
		db.log = slog.Default()
	}
	if db.now == nil {
		db.now = time.Now
	}
	db.openPools(c, h)
	db.startCoalescing(c, h)
	return db, nil
}

func dialectOf(o Options) (*dialect, error) {
	switch o.Driver {
	case PostgreSQL:
		if pgconn.UsesTxPooling(o.Postgres) {
			return &postgresTxPooling, nil
		}
		return &postgres, nil
	case SQLite:
		return &sqlite3, nil
	}
	return nil, fmt.Errorf("unknown database driver %q", o.Driver)
}

// openPools makes the pools, whose connections are made when they are needed.
func (db *DB) openPools(c connectors, h Hooks) {
	o := db.options
	pool := func(c driver.Connector, size, overflow int) *sqlx.DB {
		if h.Connector != nil {
			c = h.Connector(c)
		}
		p := sql.OpenDB(c)
		p.SetMaxOpenConns(size + overflow)
		p.SetMaxIdleConns(size)
		p.SetConnMaxLifetime(o.PoolRecycle)
		return sqlx.NewDb(p, string(o.Driver))
	}
	if c.singleWriter {
		db.writer = pool(c.writer, 1, 0)
	} else {
		db.writer = pool(c.writer, o.PoolSize, o.MaxOverflow)
	}
	db.reader = db.writer
	if c.reader != nil {
		db.reader = pool(c.reader, o.PoolSize, o.MaxOverflow)
	}
	if c.inMemory { // the database ends with its connection
		db.writer.SetConnMaxLifetime(0)
	}
}

// startCoalescing makes what lets requests share statements, and transactions where there is one writer.
func (db *DB) startCoalescing(c connectors, h Hooks) {
	// A quarter of the connections, so that there are others for what takes long; on SQLite, the one that writes.
	l := coalesce.Limits{
		Batches:           max((db.options.PoolSize+db.options.MaxOverflow)/4, 2),
		MaxWait:           cmp.Or(h.MaxWait, maxWait),
		FallbackOnTimeout: true,
		Busy:              tooBusy(nil),
		IsFinal:           Unavailable.Is,
		Go:                db.background.Go,
	}
	if c.singleWriter {
		l.Batches, l.MaxWait, l.FallbackOnTimeout = 1, db.options.PoolTimeout, false
		db.group = newGroupCommitter(db)
	}
	db.appends = coalesce.New(l, (*appendRequest).canJoin, func(ctx context.Context, batch []*appendRequest) error {
		return batch[0].scope.Messages().appendBatch(ctx, batch)
	})
	db.threads = coalesce.New(l, (*threadRequest).canJoin, func(ctx context.Context, batch []*threadRequest) error {
		return batch[0].scope.Messages().listBatch(ctx, batch)
	})
	db.finds = coalesce.New(l, (*findRequest).canJoin, func(ctx context.Context, batch []*findRequest) error {
		return batch[0].scope.Threads().findBatch(ctx, batch)
	})
}

// maxWait is how long to wait for a shared statement before taking a connection of
// one's own: several times what a statement takes, so that one which waits for a
// lock keeps nobody else.
const maxWait = 20 * time.Millisecond

// closeWait is how long Close waits for what runs: another process may keep a SQLite file from being written.
const closeWait = 5 * time.Second

// Close ends all connections, after the writes under way. Whoever calls it has ended the requests.
func (db *DB) Close() error {
	db.background.wait(closeWait)
	var err error
	if db.reader != db.writer {
		err = db.reader.Close()
	}
	return errors.Join(err, db.writer.Close()) // last: on SQLite it leaves one file, without a log beside it
}

// tasks counts what runs apart from those who wait for it.
type tasks struct {
	mu      sync.Mutex
	running int
	idle    chan struct{} // closed when nothing runs; nil if nobody waits for that
}

// Go runs fn in a goroutine.
func (t *tasks) Go(fn func()) {
	t.mu.Lock()
	t.running++
	t.mu.Unlock()
	go func() {
		defer func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.running--; t.running == 0 && t.idle != nil {
				close(t.idle)
				t.idle = nil
			}
		}()
		fn()
	}()
}

// wait returns when nothing runs, or after some time.
func (t *tasks) wait(most time.Duration) {
	t.mu.Lock()
	if t.running == 0 {
		t.mu.Unlock()
		return
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
	case <-time.After(most):
	}
}

// Waiting returns how many requests wait to share a statement or a transaction with others.
func (db *DB) Waiting() int {
	n := db.appends.Len() + db.finds.Len() + db.threads.Len()
	if db.group != nil {
		n += db.group.queue.Len()
	}
	return n
}

// Now returns the clock's time as it can be stored.
func (db *DB) Now() time.Time { return TruncateTime(db.now()) }

// newUUID returns a UUIDv7: ids that sort by the time they were made stay together in an index.
func newUUID() string { return uuid.Must(uuid.NewV7()).String() }
