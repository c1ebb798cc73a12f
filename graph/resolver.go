package graph

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"

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
	MaxPage  int // largest limit
}

// announce tells the loaders of a list of threads to the loaders and returns it.
func announce(ctx context.Context, threads []*db.Thread, err error) ([]*db.Thread, error) {
	if err == nil {
		loaders.For(ctx).Announce(threads...)
	}
	return threads, err
}

// unlessThreadGone returns messages of one thread. If their thread is asked for, it
// is read here and not later: when it was deleted meanwhile, the messages are as
// unknown as it is, and Message.thread cannot be null.
func unlessThreadGone(ctx context.Context, threadID string, messages []*db.Message) ([]*db.Message, error) {
	if len(messages) == 0 || !selectsThread(ctx) {
		return messages, nil
	}
	t, err := loaders.For(ctx).Thread(ctx, threadID)
	if err != nil || t == nil {
		return nil, err
	}
	return messages, nil
}

// selectsThread reports whether the thread of the current field, messages, is asked for.
func selectsThread(ctx context.Context) bool {
	return containsThread(graphql.CollectFieldsCtx(ctx, []string{"Message"}))
}

func containsThread(fields []graphql.CollectedField) bool {
	return slices.ContainsFunc(fields, func(f graphql.CollectedField) bool { return f.Name == "thread" })
}

// lookaheadWindow returns the window of the messages that the current field, a
// thread, is asked for, and how many times; 0 when the messages may lead back to
// the thread and be asked for again. It reports false when there is none, more than one, or
// one that is left to its own resolver: with roles, or with a mistake.
func lookaheadWindow(ctx context.Context) (only db.Window, times int, found bool) {
	op := graphql.GetOperationContext(ctx)
	back := false
	for _, f := range graphql.CollectFieldsCtx(ctx, []string{"Thread"}) {
		if f.Name != "messages" {
			continue
		}
		var numbers [4]*int
		args := f.ArgumentMap(op.Variables)
		for i, name := range []string{"first", "last", "afterSequence", "beforeSequence"} {
			if args[name] == nil {
				continue
			}
			n, err := graphql.UnmarshalInt(args[name])
			if err != nil {
				return only, 0, false
			}
			numbers[i] = &n
		}
		w, err := window(numbers[0], numbers[1], numbers[2], numbers[3], nil)
		if err != nil || args["roles"] != nil || found && w != only {
			return only, 0, false
		}
		only, found = w, true
		times++
		back = back || containsThread(graphql.CollectFields(op, f.Selections, []string{"Message"}))
	}
	if back {
		times = 0
	}
	return only, times, found
}

// needsBoundaryFlags reports whether the current field, a connection, is asked what is beyond the cursors of its page.
func needsBoundaryFlags(ctx context.Context, p db.PageRequest) bool {
	for _, info := range graphql.CollectFieldsCtx(ctx, []string{"ThreadConnection"}) {
		if info.Name != "pageInfo" {
			continue
		}
		for _, f := range graphql.CollectFields(graphql.GetOperationContext(ctx), info.Selections, []string{"PageInfo"}) {
			if f.Name == "hasPreviousPage" && p.After != nil || f.Name == "hasNextPage" && p.Before != nil {
				return true
			}
		}
	}
	return false
}

// appendMessages appends messages and lets their thread be found as it was right after.
func (r *Resolver) appendMessages(ctx context.Context, threadID string, patches []db.MessagePatch) ([]*db.Message, error) {
	messages, thread, err := r.Messages.Add(ctx, threadID, patches)
	set := loaders.For(ctx)
	set.Reset()
	if err != nil {
		return nil, err
	}
	if thread != nil {
		set.Announce(thread)
	}
	return messages, nil
}
