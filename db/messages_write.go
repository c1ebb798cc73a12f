package db

import "context"

// These two statements take any number of messages as one bound list, so that
// their number does not grow with it.
var (
	insertMessagesSQL = messageTable.insertRows("messages")
	updateMessagesSQL = messageTable.updateRows("messages", "id", "thread_id")
)

// insertMessages adds messages to where they say.
func insertMessages(ctx context.Context, s session, messages []*Message) error {
	if len(messages) == 0 {
		return nil
	}
	_, err := s.exec(ctx, insertMessagesSQL, s.tenant, bind(valuesOf(s, messages)))
	return err
}

// valuesOf returns the messages as these statements take them.
func valuesOf(s session, messages []*Message) [][]any {
	values := make([][]any, len(messages))
	for i, m := range messages {
		values[i] = messageTable.values(m, s.db.dialect)
	}
	return values
}

// updateMessages writes messages as they are now, each to its row.
func updateMessages(ctx context.Context, s session, messages []*Message) error {
	if len(messages) == 0 {
		return nil
	}
	rows := valuesOf(s, messages)
	for i := range rows {
		rows[i] = append(rows[i], s.tenant)
	}
	_, err := s.exec(ctx, updateMessagesSQL, bind(rows))
	return err
}

// deleteMessages deletes messages of a thread.
func deleteMessages(ctx context.Context, s session, threadID string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `DELETE FROM messages WHERE tenant = ? AND thread_id = ? AND id {in}`,
		s.tenant, threadID, s.db.dialect.array(ids))
	return err
}

// idsOf returns the ids of messages.
func idsOf(messages []*Message) (ids []string) {
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	return ids
}
