package db

import (
	"context"
	"database/sql/driver"
	"slices"
	"strings"
)

// Add appends messages to the thread, all or none, and returns them as stored,
// with the thread as it then is. A message whose id the thread already has is
// a retry if it is the same; else, or if another thread has the id, it is a
// Conflict. An unknown thread is NotFound. Nothing new leaves the thread unchanged.
func (r *Messages) Add(ctx context.Context, threadID string, patches []MessagePatch) ([]*Message, *Thread, error) {
	now := r.db.Now()
	fresh := make([]*Message, len(patches))
	for i, p := range patches {
		m := newMessage(threadID, now)
		if err := p.validate(); err != nil {
			return nil, nil, At(err, i)
		}
		if err := m.apply(p, now); err != nil {
			return nil, nil, err
		}
		if err := m.validate(); err != nil {
			return nil, nil, At(err, i)
		}
		if p.ID != nil {
			m.ID = *p.ID
		} else {
			m.ID = r.db.newID()
		}
		fresh[i] = &m
	}
	unknown := &Error{Code: NotFound, Reason: "there is no thread with this id"}
	if !knownID(threadID) {
		return nil, nil, unknown
	}
	if len(fresh) == 1 {
		a, err := r.append(ctx, *fresh[0], patches[0].ID != nil)
		switch {
		case err == nil && a.message != nil:
			return []*Message{a.message}, a.thread, nil
		case err != nil && r.db.dialect.classify(err) != duplicate:
			return nil, nil, err
		}
		// There is no such thread, or the id is taken: perhaps by ourselves, in an attempt whose answer was lost. Then
		// the message is there as we meant it.
		patches = slices.Clone(patches)
		patches[0].ID = &fresh[0].ID
	}
	var stored []*Message
	var thread *Thread
	err := r.db.write(ctx, false, func(s session) error {
		row, err := lockThread(ctx, s, threadID)
		if err != nil {
			return err
		}
		if row == nil {
			return unknown
		}
		if thread, err = row.thread(s.db.dialect); err != nil {
			return err
		}
		known, err := messagesByID(ctx, s, givenIDs(patches))
		if err != nil {
			return err
		}
		stored = make([]*Message, len(patches))
		var added []*Message
		counted, err := row.counters(threadID)
		if err != nil {
			return err
		}
		for i, p := range patches {
			if before, ok := known[fresh[i].ID]; ok {
				if err := retried(before, threadID, p); err != nil {
					return err
				}
				stored[i] = before
				continue
			}
			m := *fresh[i] // a copy: the transaction may be run again
			counted.add(&m)
			stored[i], known[m.ID] = &m, &m
			added = append(added, &m)
		}
		if len(added) == 0 {
			return nil
		}
		if err := insert(ctx, s, threadID, added); err != nil {
			return err
		}
		thread.UpdatedAt = after(thread.UpdatedAt, r.db.Now())
		return touch(ctx, s, thread, counted)
	})
	if err != nil {
		return nil, nil, err
	}
	return stored, thread, nil
}

// retried returns nil if p says the same as the stored message, which has its id.
func retried(stored *Message, threadID string, p MessagePatch) error {
	if stored.ThreadID != threadID {
		return conflictf("the message id %q belongs to another thread", stored.ID)
	}
	same, err := stored.same(p)
	if err != nil {
		return stored.broken("message", err)
	}
	if !same {
		return conflictf("the thread has a message with the id %q that says something else", stored.ID)
	}
	return nil
}

// givenIDs returns the ids that the client chose.
func givenIDs(patches []MessagePatch) (ids []string) {
	for _, p := range patches {
		if p.ID != nil {
			ids = append(ids, *p.ID)
		}
	}
	return ids
}

// counterUpdate is what one more message changes in the row of its thread, which is t.
type counterUpdate struct {
	set   string // for UPDATE
	place string // the message's place among the system messages, or among the others
}

func countersAfter(role Role) counterUpdate {
	count := string(role) + `_count`
	if role == RoleSystem {
		return counterUpdate{`system_count = system_count + 1`, `system_count`}
	}
	return counterUpdate{`last_sequence = last_sequence + 1, ` + count + ` = ` + count + ` + 1`, `last_sequence`}
}

