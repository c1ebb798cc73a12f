package db

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"math"
	"slices"
	"strings"
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

// messageTable are the columns of messages m.
var messageTable = table[messageRow]{alias: "m", columns: []column[messageRow]{
	{0, "id", func(r *messageRow, v driver.Value) error { return scanText(&r.ID, v) }},
	{0, "thread_id", func(r *messageRow, v driver.Value) error { return scanText(&r.ThreadID, v) }},
	{0, "sequence", func(r *messageRow, v driver.Value) error { return r.Sequence.Scan(v) }},
	{0, "position", func(r *messageRow, v driver.Value) error { return r.Position.Scan(v) }},
	{0, "role", func(r *messageRow, v driver.Value) error { return scanText(&r.Role, v) }},
	{MessageContent, "content", func(r *messageRow, v driver.Value) error { return scanNull(&r.Content, v) }},
	{MessageParts, "parts", func(r *messageRow, v driver.Value) error { return r.Parts.Scan(v) }},
	{MessageName, "name", func(r *messageRow, v driver.Value) error { return scanNull(&r.Name, v) }},
	{MessageToolCallID, "tool_call_id", func(r *messageRow, v driver.Value) error { return scanNull(&r.ToolCallID, v) }},
	{MessageToolCalls, "tool_calls", func(r *messageRow, v driver.Value) error { return r.ToolCalls.Scan(v) }},
	{MessageAttributes, "attributes", func(r *messageRow, v driver.Value) error { return r.Attributes.Scan(v) }},
	{MessageTimestamp, `"timestamp"`, func(r *messageRow, v driver.Value) error { return r.Timestamp.Scan(v) }},
	{MessageSource, "source", func(r *messageRow, v driver.Value) error { return r.Source.Scan(v) }},
	{MessageAttachments, "attachments", func(r *messageRow, v driver.Value) error { return r.Attachments.Scan(v) }},
	{MessageMetrics, "metrics", func(r *messageRow, v driver.Value) error { return r.Metrics.Scan(v) }},
}}

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
	return messagesFrom(ctx, s, AllColumns, `SELECT `+messageTable.list(AllColumns)+` FROM messages m WHERE `+condition, args...)
}

func messagesFrom(ctx context.Context, s session, columns Columns, query string, args ...any) (messages []*Message, err error) {
	var block []Message // room for the next ones: one piece of memory for many
	err = messageTable.read(ctx, s, columns, query, args, func(r *messageRow) error {
		if len(block) == 0 {
			block = make([]Message, 16)
		}
		m := &block[0]
		block = block[1:]
		messages = append(messages, m)
		return r.into(m, s.db.dialect)
	})
	return messages, err
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
	err = r.db.read(ctx, func(s session) error {
		columns := columnsOf(ctx).messages
		messages, err := messagesFrom(ctx, s, columns, `SELECT `+messageTable.list(columns)+` FROM messages m WHERE m.id = ?`, id)
		if len(messages) > 0 {
			found = messages[0]
		}
		return err
	})
	return found, err
}

// RoleSet is a set of roles.
type RoleSet uint8

// AllRoles holds every role.
const AllRoles RoleSet = 1<<len(roles) - 1

// NewRoleSet returns the set of the given roles.
func NewRoleSet(given []Role) (set RoleSet) {
	for i, r := range roles {
		for _, g := range given {
			if g == r {
				set |= 1 << i
			}
		}
	}
	return set
}

func (set RoleSet) has(r Role) bool { return set&NewRoleSet([]Role{r}) != 0 }

// Window selects messages of a thread. It is comparable: equal windows select
// the same. The zero value selects nothing; see [NewWindow].
type Window struct {
	Limit   int  // -1 for all
	FromEnd bool // the limit counts from the end
	// After and Before bound the ordinals, exclusively.
	After, Before int64
	Roles         RoleSet
}

// NewWindow returns the window for API arguments; nil is one that was not
// given. first and last must not both be given, nor be negative.
func NewWindow(first, last, afterSequence, beforeSequence *int, given []Role) Window {
	w := Window{Limit: -1, After: math.MinInt64, Before: math.MaxInt64, Roles: AllRoles}
	if first != nil {
		w.Limit = *first
	}
	if last != nil {
		w.Limit, w.FromEnd = *last, true
	}
	// System messages have sequence 0 and negative ordinals.
	if afterSequence != nil && *afterSequence >= 0 {
		w.After = int64(*afterSequence)
	}
	if beforeSequence != nil {
		if w.Before = int64(*beforeSequence); w.Before <= 0 {
			return Window{}
		}
	}
	if given != nil {
		w.Roles = NewRoleSet(given)
	}
	switch w.Roles {
	case NewRoleSet([]Role{RoleSystem}):
		w.Before, w.Roles = min(w.Before, 1), AllRoles
	case AllRoles &^ NewRoleSet([]Role{RoleSystem}):
		w.After, w.Roles = max(w.After, 0), AllRoles
	}
	if w.Limit == 0 || w.Roles == 0 || w.After >= w.Before-1 {
		return Window{}
	}
	return w
}

