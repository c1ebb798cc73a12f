package db

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
)

// Threads reads and writes threads. It is safe for concurrent use.
type Threads struct{ db *DB }

// Threads returns the repository of threads.
func (db *DB) Threads() *Threads { return &Threads{db} }

// newestFirst is the order of every list of threads. It is total.
const (
	newestFirst = `ORDER BY t.updated_at DESC, t.id DESC`
	oldestFirst = `ORDER BY t.updated_at, t.id` // the same from its end
)

// threadRow is a row of threadColumns.
type threadRow struct {
	ID         string     `db:"id"`
	Title      *string    `db:"title"`
	Attributes columnJSON `db:"attributes"`
	Source     columnJSON `db:"source"`
	CreatedAt  columnTime `db:"created_at"`
	UpdatedAt  columnTime `db:"updated_at"`
}

// threadTable are the columns of threads t.
var threadTable = table[threadRow]{alias: "t", columns: []column[threadRow]{
	{0, "id", "text", func(r *threadRow, v driver.Value) error { return scanText(&r.ID, v) }},
	{ThreadTitle, "title", "text", func(r *threadRow, v driver.Value) error { return scanNull(&r.Title, v) }},
	{ThreadAttributes, "attributes", "{json}", func(r *threadRow, v driver.Value) error { return r.Attributes.Scan(v) }},
	{ThreadSource, "source", "{json}", func(r *threadRow, v driver.Value) error { return r.Source.Scan(v) }},
	{ThreadCreatedAt, "created_at", "{time}", func(r *threadRow, v driver.Value) error { return r.CreatedAt.Scan(v) }},
	{ThreadUpdatedAt, "updated_at", "{time}", func(r *threadRow, v driver.Value) error { return r.UpdatedAt.Scan(v) }},
}}