// appendResult is what came of an append: the message as it is stored, with its
// thread. The thread is nil when its row cannot be read, which is for those to
// find out who ask for it.
type appendResult struct {
	message *Message
	thread  *Thread
}

// read reads a row of the wanted columns of the thread and the place of m.
func (a *appendResult) read(d *dialect, selected []column[threadRow], m Message, v []driver.Value) error {
	var n columnInt
	if _ = n.Scan(v[len(selected)]); n.err != nil {
		return n.err
	}
	m.assignSequence(n.int)
	a.message = &m
	var row threadRow
	if fill(&row, selected, v) == nil {
		if read, err := row.thread(d); err == nil {
			a.thread = read
		}
	}
	return nil
}

// appendRequest is a message to append and, when it is done, what came of it: nothing if it has to be appended otherwise.
type appendRequest struct {
	message Message
	given   bool    // its id is the client's
	columns Columns // of the thread, that are selected
	result  appendResult
}

// append appends m, in a batch with others that come at the same time. What it leaves out, such as for
// an unknown thread, has no message; an id that is taken may be an error.
func (r *Messages) append(ctx context.Context, m Message, given bool) (appendResult, error) {
	one := &appendRequest{message: m, given: given, columns: projectionOf(ctx).threads}
	alone := false
	err := r.db.appends.Do(ctx, one, func() (err error) {
		alone = true
		if r.db.dialect.writableCTE {
			one.result, err = r.addOne(ctx, m)
			return err
		}
		return r.addInTx(ctx, []*appendRequest{one})
	})
	if err == nil && one.result.message == nil && !alone && r.db.dialect.writableCTE { // left out
		one.result, err = r.addOne(ctx, m)
	}
	if err != nil { // who did not wait for a statement must not look at what it is still being given
		return appendResult{}, r.db.mapError(ctx, err)
	}
	return one.result, nil
}

// differs reports whether one is of another thread than the others. A statement
// appends one message to a thread: every change has an updatedAt of its own.
func (one *appendRequest) differs(from []*appendRequest) bool {
	return !slices.ContainsFunc(from, func(other *appendRequest) bool { return other.message.ThreadID == one.message.ThreadID })
}

// canJoin reports whether one can be appended by one statement with the others.
func (r *Messages) canJoin(one *appendRequest, batch []*appendRequest) bool {
	return !r.db.dialect.writableCTE || one.differs(batch)
}

// appendBatch appends several messages.
func (r *Messages) appendBatch(ctx context.Context, all []*appendRequest) error {
	if r.db.dialect.writableCTE {
		return r.addShared(ctx, all)
	}
	return r.addInTx(ctx, all)
}

// addOne appends a message in one statement of PostgreSQL: it takes the next
// place from the thread's row, which it locks, and puts the message there.
// Nothing is appended when there is no such thread.
func (r *Messages) addOne(ctx context.Context, m Message) (a appendResult, err error) {
	grow := countersAfter(m.Role)
	sequence, position := `t.`+grow.place, `0`
	if m.Role == RoleSystem {
		sequence, position = position, sequence
	}
	columns := projectionOf(ctx).threads
	values := m.values(r.db.dialect) // id, sequence, position, role, and so on
	args := append([]any{r.db.dialect.formatTime(r.db.Now()), m.ThreadID, values[0]}, values[3:]...)
	query := `WITH t AS (
			UPDATE threads AS t SET updated_at = GREATEST(t.updated_at + interval '1 microsecond', CAST(? AS {time})), ` + grow.set + ` WHERE t.id = ? RETURNING t.*
		), m AS (
			INSERT INTO messages (id, thread_id, sequence, position, role, content, parts, name, tool_call_id,
				tool_calls, attributes, "timestamp", source, attachments, metrics)
			SELECT CAST(? AS text), t.id, ` + sequence + `, ` + position + `, CAST(? AS text), CAST(? AS text), CAST(? AS {json}), CAST(? AS text), CAST(? AS text),
				CAST(? AS {json}), CAST(? AS {json}), CAST(? AS {time}), CAST(? AS {json}), CAST(? AS {json}), CAST(? AS {json})
			FROM t
		)
		SELECT ` + threadTable.list(columns) + `, t.` + grow.place + `{on disk} FROM t`
	selected := threadTable.selected(columns)
	err = r.db.retry(ctx, func() error {
		a = appendResult{}
		conn, err := r.db.acquire(ctx, r.db.writer)
		if err != nil {
			return err
		}
		defer conn.Close()
		return r.db.asRetryable(session{db: r.db, conn: conn, on: conn}.each(ctx, query, args, func(v []driver.Value) error {
			return a.read(r.db.dialect, selected, m, v)
		}))
	})
	return a, err
}

