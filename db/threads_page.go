package db

import (
	"context"
	"slices"
)

// PageRequest asks for a page of the list of all threads.
type PageRequest struct {
	// After and Before, when not nil, leave only the threads between these places, without any that is right there.
	After, Before *Cursor
	Limit         int  // how many of them at most
	FromEnd       bool // the last ones, not the first
	// LookBeyondCursors asks for what is before After and past Before, too: without it, HasPrevious is false for a page
	// with After, and HasNext for one with Before, unless threads between them were left out there.
	LookBeyondCursors bool
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
	columns := projectionOf(ctx).threads | ThreadUpdatedAt // which cursors are made of
	query, args := p.query(r.db.dialect, r.tenant, `SELECT `+threadTable.selectList(columns)+` FROM threads t`)
	threads, err := r.readThreads(ctx, columns, query, args...)
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
func (p PageRequest) query(d *dialect, tenant, selected string) (query string, args []any) {
	order := newestFirst
	if p.FromEnd {
		order = oldestFirst
	}
	query, args = selected+` WHERE t.tenant = ?`, []any{tenant}
	bound := func(c *Cursor) []any { return []any{d.formatTime(c.UpdatedAt), c.ID} }
	beyond := func(c *Cursor) []any { return append([]any{tenant}, bound(c)...) }
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
	if !p.LookBeyondCursors || p.After == nil && p.Before == nil {
		return query, args
	}
	query = `SELECT * FROM (` + query + `) AS page`
	if p.After != nil {
		query += ` UNION ALL SELECT * FROM (` + selected + ` WHERE t.tenant = ? AND (t.updated_at, t.id) >= (?, ?) ` +
			oldestFirst + ` LIMIT 1) AS previous`
		args = append(args, beyond(p.After)...)
	}
	if p.Before != nil {
		query += ` UNION ALL SELECT * FROM (` + selected + ` WHERE t.tenant = ? AND (t.updated_at, t.id) <= (?, ?) ` +
			newestFirst + ` LIMIT 1) AS next`
		args = append(args, beyond(p.Before)...)
	}
	return query, args
}
