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
func (db *DB) write(ctx context.Context, late bool, fn func(session) error) error {
	err := db.inTx(ctx, late, fn)
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

// growth is what one more message changes in the row of its thread, which is t.
type growth struct {
	set   string // for UPDATE
	place string // the message's place among the system messages, or among the others
}

func growthBy(role Role) growth {
	count := string(role) + `_count`
	if role == RoleSystem {
		return growth{`system_count = system_count + 1`, `system_count`}
	}
	return growth{`last_sequence = last_sequence + 1, ` + count + ` = ` + count + ` + 1`, `last_sequence`}
}

// appended is what came of an append: the message as it is stored, with its
// thread. The thread is nil when its row cannot be read, which is for those to
// find out who ask for it.
type appended struct {
	message *Message
	thread  *Thread
}

// read reads a row of the wanted columns of the thread and the place of m.
func (a *appended) read(d *dialect, wanted []column[threadRow], m Message, v []driver.Value) error {
	var n columnInt
	if _ = n.Scan(v[len(wanted)]); n.err != nil {
		return n.err
	}
	m.place(n.int)
	a.message = &m
	var row threadRow
	if fill(&row, wanted, v) == nil {
		if read, err := row.thread(d); err == nil {
			a.thread = read
		}
	}
	return nil
}

// addOne appends a message in one statement of PostgreSQL: it takes the next
// place from the thread's row, which it locks, and puts the message there.
// Nothing is appended when there is no such thread.
func (r *Messages) addOne(ctx context.Context, m Message) (a appended, err error) {
	grow := growthBy(m.Role)
	sequence, position := `t.`+grow.place, `0`
	if m.Role == RoleSystem {
		sequence, position = position, sequence
	}
	columns := columnsOf(ctx).threads
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
	wanted := threadTable.these(columns)
	err = r.db.retry(ctx, func() error {
		a = appended{}
		conn, err := r.db.take(ctx, r.db.writer)
		if err != nil {
			return err
		}
		defer conn.Close()
		return r.db.again(session{db: r.db, conn: conn, on: conn}.each(ctx, query, args, func(v []driver.Value) error {
			return a.read(r.db.dialect, wanted, m, v)
		}))
	})
	return a, err
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
	messages, err := messagesWhere(ctx, s, `m.id {in}`, s.db.dialect.list(ids))
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
	if err := p.check(restored); err != nil {
		return nil, err
	}
	id := r.db.newID()
	if p.ID != nil {
		id = *p.ID
	}
	err = r.db.write(ctx, true, func(s session) error {
		thread, err = saveIn(ctx, s, id, p, restored)
		return err
	})
	return thread, err
}

// check checks what holds for a save, or for what is restored as of a time, whatever is stored.
func (p ThreadPatch) check(restored *time.Time) error {
	if restored != nil && restored.Year() >= lastRestored {
		return Invalidf([]any{"updatedAt"}, "must be before the year %d", lastRestored)
	}
	if err := p.validate(); err != nil {
		return err
	}
	if p.Messages != nil {
		return At(validateList(*p.Messages), "messages")
	}
	return nil
}

// restoredThread returns a thread that is what p says and nothing else.
func restoredThread(id string, p ThreadPatch, updatedAt, now time.Time) Thread {
	title := DefaultTitle
	t := Thread{ID: id, Title: &title, Attributes: EmptyObject, CreatedAt: now, UpdatedAt: updatedAt}
	if p.CreatedAt != nil {
		t.CreatedAt = *p.CreatedAt
	}
	t.apply(p)
	return t
}

// saveIn is save inside a transaction.
func saveIn(ctx context.Context, s session, id string, p ThreadPatch, restored *time.Time) (*Thread, error) {
	now := s.db.Now()
	row, created, err := create(ctx, s, id, p, now)
	if err != nil {
		return nil, err
	}
	stored, err := row.thread(s.db.dialect)
	if err != nil {
		return nil, err
	}
	if p.IfUnmodifiedSince != nil && !created && Microseconds(*p.IfUnmodifiedSince).Before(stored.UpdatedAt) {
		return nil, conflictf("the thread was updated after ifUnmodifiedSince; read it again before saving")
	}
	changed := *stored
	if restored != nil {
		changed = restoredThread(id, p, *restored, now)
	} else {
		changed.apply(p)
		if !created {
			changed.UpdatedAt = after(stored.UpdatedAt, now)
		}
	}
	counted, err := row.counters(id)
	if err != nil {
		return nil, err
	}
	if p.Messages != nil {
		var before []*Message
		if !created {
			if before, err = messagesWhere(ctx, s, `m.thread_id = ?`, id); err != nil {
				return nil, err
			}
		}
		if counted, err = replaceMessages(ctx, s, id, before, *p.Messages, now, restored != nil); err != nil {
			return nil, At(err, "messages")
		}
	}
	if err := writeThread(ctx, s, stored, &changed, created); err != nil {
		return nil, err
	}
	return &changed, touch(ctx, s, &changed, counted)
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

// merged is what makes a list of messages out of the stored ones.
type merged struct {
	counters       // of the thread, then
	added, updated []*Message
	moved          []string // of the updated, those whose place changed
	unknown        []string // ids of the added that the client chose
	dropped        []string
}

// merge puts list in the place of the stored messages: known ids are updated,
// new ones added, the rest dropped. With anew, the stored fields of known ones do not count.
func merge(db *DB, threadID string, stored []*Message, list []MessagePatch, now time.Time, anew bool) (merged, error) {
	var r merged
	old := make(map[string]*Message, len(stored))
	for _, m := range stored {
		old[m.ID] = m
	}
	for i, p := range list {
		m := newMessage(threadID, now)
		var before *Message
		if p.ID == nil {
			m.ID = db.newID()
		} else if m.ID, before = *p.ID, old[*p.ID]; before == nil {
			r.unknown = append(r.unknown, m.ID)
		} else if !anew {
			m = *before
		}
		if err := m.apply(p, now); err != nil {
			return r, m.broken("content", err)
		}
		if err := m.validate(); err != nil {
			return r, At(err, i)
		}
		r.place(&m)
		if before == nil {
			r.added = append(r.added, &m)
			continue
		}
		delete(old, m.ID)
		if reflect.DeepEqual(&m, before) {
			continue
		}
		r.updated = append(r.updated, &m)
		if m.Sequence != before.Sequence || m.position != before.position {
			r.moved = append(r.moved, m.ID)
		}
	}
	for id := range old {
		r.dropped = append(r.dropped, id)
	}
	return r, nil
}

// replaceMessages makes list the thread's messages instead of the stored ones,
// and returns the new counters of the thread.
func replaceMessages(ctx context.Context, s session, threadID string, stored []*Message, list []MessagePatch, now time.Time, anew bool) (counters, error) {
	r, err := merge(s.db, threadID, stored, list, now, anew)
	if err != nil {
		return counters{}, err
	}
	if len(r.unknown) > 0 {
		taken, err := messagesByID(ctx, s, r.unknown)
		if err != nil {
			return counters{}, err
		}
		for id := range taken {
			return counters{}, conflictf("the message id %q belongs to another thread", id)
		}
	}
	if len(r.dropped) > 0 {
		if _, err := s.exec(ctx, `DELETE FROM messages WHERE thread_id = ? AND id {in}`, threadID, s.db.dialect.list(r.dropped)); err != nil {
			return counters{}, err
		}
	}
	if len(r.moved) > 0 {
		if _, err := s.exec(ctx, `UPDATE messages SET sequence = CASE WHEN sequence > 0 THEN sequence + ? ELSE sequence END,
				position = CASE WHEN sequence > 0 THEN position ELSE position + ? END
			WHERE thread_id = ? AND id {in}`, parked, parked, threadID, s.db.dialect.list(r.moved)); err != nil {
			return counters{}, err
		}
	}
	if len(r.updated) > 0 {
		if _, err := s.exec(ctx, updateMessages, bind(valuesOf(s, r.updated))); err != nil {
			return counters{}, err
		}
	}
	return r.counters, insert(ctx, s, threadID, r.added)
}