// sharedColumns are what a shared append binds: a message's index in the list, and columns of messages. The fourth, c3, is the role.
var sharedColumns = []bulkColumn{{"index", "bigint"}, {"thread_id", "text"}, {"id", "text"}, {"role", "text"}, {"content", "text"}, {"parts", "{json}"}, {"name", "text"}, {"tool_call_id", "text"},
	{"tool_calls", "{json}"}, {"attributes", "{json}"}, {`"timestamp"`, "{time}"}, {"source", "{json}"}, {"attachments", "{json}"}, {"metrics", "{json}"}}

// addShared is [Messages.addOne] for several messages of different threads. It
// waits for nobody: a thread that somebody else is writing is left out.
func (r *Messages) addShared(ctx context.Context, shared []*appendRequest) error {
	d := r.db.dialect
	rows := make([][]any, len(shared))
	var columns Columns
	for i, w := range shared {
		columns |= w.columns
		v := w.message.values(d) // id, sequence, position, role, and so on
		rows[i] = append([]any{i, w.message.ThreadID, v[0]}, v[3:]...)
	}
	from, values, args := unnested("g", sharedColumns, rows)
	selected := threadTable.selected(columns)
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
			return w.result.read(d, selected, w.message, v[1:])
		})
	})
}

// addInTx is appendBatch on SQLite, in one transaction. It leaves out what takes
// more than its statements, such as a thread that is unknown, whose updated_at
// the clock has not passed, or whose counters are no numbers, and a message
// whose id there is.
func (r *Messages) addInTx(ctx context.Context, all []*appendRequest) error {
	return r.db.inTx(ctx, false, func(s session) error {
		var given []string
		for _, one := range all {
			one.result = appendResult{}
			if one.given {
				given = append(given, one.message.ID)
			}
		}
		known, err := messagesByID(ctx, s, given)
		if err != nil {
			return err
		}
		rest := slices.DeleteFunc(slices.Clone(all), func(one *appendRequest) bool { return known[one.message.ID] != nil })
		for len(rest) > 0 {
			var now, later []*appendRequest
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
func (r *Messages) addRound(ctx context.Context, s session, round []*appendRequest) error {
	d := s.db.dialect
	var columns Columns
	byThread := map[string]*appendRequest{}
	var grown []any
	for _, one := range round {
		columns |= one.columns
		byThread[one.message.ThreadID] = one
		grown = append(grown, one.message.ThreadID, string(one.message.Role))
	}
	now := d.formatTime(r.db.Now())
	selected := threadTable.selected(columns)
	var added [][]any
	if err := s.each(ctx, `WITH grown(id, role) AS (VALUES (?, ?)`+strings.Repeat(`, (?, ?)`, len(round)-1)+`)
		UPDATE OR FAIL threads SET updated_at = ?, last_sequence = last_sequence + (role <> 'system'), system_count = system_count + (role = 'system'),
			user_count = user_count + (role = 'user'), assistant_count = assistant_count + (role = 'assistant'), tool_count = tool_count + (role = 'tool')
		FROM grown WHERE threads.id = grown.id AND updated_at < ? AND typeof(last_sequence) = 'integer' AND typeof(system_count) = 'integer'
			AND typeof(user_count) = 'integer' AND typeof(assistant_count) = 'integer' AND typeof(tool_count) = 'integer'
		RETURNING `+threadTable.names("threads.", columns)+`, last_sequence, system_count`, append(grown, now, now), func(v []driver.Value) error {
		one := byThread[v[0].(string)]
		if one.message.Role == RoleSystem {
			v[len(selected)] = v[len(selected)+1]
		}
		if err := one.result.read(d, selected, one.message, v); err != nil {
			return err
		}
		added = append(added, append(one.result.message.values(d), one.message.ThreadID))
		return nil
	}); err != nil {
		return err
	}
	return insertBulk(ctx, s, "messages", messageBulk, added)
}
