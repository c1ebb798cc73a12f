// Package loaders batches what the fields of a list need into one statement for
// the whole list, without ever waiting for a timer.
//
// A list of threads is announced ([Set.Announce]) by the resolver that returns
// it. The first of its threads whose messages are asked for makes a dataloader
// whose batch capacity is the number of threads in the list, and asks it for all
// of them: with the last one the batch is full and goes to the database. The
// other threads of the list, whenever their resolvers run, find their result in
// the dataloader's cache. So each list costs one statement for each distinct
// window of a field, whatever the scheduling of the resolvers. (What a thread
// alone needs is asked for directly: there is nothing to batch.)
//
//   - Two aliases with the same arguments share a dataloader; with different
//     ones they have one each.
//   - A thread that is in two lists belongs to the one announced first, and its
//     results serve both.
//   - In a cycle (thread → messages → thread → messages) the message's thread is
//     the announced one, so the inner field again loads for the whole list:
//     statements grow with the depth, not with the rows.
//
// A Set lives for one operation, and a mutation's fields start anew with
// [Set.Reset], so nothing is ever stale.
package loaders

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/graph-gophers/dataloader/v7"

	"github.com/threadstore/threadstore/db"
)

// Threads reads threads.
type Threads interface {
	// ByIDs returns those that exist, by id.
	ByIDs(ctx context.Context, ids []string) (map[string]*db.Thread, error)
}

// Messages reads the messages of several threads at once.
type Messages interface {
	// ListByThreads returns the messages in the window, in order, by thread id.
	ListByThreads(ctx context.Context, threadIDs []string, w db.Window) (map[string][]*db.Message, error)
	// ListWithThread returns a thread, nil when it is unknown, and its messages in the window.
	ListWithThread(ctx context.Context, threadID string, w db.Window) (*db.Thread, []*db.Message, error)
	// CountByThreads returns the counts of messages, by thread id.
	CountByThreads(ctx context.Context, threadIDs []string) (map[string]db.Counts, error)
}

// Set holds the loaders of one operation. It is safe for concurrent use.
type Set struct {
	threads  Threads
	messages Messages

	mu        sync.Mutex
	announced [][]*db.Thread        // announced and not yet in known and pages: often nobody asks
	known     map[string]*db.Thread // announced, by id
	siblings  map[string]*siblings  // by thread id
	byID      map[string]loader[*db.Thread]
}

// siblings are the threads of one list, which load together.
type siblings struct {
	ids     []string
	windows map[db.Window]loader[[]*db.Message]
	counts  loader[db.Counts]
}

type contextKey struct{}

// Attach returns a context with a new Set.
func Attach(ctx context.Context, t Threads, m Messages) context.Context {
	return context.WithValue(ctx, contextKey{}, &Set{threads: t, messages: m})
}

// For returns the Set of the operation, which must have been attached.
func For(ctx context.Context) *Set { return ctx.Value(contextKey{}).(*Set) }

// Reset forgets everything that was read: a mutation has changed it.
func (s *Set) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.announced, s.known, s.siblings, s.byID = nil, nil, nil, nil
}

// Announce says that the threads are one list, whose fields load together.
func (s *Set) Announce(threads ...*db.Thread) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.announced = append(s.announced, threads)
}

// lock locks the set, and takes in what was announced.
func (s *Set) lock() {
	s.mu.Lock()
	if s.known == nil {
		s.known, s.siblings, s.byID = map[string]*db.Thread{}, map[string]*siblings{}, map[string]loader[*db.Thread]{}
	}
	for _, threads := range s.announced {
		ids := make([]string, len(threads))
		for i, t := range threads {
			ids[i] = t.ID
			if s.known[t.ID] == nil {
				s.known[t.ID] = t
			}
		}
		s.group(ids)
	}
	s.announced = nil
}

// group makes those of the threads a list that are not in one yet.
func (s *Set) group(ids []string) {
	p := &siblings{windows: map[db.Window]loader[[]*db.Message]{}}
	for _, id := range ids {
		if s.siblings[id] == nil {
			s.siblings[id] = p
			p.ids = append(p.ids, id)
		}
	}
}

