package db

import (
	"context"
	"fmt"
	"strings"
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

// Counters are what a thread's row keeps of its messages, or a difference of two such.
type Counters struct {
	LastSequence int // the highest sequence
	Messages     Counts
}

// add gives the message the sequence or position after those counted, and counts it.
func (c *Counters) add(m *Message) {
	for i, r := range roles {
		if r == m.Role {
			c.Messages[i]++
		}
	}
	if m.Role == RoleSystem {
		m.assignSequence(c.Messages.Of(NewRoleSet([]Role{RoleSystem})))
		return
	}
	c.LastSequence++
	m.assignSequence(c.LastSequence)
}

// minus returns the difference to other counters.
func (c Counters) minus(other Counters) Counters {
	c.LastSequence -= other.LastSequence
	for i := range c.Messages {
		c.Messages[i] -= other.Messages[i]
	}
	return c
}

// inColumns returns the counters in the order of counterColumns.
func (c Counters) inColumns() []int { return append([]int{c.LastSequence}, c.Messages[:]...) }

// counterColumns hold the counters of a thread: the highest sequence, and the counts in the order of roles.
var counterColumns = func() []string {
	columns := []string{"last_sequence"}
	for _, r := range roles {
		columns = append(columns, string(r)+"_count")
	}
	return columns
}()

// addToCounters returns the assignments of an UPDATE that add something to each counter; before stands before a column.
func addToCounters(before string, addend func(i int) string) string {
	sets := make([]string, len(counterColumns))
	for i, column := range counterColumns {
		sets[i] = column + ` = ` + before + column + ` + ` + addend(i)
	}
	return strings.Join(sets, ", ")
}

// oneMessage returns what a message adds to each counter; role is the expression for its role.
func oneMessage(role string) func(i int) string {
	return func(i int) string {
		if i == 0 {
			return `CASE WHEN ` + role + ` = 'system' THEN 0 ELSE 1 END`
		}
		return `CASE WHEN ` + role + ` = '` + string(roles[i-1]) + `' THEN 1 ELSE 0 END`
	}
}

// selectCounters are the counters of threads t.
var selectCounters = `t.` + strings.Join(counterColumns, `, t.`)

type countRow struct {
	LastSequence columnInt `db:"last_sequence"`
	System       columnInt `db:"system_count"`
	User         columnInt `db:"user_count"`
	Assistant    columnInt `db:"assistant_count"`
	Tool         columnInt `db:"tool_count"`
}

// counters returns the counters of the thread with the id.
func (r *countRow) counters(id string) (Counters, error) {
	for _, n := range []columnInt{r.System, r.User, r.Assistant, r.Tool, r.LastSequence} {
		if n.err != nil {
			return Counters{}, fmt.Errorf("thread %q: stored counters: %v", id, n.err)
		}
	}
	return Counters{r.LastSequence.int, Counts{r.System.int, r.User.int, r.Assistant.int, r.Tool.int}}, nil
}

// CountByThreads returns the counts of those threads that exist, by thread id.
func (r *Messages) CountByThreads(ctx context.Context, threadIDs []string) (map[string]Counts, error) {
	var rows []struct {
		ID string `db:"id"`
		countRow
	}
	err := r.read(ctx, func(s session) error {
		return s.rows(ctx, &rows, `SELECT t.id, `+selectCounters+` FROM threads t WHERE t.tenant = ? AND t.id {in}`,
			s.tenant, s.db.dialect.array(threadIDs))
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
		found[row.ID] = c.Messages
	}
	return found, nil
}
