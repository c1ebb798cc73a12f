package db

import (
	"context"
	"database/sql/driver"
	"slices"
	"strings"
)

// oneAppend is a message to append and, when it is done, what came of it: nothing if it has to be appended otherwise.
type oneAppend struct {
	message Message
	given   bool    // its id is the client's
	columns Columns // of the thread, that are wanted
	result  appended
}

// append appends m, in company if there is any. What it leaves out, such as for
// an unknown thread, has no message; an id that is taken may be an error.
func (r *Messages) append(ctx context.Context, m Message, given bool) (appended, error) {
	one := &oneAppend{message: m, given: given, columns: columnsOf(ctx).threads}
	alone := false
	err := r.db.appends.do(ctx, one, func() (err error) {
		alone = true
		if r.db.dialect.writableCTE {
			one.result, err = r.addOne(ctx, m)
			return err
		}
		return r.addInTx(ctx, []*oneAppend{one})
	})
	if err == nil && one.result.message == nil && !alone && r.db.dialect.writableCTE { // left out
		one.result, err = r.addOne(ctx, m)
	}
	if err != nil { // who did not wait for a statement must not look at what it is still being given
		return appended{}, r.db.explain(ctx, err)
	}
	return one.result, nil
}

// differs reports whether one is of another thread than the others. A statement
// appends one message to a thread: every change has an updatedAt of its own.
func (one *oneAppend) differs(from []*oneAppend) bool {
	return !slices.ContainsFunc(from, func(other *oneAppend) bool { return other.message.ThreadID == one.message.ThreadID })
}

// addInTx is addTogether on SQLite, in one transaction. It leaves out what takes
// more than its statements, such as a thread that is unknown, whose updated_at
// the clock has not passed, or whose counters are no numbers, and a message
// whose id there is.
func (r *Messages) addInTx(ctx context.Context, all []*oneAppend) error {
	return r.db.inTx(ctx, false, func(s session) error {
		var given []string
		for _, one := range all {
			one.result = appended{}
			if one.given {
				given = append(given, one.message.ID)
			}
		}
		known, err := messagesByID(ctx, s, given)
		if err != nil {
			return err
		}
		rest := slices.DeleteFunc(slices.Clone(all), func(one *oneAppend) bool { return known[one.message.ID] != nil })
		for len(rest) > 0 {
			var now, later []*oneAppend
			for _, one := range rest {
				if one.differs(now) {
					now = append(now, one)
				} else {
					later = append(later, one)
				}
			}
			if err := r.addRound(ctx, s, now); err != nil {
				return err
			}
			rest = later
		}
		return nil
	})
}

// addRound appends messages of different threads in two statements. Neither is
// of a kind that SQLite could undo alone, which would cost a copy of each page:
// see insertValues. (A statement that reads json_each is, whatever its conflict clause.)
func (r *Messages) addRound(ctx context.Context, s session, round []*oneAppend) error {
	d := s.db.dialect
	var columns Columns
	byThread := map[string]*oneAppend{}
	var grown []any
	for _, one := range round {
		columns |= one.columns
		byThread[one.message.ThreadID] = one
		grown = append(grown, one.message.ThreadID, string(one.message.Role))
	}
	now := d.formatTime(r.db.Now())
	wanted := threadTable.these(columns)
	var added [][]any
	if err := s.each(ctx, `WITH grown(id, role) AS (VALUES (?, ?)`+strings.Repeat(`, (?, ?)`, len(round)-1)+`)
		UPDATE OR FAIL threads SET updated_at = ?, last_sequence = last_sequence + (role <> 'system'), system_count = system_count + (role = 'system'),
			user_count = user_count + (role = 'user'), assistant_count = assistant_count + (role = 'assistant'), tool_count = tool_count + (role = 'tool')
		FROM grown WHERE threads.id = grown.id AND updated_at < ? AND typeof(last_sequence) = 'integer' AND typeof(system_count) = 'integer'
			AND typeof(user_count) = 'integer' AND typeof(assistant_count) = 'integer' AND typeof(tool_count) = 'integer'
		RETURNING `+threadTable.names("threads.", columns)+`, last_sequence, system_count`, append(grown, now, now), func(v []driver.Value) error {
		one := byThread[v[0].(string)]
		if one.message.Role == RoleSystem {
			v[len(wanted)] = v[len(wanted)+1]
		}
		if err := one.result.read(d, wanted, one.message, v); err != nil {
			return err
		}
		added = append(added, append(one.result.message.values(d), one.message.ThreadID))
		return nil
	}); err != nil {
		return err
	}
	return insertBulk(ctx, s, "messages", messageBulk, added)
}

