// Package loaders reads what the fields of a list need in one statement for the
// whole list, and never waits for a timer.
//
// The resolver that returns a list of threads tells of it ([Set.PrimeList]). When
// the messages of one of these threads are first asked for, a dataloader is made
// whose batch capacity is the number of threads in the list, and all of them are
// loaded at once: the batch is full with the last, and runs. The other threads
// find their result in the dataloader's cache, in whatever order their resolvers
// run. So each list costs one statement per distinct window of a field. (A list
// of one thread is read without a dataloader: there is nothing to batch.)
//
//   - Aliases of a field with the same arguments share a dataloader; those with
//     different arguments have one each.
//   - A thread that is in two lists belongs to the one that was primed first,
//     and its results serve both.
//   - In a cycle (thread → messages → thread → messages) the message's thread is
//     the primed one, so the inner field loads for the whole list again:
//     statements grow with the depth, not with the rows.
//
// A [Set] serves one response (see [PerResponse]), and a mutation starts anew
// with [Set.Reset], so nothing that was read before a write is used after it.
package loaders

import (
	"context"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
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

// Set holds the loaders of one response. It is safe for concurrent use.
type Set struct {
	threads  Threads
	messages Messages

	mu         sync.Mutex
	newLists   [][]*db.Thread                // not yet in the maps below: often nobody asks for their fields
	primed     map[string]*db.Thread         // by id
	batches    map[string]*batch             // by thread id: which threads load together with it
	threadByID map[string]loader[*db.Thread] // of those that were not primed
}

// batch are the threads of one list, whose fields load together, and the loaders of these fields.
type batch struct {
	threadIDs []string
	messages  map[db.Window]loader[[]*db.Message]
	counts    loader[db.Counts]
}

type contextKey struct{}

// PerResponse gives every response a Set of its own. A query or a mutation has one
// response; a subscription has one for each event, and must not answer a later
// event with what was read for an earlier one.
func PerResponse(t Threads, m Messages) graphql.ResponseMiddleware {
	return func(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
		return next(context.WithValue(ctx, contextKey{}, &Set{threads: t, messages: m}))
	}
}

// For returns the Set of the response that is being made.
func For(ctx context.Context) *Set { return ctx.Value(contextKey{}).(*Set) }

// Reset forgets everything that was read: a mutation has changed it.
func (s *Set) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newLists, s.primed, s.batches, s.threadByID = nil, nil, nil, nil
}

// PrimeList tells of threads that were read as one list: their fields load together,
// so that a list costs one statement for each field and not one for each thread.
// Nor is one of them read again by its id.
func (s *Set) PrimeList(threads ...*db.Thread) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newLists = append(s.newLists, threads)
}

// lockWithLists locks the set, when what was primed is needed, and sorts the new lists into it.
func (s *Set) lockWithLists() {
	s.mu.Lock()
	if s.primed == nil {
		s.primed, s.batches = map[string]*db.Thread{}, map[string]*batch{}
		s.threadByID = map[string]loader[*db.Thread]{}
	}
	for _, threads := range s.newLists {
		ids := make([]string, len(threads))
		for i, t := range threads {
			ids[i] = t.ID
			if s.primed[t.ID] == nil {
				s.primed[t.ID] = t
			}
		}
		s.addBatch(ids)
	}
	s.newLists = nil
}

// addBatch makes a batch of those threads that are in none yet.
func (s *Set) addBatch(ids []string) {
	added := &batch{messages: map[db.Window]loader[[]*db.Message]{}}
	for _, id := range ids {
		if s.batches[id] == nil {
			s.batches[id] = added
			added.threadIDs = append(added.threadIDs, id)
		}
	}
}

// Thread returns the thread, or nil if there is none. One that was primed is not read again.
func (s *Set) Thread(ctx context.Context, id string) (*db.Thread, error) {
	s.lockWithLists()
	if t := s.primed[id]; t != nil {
		s.mu.Unlock()
		return t, nil
	}
	l := s.threadByID[id]
	if l == nil {
		l = newLoader(ctx, []string{id}, func(ctx context.Context, ids []string) (map[string]*db.Thread, error) {
			found, err := s.threads.ByIDs(ctx, ids)
			if t := found[id]; t != nil {
				s.PrimeList(t)
			}
			return found, err
		})
		s.threadByID[id] = l
	}
	s.mu.Unlock()
	return l(ctx, id)
}