// Thread returns the thread, the one it was announced as if it was; nil when there is none.
func (s *Set) Thread(ctx context.Context, id string) (*db.Thread, error) {
	s.lock()
	if t := s.known[id]; t != nil {
		s.mu.Unlock()
		return t, nil
	}
	l := s.byID[id]
	if l == nil {
		l = newLoader(ctx, []string{id}, func(ctx context.Context, ids []string) (map[string]*db.Thread, error) {
			found, err := s.threads.ByIDs(ctx, ids)
			if t := found[id]; t != nil {
				s.Announce(t)
			}
			return found, err
		})
		s.byID[id] = l
	}
	s.mu.Unlock()
	return l(ctx, id)
}

// ThreadWithMessages is Thread for a thread whose messages in a window will be asked for,
// too, so many times: it reads both at once, and forgets the messages with the
// last time, since there may be very many. 0 is any number of times.
func (s *Set) ThreadWithMessages(ctx context.Context, id string, w db.Window, times int) (*db.Thread, error) {
	s.lock()
	known := s.known[id] != nil || s.byID[id] != nil || s.siblings[id] != nil || w == (db.Window{})
	s.mu.Unlock()
	if known {
		return s.Thread(ctx, id)
	}
	t, messages, err := s.messages.ListWithThread(ctx, id, w)
	if err != nil || t == nil {
		return nil, err
	}
	s.Announce(t)
	s.lock()
	defer s.mu.Unlock()
	if p := s.siblingsOf(id); p.windows[w] == nil && len(p.ids) == 1 {
		p.windows[w] = func(context.Context, string) ([]*db.Message, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			list := messages
			if times--; times == 0 {
				messages = nil
				delete(p.windows, w)
			}
			return list, nil
		}
	}
	return t, nil
}

// Messages returns the messages of the thread in the window; none when it is unknown. The list is the caller's.
func (s *Set) Messages(ctx context.Context, threadID string, w db.Window) ([]*db.Message, error) {
	s.lock()
	p := s.siblingsOf(threadID)
	l := p.windows[w]
	if l == nil {
		l = newLoader(ctx, p.ids, func(ctx context.Context, ids []string) (map[string][]*db.Message, error) {
			return s.messages.ListByThreads(ctx, ids, w)
		})
		p.windows[w] = l
	}
	s.mu.Unlock()
	list, err := l(ctx, threadID)
	return slices.Clone(list), err
}

// Count returns how many messages of these roles the thread has.
func (s *Set) Count(ctx context.Context, threadID string, roles db.RoleSet) (int, error) {
	s.lock()
	p := s.siblingsOf(threadID)
	if p.counts == nil {
		p.counts = newLoader(ctx, p.ids, s.messages.CountByThreads)
	}
	l := p.counts
	s.mu.Unlock()
	counts, err := l(ctx, threadID)
	return counts.Of(roles), err
}

// siblingsOf returns the list that the thread was announced in; a thread that was not, such as an unknown one, is its own.
func (s *Set) siblingsOf(threadID string) *siblings {
	if s.siblings[threadID] == nil {
		s.group([]string{threadID})
	}
	return s.siblings[threadID]
}

// loader returns the value of a key that it was made for.
type loader[V any] func(ctx context.Context, key string) (V, error)

// newLoader returns a loader of these keys, which are distinct, and has asked for
// all of them in one batch. A key that is not found has the zero value.
func newLoader[V any](ctx context.Context, keys []string, read func(context.Context, []string) (map[string]V, error)) loader[V] {
	if len(keys) == 1 {
		alone := sync.OnceValues(func() (V, error) {
			found, err := read(ctx, keys)
			return found[keys[0]], err
		})
		return func(context.Context, string) (V, error) { return alone() }
	}
	batch := func(ctx context.Context, keys []string) []*dataloader.Result[V] {
		found, err := read(ctx, keys)
		results := make([]*dataloader.Result[V], len(keys))
		for i, k := range keys {
			results[i] = &dataloader.Result[V]{Data: found[k], Error: err}
		}
		return results
	}
	l := dataloader.NewBatchedLoader(batch,
		dataloader.WithBatchCapacity[string, V](len(keys)),
		dataloader.WithInputCapacity[string, V](len(keys)), // else it makes room for a thousand
		// Never waited for, since the batch fills at once; if that were wrong, requests would visibly hang.
		dataloader.WithWait[string, V](time.Minute))
	for _, k := range keys {
		l.Load(ctx, k)
	}
	return func(ctx context.Context, key string) (V, error) { return l.Load(ctx, key)() }
}
