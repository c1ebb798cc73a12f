package db

import (
	"context"
	"database/sql/driver"
)

// Messages reads and appends messages. It is safe for concurrent use.
type Messages struct{ Scope }

// messageList makes messages of rows.
type messageList struct {
	all  []*Message
	room []Message // for the next ones: one piece of memory for many
}

// add appends a message, for its row to be scanned into.
func (l *messageList) add() *Message {
	if len(l.room) == 0 {
		l.room = make([]Message, 16)
	}
	m := &l.room[0]
	l.room = l.room[1:]
	l.all = append(l.all, m)
	return m
}

// readMessages reads the rows of a query for these columns.
func readMessages(ctx context.Context, s session, columns Columns, query string, args ...any) ([]*Message, error) {
	var messages messageList
	selected := messageTable.selected(columns)
	err := s.each(ctx, query, args, func(v []driver.Value) error {
		return messages.add().scan(s.db.dialect, selected, v)
	})
	return messages.all, err
}

// messagesWhere reads the messages that a condition on m selects, whole.
func messagesWhere(ctx context.Context, s session, condition string, args ...any) ([]*Message, error) {
	query := `SELECT ` + messageTable.selectList(AllColumns) + ` FROM messages m WHERE m.tenant = ? AND ` + condition
	return readMessages(ctx, s, AllColumns, query, append([]any{s.tenant}, args...)...)
}

func messagesByID(ctx context.Context, s session, ids []string) (map[string]*Message, error) {
	byID := map[string]*Message{}
	if len(ids) == 0 {
		return byID, nil
	}
	messages, err := messagesWhere(ctx, s, `m.id {in}`, s.db.dialect.array(ids))
	for _, m := range messages {
		byID[m.ID] = m
	}
	return byID, err
}

// Get returns the message, nil when there is none.
func (r *Messages) Get(ctx context.Context, id string) (found *Message, err error) {
	if !isValidID(id) {
		return nil, nil
	}
	columns := projectionOf(ctx).messages | MessageID | MessageThreadID
	err = r.read(ctx, func(s session) error {
		query := `SELECT ` + messageTable.selectList(columns) + ` FROM messages m WHERE m.tenant = ? AND m.id = ?`
		list, err := readMessages(ctx, s, columns, query, s.tenant, id)
		if found = nil; len(list) > 0 {
			found = list[0]
		}
		return err
	})
	return found, err
}