// ThreadWithMessages is Thread for a thread whose messages in a window will be
// asked for as well: it reads both at once.
func (s *Set) ThreadWithMessages(ctx context.Context, id string, w db.Window) (*db.Thread, error) {
	s.lockWithLists()
	known := s.primed[id] != nil || s.threadByID[id] != nil || s.batches[id] != nil
	s.mu.Unlock()
	if known || w == (db.Window{}) { // an empty window needs no statement
		return s.Thread(ctx, id)
	}
	t, messages, err := s.messages.ListWithThread(ctx, id, w)
	if err != nil || t == nil {
		return nil, err
	}
	s.PrimeList(t)
	s.lockWithLists()
	defer s.mu.Unlock()
	if b := s.batchOf(id); b.messages[w] == nil && len(b.threadIDs) == 1 {
		b.messages[w] = func(context.Context, string) ([]*db.Message, error) { return messages, nil }
	}
	return t, nil
}

// Messages returns the messages of the thread in the window, none when it is
// unknown. Others may get the same list: it must not be changed.
func (s *Set) Messages(ctx context.Context, threadID string, w db.Window) ([]*db.Message, error) {
	s.lockWithLists()
	b := s.batchOf(threadID)
	l := b.messages[w]
	if l == nil {
		l = newLoader(ctx, b.threadIDs, func(ctx context.Context, ids []string) (map[string][]*db.Message, error) {
			return s.messages.ListByThreads(ctx, ids, w)
		})
		b.messages[w] = l
	}
	s.mu.Unlock()
	return l(ctx, threadID)
}

// Count returns how many messages of these roles the thread has.
func (s *Set) Count(ctx context.Context, threadID string, roles db.RoleSet) (int, error) {
	s.lockWithLists()
	b := s.batchOf(threadID)
	if b.counts == nil {
		b.counts = newLoader(ctx, b.threadIDs, s.messages.CountByThreads)
	}
	l := b.counts
	s.mu.Unlock()
	counts, err := l(ctx, threadID)
	return counts.Of(roles), err
}

// batchOf returns the batch that the thread is in. One that was not primed, such as
// an unknown one, loads alone.
func (s *Set) batchOf(threadID string) *batch {
	if s.batches[threadID] == nil {
		s.addBatch([]string{threadID})
	}
	return s.batches[threadID]
}

// loader returns the value of one of the keys that it was made for.
type loader[V any] func(ctx context.Context, key string) (V, error)

// newLoader returns a loader of these keys, which must be distinct, and starts the
// one batch that reads all of them. A key that is not found has the zero value.
func newLoader[V any](
	ctx context.Context, keys []string, read func(context.Context, []string) (map[string]V, error),
) loader[V] {
	if len(keys) == 1 {
		load := sync.OnceValues(func() (V, error) {
			found, err := read(ctx, keys)
			return found[keys[0]], err
		})
		return func(context.Context, string) (V, error) { return load() }
	}
	readBatch := func(ctx context.Context, keys []string) []*dataloader.Result[V] {
		found, err := read(ctx, keys)
		results := make([]*dataloader.Result[V], len(keys))
		for i, k := range keys {
			results[i] = &dataloader.Result[V]{Data: found[k], Error: err}
		}
		return results
	}
	l := dataloader.NewBatchedLoader(readBatch,
		dataloader.WithBatchCapacity[string, V](len(keys)),
		dataloader.WithInputCapacity[string, V](len(keys)), // the default makes room for a thousand
		// Never waited for, since the batch fills at once. Were that wrong, a test would notice a minute.
		dataloader.WithWait[string, V](time.Minute))
	for _, k := range keys {
		l.Load(ctx, k)
	}
	return func(ctx context.Context, key string) (V, error) { return l.Load(ctx, key)() }
}
