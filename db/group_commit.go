package db

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// group commits the writes that wait for a SQLite file together: making one
// transaction durable takes as long as making a hundred so. A write that fails
// is undone alone and harms no other. It is safe for concurrent use.
type group struct {
	db      *DB
	mu      sync.Mutex
	waiting []*groupedWrite
	running bool
}

// maxGroup is how many writes share a transaction at most, so that the first of them is answered soon.
const maxGroup = 256

// groupedWrite is one write and, when it is done, what came of it.
type groupedWrite struct {
	ctx   context.Context
	fn    func(session) error
	late  bool          // fn may refuse after it has written
	until time.Time     // it does not begin later
	alone bool          // in a transaction of its own, since one that it was in failed as a whole
	done  chan struct{} // closed when err is final
	err   error
}

// do runs fn in a transaction, which it may share, and returns when that is
// committed. Until fn has begun it can be withdrawn, by ctx or because it has
// waited for the pool timeout; then it runs to its end, since SQLite, when it is
// interrupted, undoes the whole transaction. Unless late, fn refuses, by an
// [*Error], only before it has written: then there is nothing to undo.
func (g *group) do(ctx context.Context, late bool, fn func(session) error) error {
	w := &groupedWrite{ctx: ctx, fn: fn, late: late, until: time.Now().Add(g.db.options.PoolTimeout), done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, w)
	if !g.running {
		g.running = true
		g.db.running.Go(g.run) // ends when nobody waits
	}
	g.mu.Unlock()
	patience := time.NewTimer(g.db.options.PoolTimeout)
	defer patience.Stop()
	select {
	case <-w.done:
	case <-ctx.Done():
		if g.withdraw(w) {
			return ctx.Err()
		}
	case <-patience.C:
		if g.withdraw(w) {
			return tooBusy
		}
	}
	<-w.done
	return w.err
}

// withdraw takes a write back and reports whether it still waited.
func (g *group) withdraw(w *groupedWrite) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, w)
	if i >= 0 {
		g.waiting = slices.Delete(slices.Clone(g.waiting), i, i+1)
	}
	return i >= 0
}

// next returns the writes for the next transaction; with none, run ends.
func (g *group) next() []*groupedWrite {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := slices.IndexFunc(g.waiting, func(w *groupedWrite) bool { return w.alone })
	switch {
	case n < 0:
		n = min(len(g.waiting), maxGroup)
	case n == 0:
		n = 1
	}
	writes := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	g.running = n > 0
	return writes
}

// again lets the writes wait once more, before all others.
func (g *group) again(writes []*groupedWrite) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(writes, g.waiting...)
}

func (g *group) run() {
	waits := newWaits()
	for writes := g.next(); len(writes) > 0; writes = g.next() {
		begun, err := g.commit(writes)
		switch {
		case err != nil && !begun && g.db.classify(err) == retryable: // another process is writing
			g.again(stillWaiting(writes))
			time.Sleep(waits.NextBackOff())
			continue
		case err != nil && begun && len(writes) > 1: // by which of them is not known
			for _, w := range writes {
				w.alone = true
			}
			g.again(writes)
			continue
		}
		waits.Reset()
		for _, w := range writes {
			if err != nil {
				w.err = err
			}
			close(w.done)
		}
	}
}

var tooBusy = &Error{Code: Unavailable, Reason: "the database is too busy; try again"}

// stillWaiting ends the writes whose time is over while another process writes, and returns the others.
func stillWaiting(writes []*groupedWrite) (others []*groupedWrite) {
	now := time.Now()
	for _, w := range writes {
		switch {
		case w.ctx.Err() != nil:
			w.err = w.ctx.Err()
		case now.After(w.until):
			w.err = tooBusy
		default:
			others = append(others, w)
			continue
		}
		close(w.done)
	}
	return others
}

// commit runs the writes in one transaction, which has begun unless its error
// says why it could not.
func (g *group) commit(writes []*groupedWrite) (begun bool, err error) {
	err = g.db.transaction(context.Background(), g.db.writer, func(s session) error {
		begun, s.whole = true, true
		for _, w := range writes {
			if w.err = w.ctx.Err(); w.err != nil {
				continue
			}
			if len(writes) == 1 {
				return guarded(func() error { return w.fn(s) })
			}
			if w.late {
				if err := undoable(s, w); err != nil {
					return err
				}
			} else if w.err = guarded(func() error { return w.fn(s) }); w.err != nil && !refused(w.err) {
				return w.err
			}
		}
		return nil
	})
	return begun, err
}

// undoable runs a write and undoes it if it fails. Its own error is of the whole transaction.
func undoable(s session, w *groupedWrite) error {
	if _, err := s.exec(w.ctx, "SAVEPOINT write"); err != nil {
		return err
	}
	if w.err = guarded(func() error { return w.fn(s) }); w.err != nil {
		if _, err := s.exec(w.ctx, "ROLLBACK TO write"); err != nil {
			return err
		}
	}
	_, err := s.exec(w.ctx, "RELEASE write")
	return err
}

func refused(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return ok
}

// guarded turns a panic of fn into an error: it must not end what others wait for, nor the process.
func guarded(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}
