package db

import (
	"context"
	"fmt"
)

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

// add gives the message the place after those counted, and counts it.
func (c *counters) add(m *Message) {
	for i, r := range roles {
		if r == m.Role {
			c.counts[i]++
		}
	}
	if m.Role == RoleSystem {
		m.assignSequence(c.counts.Of(NewRoleSet([]Role{RoleSystem})))
		return
	}
	c.last++
	m.assignSequence(c.last)
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
