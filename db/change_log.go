package db

import "context"

// ChangeKind is what became of a thread.
type ChangeKind int

const (
	Created ChangeKind = iota + 1
	Updated
	Deleted
)

// Change is what one write did to one thread.
type Change struct {
	ThreadID string
	Kind     ChangeKind
	// Added, Updated and Deleted are the ids of messages, the first two in the order of the thread. A deleted thread
	// has none.
	Added, Updated, Deleted []string
	// Counters is by how much those of the thread have changed; nothing for a deleted one.
	Counters Counters
}

// threadChange is a Change on its way through [Scope.commit].
type threadChange struct {
	Change
	// thread is the thread as it will be, whose counters and updated_at are still to be written: [writeChanges] does
	// it. nil when the statement that made the change wrote them, too.
	thread *Thread
}

// writeChanges writes, in the transaction of a write, what follows from its changes: the
// counters and the updated_at of each thread. It is called for every write, and so
// is where an entry of a change log is written; but a write of one statement is
// stored by now, so that its entries have to be part of that statement.
func writeChanges(ctx context.Context, s session, changes []threadChange) error {
	for _, c := range changes {
		if c.thread == nil {
			continue
		}
		args := []any{s.db.dialect.formatTime(c.thread.UpdatedAt)}
		for _, n := range c.Counters.fields() {
			args = append(args, *n)
		}
		if _, err := s.exec(ctx, `UPDATE threads SET updated_at = CAST(? AS {time}), `+
			addToCounters("threads.", func(int) string { return `CAST(? AS bigint)` })+
			` WHERE tenant = ? AND id = ?`, append(args, s.tenant, c.ThreadID)...); err != nil {
			return err
		}
	}
	return nil
}

type committing struct{}

// Committing reports whether a statement with this context is part of a write that [Scope.commit] commits. Every
// statement that changes a thread or a message is; tests hold that.
func Committing(ctx context.Context) bool { return ctx.Value(committing{}) != nil }
