package db

import (
	"context"
	"reflect"
	"time"
)

// renumberOffset is added to the sequence or position of a message while it moves: unique
// indexes are checked row by row, and no thread is that long.
const renumberOffset = 1 << 40

// messageDiff is what makes a list of messages out of the stored ones.
type messageDiff struct {
	Counters       // of the thread, then
	added, updated []*Message
	moved          []string // of the updated, those whose sequence or position changed
	unknown        []string // ids of the added that the client chose
	dropped        []string
}

// diffMessages works out how list replaces the stored messages: known ids are updated,
// new ones added, the rest dropped. With resetKnown, the stored fields of known ones do not count.
func diffMessages(
	db *DB, threadID string, stored []*Message, list []MessagePatch, now time.Time, resetKnown bool,
) (messageDiff, error) {
	var r messageDiff
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
		} else if !resetKnown {
			m = *before
		}
		if err := m.apply(p, now); err != nil {
			return r, m.broken("content", err)
		}
		if err := m.validate(); err != nil {
			return r, At(err, i)
		}
		r.add(&m)
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
	for _, m := range stored {
		if old[m.ID] != nil {
			r.dropped = append(r.dropped, m.ID)
		}
	}
	return r, nil
}

// replaceMessages makes list the thread's messages instead of the stored ones,
// and returns what that changes, beside the counters.
func replaceMessages(
	ctx context.Context, s session, threadID string, stored []*Message, list []MessagePatch, now time.Time,
	resetKnown bool,
) (messageDiff, error) {
	r, err := diffMessages(s.db, threadID, stored, list, now, resetKnown)
	if err != nil {
		return r, err
	}
	taken, err := messagesByID(ctx, s, r.unknown)
	if err != nil {
		return r, err
	}
	for id := range taken {
		return r, conflictf("the message id %q belongs to another thread", id)
	}
	if err := deleteMessages(ctx, s, threadID, r.dropped); err != nil {
		return r, err
	}
	if err := makeRoom(ctx, s, threadID, r.moved); err != nil {
		return r, err
	}
	if err := updateMessages(ctx, s, r.updated); err != nil {
		return r, err
	}
	return r, insertMessages(ctx, s, r.added)
}

// makeRoom moves messages out of the way of others that get their sequences or positions.
func makeRoom(ctx context.Context, s session, threadID string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `UPDATE messages SET sequence = CASE WHEN sequence > 0 THEN sequence + ? ELSE sequence END,
			position = CASE WHEN sequence > 0 THEN position ELSE position + ? END
		WHERE tenant = ? AND thread_id = ? AND id {in}`,
		renumberOffset, renumberOffset, s.tenant, threadID, s.db.dialect.array(ids))
	return err
}
