package db

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// Messages reads and appends messages. It is safe for concurrent use.
type Messages struct{ db *DB }

// Messages returns the repository of messages.
func (db *DB) Messages() *Messages { return &Messages{db} }

// messageRow is a row of messages.
type messageRow struct {
	ID          string     `db:"id"`
	ThreadID    string     `db:"thread_id"`
	Sequence    columnInt  `db:"sequence"`
	Position    columnInt  `db:"position"`
	Role        string     `db:"role"`
	Content     *string    `db:"content"`
	Parts       columnJSON `db:"parts"`
	Name        *string    `db:"name"`
	ToolCallID  *string    `db:"tool_call_id"`
	ToolCalls   columnJSON `db:"tool_calls"`
	Attributes  columnJSON `db:"attributes"`
	Timestamp   columnTime `db:"timestamp"`
	Source      columnJSON `db:"source"`
	Attachments columnJSON `db:"attachments"`
	Metrics     columnJSON `db:"metrics"`
}

// messageTable are the columns of messages m. The ordinal tells sequence and position.
var messageTable = table[messageRow]{alias: "m", long: true, columns: []column[messageRow]{
	{0, "ordinal", "bigint", (*messageRow).setOrdinal},
	{MessageID, "id", "text", func(r *messageRow, v driver.Value) error { return scanText(&r.ID, v) }},
	{MessageThreadID, "thread_id", "text", func(r *messageRow, v driver.Value) error { return scanText(&r.ThreadID, v) }},
	{0, "role", "text", func(r *messageRow, v driver.Value) error { return scanText(&r.Role, v) }},
	{MessageContent, "content", "text", func(r *messageRow, v driver.Value) error { return scanNull(&r.Content, v) }},
	{MessageParts, "parts", "{json}", func(r *messageRow, v driver.Value) error { return r.Parts.Scan(v) }},
	{MessageName, "name", "text", func(r *messageRow, v driver.Value) error { return scanNull(&r.Name, v) }},
	{MessageToolCallID, "tool_call_id", "text", func(r *messageRow, v driver.Value) error { return scanNull(&r.ToolCallID, v) }},
	{MessageToolCalls, "tool_calls", "{json}", func(r *messageRow, v driver.Value) error { return r.ToolCalls.Scan(v) }},
	{MessageAttributes, "attributes", "{json}", func(r *messageRow, v driver.Value) error { return r.Attributes.Scan(v) }},
	{MessageTimestamp, `"timestamp"`, "{time}", func(r *messageRow, v driver.Value) error { return r.Timestamp.Scan(v) }},
	{MessageSource, "source", "{json}", func(r *messageRow, v driver.Value) error { return r.Source.Scan(v) }},
	{MessageAttachments, "attachments", "{json}", func(r *messageRow, v driver.Value) error { return r.Attachments.Scan(v) }},
	{MessageMetrics, "metrics", "{json}", func(r *messageRow, v driver.Value) error { return r.Metrics.Scan(v) }},
}}

// firstOrdinal is the ordinal of a system message of position 0, as the tables' definitions have it.
const firstOrdinal = -1 << 31

func (r *messageRow) setOrdinal(v driver.Value) error {
	var ordinal columnInt
	_ = ordinal.Scan(v)
	switch {
	case ordinal.err != nil || ordinal.int > 0:
		r.Sequence = ordinal
	default:
		r.Position.int = ordinal.int - firstOrdinal
	}
	return nil
}

// message returns what the row says.
func (r *messageRow) message(d *dialect) (*Message, error) {
	m := new(Message)
	return m, r.into(m, d)
}

// into makes m what the row says.
func (r *messageRow) into(m *Message, d *dialect) error {
	*m = Message{ID: r.ID, ThreadID: r.ThreadID, Role: Role(r.Role), Sequence: r.Sequence.int, Content: r.Content,
		Name: r.Name, ToolCallID: r.ToolCallID, Attributes: JSON(r.Attributes), Timestamp: r.Timestamp.Time, Source: JSON(r.Source),
		position: r.Position.int, parts: JSON(r.Parts), toolCalls: JSON(r.ToolCalls), attachments: JSON(r.Attachments), metrics: JSON(r.Metrics)}
	if !m.Role.valid() {
		return m.broken("role", fmt.Errorf("%.20q is no role", r.Role))
	}
	if m.Attributes == "" {
		m.Attributes = EmptyObject
	}
	switch {
	case r.Sequence.err != nil:
		return m.broken("sequence", r.Sequence.err)
	case r.Position.err != nil:
		return m.broken("position", r.Position.err)
	case r.Timestamp.err != nil:
		return m.broken("timestamp", r.Timestamp.err)
	}
	if err := checkUTF8(&m.ID, &m.ThreadID, m.Content, m.Name, m.ToolCallID); err != nil {
		return m.broken("text", err)
	}
	if err := d.checkObject(m.Attributes); err != nil {
		return m.broken("attributes", err)
	}
	if err := d.checkObject(m.Source); err != nil {
		return m.broken("source", err)
	}
	return nil
}

// messageList makes messages of rows.
type messageList struct {
	all  []*Message
	room []Message // for the next ones: one piece of memory for many
}

// add appends what the row says.
func (l *messageList) add(r *messageRow, d *dialect) error {
	if len(l.room) == 0 {
		l.room = make([]Message, 16)
	}
	m := &l.room[0]
	l.room = l.room[1:]
	l.all = append(l.all, m)
	return r.into(m, d)
}

func messagesOf(d *dialect, rows []messageRow) ([]*Message, error) {
	messages := make([]*Message, len(rows))
	for i := range rows {
		var err error
		if messages[i], err = rows[i].message(d); err != nil {
			return nil, err
		}
	}
	return messages, nil
}

// messagesWhere reads the messages that a condition on m selects, whole.
func messagesWhere(ctx context.Context, s session, condition string, args ...any) ([]*Message, error) {
	var messages messageList
	err := messageTable.read(ctx, s, AllColumns, `SELECT `+messageTable.list(AllColumns)+` FROM messages m WHERE `+condition, args, func(r *messageRow) error {
		return messages.add(r, s.db.dialect)
	})
	return messages.all, err
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

// Get returns the message, nil when there is none.
func (r *Messages) Get(ctx context.Context, id string) (found *Message, err error) {
	if !knownID(id) {
		return nil, nil
	}
	columns := projectionOf(ctx).messages | MessageID | MessageThreadID
	err = r.db.read(ctx, func(s session) error {
		found = nil // of an attempt before
		return messageTable.read(ctx, s, columns, `SELECT `+messageTable.list(columns)+` FROM messages m WHERE m.id = ?`, []any{id}, func(row *messageRow) (err error) {
			found, err = row.message(s.db.dialect)
			return err
		})
	})
	return found, err
}
