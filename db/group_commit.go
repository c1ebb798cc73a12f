package db

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/threadstore/threadstore/db/coalesce"
)

// groupCommitter commits the writes that wait for a SQLite file together: making
// one transaction durable takes as long as making a hundred so. A write that
// fails is undone alone and harms no other. It is safe for concurrent use.
type groupCommitter struct {
	db    *DB
	queue coalesce.Queue[*groupedWrite]
	waits *backoff.ExponentialBackOff // of the one worker, while another process writes
}

// maxGroup is how many writes share a transaction at most, so that the first of them is answered soon.
const maxGroup = 256

// groupedWrite is one write and, when it is done, what came of it.
type groupedWrite struct {
	ctx            context.Context
	fn             func(session) error
	needsSavepoint bool          // fn may refuse after it has written
	deadline       time.Time     // it does not begin later
	alone          bool          // in a transaction of its own, since one that it was in failed as a whole
	done           chan struct{} // closed when err is final
	err            error
}

func newGroupCommitter(db *DB) *groupCommitter {
	g := &groupCommitter{db: db, waits: newBackoff()}
	g.queue = coalesce.Queue[*groupedWrite]{Workers: 1, Next: nextGroup, Run: g.run, Go: db.background.Go}
	return g
}

// do runs fn in a transaction, which it may share, and returns when that is
// committed. Until fn has begun it can be withdrawn, by ctx or because it has
// waited for the pool timeout; then it runs to its end, since SQLite, when it is
// interrupted, undoes the whole transaction. Without needsSavepoint, fn refuses,
// by an [*Error], only before it has written: then there is nothing to undo.
func (g *groupCommitter) do(ctx context.Context, needsSavepoint bool, fn func(session) error) error {
	w := &groupedWrite{
		ctx:            ctx,
		fn:             fn,
		needsSavepoint: needsSavepoint,
		deadline:       time.Now().Add(g.db.options.PoolTimeout),
		done:           make(chan struct{}),
	}
	g.queue.Push(w)
	timeout := time.NewTimer(g.db.options.PoolTimeout)
	defer timeout.Stop()
	select {
	case <-w.done:
	case <-ctx.Done():
		if g.queue.Withdraw(w) {
			return ctx.Err()
		}
	case <-timeout.C:
		if g.queue.Withdraw(w) {
			return tooBusy(nil)
		}
	}
	<-w.done
	return w.err
}

// nextGroup takes the writes for the next transaction.
func nextGroup(waiting []*groupedWrite) (writes, rest []*groupedWrite) {
	n := slices.IndexFunc(waiting, func(w *groupedWrite) bool { return w.alone })
	switch {
	case n < 0:
		n = min(len(waiting), maxGroup)
	case n == 0:
		n = 1
	}
	return waiting[:n:n], waiting[n:]
}

// run commits the writes, or lets them wait once more.
func (g *groupCommitter) run(writes []*groupedWrite) {
	begun, err := g.commit(writes)
	switch {
	case err != nil && !begun && g.db.classify(err) == retryable: // another process is writing
		g.queue.Requeue(stillWaiting(writes))
		time.Sleep(g.waits.NextBackOff())
		return
	case err != nil && begun && len(writes) > 1: // by which of them is not known
		for _, w := range writes {
			w.alone = true
		}
		g.queue.Requeue(writes)
		return
	}
	g.waits.Reset()
	for _, w := range writes {
		if err != nil {
			w.err = err
		}
		close(w.done)
	}
}

// stillWaiting ends the writes whose time is over while another process writes, and returns the others.
func stillWaiting(writes []*groupedWrite) (others []*groupedWrite) {
	now := time.Now()
	for _, w := range writes {
		switch {
		case w.ctx.Err() != nil:
			w.err = w.ctx.Err()
		case now.After(w.deadline):
			w.err = tooBusy(nil)
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
func (g *groupCommitter) commit(writes []*groupedWrite) (begun bool, err error) {
	err = g.db.transaction(context.Background(), g.db.writer, func(s session) error {
		begun, s.uncancellable = true, true
		for _, w := range writes {
			if w.err = w.ctx.Err(); w.err != nil {
				continue
			}
			if len(writes) == 1 {
				return coalesce.RecoverToError(func() error { return w.fn(s) })
			}
			if w.needsSavepoint {
				if err := inSavepoint(s, w); err != nil {
					return err
				}
				continue
			}
			w.err = coalesce.RecoverToError(func() error { return w.fn(s) })
			if w.err != nil && !isDomainError(w.err) {
				return w.err
			}
		}
		return nil
	})
	return begun, err
}

// inSavepoint runs a write and undoes it if it fails. Its own error is of the whole transaction.
func inSavepoint(s session, w *groupedWrite) error {
	if _, err := s.exec(w.ctx, "SAVEPOINT write"); err != nil {
		return err
	}
	if w.err = coalesce.RecoverToError(func() error { return w.fn(s) }); w.err != nil {
		if _, err := s.exec(w.ctx, "ROLLBACK TO write"); err != nil {
			return err
		}
	}
	_, err := s.exec(w.ctx, "RELEASE write")
	return err
}

func isDomainError(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return ok
}
