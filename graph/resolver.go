package graph

import (
	"context"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/graph/loaders"
)

// ThreadStore is what the resolvers need of the repository of threads.
type ThreadStore interface {
	loaders.Threads
	List(ctx context.Context, limit, offset int) ([]*db.Thread, error)
	Page(ctx context.Context, p db.PageRequest) (*db.Page, error)
	Count(ctx context.Context) (int, error)
	FindByAttributes(ctx context.Context, attributes map[string]any, limit, offset int) ([]*db.Thread, error)
	FindBySource(ctx context.Context, name string, properties map[string]any, limit, offset int) ([]*db.Thread, error)
	Save(ctx context.Context, p db.ThreadPatch) (*db.Thread, error)
	Delete(ctx context.Context, id string) (bool, error)
}

// MessageStore is what the resolvers need of the repository of messages.
type MessageStore interface {
	loaders.Messages
	Get(ctx context.Context, id string) (*db.Message, error)
	Add(ctx context.Context, threadID string, patches []db.MessagePatch) ([]*db.Message, *db.Thread, error)
}

// Resolver is the root of all resolvers.
type Resolver struct {
	Threads  ThreadStore
	Messages MessageStore
	MaxPage  int // largest page
}

// primeList tells the loaders of a list of threads, whose fields then load together, and returns it.
func primeList(ctx context.Context, threads []*db.Thread, err error) ([]*db.Thread, error) {
	if err == nil {
		loaders.For(ctx).PrimeList(threads...)
	}
	return threads, err
}

// appendMessages appends messages. Their fields then see the thread as it was right after.
func (r *Resolver) appendMessages(
	ctx context.Context, threadID string, patches []db.MessagePatch,
) ([]*db.Message, error) {
	messages, thread, err := r.Messages.Add(ctx, threadID, patches)
	set := loaders.For(ctx)
	set.Reset()
	if err != nil {
		return nil, err
	}
	if thread != nil {
		set.PrimeList(thread)
	}
	return messages, nil
}

// nilIfThreadDeleted returns messages of one thread. If the thread of the messages
// is asked for, it is read here already: when it was deleted meanwhile, the
// messages are as unknown as it is, since Message.thread cannot be null.
func nilIfThreadDeleted(ctx context.Context, threadID string, messages []*db.Message) ([]*db.Message, error) {
	if len(messages) == 0 || !selectsThread(ctx) {
		return messages, nil
	}
	t, err := loaders.For(ctx).Thread(ctx, threadID)
	if err != nil || t == nil {
		return nil, err
	}
	return messages, nil
}
