package db

import (
	"context"
	"database/sql/driver"
)

// Threads reads and writes threads. It is safe for concurrent use.
type Threads struct{ Scope }

// newestFirst is the order of every list of threads. It is total.
const (
	newestFirst = `ORDER BY t.updated_at DESC, t.id DESC`
	oldestFirst = `ORDER BY t.updated_at, t.id` // the same from its end
)

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
	query := `SELECT ` + threadTable.selectList(columns) + ` FROM threads t WHERE t.tenant = ? ` + newestFirst +
		` LIMIT ? OFFSET ?`
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

func (r *Threads) readThreads(
	ctx context.Context, columns Columns, query string, args ...any,
) (threads []*Thread, err error) {
	err = r.read(ctx, func(s session) error {
		threads, err = readThreads(ctx, s, columns, query, args...)
		return err
	})
	return threads, err
}

// readThreads reads the rows of a query for these columns.
func readThreads(
	ctx context.Context, s session, columns Columns, query string, args ...any,
) (threads []*Thread, err error) {
	selected := threadTable.selected(columns)
	err = s.each(ctx, query, args, func(v []driver.Value) error {
		t, err := scanThread(s.db.dialect, selected, v)
		threads = append(threads, t)
		return err
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
			threads, err := readThreads(ctx, s, AllColumns,
				`SELECT `+threadTable.selectList(AllColumns)+` FROM threads t
				WHERE t.tenant = ? AND t.id > ? ORDER BY t.id LIMIT ?`, s.tenant, after, walkPage)
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
