// Package coalesce lets requests at the same time share work: a statement
// ([Coalescer]), or a transaction (db's group commit, on a [Queue]). Nobody waits
// for others to come: what comes while work is under way is the next batch. It
// imports nothing of ours.
//
// Which requests can share a statement, the canJoin of a Coalescer says. There are
// three in db, and all of them refuse requests of different scopes, that is tenants:
//   - appendRequest (messages_append.go): on PostgreSQL, one message for each thread; on SQLite any.
//   - findRequest (threads_find.go): searches for one property, with the same limit, offset and columns.
//   - threadRequest (messages_window.go): single threads, with the same window of messages and the same columns.
package coalesce

import (
	"context"
	"sync/atomic"
	"time"
)

// Limits say how batches run.
type Limits struct {
	// Batches is how many are under way at most, so that one can work while another waits.
	Batches int
	// MaxWait is how long a request waits for its batch to begin.
	MaxWait time.Duration
	// FallbackOnTimeout: who has waited that long runs alone, since there are other connections. Else it fails with
	// Busy.
	FallbackOnTimeout bool
	Busy              error
	// IsFinal reports whether the error of a batch would be that of a request alone, too: it is not run again.
	IsFinal func(error) bool
	// Go runs a batch beside those who wait for it, who may leave.
	Go func(func())
}

// maxBatch is how many requests share a batch at most.
const maxBatch = 64

// Coalescer lets requests that need the same kind of statement at the same time
// share one: to send it, to run it and, if it writes, to make it durable costs
// little more for ten than for one. It is safe for concurrent use.
type Coalescer[T any] struct {
	limits Limits
	// canJoin reports whether one more request can be part of a batch, which is not empty and whose requests can all
	// share a statement.
	canJoin func(request *T, batch []*T) bool
	// runBatch runs the statement, and puts what came of it into each.
	runBatch func(ctx context.Context, batch []*T) error
	queue    Queue[*waiter[T]]
}

// waiter is a request that waits.
type waiter[T any] struct {
	request *T
	batch   *inflight // nil until it begins
	done    chan struct{}
	err     error // final when done is closed
}

// inflight is a batch under way. It is cancelled when all who waited for it have left.
type inflight struct {
	ctx     context.Context
	cancel  context.CancelFunc
	waiters atomic.Int32
}

// New returns a Coalescer.
func New[T any](
	l Limits,
	canJoin func(request *T, batch []*T) bool,
	runBatch func(ctx context.Context, batch []*T) error,
) *Coalescer[T] {
	c := &Coalescer[T]{limits: l, canJoin: canJoin, runBatch: runBatch}
	c.queue = Queue[*waiter[T]]{Workers: l.Batches, Next: c.next, Run: c.run, Go: l.Go}
	return c
}

// Do runs a request in a batch with others if there are any, and by runOne else:
// at once, or after the batch it was in has failed, which may be for another one's
// sake. When it returns the context's error, the batch may still be writing the
// result into the request: the caller must not read it.
func (c *Coalescer[T]) Do(ctx context.Context, request *T, runOne func() error) error {
	w := &waiter[T]{request: request, done: make(chan struct{})}
	if c.queue.PushUnlessIdle(w) {
		defer c.queue.Done()
		return runOne()
	}
	timeout := time.NewTimer(c.limits.MaxWait)
	defer timeout.Stop()
	select {
	case <-w.done:
	case <-ctx.Done():
		c.leave(w)
		return ctx.Err()
	case <-timeout.C:
		if c.queue.Withdraw(w) {
			if c.limits.FallbackOnTimeout {
				return runOne()
			}
			return c.limits.Busy
		}
		select {
		case <-w.done:
		case <-ctx.Done():
			c.leave(w)
			return ctx.Err()
		}
	}
	if w.err != nil && !c.limits.IsFinal(w.err) {
		return runOne()
	}
	return w.err
}

// Len returns how many requests wait.
func (c *Coalescer[T]) Len() int { return c.queue.Len() }

// leave takes out one who does not wait any more.
func (c *Coalescer[T]) leave(w *waiter[T]) {
	if !c.queue.Withdraw(w) && w.batch.waiters.Add(-1) == 0 {
		w.batch.cancel()
	}
}

// next takes those that can join the one who has waited longest.
func (c *Coalescer[T]) next(waiting []*waiter[T]) (batch, rest []*waiter[T]) {
	in := &inflight{}
	in.ctx, in.cancel = context.WithCancel(context.Background())
	var requests []*T
	for _, w := range waiting {
		if len(batch) > 0 && (len(batch) == maxBatch || !c.canJoin(w.request, requests)) {
			rest = append(rest, w)
			continue
		}
		w.batch = in
		batch, requests = append(batch, w), append(requests, w.request)
	}
	in.waiters.Store(int32(len(batch)))
	return batch, rest
}

func (c *Coalescer[T]) run(batch []*waiter[T]) {
	in := batch[0].batch
	defer in.cancel()
	requests := make([]*T, len(batch))
	for i, w := range batch {
		requests[i] = w.request
	}
	err := RecoverToError(func() error { return c.runBatch(in.ctx, requests) })
	for _, w := range batch {
		w.err = err
		close(w.done)
	}
}
