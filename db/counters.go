package db

import (
	"context"
	"database/sql/driver"
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

// fields returns the counters in the order of counterColumns.
func (c *Counters) fields() []*int {
	fields := []*int{&c.LastSequence}
	for i := range c.Messages {
		fields = append(fields, &c.Messages[i])
	}
	return fields
}

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

// scanCounters returns the counters of the thread with the id, from the values of counterColumns.
func scanCounters(id string, values []driver.Value) (c Counters, err error) {
	for i, to := range c.fields() {
		if err := scanInt(to, values[i]); err != nil {
			return c, fmt.Errorf("thread %q: stored counters: %v", id, err)
		}
	}
	return c, nil
}

// CountByThreads returns the counts of those threads that exist, by thread id.
func (r *Messages) CountByThreads(ctx context.Context, threadIDs []string) (map[string]Counts, error) {
	query := `SELECT t.id, ` + selectCounters + ` FROM threads t WHERE t.tenant = ? AND t.id {in}`
	var found map[string]Counts
	err := r.read(ctx, func(s session) error {
		found = make(map[string]Counts, len(threadIDs))
		return s.each(ctx, query, []any{s.tenant, s.db.dialect.array(threadIDs)}, func(v []driver.Value) error {
			var id string
			if err := scanText(&id, v[0]); err != nil {
				return err
			}
			c, err := scanCounters(id, v[1:])
			found[id] = c.Messages
			return err
		})
	})
	return found, err
}
