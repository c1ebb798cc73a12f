package db

import (
	"context"
	"database/sql/driver"
	"reflect"
	"slices"
	"time"
)

// lockedThread is a thread's row, locked until the transaction ends.
type lockedThread struct {
	threadRow
	countRow
}

// lockThread reads the thread and keeps others from writing it or its messages;
// nil when there is none.
func lockThread(ctx context.Context, s session, id string) (*lockedThread, error) {
	var row lockedThread
	found, err := s.row(ctx, &row, `SELECT `+threadTable.list(AllColumns)+`, `+countColumns+` FROM threads t WHERE t.id = ? {lock}`, id)
	if err != nil || !found {
		return nil, err
	}
	return &row, nil
}

// write runs fn like [DB.inTx]. A unique constraint that is hit after all checks
// means that another thread took a message id meanwhile.
func (db *DB) write(ctx context.Context, fn func(session) error) error {
	err := db.inTx(ctx, fn)
	if err != nil && db.dialect.classify(err) == duplicate {
		return conflictf("a message id belongs to another thread")
	}
	return err
}

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
	if len(fresh) == 1 && r.db.dialect.writableCTE {
		message, thread, err := r.addOne(ctx, *fresh[0])
		switch {
		case err == nil && message == nil:
			return nil, nil, unknown
		case err == nil:
			return []*Message{message}, thread, nil
		case r.db.dialect.classify(err) != duplicate:
			return nil, nil, err
		}
		// The id is taken. Perhaps by ourselves, in an attempt whose answer was lost: then the message is there as we meant it.
		patches = slices.Clone(patches)
		patches[0].ID = &fresh[0].ID
	}
	var stored []*Message
	var thread *Thread
	err := r.db.write(ctx, func(s session) error {
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
			counted.place(&m)
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

// addOne appends a message in one statement: it takes the next place from the
// thread's row, which it locks, and puts the message there. The message is nil
// when there is no such thread. The thread is nil when its row cannot be read,
// which is for those to find out who ask for it.
func (r *Messages) addOne(ctx context.Context, m Message) (message *Message, thread *Thread, err error) {
	place, sequence, position := `t.last_sequence`, `t.last_sequence`, `0`
	if m.Role == RoleSystem {
		place, sequence, position = `t.system_count`, `0`, `t.system_count`
	}
	grow := `last_sequence = t.last_sequence + 1, ` + string(m.Role) + `_count = t.` + string(m.Role) + `_count + 1`
	if m.Role == RoleSystem {
		grow = `system_count = t.system_count + 1`
	}
	columns := columnsOf(ctx).threads
	values := m.values(r.db.dialect) // id, sequence, position, role, and so on
	args := append([]any{r.db.dialect.formatTime(r.db.Now()), m.ThreadID, values[0]}, values[3:]...)
	query := `WITH t AS (
			UPDATE threads AS t SET updated_at = GREATEST(t.updated_at + interval '1 microsecond', CAST(? AS {time})), ` + grow + ` WHERE t.id = ? RETURNING t.*
		), m AS (
			INSERT INTO messages (id, thread_id, sequence, position, role, content, parts, name, tool_call_id,
				tool_calls, attributes, "timestamp", source, attachments, metrics)
			SELECT CAST(? AS text), t.id, ` + sequence + `, ` + position + `, CAST(? AS text), CAST(? AS text), CAST(? AS {json}), CAST(? AS text), CAST(? AS text),
				CAST(? AS {json}), CAST(? AS {json}), CAST(? AS {time}), CAST(? AS {json}), CAST(? AS {json}), CAST(? AS {json})
			FROM t
		)
		SELECT ` + threadTable.list(columns) + `, ` + place + `{on disk} FROM t`
	fields := threadTable.these(columns)
	err = r.db.retry(ctx, func() error {
		message, thread = nil, nil
		conn, err := r.db.take(ctx, r.db.writer)
		if err != nil {
			return err
		}
		defer conn.Close()
		return r.db.again(session{db: r.db, conn: conn, on: conn}.each(ctx, query, args, func(v []driver.Value) error {
			var n columnInt
			if _ = n.Scan(v[len(fields)]); n.err != nil {
				return n.err
			}
			stored := m
			stored.place(n.int)
			message = &stored
			var row threadRow
			for i, f := range fields {
				if f.set(&row, v[i]) != nil {
					return nil
				}
			}
			if read, err := row.thread(r.db.dialect); err == nil {
				thread = read
			}
			return nil
		}))
	})
	return message, thread, err
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

func messagesByID(ctx context.Context, s session, ids []string) (map[string]*Message, error) {
	byID := map[string]*Message{}
	if len(ids) == 0 {
		return byID, nil
	}
	messages, err := messagesWhere(ctx, s, `m.id IN (SELECT value FROM {list})`, bind(ids))
	for _, m := range messages {
		byID[m.ID] = m
	}
	return byID, err
}

// touch writes what changes with a thread's messages.
func touch(ctx context.Context, s session, t *Thread, c counters) error {
	_, err := s.exec(ctx, `UPDATE threads SET updated_at = CAST(? AS {time}), last_sequence = ?,
		system_count = ?, user_count = ?, assistant_count = ?, tool_count = ? WHERE id = ?`,
		s.db.dialect.formatTime(t.UpdatedAt), c.last, c.counts[0], c.counts[1], c.counts[2], c.counts[3], t.ID)
	return err
}

// Save creates the thread when its id is absent or unknown, else updates it, in
// one transaction of a fixed number of statements, and returns it as stored.
func (r *Threads) Save(ctx context.Context, p ThreadPatch) (*Thread, error) {
	return r.save(ctx, p, nil)
}

// Restore makes the thread what p says and nothing else: fields that p omits
// take their defaults even if the thread exists, and createdAt and updatedAt
// are the given ones. It is how a thread is imported. p.ID must be given.
func (r *Threads) Restore(ctx context.Context, p ThreadPatch, updatedAt time.Time) (*Thread, error) {
	return r.save(ctx, p, &updatedAt)
}

// lastRestored is the year from which on no updatedAt is restored: later changes of the thread have to come after it.
const lastRestored = 9999

func (r *Threads) save(ctx context.Context, p ThreadPatch, restored *time.Time) (thread *Thread, err error) {
	if restored != nil && restored.Year() >= lastRestored {
		return nil, Invalidf([]any{"updatedAt"}, "must be before the year %d", lastRestored)
	}
	if err := p.validate(); err != nil {
		return nil, err
	}
	if p.Messages != nil {
		if err := validateList(*p.Messages); err != nil {
			return nil, At(err, "messages")
		}
	}
	id := r.db.newID()
	if p.ID != nil {
		id = *p.ID
	}
	err = r.db.write(ctx, func(s session) error {
		now := r.db.Now()
		row, created, err := create(ctx, s, id, p, now)
		if err != nil {
			return err
		}
		stored, err := row.thread(s.db.dialect)
		if err != nil {
			return err
		}
		if p.IfUnmodifiedSince != nil && !created && Microseconds(*p.IfUnmodifiedSince).Before(stored.UpdatedAt) {
			return conflictf("the thread was updated after ifUnmodifiedSince; read it again before saving")
		}
		changed := *stored
		if restored != nil {
			title := DefaultTitle
			changed = Thread{ID: id, Title: &title, Attributes: EmptyObject, CreatedAt: now}
			if p.CreatedAt != nil {
				changed.CreatedAt = *p.CreatedAt
			}
		}
		changed.apply(p)
		switch {
		case restored != nil:
			changed.UpdatedAt = *restored
		case !created:
			changed.UpdatedAt = after(stored.UpdatedAt, now)
		}
		counted, err := row.counters(id)
		if err != nil {
			return err
		}
		if p.Messages != nil {
			var before []*Message
			if !created {
				if before, err = messagesWhere(ctx, s, `m.thread_id = ?`, id); err != nil {
					return err
				}
			}
			if counted, err = replaceMessages(ctx, s, id, before, *p.Messages, now, restored != nil); err != nil {
				return At(err, "messages")
			}
		}
		if err := writeThread(ctx, s, stored, &changed, created); err != nil {
			return err
		}
		thread = &changed
		return touch(ctx, s, &changed, counted)
	})
	return thread, err
}

// create locks the thread, making it first if it is not there.
func create(ctx context.Context, s session, id string, p ThreadPatch, now time.Time) (row *lockedThread, created bool, err error) {
	if p.ID != nil {
		if row, err = lockThread(ctx, s, id); err != nil || row != nil {
			return row, false, err
		}
	}
	if p.IfUnmodifiedSince != nil {
		return nil, false, conflictf("there is no thread with this id (any more), and ifUnmodifiedSince was given")
	}
	title := DefaultTitle
	t := Thread{ID: id, Title: &title, Attributes: EmptyObject, CreatedAt: now, UpdatedAt: now}
	if p.CreatedAt != nil {
		t.CreatedAt = *p.CreatedAt
	}
	at := s.db.dialect.formatTime
	n, err := s.exec(ctx, `INSERT INTO threads (id, title, attributes, created_at, updated_at)
		VALUES (?, ?, CAST(? AS {json}), CAST(? AS {time}), CAST(? AS {time})) ON CONFLICT (id) DO NOTHING`,
		id, title, string(EmptyObject), at(t.CreatedAt), at(t.UpdatedAt))
	if err != nil {
		return nil, false, err
	}
	if n == 0 { // another writer made it since we looked
		if row, err = lockThread(ctx, s, id); err == nil && row == nil {
			err = errOvertaken // and another one deleted it
		}
		return row, false, err
	}
	return &lockedThread{threadRow: threadRow{ID: id, Title: &title, Attributes: columnJSON(EmptyObject),
		CreatedAt: columnTime{Time: t.CreatedAt}, UpdatedAt: columnTime{Time: t.UpdatedAt}}}, true, nil
}

// writeThread writes the thread's own columns and what makes it findable, as far as they changed.
func writeThread(ctx context.Context, s session, before, t *Thread, created bool) error {
	// Compared as text: 1 and 1.0 are found by the same searches, and yet the answer is what is stored.
	if equal(before.Title, t.Title) && before.Attributes == t.Attributes && before.Source == t.Source && before.CreatedAt.Equal(t.CreatedAt) {
		return nil
	}
	if _, err := s.exec(ctx, `UPDATE threads SET title = ?, attributes = CAST(? AS {json}), source = CAST(? AS {json}),
			created_at = CAST(? AS {time}) WHERE id = ?`,
		t.Title, string(t.Attributes), t.Source.null(), s.db.dialect.formatTime(t.CreatedAt), t.ID); err != nil {
		return err
	}
	if same, err := sameJSON(before, t); err != nil || same {
		return err
	}
	if !created {
		if _, err := s.exec(ctx, `DELETE FROM thread_properties WHERE thread_id = ?`, t.ID); err != nil {
			return err
		}
	}
	present, err := t.properties()
	if err != nil {
		return err
	}
	rows := make([][]string, len(present))
	for i, p := range present {
		rows[i] = []string{t.ID, p.Key, p.Value}
	}
	return insertProperties(ctx, s, rows)
}

// sameJSON reports whether two threads are found by the same searches.
func sameJSON(a, b *Thread) (bool, error) {
	same, err := equalJSON(a.Attributes, b.Attributes)
	if err != nil || !same {
		return false, err
	}
	return equalJSON(a.Source, b.Source)
}

func insertProperties(ctx context.Context, s session, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `INSERT INTO thread_properties (thread_id, key, value)
		SELECT v.value ->> 0, v.value ->> 1, v.value ->> 2 FROM {rows} AS v`, bind(rows))
	return err
}

// validateList checks what holds for a list of messages whatever is stored.
func validateList(list []MessagePatch) error {
	seen := map[string]bool{}
	for i, p := range list {
		if err := p.validate(); err != nil {
			return At(err, i)
		}
		if p.ID == nil {
			continue
		}
		if seen[*p.ID] {
			return Invalidf([]any{i, "id"}, "must not stand in the list twice")
		}
		seen[*p.ID] = true
	}
	return nil
}

// parked is added to a place while its message moves to another one: unique
// indexes are checked row by row, and no thread is that long.
const parked = 1 << 40

// replaceMessages makes list the thread's messages instead of the stored ones:
// known ids are updated in place, new ones inserted, the rest deleted. With
// anew, the stored fields of known ones do not count. It returns the new
// counters of the thread.
func replaceMessages(ctx context.Context, s session, threadID string, stored []*Message, list []MessagePatch, now time.Time, anew bool) (counted counters, err error) {
	old := make(map[string]*Message, len(stored))
	for _, m := range stored {
		old[m.ID] = m
	}
	var added, updated []*Message
	var moved, dropped, unknown []string
	for i, p := range list {
		m := newMessage(threadID, now)
		var before *Message
		if p.ID == nil {
			m.ID = s.db.newID()
		} else if m.ID, before = *p.ID, old[*p.ID]; before == nil {
			unknown = append(unknown, m.ID)
		} else if !anew {
			m = *before
		}
		if err := m.apply(p, now); err != nil {
			return counted, m.broken("content", err)
		}
		if err := m.validate(); err != nil {
			return counted, At(err, i)
		}
		counted.place(&m)
		if before == nil {
			added = append(added, &m)
			continue
		}
		delete(old, m.ID)
		if reflect.DeepEqual(&m, before) {
			continue
		}
		updated = append(updated, &m)
		if m.Sequence != before.Sequence || m.position != before.position {
			moved = append(moved, m.ID)
		}
	}
	for id := range old {
		dropped = append(dropped, id)
	}

	if len(unknown) > 0 {
		taken, err := messagesByID(ctx, s, unknown)
		if err != nil {
			return counted, err
		}
		for id := range taken {
			return counted, conflictf("the message id %q belongs to another thread", id)
		}
	}
	if len(dropped) > 0 {
		if _, err := s.exec(ctx, `DELETE FROM messages WHERE thread_id = ? AND id IN (SELECT value FROM {list})`, threadID, bind(dropped)); err != nil {
			return counted, err
		}
	}
	if len(moved) > 0 {
		if _, err := s.exec(ctx, `UPDATE messages SET sequence = CASE WHEN sequence > 0 THEN sequence + ? ELSE sequence END,
				position = CASE WHEN sequence > 0 THEN position ELSE position + ? END
			WHERE thread_id = ? AND id IN (SELECT value FROM {list})`, parked, parked, threadID, bind(moved)); err != nil {
			return counted, err
		}
	}
	if len(updated) > 0 {
		if _, err := s.exec(ctx, updateMessages, bind(valuesOf(s, updated))); err != nil {
			return counted, err
		}
	}
	return counted, insert(ctx, s, threadID, added)
}
