package db

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"time"
)

// messageTable holds the columns of messages, the one place that lists them: what
// reads and what writes messages is made of it.
var messageTable = newTable("m", true, append([]column[Message]{
	{name: "id", sqlType: "text", readWith: MessageID,
		scan:  func(m *Message, v driver.Value) error { return scanText(&m.ID, v) },
		value: func(m *Message, _ *dialect) any { return m.ID }},
	{name: "thread_id", sqlType: "text", readWith: MessageThreadID,
		scan:  func(m *Message, v driver.Value) error { return scanText(&m.ThreadID, v) },
		value: func(m *Message, _ *dialect) any { return m.ThreadID }},
	// The database makes the ordinal of sequence and position, which are read from it.
	{name: "ordinal", sqlType: "bigint", scan: (*Message).scanOrdinal},
	{name: "sequence", sqlType: "bigint", value: func(m *Message, _ *dialect) any { return m.Sequence }},
	{name: "position", sqlType: "bigint", value: func(m *Message, _ *dialect) any { return m.position }},
	{
		name:    "role",
		sqlType: "text",
		scan:    (*Message).scanRole,
		value:   func(m *Message, _ *dialect) any { return string(m.Role) },
	},
	timeColumn(`"timestamp"`, MessageTimestamp, func(m *Message) *time.Time { return &m.Timestamp }),
	jsonColumn("parts", MessageParts, func(m *Message) *JSON { return &m.parts }),
	jsonColumn("tool_calls", MessageToolCalls, func(m *Message) *JSON { return &m.toolCalls }),
	jsonColumn("attributes", MessageAttributes, func(m *Message) *JSON { return &m.Attributes }),
	jsonColumn("source", MessageSource, func(m *Message) *JSON { return &m.Source }),
	jsonColumn("attachments", MessageAttachments, func(m *Message) *JSON { return &m.attachments }),
	jsonColumn("metrics", MessageMetrics, func(m *Message) *JSON { return &m.metrics }),
}, textColumns()...))

// messageText is a field of a message that is text, or null, and nothing else.
type messageText struct {
	field, column string // the names in the API, for errors, and in the table
	readWith      Columns
	stored        func(*Message) **string
	given         func(*MessagePatch) *Opt[*string] // nil for content, which parts can be given for
}

// messageTexts are all of them.
var messageTexts = []messageText{
	{"content", "content", MessageContent, func(m *Message) **string { return &m.Content }, nil},
	{
		"name",
		"name",
		MessageName,
		func(m *Message) **string { return &m.Name },
		func(p *MessagePatch) *Opt[*string] { return &p.Name },
	},
	{"toolCallId", "tool_call_id", MessageToolCallID,
		func(m *Message) **string { return &m.ToolCallID },
		func(p *MessagePatch) *Opt[*string] { return &p.ToolCallID }},
}

func textColumns() (columns []column[Message]) {
	for _, t := range messageTexts {
		columns = append(columns, column[Message]{name: t.column, sqlType: "text", readWith: t.readWith,
			scan:  func(m *Message, v driver.Value) error { return scanNull(t.stored(m), v) },
			value: func(m *Message, _ *dialect) any { return *t.stored(m) }})
	}
	return columns
}

// firstOrdinal is the ordinal of a system message of position 0, as the tables' definitions have it.
const firstOrdinal = -1 << 31

func (m *Message) scanOrdinal(v driver.Value) error {
	var ordinal int
	if err := scanInt(&ordinal, v); err != nil {
		return err
	}
	if ordinal > 0 {
		m.Sequence = ordinal
	} else {
		m.position = ordinal - firstOrdinal
	}
	return nil
}

func (m *Message) scanRole(v driver.Value) error {
	var text string
	err := scanText(&text, v)
	if m.Role = Role(text); err == nil && !m.Role.valid() {
		err = fmt.Errorf("%.20q is no role", text)
	}
	return err
}

// scan makes m what a row of the columns says. A row that cannot be read is told with the message's id, if that was
// read.
func (m *Message) scan(d *dialect, columns []column[Message], values []driver.Value) error {
	if name, err := scanRow(m, columns, values); err != nil {
		return m.broken(strings.Trim(name, `"`), err)
	}
	return m.checkStored(d)
}

// checkStored looks whether what was read can be part of an answer, and fills in what an absent value stands for.
func (m *Message) checkStored(d *dialect) error {
	if m.Attributes == "" {
		m.Attributes = EmptyObject
	}
	if err := checkUTF8(&m.ID, &m.ThreadID); err != nil {
		return m.broken("id", err)
	}
	for _, t := range messageTexts {
		if err := checkUTF8(*t.stored(m)); err != nil {
			return m.broken(t.column, err)
		}
	}
	if err := d.checkObject(m.Attributes); err != nil {
		return m.broken("attributes", err)
	}
	if err := d.checkObject(m.Source); err != nil {
		return m.broken("source", err)
	}
	return nil
}
