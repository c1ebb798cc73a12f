package db

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// Threads reads and writes threads. It is safe for concurrent use.
type Threads struct{ Scope }

// newestFirst is the order of every list of threads. It is total.
const (
	newestFirst = `ORDER BY t.updated_at DESC, t.id DESC`
	oldestFirst = `ORDER BY t.updated_at, t.id` // the same from its end
)

// threadRow is a row of threadTable.
type threadRow struct {
	ID         string     `db:"id"`
	Title      *string    `db:"title"`
	Attributes columnJSON `db:"attributes"`
	Source     columnJSON `db:"source"`
	CreatedAt  columnTime `db:"created_at"`
	UpdatedAt  columnTime `db:"updated_at"`
}

// threadTable holds the columns of threads, beside the counters.
var threadTable = newTable("t", false, []column[threadRow]{
	{name: "id", sqlType: "text", scan: func(r *threadRow, v driver.Value) error { return scanText(&r.ID, v) }},
	{name: "title", sqlType: "text", readWith: ThreadTitle, scan: func(r *threadRow, v driver.Value) error { return scanNull(&r.Title, v) }},
	{name: "attributes", sqlType: "{json}", readWith: ThreadAttributes, scan: func(r *threadRow, v driver.Value) error { return r.Attributes.Scan(v) }},
	{name: "source", sqlType: "{json}", readWith: ThreadSource, scan: func(r *threadRow, v driver.Value) error { return r.Source.Scan(v) }},
	{name: "created_at", sqlType: "{time}", readWith: ThreadCreatedAt, scan: func(r *threadRow, v driver.Value) error { return r.CreatedAt.Scan(v) }},
	{name: "updated_at", sqlType: "{time}", readWith: ThreadUpdatedAt, scan: func(r *threadRow, v driver.Value) error { return r.UpdatedAt.Scan(v) }},
})

// scanThread returns the thread that a row of the columns says.
func scanThread(d *dialect, columns []column[threadRow], values []driver.Value) (*Thread, error) {
	var row threadRow
	if name, err := scanRow(&row, columns, values); err != nil {
		return nil, fmt.Errorf("thread %q: stored %s: %w", row.ID, name, err)
	}
	return row.thread(d)
}

func (r *threadRow) thread(d *dialect) (*Thread, error) {
	t := &Thread{ID: r.ID, Title: r.Title, Attributes: JSON(r.Attributes), Source: JSON(r.Source),
		CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time}
	if t.Attributes == "" {
		t.Attributes = EmptyObject
	}
	for _, c := range []struct {
		column string
		err    error
	}{{"title", checkUTF8(&t.ID, t.Title)}, {"attributes", d.checkObject(t.Attributes)}, {"source", d.checkObject(t.Source)},
		{"created_at", r.CreatedAt.err}, {"updated_at", r.UpdatedAt.err}} {
		if c.err != nil {
			return nil, fmt.Errorf("thread %q: stored %s: %v", t.ID, c.column, c.err)
		}
	}
	return t, nil
}

func threadsOf(d *dialect, rows []threadRow) ([]*Thread, error) {
	threads := make([]*Thread, len(rows))
	for i := range rows {
		var err error
		if threads[i], err = rows[i].thread(d); err != nil {
			return nil, err
		}
	}
	return threads, nil
}

// ByIDs returns those of the threads that exist, by their id.
func (r *Threads) ByIDs(ctx context.Context, ids []string) (map[string]*Thread, error) {
	known := validIDs(ids)
	if len(known) == 0 {
		return nil, nil
	}
	columns := projectionOf(ctx).threads
	query := `SELECT ` + threadTable.selectList(columns) + ` FROM threads t WHERE t.tenant = ? AND t.id {in}`
	threads, err := r.readThreads(ctx, columns, query, r.tenant, r.db.dialect.array(known))
	if err != nil {
		return nil, err
	}
	found := make(map[string]*Thread, len(threads))
	for _, t := range threads {
		found[t.ID] = t
	}
	return found, nil
}

// List returns up to limit threads after the first offset, newest first.
func (r *Threads) List(ctx context.Context, limit, offset int) ([]*Thread, error) {
	columns := projectionOf(ctx).threads
	query := `SELECT ` + threadTable.selectList(columns) + ` FROM threads t WHERE t.tenant = ? ` + newestFirst + ` LIMIT ? OFFSET ?`
	return r.readThreads(ctx, columns, query, r.tenant, limit, offset)
}

// Count returns how many threads there are. It costs in proportion to them, an index entry for each.
func (r *Threads) Count(ctx context.Context) (n int, err error) {
	err = r.read(ctx, func(s session) error {
		_, err := s.row(ctx, &n, `SELECT count(*) FROM threads WHERE tenant = ?`, s.tenant)
		return err
	})
	return n, err
}

func (r *Threads) readThreads(ctx context.Context, columns Columns, query string, args ...any) (threads []*Thread, err error) {
	selected := threadTable.selected(columns)
	err = r.read(ctx, func(s session) error {
		threads = nil // of an attempt before
		return s.each(ctx, query, args, func(v []driver.Value) error {
			t, err := scanThread(s.db.dialect, selected, v)
			threads = append(threads, t)
			return err
		})
	})
	return threads, err
}

// walkPage is how many threads Walk holds at a time.
const walkPage = 20

// Walk calls fn for every thread with its messages, in the order of ids. All
// it reads is one state of the database, however long it takes and whatever is
// written meanwhile.
func (r *Threads) Walk(ctx context.Context, fn func(*Thread, []*Message) error) error {
	var stopped error // fn's, which is no error of the database
	err := r.snapshot(ctx, func(s session) error {
		for after := ""; ; {
			var rows []threadRow
			if err := s.rows(ctx, &rows, `SELECT `+threadTable.selectList(AllColumns)+` FROM threads t
				WHERE t.tenant = ? AND t.id > ? ORDER BY t.id LIMIT ?`, s.tenant, after, walkPage); err != nil {
				return err
			}
			threads, err := threadsOf(s.db.dialect, rows)
			if err != nil || len(threads) == 0 {
				return err
			}
			ids := make([]string, len(threads))
			for i, t := range threads {
				ids[i] = t.ID
			}
			messages, err := windows(ctx, s, ids, NewWindow(nil, nil, nil, nil, nil), AllColumns)
			if err != nil {
				return err
			}
			for _, t := range threads {
				if stopped = fn(t, messages[t.ID]); stopped != nil {
					return stopped
				}
			}
			after = ids[len(ids)-1]
		}
	})
	if stopped != nil {
		return stopped
	}
	return r.db.mapError(ctx, err)
}