func (r *threadRow) thread(d *dialect) (*Thread, error) {
	t := &Thread{ID: r.ID, Title: r.Title, Attributes: JSON(r.Attributes), Source: JSON(r.Source),
		CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time}
	if t.Attributes == "" {
		t.Attributes = EmptyObject
	}
	for _, c := range []struct {
		column string
		err    error
	}{{"title", checkUTF8(&t.ID, t.Title)}, {"attributes", d.checkObject(t.Attributes)}, {"source", d.checkObject(t.Source)}, {"created_at", r.CreatedAt.err}, {"updated_at", r.UpdatedAt.err}} {
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
	known := knownIDs(ids)
	if len(known) == 0 {
		return nil, nil
	}
	columns := columnsOf(ctx).threads
	threads, err := r.list(ctx, columns, `SELECT `+threadTable.list(columns)+` FROM threads t WHERE t.id {in}`, r.db.dialect.list(known))
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
	columns := columnsOf(ctx).threads
	return r.list(ctx, columns, `SELECT `+threadTable.list(columns)+` FROM threads t `+newestFirst+` LIMIT ? OFFSET ?`, limit, offset)
}

// PageRequest asks for a page of the list of all threads.
type PageRequest struct {
	// After and Before, when not nil, leave only the threads between these places, without any that is right there.
	After, Before *Cursor
	Limit         int  // how many of them at most
	FromEnd       bool // the last ones, not the first
	// Beyond asks for what is before After and past Before, too: without it, HasPrevious is false for a page with
	// After, and HasNext for one with Before, unless threads between them were left out there.
	Beyond bool
}

// Page is a part of the list of all threads, newest first.
type Page struct {
	Threads []*Thread // their UpdatedAt is always read
	// HasPrevious and HasNext report whether the list has threads before and after these, also beyond After and
	// Before. A page without threads is at the cursor it was to begin at, or at that end of the list.
	HasPrevious, HasNext bool
}

// Page returns a page of the list of all threads. It costs what it returns, wherever in the list that is.
func (r *Threads) Page(ctx context.Context, p PageRequest) (*Page, error) {
	columns := columnsOf(ctx).threads | ThreadUpdatedAt // which cursors are made of
	query, args := p.query(r.db.dialect, `SELECT `+threadTable.list(columns)+` FROM threads t`)
	threads, err := r.list(ctx, columns, query, args...)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(threads, func(a, b *Thread) int { return a.Cursor().compare(b.Cursor()) })
	page := &Page{}
	page.Threads = slices.DeleteFunc(threads, func(t *Thread) bool {
		previous := p.After != nil && t.Cursor().compare(*p.After) <= 0
		next := p.Before != nil && t.Cursor().compare(*p.Before) >= 0
		page.HasPrevious, page.HasNext = page.HasPrevious || previous, page.HasNext || next
		return previous || next
	})
	if beyond := len(page.Threads) - p.Limit; beyond > 0 {
		if p.FromEnd {
			page.Threads, page.HasPrevious = page.Threads[beyond:], true
		} else {
			page.Threads, page.HasNext = page.Threads[:p.Limit], true
		}
	}
	return page, nil
}

// query returns the statement for a page's threads, in any order: those between
// the cursors and one more, for whether the list goes on; and, if asked for, beyond
// each cursor the nearest one, for whether there is any. Each part is a walk of the index
// threads_updated_at from a place in it. (A comparison of rows is that; spelled
// out, with OR, it would be a walk from the end.)
func (p PageRequest) query(d *dialect, selected string) (query string, args []any) {
	order := newestFirst
	if p.FromEnd {
		order = oldestFirst
	}
	query = selected + ` WHERE 1 = 1`
	bound := func(c *Cursor) []any { return []any{d.formatTime(c.UpdatedAt), c.ID} }
	if p.After != nil {
		query += ` AND (t.updated_at, t.id) < (?, ?)`
		args = append(args, bound(p.After)...)
	}
	if p.Before != nil {
		query += ` AND (t.updated_at, t.id) > (?, ?)`
		args = append(args, bound(p.Before)...)
	}
	query += ` ` + order + ` LIMIT ?`
	args = append(args, p.Limit+1)
	if !p.Beyond || p.After == nil && p.Before == nil {
		return query, args
	}
	query = `SELECT * FROM (` + query + `) AS page`
	if p.After != nil {
		query += ` UNION ALL SELECT * FROM (` + selected + ` WHERE (t.updated_at, t.id) >= (?, ?) ` + oldestFirst + ` LIMIT 1) AS previous`
		args = append(args, bound(p.After)...)
	}
	if p.Before != nil {
		query += ` UNION ALL SELECT * FROM (` + selected + ` WHERE (t.updated_at, t.id) <= (?, ?) ` + newestFirst + ` LIMIT 1) AS next`
		args = append(args, bound(p.Before)...)
	}
	return query, args
}

// Count returns how many threads there are. It costs in proportion to them, an index entry for each.
func (r *Threads) Count(ctx context.Context) (n int, err error) {
	err = r.db.read(ctx, func(s session) error {
		_, err := s.row(ctx, &n, `SELECT count(*) FROM threads`)
		return err
	})
	return n, err
}

func (r *Threads) list(ctx context.Context, columns Columns, query string, args ...any) (threads []*Thread, err error) {
	err = r.db.read(ctx, func(s session) error {
		threads = nil // of an attempt before
		return threadTable.read(ctx, s, columns, query, args, func(row *threadRow) error {
			t, err := row.thread(s.db.dialect)
			threads = append(threads, t)
			return err
		})
	})
	return threads, err
}

// Delete removes the thread with its messages and reports whether it was there.
func (r *Threads) Delete(ctx context.Context, id string) (bool, error) {
	if !knownID(id) {
		return false, nil
	}
	var n int64
	err := r.db.inTx(ctx, false, func(s session) (err error) {
		n, err = s.exec(ctx, `DELETE FROM threads WHERE id = ?`, id)
		return err
	})
	return n > 0, err
}

// walkPage is how many threads Walk holds at a time.
const walkPage = 20

// Walk calls fn for every thread with its messages, in the order of ids. All
// it reads is one state of the database, however long it takes and whatever is
// written meanwhile.
func (r *Threads) Walk(ctx context.Context, fn func(*Thread, []*Message) error) error {
	var stopped error // fn's, which is no error of the database
	err := r.db.snapshot(ctx, func(s session) error {
		for first, after := true, ""; ; first = false {
			var rows []threadRow
			if err := s.rows(ctx, &rows, `SELECT `+threadTable.list(AllColumns)+` FROM threads t WHERE ? OR t.id > ? ORDER BY t.id LIMIT ?`, first, after, walkPage); err != nil {
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
	return r.db.explain(ctx, err)
}
