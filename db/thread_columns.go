package db

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// threadTable holds the columns of threads beside the counters (counterColumns), the one place that lists them: what
// reads and what writes threads is made of it.
var threadTable = newTable("t", false, []column[Thread]{
	{name: "id", sqlType: "text", scan: func(t *Thread, v driver.Value) error { return scanText(&t.ID, v) },
		value: func(t *Thread, _ *dialect) any { return t.ID }},
	{name: "title", sqlType: "text", readWith: ThreadTitle,
		scan: func(t *Thread, v driver.Value) error { return scanNull(&t.Title, v) },
		value: func(t *Thread, _ *dialect) any {
			if t.Title == nil {
				return nil
			}
			return *t.Title
		}},
	jsonColumn("attributes", ThreadAttributes, func(t *Thread) *JSON { return &t.Attributes }),
	jsonColumn("source", ThreadSource, func(t *Thread) *JSON { return &t.Source }),
	timeColumn("created_at", ThreadCreatedAt, func(t *Thread) *time.Time { return &t.CreatedAt }),
	timeColumn("updated_at", ThreadUpdatedAt, func(t *Thread) *time.Time { return &t.UpdatedAt }),
})

// scanThread returns the thread that a row of the columns says.
func scanThread(d *dialect, columns []column[Thread], values []driver.Value) (*Thread, error) {
	t := &Thread{}
	if name, err := scanRow(t, columns, values); err != nil {
		return nil, t.broken(name, err)
	}
	return t, t.checkStored(d)
}

// checkStored looks whether what was read can be part of an answer, and fills in what an absent value stands for.
func (t *Thread) checkStored(d *dialect) error {
	if t.Attributes == "" {
		t.Attributes = EmptyObject
	}
	if err := checkUTF8(&t.ID, t.Title); err != nil {
		return t.broken("title", err)
	}
	if err := d.checkObject(t.Attributes); err != nil {
		return t.broken("attributes", err)
	}
	if err := d.checkObject(t.Source); err != nil {
		return t.broken("source", err)
	}
	return nil
}

// broken says which stored thread cannot be read. The cause is not wrapped, as for a message.
func (t *Thread) broken(column string, err error) error {
	return fmt.Errorf("thread %q: stored %s: %v", t.ID, column, err)
}
