package db

import (
	"context"
	"database/sql/driver"
	"slices"
	"strings"
	"sync"
)

// appends lets writers at the same time share a statement of PostgreSQL: to send
// it, to run it and to make it durable costs little more for ten messages than
// for one. Nobody waits for company: what comes while statements are under way
// is the next one. It is safe for concurrent use.
type appends struct {
	messages *Messages
	mu       sync.Mutex
	waiting  []*sharedAppend
	running  int // statements under way
}

// Bounds of sharing.
const (
	maxStatements = 2  // one can work while the other waits for the disk
	maxShared     = 64 // messages in a statement
)

// sharedAppend is one message and, when it is done, what came of it.
type sharedAppend struct {
	message Message
	columns Columns // of the thread
	in      *sharedStatement
	done    chan struct{} // closed when there is a result
	result  appended
	err     error
	alone   bool // to be appended by itself: the statement failed, perhaps for another one's sake
}

// sharedStatement is what some writers wait for. It is cancelled when all of them have left.
type sharedStatement struct {
	cancel  context.CancelFunc
	waiters int
}

// add appends m as [Messages.addOne] does.
func (a *appends) add(ctx context.Context, m Message) (appended, error) {
	a.mu.Lock()
	if a.running < maxStatements && len(a.waiting) == 0 {
		a.running++
		a.mu.Unlock()
		defer a.ended()
		return a.messages.addOne(ctx, m)
	}
	w := &sharedAppend{message: m, columns: columnsOf(ctx).threads, done: make(chan struct{})}
	a.waiting = append(a.waiting, w)
	a.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
		a.leave(w)
		return appended{}, a.messages.db.explain(ctx, ctx.Err())
	}
	if w.alone {
		return a.messages.addOne(ctx, m)
	}
	return w.result, w.err
}

// leave takes a writer out who does not wait any more.
func (a *appends) leave(w *sharedAppend) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w.in == nil {
		a.waiting = slices.DeleteFunc(a.waiting, func(other *sharedAppend) bool { return other == w })
		return
	}
	if w.in.waiters--; w.in.waiters == 0 {
		w.in.cancel()
	}
}

// ended is called after a statement: who waits by now gets the next.
func (a *appends) ended() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) > 0 {
		go a.run() // ends when nobody waits
	} else {
		a.running--
	}
}

func (a *appends) run() {
	for {
		ctx, cancel := context.WithCancel(context.Background())
		shared := a.next(cancel)
		if len(shared) > 0 {
			a.write(ctx, shared)
		}
		cancel()
		if len(shared) == 0 {
			return
		}
	}
}

// next returns the messages for the next statement, of one thread at most one:
// every change of a thread has an updatedAt of its own. With none, run ends.
func (a *appends) next(cancel context.CancelFunc) (shared []*sharedAppend) {
	a.mu.Lock()
	defer a.mu.Unlock()
	in := &sharedStatement{cancel: cancel}
	threads := map[string]bool{}
	var others []*sharedAppend
	for _, w := range a.waiting {
		if id := w.message.ThreadID; len(shared) == maxShared || threads[id] {
			others = append(others, w)
		} else {
			threads[id], w.in = true, in
			shared = append(shared, w)
		}
	}
	a.waiting, in.waiters = others, len(shared)
	if len(shared) == 0 {
		a.running--
	}
	return shared
}

// write appends the messages by one statement, and tells each of them.
func (a *appends) write(ctx context.Context, shared []*sharedAppend) {
	err := a.messages.addShared(ctx, shared)
	for _, w := range shared {
		if Unavailable.Is(err) {
			w.err = err
		} else {
			w.alone = err != nil
		}
		close(w.done)
	}
}

// sharedColumns are what a shared append binds: a message's index in the list, and columns of messages. The fourth, c3, is the role.
var sharedColumns = []bulkColumn{{"index", "bigint"}, {"thread_id", "text"}, {"id", "text"}, {"role", "text"}, {"content", "text"}, {"parts", "{json}"}, {"name", "text"}, {"tool_call_id", "text"},
	{"tool_calls", "{json}"}, {"attributes", "{json}"}, {`"timestamp"`, "{time}"}, {"source", "{json}"}, {"attachments", "{json}"}, {"metrics", "{json}"}}

// addShared is [Messages.addOne] for several messages of different threads. The
// rows of these are locked in the order of their ids, so that two such
// statements do not wait for each other.
func (r *Messages) addShared(ctx context.Context, shared []*sharedAppend) error {
	slices.SortFunc(shared, func(x, y *sharedAppend) int { return strings.Compare(x.message.ThreadID, y.message.ThreadID) })
	d := r.db.dialect
	rows := make([][]any, len(shared))
	var columns Columns
	for i, w := range shared {
		columns |= w.columns
		v := w.message.values(d) // id, sequence, position, role, and so on
		rows[i] = append([]any{i, w.message.ThreadID, v[0]}, v[3:]...)
	}
	from, values, args := unnested("g", sharedColumns, rows)
	wanted := threadTable.these(columns)
	query := `WITH t AS (
			UPDATE threads AS t SET updated_at = GREATEST(t.updated_at + interval '1 microsecond', CAST(? AS {time})),
				last_sequence = t.last_sequence + CASE WHEN g.c3 = 'system' THEN 0 ELSE 1 END,
				system_count = t.system_count + CASE WHEN g.c3 = 'system' THEN 1 ELSE 0 END, user_count = t.user_count + CASE WHEN g.c3 = 'user' THEN 1 ELSE 0 END,
				assistant_count = t.assistant_count + CASE WHEN g.c3 = 'assistant' THEN 1 ELSE 0 END, tool_count = t.tool_count + CASE WHEN g.c3 = 'tool' THEN 1 ELSE 0 END
			FROM ` + from + ` WHERE t.id = g.c1
			RETURNING ` + threadTable.list(columns) + `, CASE WHEN g.c3 = 'system' THEN t.system_count ELSE t.last_sequence END AS place, g.*
		), m AS (
			INSERT INTO messages (sequence, position, ` + names(sharedColumns[1:]) + `)
			SELECT CASE WHEN g.c3 = 'system' THEN 0 ELSE g.place END, CASE WHEN g.c3 = 'system' THEN g.place ELSE 0 END, ` + strings.Join(values[1:], ", ") + ` FROM t AS g
		)
		SELECT CAST(t.c0 AS bigint), ` + threadTable.list(columns) + `, t.place{on disk} FROM t`
	args = append([]any{d.formatTime(r.db.Now())}, args...)
	return r.db.read(ctx, func(s session) error { // which tries again only when nothing has been changed
		return s.each(ctx, query, args, func(v []driver.Value) error {
			w := shared[v[0].(int64)]
			return w.result.read(d, wanted, w.message, v[1:])
		})
	})
}