// sharedColumns are what a shared append binds: a message's index in the list, and columns of messages. The fourth, c3, is the role.
var sharedColumns = []bulkColumn{{"index", "bigint"}, {"thread_id", "text"}, {"id", "text"}, {"role", "text"}, {"content", "text"}, {"parts", "{json}"}, {"name", "text"}, {"tool_call_id", "text"},
	{"tool_calls", "{json}"}, {"attributes", "{json}"}, {`"timestamp"`, "{time}"}, {"source", "{json}"}, {"attachments", "{json}"}, {"metrics", "{json}"}}

// addTogether appends several messages.
func (r *Messages) addTogether(ctx context.Context, all []*oneAppend) error {
	if r.db.dialect.writableCTE {
		return r.addShared(ctx, all)
	}
	return r.addInTx(ctx, all)
}

// fits reports whether one can be appended together with the others.
func (r *Messages) fits(one *oneAppend, others []*oneAppend) bool {
	return !r.db.dialect.writableCTE || one.differs(others)
}

// addShared is [Messages.addOne] for several messages of different threads. It
// waits for nobody: a thread that somebody else is writing is left out.
func (r *Messages) addShared(ctx context.Context, shared []*oneAppend) error {
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
	query := `WITH free AS MATERIALIZED (
			SELECT t.id FROM threads t WHERE t.id {in} FOR UPDATE SKIP LOCKED
		), t AS (
			UPDATE threads AS t SET updated_at = GREATEST(t.updated_at + interval '1 microsecond', CAST(? AS {time})),
				last_sequence = t.last_sequence + CASE WHEN g.c3 = 'system' THEN 0 ELSE 1 END,
				system_count = t.system_count + CASE WHEN g.c3 = 'system' THEN 1 ELSE 0 END, user_count = t.user_count + CASE WHEN g.c3 = 'user' THEN 1 ELSE 0 END,
				assistant_count = t.assistant_count + CASE WHEN g.c3 = 'assistant' THEN 1 ELSE 0 END, tool_count = t.tool_count + CASE WHEN g.c3 = 'tool' THEN 1 ELSE 0 END
			FROM ` + from + ` CROSS JOIN free WHERE free.id = g.c1 AND t.id = free.id
			RETURNING ` + threadTable.names("t.", columns) + `, CASE WHEN g.c3 = 'system' THEN t.system_count ELSE t.last_sequence END AS place, g.*
		), m AS (
			INSERT INTO messages (sequence, position, ` + names(sharedColumns[1:]) + `)
			SELECT CASE WHEN g.c3 = 'system' THEN 0 ELSE g.place END, CASE WHEN g.c3 = 'system' THEN g.place ELSE 0 END, ` + strings.Join(values[1:], ", ") + ` FROM t AS g
		)
		SELECT CAST(t.c0 AS bigint), ` + threadTable.list(columns) + `, t.place{on disk} FROM t`
	args = append([]any{args[1], d.formatTime(r.db.Now())}, args...) // the ids of the threads, first, say which rows to lock
	return r.db.read(ctx, func(s session) error {                    // which tries again only when nothing has been changed
		return s.each(ctx, query, args, func(v []driver.Value) error {
			w := shared[v[0].(int64)]
			return w.result.read(d, wanted, w.message, v[1:])
		})
	})
}
