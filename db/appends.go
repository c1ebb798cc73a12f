package db

import (
	"context"
	"database/sql/driver"
	"slices"
	"strings"
)

// oneAppend is a message to append on PostgreSQL and, when it is done, what came of it.
type oneAppend struct {
	message Message
	columns Columns // of the thread, that are wanted
	result  appended
}

// append appends m as [Messages.addOne] does, in company.
func (r *Messages) append(ctx context.Context, m Message) (appended, error) {
	one := &oneAppend{message: m, columns: columnsOf(ctx).threads}
	err := r.db.appends.do(ctx, one, func() (err error) {
		one.result, err = r.addOne(ctx, m)
		return err
	})
	return one.result, r.db.explain(ctx, err)
}

// differs reports whether one is of another thread than the others: every change of a thread has an updatedAt of its own.
func (one *oneAppend) differs(from []*oneAppend) bool {
	return !slices.ContainsFunc(from, func(other *oneAppend) bool { return other.message.ThreadID == one.message.ThreadID })
}

// sharedColumns are what a shared append binds: a message's index in the list, and columns of messages. The fourth, c3, is the role.
var sharedColumns = []bulkColumn{{"index", "bigint"}, {"thread_id", "text"}, {"id", "text"}, {"role", "text"}, {"content", "text"}, {"parts", "{json}"}, {"name", "text"}, {"tool_call_id", "text"},
	{"tool_calls", "{json}"}, {"attributes", "{json}"}, {`"timestamp"`, "{time}"}, {"source", "{json}"}, {"attachments", "{json}"}, {"metrics", "{json}"}}

// addTogether is [Messages.addOne] for several messages of different threads. The
// rows of these are locked in the order of their ids, so that two such
// statements do not wait for each other.
func (r *Messages) addTogether(ctx context.Context, shared []*oneAppend) error {
	slices.SortFunc(shared, func(x, y *oneAppend) int { return strings.Compare(x.message.ThreadID, y.message.ThreadID) })
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
			RETURNING ` + threadTable.names("t.", columns) + `, CASE WHEN g.c3 = 'system' THEN t.system_count ELSE t.last_sequence END AS place, g.*
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
