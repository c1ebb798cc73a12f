// Package budget bounds the memory that requests hold: each has an account, and all accounts together a pool. What is
// held is counted where it grows, in bodies, in rows, in answers, and given back when the request has been answered.
// It imports nothing of ours.
package budget

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// Errors of an account. Once it has returned one, it returns it again.
var (
	// ErrBusy: other requests hold so much that there was no room in time. It may be tried again.
	ErrBusy = errors.New("the requests under way hold all memory there is for them")
	// ErrNeverFits: the request would need more than there is for all together.
	ErrNeverFits = errors.New("the request would need more memory than there is for all together")
	// ErrInputTooLarge is ErrNeverFits for what the client has sent.
	ErrInputTooLarge = errors.New("the request's input would need more memory than there is for all together")
	// ErrAnswerTooLarge: the answer is longer than any may be.
	ErrAnswerTooLarge = errors.New("the answer is larger than an answer may be")
)

// Pool is the memory that requests may hold together. It is safe for concurrent use.
type Pool struct {
	large   *semaphore.Weighted // what any request may have
	small   *semaphore.Weighted // the reserve: of this, nobody gets more than maxSmall
	size    int64
	maxWait time.Duration
}

const (
	// maxSmall is what a request may have of the reserve, in bytes, so that one who asks for little is served beside
	// those who have taken all the rest.
	maxSmall = 1 << 20
	// reserved is which part of the pool the reserve is.
	reserved = 8
	// step is in what pieces an account takes memory from the pool, in bytes: most requests take one.
	step = 64 << 10
	// maxWait is how long a request waits for memory.
	maxWait = time.Second
)

// MinSize is the smallest size of a pool: with less, no request would fit.
const MinSize = reserved * maxSmall

// NewPool returns a pool of so many bytes, MinSize or more.
func NewPool(size int64) *Pool {
	return &Pool{large: semaphore.NewWeighted(size - size/reserved), small: semaphore.NewWeighted(size / reserved),
		size: size, maxWait: maxWait}
}

// Size returns how many bytes there are for all requests together.
func (p *Pool) Size() int64 { return p.size }

// Account is what one request holds. It is safe for concurrent use. A nil account counts nothing.
type Account struct {
	pool      *Pool
	maxAnswer int64
	fail      context.CancelCauseFunc

	used   atomic.Int64  // what the request has asked for
	answer atomic.Int64  // the part of it that is answer
	mu     chan struct{} // a lock that can be waited for with a context
	held   atomic.Int64  // what it has of the pool, at least what is used
	small  int64         // the part of it that is of the reserve
	failed atomic.Pointer[error]
}

// Open returns the account of a request, whose answer may have up to maxAnswer bytes, and a context that has it and is
// cancelled when the account returns an error: what goes on for the request is in vain then.
func (p *Pool) Open(ctx context.Context, maxAnswer int64) (context.Context, *Account) {
	ctx, cancel := context.WithCancelCause(ctx)
	a := &Account{pool: p, maxAnswer: maxAnswer, fail: cancel, mu: make(chan struct{}, 1)}
	return context.WithValue(ctx, key{}, a), a
}

type key struct{}

// Of returns the account of a request, nil if it has none.
func Of(ctx context.Context) *Account {
	a, _ := ctx.Value(key{}).(*Account)
	return a
}

// Use counts n bytes more. It may wait for others to give memory back.
func (a *Account) Use(ctx context.Context, n int) error {
	return a.use(ctx, n, ErrNeverFits)
}

// UseInput counts n bytes more of what the client has sent, or of what is made of it.
func (a *Account) UseInput(ctx context.Context, n int) error {
	return a.use(ctx, n, ErrInputTooLarge)
}

func (a *Account) use(ctx context.Context, n int, neverFits error) error {
	if a == nil {
		return nil
	}
	if a.used.Add(int64(n)) <= a.held.Load() {
		return a.Err()
	}
	return a.take(ctx, neverFits)
}

// UseAnswer counts n bytes more of the answer, in memory too.
func (a *Account) UseAnswer(ctx context.Context, n int) error {
	if a == nil {
		return nil
	}
	if a.answer.Add(int64(n)) > a.maxAnswer {
		return a.setErr(ErrAnswerTooLarge)
	}
	return a.Use(ctx, n)
}

// Err returns the error that the account has returned, nil if there was none.
func (a *Account) Err() error {
	if a == nil {
		return nil
	}
	if err := a.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (a *Account) setErr(err error) error {
	a.failed.CompareAndSwap(nil, &err)
	a.fail(a.Err())
	return a.Err()
}

// take takes from the pool what is used and not yet held; neverFits is the error if the pool is too small for it.
func (a *Account) take(ctx context.Context, neverFits error) error {
	select {
	case a.mu <- struct{}{}:
		defer func() { <-a.mu }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := a.Err(); err != nil {
		return err
	}
	missing := a.used.Load() - a.held.Load()
	if missing <= 0 { // another one of the request took it
		return nil
	}
	missing = (missing + step - 1) / step * step
	if a.held.Load()+missing > a.pool.size-a.pool.size/reserved {
		return a.setErr(neverFits)
	}
	if a.small+missing <= maxSmall && a.pool.small.TryAcquire(missing) {
		a.small += missing
		a.held.Add(missing)
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, a.pool.maxWait)
	defer cancel()
	if err := a.pool.large.Acquire(waiting, missing); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return a.setErr(ErrBusy)
	}
	a.held.Add(missing)
	return nil
}

// Close gives back what the account holds. Nothing may be counted after it.
func (a *Account) Close() {
	a.mu <- struct{}{}
	defer func() { <-a.mu }()
	a.pool.small.Release(a.small)
	a.pool.large.Release(a.held.Load() - a.small)
	a.small = 0
	a.held.Store(0)
	a.setErr(context.Canceled) // for what still runs and must not take more
}
