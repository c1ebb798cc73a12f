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

// values returns the message as the statements of insertMessages and updateMessages take it.
func (m *Message) values(d *dialect) []any {
	return []any{m.ID, m.Sequence, m.position, m.Role, m.Content, m.parts.null(), m.Name, m.ToolCallID, m.toolCalls.null(),
		m.Attributes, d.formatTime(m.Timestamp), m.Source.null(), m.attachments.null(), m.metrics}
}

// These two statements take any number of messages as one bound list, so that
// their number does not grow with it.
const (
	insertMessages = `INSERT INTO messages (id, thread_id, sequence, position, role, content, parts, name, tool_call_id,
			tool_calls, attributes, "timestamp", source, attachments, metrics)
		SELECT v.value ->> 0, ?, CAST(v.value ->> 1 AS bigint), CAST(v.value ->> 2 AS bigint), v.value ->> 3, v.value ->> 4,
			CAST(v.value ->> 5 AS {json}), v.value ->> 6, v.value ->> 7, CAST(v.value ->> 8 AS {json}), CAST(v.value ->> 9 AS {json}),
			CAST(v.value ->> 10 AS {time}), CAST(v.value ->> 11 AS {json}), CAST(v.value ->> 12 AS {json}), CAST(v.value ->> 13 AS {json})
		FROM {rows} AS v`
	updateMessages = `UPDATE messages SET sequence = CAST(v.value ->> 1 AS bigint), position = CAST(v.value ->> 2 AS bigint),
			role = v.value ->> 3, content = v.value ->> 4, parts = CAST(v.value ->> 5 AS {json}), name = v.value ->> 6,
			tool_call_id = v.value ->> 7, tool_calls = CAST(v.value ->> 8 AS {json}), attributes = CAST(v.value ->> 9 AS {json}),
			"timestamp" = CAST(v.value ->> 10 AS {time}), source = CAST(v.value ->> 11 AS {json}),
			attachments = CAST(v.value ->> 12 AS {json}), metrics = CAST(v.value ->> 13 AS {json})
		FROM {rows} AS v WHERE messages.id = v.value ->> 0`
)

func insert(ctx context.Context, s session, threadID string, messages []*Message) error {
	if len(messages) == 0 {
		return nil
	}
	_, err := s.exec(ctx, insertMessages, threadID, bind(valuesOf(s, messages)))
	return err
}

func valuesOf(s session, messages []*Message) [][]any {
	values := make([][]any, len(messages))
	for i, m := range messages {
		values[i] = m.values(s.db.dialect)
	}
	return values
}

// messagesWhere reads the messages that a condition on m selects, whole.
func messagesWhere(ctx context.Context, s session, condition string, args ...any) ([]*Message, error) {
	var messages messageList
	err := messageTable.read(ctx, s, AllColumns, `SELECT `+messageTable.list(AllColumns)+` FROM messages m WHERE `+condition, args, func(r *messageRow) error {
		return messages.add(r, s.db.dialect)
	})
	return messages.all, err
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

// Get returns the message, nil when there is none.
func (r *Messages) Get(ctx context.Context, id string) (found *Message, err error) {
	if !knownID(id) {
		return nil, nil
	}
	columns := columnsOf(ctx).messages | MessageID | MessageThreadID
	err = r.db.read(ctx, func(s session) error {
		found = nil // of an attempt before
		return messageTable.read(ctx, s, columns, `SELECT `+messageTable.list(columns)+` FROM messages m WHERE m.id = ?`, []any{id}, func(row *messageRow) (err error) {
			found, err = row.message(s.db.dialect)
			return err
		})
	})
	return found, err
}

// Counts is how many messages of each role a thread has.
type Counts [len(roles)]int

// Of returns how many messages have one of the roles.
func (c Counts) Of(set RoleSet) (n int) {
	for i := range c {
		if set&(1<<i) != 0 {
			n += c[i]
		}
	}
	return n
}

// counters are what a thread's row keeps of its messages.
type counters struct {
	last   int // the highest sequence
	counts Counts
}

// place gives the message the place after those counted, and counts it.
func (c *counters) place(m *Message) {
	for i, r := range roles {
		if r == m.Role {
			c.counts[i]++
		}
	}
	if m.Role == RoleSystem {
		m.place(c.counts.Of(NewRoleSet([]Role{RoleSystem})))
		return
	}
	c.last++
	m.place(c.last)
}

// countColumns hold the counters of a thread.
const countColumns = `t.last_sequence, t.system_count, t.user_count, t.assistant_count, t.tool_count`

type countRow struct {
	LastSequence columnInt `db:"last_sequence"`
	System       columnInt `db:"system_count"`
	User         columnInt `db:"user_count"`
	Assistant    columnInt `db:"assistant_count"`
	Tool         columnInt `db:"tool_count"`
}

// counters returns the counters of the thread with the id.
func (r *countRow) counters(id string) (counters, error) {
	for _, n := range []columnInt{r.System, r.User, r.Assistant, r.Tool, r.LastSequence} {
		if n.err != nil {
			return counters{}, fmt.Errorf("thread %q: stored counters: %v", id, n.err)
		}
	}
	return counters{r.LastSequence.int, Counts{r.System.int, r.User.int, r.Assistant.int, r.Tool.int}}, nil
}

// CountByThreads returns the counts of those threads that exist, by thread id.
func (r *Messages) CountByThreads(ctx context.Context, threadIDs []string) (map[string]Counts, error) {
	var rows []struct {
		ID string `db:"id"`
		countRow
	}
	err := r.db.read(ctx, func(s session) error {
		return s.rows(ctx, &rows, `SELECT t.id, `+countColumns+` FROM threads t WHERE t.id {in}`, s.db.dialect.list(threadIDs))
	})
	if err != nil {
		return nil, err
	}
	found := make(map[string]Counts, len(rows))
	for _, row := range rows {
		c, err := row.counters(row.ID)
		if err != nil {
			return nil, err
		}
		found[row.ID] = c.counts
	}
	return found, nil
}
