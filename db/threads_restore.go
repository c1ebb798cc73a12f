package db

import (
	"context"
	"time"
)

// Restore makes the thread what p says and nothing else: fields that p omits
// take their defaults even if the thread exists, and createdAt and updatedAt
// are the given ones. It is how a thread is imported. p.ID must be given.
func (r *Threads) Restore(ctx context.Context, p ThreadPatch, updatedAt time.Time) (*Thread, error) {
	return r.save(ctx, p, &updatedAt)
}

// maxRestoreYear is the year from which on no updatedAt is restored: later changes of the thread have to come after it.
const maxRestoreYear = 9999

// restoredThread returns a thread that is what p says and nothing else.
func restoredThread(id string, p ThreadPatch, updatedAt, now time.Time) Thread {
	t := newThread(id, p, now)
	t.UpdatedAt = updatedAt
	t.apply(p)
	return t
}

// Restored is a thread as it is to be, whatever is stored; see [Threads.Restore].
type Restored struct {
	ThreadPatch // with an ID
	UpdatedAt   time.Time
}

// RestoreAll restores several threads in one transaction, all or none. Those
// that are new are inserted together. An error does not tell which thread is to
// blame, and may be of them together only: restored one by one, they may all succeed.
func (r *Threads) RestoreAll(ctx context.Context, list []Restored) error {
	ids := make([]string, len(list))
	for i, t := range list {
		if err := t.check(&t.UpdatedAt); err != nil {
			return err
		}
		ids[i] = *t.ID
	}
	write := func(ctx context.Context, s session) ([]threadChange, error) {
		var stored []string
		const query = `SELECT t.id FROM threads t WHERE t.tenant = ? AND t.id {in}`
		if err := s.rows(ctx, &stored, query, s.tenant, s.db.dialect.array(ids)); err != nil {
			return nil, err
		}
		known := make(map[string]bool, len(stored))
		for _, id := range stored {
			known[id] = true
		}
		var added newThreads
		var existing []Restored
		for _, t := range list {
			if known[*t.ID] {
				existing = append(existing, t)
				continue
			}
			known[*t.ID] = true
			if err := added.add(s.db, t); err != nil {
				return nil, err
			}
		}
		if err := added.insert(ctx, s); err != nil {
			return nil, err
		}
		changes := added.changes
		for _, t := range existing {
			c, err := saveIn(ctx, s, *t.ID, t.ThreadPatch, &t.UpdatedAt)
			if err != nil {
				return nil, err
			}
			changes = append(changes, c)
		}
		return changes, nil
	}
	err := r.commit(ctx, commitOptions{needsSavepoint: true}, write)
	return r.db.duplicateAsConflict(err)
}

// newThreads collects the rows of new threads.
type newThreads struct {
	threads, messages, properties [][]any
	changes                       []threadChange
}

func (n *newThreads) add(db *DB, r Restored) error {
	now := db.Now()
	t := restoredThread(*r.ID, r.ThreadPatch, r.UpdatedAt, now)
	var list []MessagePatch
	if r.Messages != nil {
		list = *r.Messages
	}
	m, err := diffMessages(db, t.ID, nil, list, now, true)
	if err != nil {
		return At(err, "messages")
	}
	for _, message := range m.added {
		n.messages = append(n.messages, messageTable.values(message, db.dialect))
	}
	properties, err := t.searchProperties()
	if err != nil {
		return err
	}
	for _, p := range properties {
		n.properties = append(n.properties, []any{t.ID, p.Key, p.Value})
	}
	row := threadTable.values(&t, db.dialect)
	for _, counter := range m.fields() {
		row = append(row, *counter)
	}
	n.threads = append(n.threads, row)
	c := Change{ThreadID: t.ID, Kind: Created, Added: idsOf(m.added), Counters: m.Counters}
	n.changes = append(n.changes, threadChange{Change: c})
	return nil
}

func (n *newThreads) insert(ctx context.Context, s session) error {
	for _, into := range []struct {
		table   string
		columns []bulkColumn
		rows    [][]any
	}{
		{"threads", newThreadColumns, n.threads},
		{"messages", messageTable.writtenColumns(), n.messages},
		{"thread_properties", propertyColumns, n.properties},
	} {
		if err := insertBulk(ctx, s, into.table, into.columns, into.rows); err != nil {
			return err
		}
	}
	return nil
}
