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
	fresh, err := r.fresh(threadID, patches)
	if err != nil {
		return nil, nil, err
	}
	if !isValidID(threadID) {
		return nil, nil, errUnknownThread
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
	return r.appendIdempotent(ctx, threadID, patches, fresh)
}

var errUnknownThread = &Error{Code: NotFound, Reason: "there is no thread with this id"}

// fresh returns the messages as they are stored if they are new, without a sequence or position.
func (r *Messages) fresh(threadID string, patches []MessagePatch) ([]*Message, error) {
	now := r.db.Now()
	fresh := make([]*Message, len(patches))
	for i, p := range patches {
		m := newMessage(threadID, now)
		if err := p.validate(); err != nil {
			return nil, At(err, i)
		}
		if err := m.apply(p, now); err != nil {
			return nil, err
		}
		if err := m.validate(); err != nil {
			return nil, At(err, i)
		}
		if p.ID != nil {
			m.ID = *p.ID
		} else {
			m.ID = r.db.newID()
		}
		fresh[i] = &m
	}
	return fresh, nil
}

// appendIdempotent appends any number of messages, of which some may be there already, in a transaction.
func (r *Messages) appendIdempotent(
	ctx context.Context, threadID string, patches []MessagePatch, fresh []*Message,
) (stored []*Message, thread *Thread, err error) {
	err = r.commit(ctx, commitOptions{}, func(ctx context.Context, s session) ([]threadChange, error) {
		locked, err := lockThread(ctx, s, threadID)
		if err != nil {
			return nil, err
		}
		if locked == nil {
			return nil, errUnknownThread
		}
		known, err := messagesByID(ctx, s, givenIDs(patches))
		if err != nil {
			return nil, err
		}
		thread = locked.thread
		newCounters := locked.counters
		stored = make([]*Message, len(patches))
		var added []*Message
		for i, p := range patches {
			if m, ok := known[fresh[i].ID]; ok {
				if err := checkResend(m, threadID, p); err != nil {
					return nil, err
				}
				stored[i] = m
				continue
			}
			m := *fresh[i] // a copy: the transaction may be run again
			newCounters.add(&m)
			stored[i], known[m.ID] = &m, &m
			added = append(added, &m)
		}
		if len(added) == 0 {
			return nil, nil
		}
		thread.UpdatedAt = nextUpdatedAt(thread.UpdatedAt, r.db.Now())
		c := Change{ThreadID: threadID, Kind: Updated, Added: idsOf(added),
			Counters: newCounters.minus(locked.counters)}
		return []threadChange{{c, thread}}, insertMessages(ctx, s, added)
	})
	if err != nil {
		return nil, nil, r.db.duplicateAsConflict(err)
	}
	return stored, thread, nil
}

