package budget

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

const mib = 1 << 20

func open(t *testing.T, p *Pool) *Account {
	_, a := p.Open(t.Context(), 100*mib)
	return a
}

// TestPool lets one request take all there is for large ones: small ones are served beside it, large ones wait, and
// fail when it does not end.
func TestPool(t *testing.T) {
	t.Parallel()
	p := NewPool(16 * mib)
	p.maxWait = 20 * time.Millisecond
	ctx := t.Context()
	first := open(t, p)
	for range 14 {
		if err := first.Use(ctx, mib); err != nil {
			t.Fatal(err)
		}
	}
	small := open(t, p)
	if err := small.Use(ctx, 100_000); err != nil {
		t.Errorf("a small request beside a large one: %v", err)
	}
	second := open(t, p)
	if err := second.Use(ctx, 3*mib); !errors.Is(err, ErrBusy) {
		t.Errorf("a second large request: %v, want %v", err, ErrBusy)
	}
	if err := second.Use(ctx, 1); !errors.Is(err, ErrBusy) {
		t.Errorf("the second, once more: %v, want %v", err, ErrBusy)
	}
	second.Close()
	third := open(t, p)
	p.maxWait = time.Minute
	done := make(chan error)
	go func() { done <- third.Use(ctx, 3*mib) }()
	time.Sleep(10 * time.Millisecond)
	first.Close()
	if err := first.Use(ctx, 1); err == nil {
		t.Error("who has ended can take more")
	}
	if err := <-done; err != nil {
		t.Errorf("a large request that waited for the first: %v", err)
	}
	third.Close()
	small.Close()
	if all := open(t, p); all.Use(ctx, 14*mib) != nil {
		t.Error("after all have ended there is not all to be had")
	}
}

// TestLimits asks for what is never given.
func TestLimits(t *testing.T) {
	t.Parallel()
	p := NewPool(16 * mib)
	ctx, a := p.Open(t.Context(), 2*mib)
	if err := a.UseAnswer(ctx, mib); err != nil {
		t.Error(err)
	}
	if err := a.UseAnswer(ctx, mib+1); !errors.Is(err, ErrAnswerTooLarge) {
		t.Errorf("an answer too large: %v", err)
	}
	if err := context.Cause(ctx); !errors.Is(err, ErrAnswerTooLarge) {
		t.Errorf("the context after it: %v", err)
	}
	a.Close()
	if err := open(t, p).Use(t.Context(), 15*mib); !errors.Is(err, ErrNeverFits) {
		t.Errorf("more than the pool: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	holder := open(t, p)
	if err := holder.Use(t.Context(), 14*mib); err != nil {
		t.Error(err)
	}
	if err := open(t, p).Use(gone, 2*mib); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that has left: %v", err)
	}
	var none *Account
	if none.Use(ctx, mib) != nil || none.UseAnswer(ctx, mib) != nil || none.Err() != nil ||
		Of(context.Background()) != nil {
		t.Error("a request without an account is counted")
	}
	if Of(ctx) != a {
		t.Error("the context has no account")
	}
}

// TestConcurrentUse uses one account from many goroutines.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	p := NewPool(64 * mib)
	ctx, a := p.Open(t.Context(), 100*mib)
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			for range 1000 {
				if err := a.Use(ctx, 1000); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if used, held := a.used.Load(), a.held.Load(); used != 50_000_000 || held < used || held > used+50*step {
		t.Errorf("%d bytes are used, and %d held", used, held)
	}
	a.Close()
	if !p.large.TryAcquire(56*mib) || !p.small.TryAcquire(8*mib) {
		t.Error("not all was given back")
	}
}
