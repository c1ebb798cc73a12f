package db

import (
	"context"
	"slices"
	"sync"
	"time"
)

// company lets those who need the same kind of statement at the same time share
// one: to send it, to run it and, if it writes, to make it durable costs little
// more for ten than for one. Nobody waits for company: what comes while
// statements are under way is the next one. It is safe for concurrent use.
type company[T any] struct {
	lanes
	// fits reports whether one more can be part of a statement with those, of which there is at least one.
	fits func(one *T, with []*T) bool
	// together runs the statement, and puts what came of it into each.
	together func(ctx context.Context, all []*T) error

	mu      sync.Mutex
	waiting []*member[T]
	running int
}

// lanes say how statements run.
type lanes struct {
	statements int           // under way at most, so that one can work while another waits
	patience   time.Duration // how long to wait for a statement to begin
	elsewhere  bool          // who has waited that long goes alone, since there are other connections; else it has waited for the only one
	spawn      func(func())  // runs a shared statement beside those who wait for it, who may leave
}

// maxCompany is how many share a statement at most.
const maxCompany = 64

// member is one of a company, who waits.
type member[T any] struct {
	of   *T
	in   *shared
	done chan struct{} // closed when there is a result, or err
	err  error
}

// shared is a statement that some wait for. It is cancelled when all of them have left.
type shared struct {
	cancel  context.CancelFunc
	waiters int
}

// do does one, in company if there is any, and alone else: directly, or after
// the statement it was part of has failed, which may be for another one's sake.
func (c *company[T]) do(ctx context.Context, one *T, alone func() error) error {
	c.mu.Lock()
	if c.running < c.statements && len(c.waiting) == 0 {
		c.running++
		c.mu.Unlock()
		defer c.ended()
		return alone()
	}
	m := &member[T]{of: one, done: make(chan struct{})}
	c.waiting = append(c.waiting, m)
	c.mu.Unlock()
	patience := time.NewTimer(c.patience)
	defer patience.Stop()
	select {
	case <-m.done:
	case <-ctx.Done():
		c.leave(m)
		return ctx.Err()
	case <-patience.C:
		switch {
		case !c.withdraw(m):
		case c.elsewhere:
			return alone()
		default:
			return tooBusy
		}
		select {
		case <-m.done:
		case <-ctx.Done():
			c.leave(m)
			return ctx.Err()
		}
	}
	if m.err != nil && !Unavailable.Is(m.err) {
		return alone()
	}
	return m.err
}

// withdraw takes out one whose statement has not begun, and reports whether it has not.
func (c *company[T]) withdraw(m *member[T]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.in != nil {
		return false
	}
	c.waiting = slices.DeleteFunc(c.waiting, func(other *member[T]) bool { return other == m })
	return true
}

// leave takes out one who does not wait any more.
func (c *company[T]) leave(m *member[T]) {
	if c.withdraw(m) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.in.waiters--; m.in.waiters == 0 {
		m.in.cancel()
	}
}

// ended is called after one that was alone: those who wait by now come next.
func (c *company[T]) ended() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) > 0 {
		c.spawn(c.run) // ends when nobody waits
	} else {
		c.running--
	}
}

func (c *company[T]) run() {
	for {
		ctx, cancel := context.WithCancel(context.Background())
		members := c.next(cancel)
		if len(members) == 0 {
			cancel()
			return
		}
		all := make([]*T, len(members))
		for i, m := range members {
			all[i] = m.of
		}
		err := guarded(func() error { return c.together(ctx, all) })
		for _, m := range members {
			m.err = err
			close(m.done)
		}
		cancel()
	}
}

// next returns those for the next statement, beginning with who waits longest. With none, run ends.
func (c *company[T]) next(cancel context.CancelFunc) (members []*member[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in := &shared{cancel: cancel}
	var all []*T
	var others []*member[T]
	for _, m := range c.waiting {
		if len(all) > 0 && (len(all) == maxCompany || !c.fits(m.of, all)) {
			others = append(others, m)
			continue
		}
		m.in = in
		members, all = append(members, m), append(all, m.of)
	}
	c.waiting, in.waiters = others, len(members)
	if len(members) == 0 {
		c.running--
	}
	return members
}