// checkResend returns nil if p says the same as the stored message, which has its id.
func checkResend(stored *Message, threadID string, p MessagePatch) error {
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

// appendRequest is a message to append and, when it is done, what came of it: nothing if it has to be appended
// otherwise.
type appendRequest struct {
	scope   Scope
	message Message
	given   bool    // its id is the client's
	columns Columns // of the thread, that are asked for
	result  appendResult
}

// appendResult is what came of an append: the message as it is stored, with its
// thread. The thread is nil when its row cannot be read, which is for those to
// find out who ask for it.
type appendResult struct {
	message *Message
	thread  *Thread
}

// read reads a row of the selected columns of the thread and the number that
// [Message.assignSequence] takes.
func (r *appendRequest) read(d *dialect, selected []column[Thread], v []driver.Value) (threadChange, error) {
	var n int
	if err := scanInt(&n, v[len(selected)]); err != nil {
		return threadChange{}, err
	}
	m := r.message
	m.assignSequence(n)
	r.result = appendResult{message: &m}
	if thread, err := scanThread(d, selected, v); err == nil {
		r.result.thread = thread
	}
	c := Change{ThreadID: m.ThreadID, Kind: Updated, Added: []string{m.ID}}
	c.Counters.add(&Message{Role: m.Role})
	return threadChange{Change: c}, nil
}

// append appends m, in a batch with others that come at the same time. What it leaves out, such as for
// an unknown thread, has no message; an id that is taken may be an error.
func (r *Messages) append(ctx context.Context, m Message, given bool) (appendResult, error) {
	req := &appendRequest{scope: r.Scope, message: m, given: given, columns: projectionOf(ctx).threads}
	batch := []*appendRequest{req}
	alone := false
	err := r.db.appends.Do(ctx, req, func() error {
		alone = true
		return r.appendAlone(ctx, batch)
	})
	if err == nil && req.result.message == nil && !alone && r.db.dialect.writableCTE { // left out
		err = r.appendAlone(ctx, batch)
	}
	if err != nil { // after a time-out the batch may still be writing the result: do not read it
		return appendResult{}, r.db.mapError(ctx, err)
	}
	return req.result, nil
}

func (r *Messages) appendAlone(ctx context.Context, batch []*appendRequest) error {
	if r.db.dialect.writableCTE {
		return r.appendStatement(ctx, batch, false)
	}
	return r.appendTransaction(ctx, batch)
}

// appendBatch appends several messages. On PostgreSQL, threads that others are writing are left out, so that no message
// waits for the lock of another one's thread; on SQLite there is one writer at a time.
func (r *Messages) appendBatch(ctx context.Context, batch []*appendRequest) error {
	if r.db.dialect.writableCTE {
		return r.appendStatement(ctx, batch, true)
	}
	return r.appendTransaction(ctx, batch)
}

// canJoin reports whether the message can be appended by one statement with the others; see package coalesce.
func (r *appendRequest) canJoin(batch []*appendRequest) bool {
	return r.scope == batch[0].scope && (!r.scope.db.dialect.writableCTE || r.differs(batch))
}

// differs reports whether the message is of another thread than the others. A statement
// appends one message to a thread: every change has an updatedAt of its own.
func (r *appendRequest) differs(from []*appendRequest) bool {
	return !slices.ContainsFunc(from, func(other *appendRequest) bool {
		return other.message.ThreadID == r.message.ThreadID
	})
}

// appendColumns are what appendStatement binds: a message's index in the batch, and what it stores of it but for
// the sequence and the position, which the thread's row gives.
var appendColumns = append([]bulkColumn{{"index", "bigint"}},
	slices.DeleteFunc(messageTable.writtenColumns(), fromCounters)...)

func fromCounters(c bulkColumn) bool { return c.name == "sequence" || c.name == "position" }

// appendStatement appends messages of different threads by one statement of
// PostgreSQL: it takes the next sequence, or a system message's next position, from
// each thread's row, which it locks, and inserts the message with it. Nothing is appended where there is no such
// thread. With skipLocked it waits for nobody: a thread that somebody else is writing is left out, too.
func (r *Messages) appendStatement(ctx context.Context, batch []*appendRequest, skipLocked bool) error {
	d := r.db.dialect
	rows := make([][]any, len(batch))
	threadIDs := make([]string, len(batch))
	var columns Columns
	for i, req := range batch {
		columns |= req.columns
		threadIDs[i] = req.message.ThreadID
		rows[i] = []any{i}
		for n, v := range messageTable.values(&req.message, d) {
			if !fromCounters(bulkColumn{name: messageTable.written[n].name}) {
				rows[i] = append(rows[i], v)
			}
		}
	}
	from, values, arrays := unnested("g", appendColumns, rows)
	role, threadID := boundName("g", appendColumns, "role"), boundName("g", appendColumns, "thread_id")
	args := []any{d.formatTime(r.db.Now())}
	free, lock := "", ""
	if skipLocked {
		lock = ` CROSS JOIN free`
		free = `free AS MATERIALIZED (
				SELECT t.id FROM threads t WHERE t.tenant = ? AND t.id {in} FOR UPDATE SKIP LOCKED
			), `
		args = append([]any{r.tenant, d.array(threadIDs)}, args...)
		threadID = `free.id AND free.id = ` + threadID
	}
	query := `WITH ` + free + `t AS (
			UPDATE threads AS t SET updated_at = GREATEST(t.updated_at + interval '1 microsecond', CAST(? AS {time})),
				` + addToCounters("t.", oneMessage(role)) + `
			FROM ` + from + lock + ` WHERE t.tenant = ? AND t.id = ` + threadID + `
			RETURNING ` + threadTable.plainList("t.", columns) + `,
				CASE WHEN ` + role + ` = 'system' THEN t.system_count ELSE t.last_sequence END AS number, g.*
		), m AS (
			INSERT INTO messages (tenant, sequence, position, ` + columnNames(appendColumns[1:]) + `)
			SELECT CAST(? AS text), CASE WHEN ` + role + ` = 'system' THEN 0 ELSE g.number END,
				CASE WHEN ` + role + ` = 'system' THEN g.number ELSE 0 END, ` + strings.Join(values[1:], ", ") + `
			FROM t AS g
		)
		SELECT CAST(t.c0 AS bigint), ` + threadTable.selectList(columns) + `, t.number{sync commit} FROM t`
	args = append(append(args, arrays...), r.tenant, r.tenant)
	selected := threadTable.selected(columns)
	write := func(ctx context.Context, s session) (changes []threadChange, err error) {
		for _, req := range batch { // of an attempt before
			req.result = appendResult{}
		}
		err = s.each(ctx, query, args, func(v []driver.Value) error {
			c, err := batch[v[0].(int64)].read(d, selected, v[1:])
			changes = append(changes, c)
			return err
		})
		return changes, err
	}
	return r.commit(ctx, commitOptions{oneStatement: true}, write)
}

// appendTransaction appends messages on SQLite, in one transaction. It leaves out what takes
// more than its statements, such as a thread that is unknown, whose updated_at
// the clock has not passed, or whose counters are no numbers, and a message
// whose id there is.
func (r *Messages) appendTransaction(ctx context.Context, batch []*appendRequest) error {
	return r.commit(ctx, commitOptions{}, func(ctx context.Context, s session) (changes []threadChange, err error) {
		var given []string
		for _, req := range batch {
			req.result = appendResult{}
			if req.given {
				given = append(given, req.message.ID)
			}
		}
		known, err := messagesByID(ctx, s, given)
		if err != nil {
			return nil, err
		}
		rest := slices.Clone(batch)
		rest = slices.DeleteFunc(rest, func(req *appendRequest) bool { return known[req.message.ID] != nil })
		for len(rest) > 0 {
			var now, later []*appendRequest
			for _, req := range rest {
				if req.differs(now) {
					now = append(now, req)
				} else {
					later = append(later, req)
				}
			}
			appended, err := appendRound(ctx, s, now)
			if err != nil {
				return nil, err
			}
			changes = append(changes, appended...)
			rest = later
		}
		return changes, nil
	})
}

// appendRound appends messages of different threads in two statements. Neither is
// of a kind that SQLite could undo alone, which would cost a copy of each page:
// see insertValues. (A statement that reads json_each is, whatever its conflict clause.)
func appendRound(ctx context.Context, s session, round []*appendRequest) (changes []threadChange, err error) {
	d := s.db.dialect
	var columns Columns
	byThread := map[string]*appendRequest{}
	var args []any
	for _, req := range round {
		columns |= req.columns
		byThread[req.message.ThreadID] = req
		args = append(args, s.tenant, req.message.ThreadID, string(req.message.Role))
	}
	now := d.formatTime(s.db.Now())
	var numbers strings.Builder
	for _, column := range counterColumns {
		numbers.WriteString(` AND typeof(` + column + `) = 'integer'`)
	}
	selected := threadTable.selected(columns)
	var added [][]any
	args = append(args, now, now)
	// The tenant comes from the list, too: with one that is bound, SQLite may begin with all threads of the tenant.
	query := `WITH appended(tenant, id, role) AS (VALUES (?, ?, ?)` + strings.Repeat(`, (?, ?, ?)`, len(round)-1) + `)
		UPDATE OR FAIL threads SET updated_at = ?, ` + addToCounters("", oneMessage("role")) + `
		FROM appended WHERE threads.tenant = appended.tenant AND threads.id = appended.id
			AND updated_at < ?` + numbers.String() + `
		RETURNING ` + threadTable.plainList("threads.", columns) + `, last_sequence, system_count`
	err = s.each(ctx, query, args, func(v []driver.Value) error {
		req := byThread[v[0].(string)]
		if req.message.Role == RoleSystem {
			v[len(selected)] = v[len(selected)+1]
		}
		c, err := req.read(d, selected, v)
		if err != nil {
			return err
		}
		changes = append(changes, c)
		added = append(added, messageTable.values(req.result.message, d))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changes, insertBulk(ctx, s, "messages", messageTable.writtenColumns(), added)
}
