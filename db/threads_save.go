package db

import (
	"context"
	"database/sql/driver"
	"slices"
	"time"
)

// Save creates the thread when its id is absent or unknown, else updates it, in
// one transaction of a fixed number of statements, and returns it as stored.
func (r *Threads) Save(ctx context.Context, p ThreadPatch) (*Thread, error) {
	return r.save(ctx, p, nil)
}

func (r *Threads) save(ctx context.Context, p ThreadPatch, restored *time.Time) (thread *Thread, err error) {
	if err := p.check(restored); err != nil {
		return nil, err
	}
	id := r.db.newID()
	if p.ID != nil {
		id = *p.ID
	}
	write := func(ctx context.Context, s session) ([]threadChange, error) {
		c, err := saveIn(ctx, s, id, p, restored)
		thread = c.thread
		return []threadChange{c}, err
	}
	err = r.commit(ctx, commitOptions{needsSavepoint: true}, write)
	return thread, r.db.duplicateAsConflict(err)
}

// saveIn is save inside a transaction.
func saveIn(ctx context.Context, s session, id string, p ThreadPatch, restored *time.Time) (threadChange, error) {
	now := s.db.Now()
	locked, created, err := lockOrCreateThread(ctx, s, id, p, now)
	if err != nil {
		return threadChange{}, err
	}
	stored := locked.thread
	if p.IfUnmodifiedSince != nil && !created && TruncateTime(*p.IfUnmodifiedSince).Before(stored.UpdatedAt) {
		return threadChange{}, conflictf("the thread was updated after ifUnmodifiedSince; read it again before saving")
	}
	changed := *stored
	if restored != nil {
		changed = restoredThread(id, p, *restored, now)
	} else {
		changed.apply(p)
		if !created {
			changed.UpdatedAt = nextUpdatedAt(stored.UpdatedAt, now)
		}
	}
	c := threadChange{Change: Change{ThreadID: id, Kind: Updated}, thread: &changed}
	if created {
		c.Kind = Created
	}
	if p.Messages != nil {
		var before []*Message
		if !created {
			if before, err = messagesWhere(ctx, s, `m.thread_id = ?`, id); err != nil {
				return c, err
			}
		}
		m, err := replaceMessages(ctx, s, id, before, *p.Messages, now, restored != nil)
		if err != nil {
			return c, At(err, "messages")
		}
		c.Added, c.Updated, c.Deleted = idsOf(m.added), idsOf(m.updated), m.dropped
		c.Counters = m.minus(locked.counters)
	}
	return c, writeThread(ctx, s, stored, &changed, created)
}

// lockedThread is a thread whose row is locked until the transaction ends.
type lockedThread struct {
	thread   *Thread
	counters Counters
}

// lockThread reads the thread and keeps others from writing it or its messages;
// nil when there is none.
func lockThread(ctx context.Context, s session, id string) (locked *lockedThread, err error) {
	selected := threadTable.selected(AllColumns)
	err = s.each(ctx, `SELECT `+threadTable.selectList(AllColumns)+`, `+selectCounters+`
		FROM threads t WHERE t.tenant = ? AND t.id = ? {lock}`, []any{s.tenant, id}, func(v []driver.Value) error {
		t, err := scanThread(s.db.dialect, selected, v)
		if err != nil {
			return err
		}
		c, err := scanCounters(id, v[len(selected):])
		locked = &lockedThread{t, c}
		return err
	})
	return locked, err
}

// lockOrCreateThread locks the thread, making it first if it is not there.
func lockOrCreateThread(
	ctx context.Context, s session, id string, p ThreadPatch, now time.Time,
) (locked *lockedThread, created bool, err error) {
	if p.ID != nil {
		if locked, err = lockThread(ctx, s, id); err != nil || locked != nil {
			return locked, false, err
		}
	}
	if p.IfUnmodifiedSince != nil {
		return nil, false, conflictf("there is no thread with this id (any more), and ifUnmodifiedSince was given")
	}
	t := newThread(id, p, now)
	n, err := s.exec(ctx, threadTable.insertRow("threads")+` ON CONFLICT (tenant, id) DO NOTHING`,
		append([]any{s.tenant}, threadTable.values(&t, s.db.dialect)...)...)
	if err != nil {
		return nil, false, err
	}
	if n == 0 { // another writer made it since we looked
		if locked, err = lockThread(ctx, s, id); err == nil && locked == nil {
			err = errRetryTx // and another one deleted it
		}
		return locked, false, err
	}
	return &lockedThread{thread: &t}, true, nil
}

// writeThread writes the thread's own columns and what makes it findable, as far as they changed.
func writeThread(ctx context.Context, s session, before, t *Thread, created bool) error {
	// updated_at is for writeChanges to write.
	_, old := threadTable.assignments(before, s.db.dialect, "id", "updated_at")
	sets, args := threadTable.assignments(t, s.db.dialect, "id", "updated_at")
	// Compared as text: 1 and 1.0 are found by the same searches, and yet the answer is what is stored.
	if slices.Equal(old, args) {
		return nil
	}
	if _, err := s.exec(ctx, `UPDATE threads SET `+sets+` WHERE tenant = ? AND id = ?`,
		append(args, s.tenant, t.ID)...); err != nil {
		return err
	}
	if same, err := sameProperties(before, t); err != nil || same {
		return err
	}
	if !created {
		if _, err := s.exec(ctx, `DELETE FROM thread_properties WHERE tenant = ? AND thread_id = ?`,
			s.tenant, t.ID); err != nil {
			return err
		}
	}
	present, err := t.searchProperties()
	if err != nil {
		return err
	}
	rows := make([][]string, len(present))
	for i, p := range present {
		rows[i] = []string{t.ID, p.Key, p.Value}
	}
	return insertProperties(ctx, s, rows)
}
