package db

import "context"

// values returns the message as the statements of insertMessages and updateMessages take it.
func (m *Message) values(d *dialect) []any {
	return []any{m.ID, m.Sequence, m.position, m.Role, m.Content, null(m.parts), m.Name, m.ToolCallID, null(m.toolCalls),
		m.Attributes, d.formatTime(m.Timestamp), null(m.Source), null(m.attachments), m.metrics}
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
