package coalesce

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestBatchPanics lets some share a batch that panics: each runs without it.
func TestBatchPanics(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	release := make(chan struct{})
	var shared int // how many were in the batch
	limits := Limits{Batches: 1, MaxWait: time.Minute, IsFinal: func(error) bool { return false },
		Go: func(fn func()) { go fn() }}
	c := New(limits, func(*int, []*int) bool { return true }, func(_ context.Context, all []*int) error {
		shared = len(all)
		panic("in a batch")
	})
	var group sync.WaitGroup
	var mu sync.Mutex
	var alone []int
	do := func(ctx context.Context, n int, before func()) error {
		return c.Do(ctx, &n, func() error {
			before()
			mu.Lock()
			defer mu.Unlock()
			alone = append(alone, n)
			return nil
		})
	}
	first := make(chan struct{})
	group.Go(func() { _ = do(ctx, 0, func() { close(first); <-release }) })
	<-first
	for n := 1; n <= 2; n++ {
		group.Go(func() {
			if err := do(ctx, n, func() {}); err != nil {
				t.Errorf("%d: %v", n, err)
			}
		})
	}
	leaving, leave := context.WithCancel(ctx)
	group.Go(func() {
		if err := do(leaving, 3, func() {}); !errors.Is(err, context.Canceled) {
			t.Errorf("who has left: %v, want its context's error", err)
		}
	})
	waiting := func(want int) {
		for n := -1; n != want; time.Sleep(time.Millisecond) {
			n = c.queue.Len()
		}
	}
	waiting(3)
	leave()
	waiting(2)
	close(release)
	group.Wait()
	slices.Sort(alone)
	if !slices.Equal(alone, []int{0, 1, 2}) || shared != 2 {
		t.Errorf("alone were %v, and %d shared the batch; want 0, 1 and 2, and two", alone, shared)
	}
}
