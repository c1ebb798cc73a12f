package coalesce

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
)

// Queue hands what waits to workers, in batches. Its fields are set before it is
// used; then it is safe for concurrent use.
type Queue[T comparable] struct {
	// Workers is how many batches are under way at most.
	Workers int
	// Next takes the next batch from what waits, of which there is at least one, the longest waiting first.
	// It is called with the queue locked.
	Next func(waiting []T) (batch, rest []T)
	// Run runs a batch.
	Run func(batch []T)
	// Go runs a worker in a goroutine, which ends when nothing waits.
	Go func(worker func())

	mu      sync.Mutex
	waiting []T
	running int
}

// Push queues an item.
func (q *Queue[T]) Push(item T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, item)
	if q.running < q.Workers {
		q.running++
		q.Go(q.work)
	}
}

// PushUnlessIdle queues an item, unless a worker is free and nothing waits: then
// the caller is that worker, for this item alone, and calls [Queue.Done] when it has run it.
func (q *Queue[T]) PushUnlessIdle(item T) (idle bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running < q.Workers && len(q.waiting) == 0 {
		q.running++
		return true
	}
	q.waiting = append(q.waiting, item)
	return false
}

// Done ends the caller's time as a worker: what waits by now comes next.
func (q *Queue[T]) Done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		q.Go(q.work)
	} else {
		q.running--
	}
}

// Requeue puts back items of a batch, before all that wait.
func (q *Queue[T]) Requeue(items []T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(slices.Clip(items), q.waiting...)
}

// Withdraw takes back an item and reports whether it still waited.
func (q *Queue[T]) Withdraw(item T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, item)
	if i >= 0 {
		q.waiting = slices.Delete(slices.Clone(q.waiting), i, i+1) // a clone: a batch may share the memory
	}
	return i >= 0
}

// Len returns how many items wait.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

func (q *Queue[T]) work() {
	for batch := q.next(); len(batch) > 0; batch = q.next() {
		q.Run(batch)
	}
}

// next returns the next batch; with none, the worker ends.
func (q *Queue[T]) next() (batch []T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.running--
		return nil
	}
	batch, q.waiting = q.Next(q.waiting)
	return batch
}

// RecoverToError runs fn and turns a panic into an error: it must not end what
// others wait for, nor the process.
func RecoverToError(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}