// ListByThreads returns the messages each thread has in the window, in order,
// by thread id. It is one statement however many threads there are, and it
// reads little more than it returns, however long they are.
func (r *Messages) ListByThreads(ctx context.Context, threadIDs []string, w Window) (found map[string][]*Message, err error) {
	known := knownIDs(threadIDs)
	if len(known) == 0 || w == (Window{}) {
		return nil, nil
	}
	err = r.db.read(ctx, func(s session) error {
		found, err = windows(ctx, s, known, w, columnsOf(ctx).messages)
		return err
	})
	return found, err
}

func windows(ctx context.Context, s session, threadIDs []string, w Window, columns Columns) (map[string][]*Message, error) {
	query, args := w.query(threadIDs, columns)
	messages, err := messagesFrom(ctx, s, columns, query, args...)
	if err != nil {
		return nil, err
	}
	found := make(map[string][]*Message, len(threadIDs))
	for _, m := range messages {
		found[m.ThreadID] = append(found[m.ThreadID], m)
	}
	for _, list := range found {
		slices.SortFunc(list, (*Message).compare)
	}
	return found, nil
}

// compare is the order of messages in a thread.
func (m *Message) compare(other *Message) int {
	return cmp.Or(cmp.Compare(m.Sequence, other.Sequence), cmp.Compare(m.position, other.position))
}

// query returns the statement for the window. A limited one first looks up, for
// each thread, the ordinal at which its window ends, by walking an index from
// the start or the end; with roles, one such walk for each role. It asks for no
// order: the rows come in that of the index as a rule, and a sort of them all in
// the database would cost more than looking whether they do.
func (w Window) query(threadIDs []string, columns Columns) (string, []any) {
	var q strings.Builder
	args := []any{bind(threadIDs)}
	add := func(text string, more ...any) {
		q.WriteString(text)
		args = append(args, more...)
	}
	var wanted []Role // nil for all
	index := ""
	if w.Roles != AllRoles {
		index = ` {by role}`
		for _, r := range roles {
			if w.Roles.has(r) {
				wanted = append(wanted, r)
			}
		}
	}
	add(`SELECT ` + messageTable.list(columns) + ` FROM {list} AS k CROSS JOIN messages m` + index + ` WHERE m.thread_id = k.value`)
	if wanted != nil {
		add(` AND m.role IN (?` + strings.Repeat(`, ?`, len(wanted)-1) + `)`)
		for _, r := range wanted {
			args = append(args, string(r))
		}
	}
	// One bound on each side: SQLite's search of an index uses one, and not always the narrower.
	if w.Limit < 0 || !w.FromEnd {
		add(` AND m.ordinal > ?`, w.After)
	}
	if w.Limit < 0 || w.FromEnd {
		add(` AND m.ordinal < ?`, w.Before)
	}
	if w.Limit >= 0 {
		end, order := `m.ordinal <= (SELECT max(e.ordinal)`, ` ORDER BY ordinal`
		if w.FromEnd {
			end, order = `m.ordinal >= (SELECT min(e.ordinal)`, ` ORDER BY ordinal DESC`
		}
		walk := `SELECT x.ordinal FROM messages x` + index + ` WHERE x.thread_id = k.value AND x.ordinal > ? AND x.ordinal < ?`
		add(` AND ` + end + ` FROM (`)
		if wanted == nil {
			add(walk+order+` LIMIT ?`, w.After, w.Before, w.Limit)
		} else {
			add(`SELECT u.ordinal FROM (`)
			for i, r := range wanted {
				if i > 0 {
					add(` UNION ALL `)
				}
				add(`SELECT * FROM (`+walk+` AND x.role = ?`+order+` LIMIT ?) AS r`, w.After, w.Before, string(r), w.Limit)
			}
			add(`) AS u`+order+` LIMIT ?`, w.Limit)
		}
		add(`) AS e)`)
	}
	return q.String(), args
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
		return s.rows(ctx, &rows, `SELECT t.id, `+countColumns+` FROM threads t WHERE t.id IN (SELECT value FROM {list})`, bind(threadIDs))
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
