package db

import (
	"context"
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
	err = r.commit(ctx, commitOptions{needsSavepoint: true}, func(ctx context.Context, s session) ([]threadChange, error) {
		c, err := saveIn(ctx, s, id, p, restored)
		thread = c.thread
		return []threadChange{c}, err
	})
	return thread, r.db.duplicateAsConflict(err)
}

// saveIn is save inside a transaction.
func saveIn(ctx context.Context, s session, id string, p ThreadPatch, restored *time.Time) (threadChange, error) {
	now := s.db.Now()
	row, created, err := lockOrCreateThread(ctx, s, id, p, now)
	if err != nil {
		return threadChange{}, err
	}
	stored, err := row.thread(s.db.dialect)
	if err != nil {
		return threadChange{}, err
	}
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
	oldCounters, err := row.counters(id)
	if err != nil {
		return c, err
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
		c.Added, c.Updated, c.Deleted, c.Counters = idsOf(m.added), idsOf(m.updated), m.dropped, m.minus(oldCounters)
	}
	return c, writeThread(ctx, s, stored, &changed, created)
}

// lockedThread is a thread's row, locked until the transaction ends.
type lockedThread struct {
	threadRow
	countRow
}

// lockThread reads the thread and keeps others from writing it or its messages;
// nil when there is none.
func lockThread(ctx context.Context, s session, id string) (*lockedThread, error) {
	var row lockedThread
	found, err := s.row(ctx, &row, `SELECT `+threadTable.selectList(AllColumns)+`, `+selectCounters+`
		FROM threads t WHERE t.tenant = ? AND t.id = ? {lock}`, s.tenant, id)
	if err != nil || !found {
		return nil, err
	}
	return &row, nil
}

// lockOrCreateThread locks the thread, making it first if it is not there.
func lockOrCreateThread(ctx context.Context, s session, id string, p ThreadPatch, now time.Time) (row *lockedThread, created bool, err error) {
	if p.ID != nil {
		if row, err = lockThread(ctx, s, id); err != nil || row != nil {
			return row, false, err
		}
	}
	if p.IfUnmodifiedSince != nil {
		return nil, false, conflictf("there is no thread with this id (any more), and ifUnmodifiedSince was given")
	}
	t := newThread(id, p, now)
	at := s.db.dialect.formatTime
	n, err := s.exec(ctx, `INSERT INTO threads (tenant, id, title, attributes, created_at, updated_at)
		VALUES (?, ?, ?, CAST(? AS {json}), CAST(? AS {time}), CAST(? AS {time})) ON CONFLICT (tenant, id) DO NOTHING`,
		s.tenant, id, t.Title, string(EmptyObject), at(t.CreatedAt), at(t.UpdatedAt))
	if err != nil {
		return nil, false, err
	}
	if n == 0 { // another writer made it since we looked
		if row, err = lockThread(ctx, s, id); err == nil && row == nil {
			err = errRetryTx // and another one deleted it
		}
		return row, false, err
	}
	return &lockedThread{threadRow: threadRow{ID: id, Title: t.Title, Attributes: columnJSON(EmptyObject),
		CreatedAt: columnTime{Time: t.CreatedAt}, UpdatedAt: columnTime{Time: t.UpdatedAt}}}, true, nil
}

// writeThread writes the thread's own columns and what makes it findable, as far as they changed.
func writeThread(ctx context.Context, s session, before, t *Thread, created bool) error {
	// Compared as text: 1 and 1.0 are found by the same searches, and yet the answer is what is stored.
	if equal(before.Title, t.Title) && before.Attributes == t.Attributes && before.Source == t.Source && before.CreatedAt.Equal(t.CreatedAt) {
		return nil
	}
	if _, err := s.exec(ctx, `UPDATE threads SET title = ?, attributes = CAST(? AS {json}), source = CAST(? AS {json}),
			created_at = CAST(? AS {time}) WHERE tenant = ? AND id = ?`,
		t.Title, string(t.Attributes), null(t.Source), s.db.dialect.formatTime(t.CreatedAt), s.tenant, t.ID); err != nil {
		return err
	}
	if same, err := sameProperties(before, t); err != nil || same {
		return err
	}
	if !created {
		if _, err := s.exec(ctx, `DELETE FROM thread_properties WHERE tenant = ? AND thread_id = ?`, s.tenant, t.ID); err != nil {
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
