package graph

// This file has the arguments that say which part of a list is asked for: their limits, and what a list has without
// them. The resolvers refuse by it, the costs (field_costs.go) count by it. Errors are *db.Error with the argument's
// name as their path.

import "github.com/threadstore/threadstore/db"

const (
	// defaultPage is how many threads a connection without first and last has: as many as a list by offset
	// (schema.graphqls).
	defaultPage = 100
	// costOfWholeThread is what a list of messages without first or last counts as: it has no limit.
	costOfWholeThread = 100
)

// checkPage checks the arguments of a list by offset.
func checkPage(maxPage, limit, offset int) error {
	if limit < 0 || limit > maxPage {
		return db.Invalidf([]any{"limit"}, "must be 0 to %d", maxPage)
	}
	if offset < 0 {
		return db.Invalidf([]any{"offset"}, "must not be negative")
	}
	return nil
}

// recentLimit is how many threads recentThreads has at most: all that a page may have, unless it is told otherwise.
func recentLimit(maxPage int, limit *int) int {
	if limit == nil {
		return maxPage
	}
	return *limit
}

// connectionPage checks the arguments of a connection.
func connectionPage(maxPage int, first *int, after *string, last *int, before *string) (p db.PageRequest, err error) {
	if first != nil && last != nil {
		return p, db.Invalidf([]any{"last"}, "must not be given together with first")
	}
	p.Limit = min(defaultPage, maxPage)
	for name, n := range map[string]*int{"first": first, "last": last} { // at most one
		if n == nil {
			continue
		}
		if *n < 0 || *n > maxPage {
			return p, db.Invalidf([]any{name}, "must be 0 to %d", maxPage)
		}
		p.Limit, p.FromEnd = *n, name == "last"
	}
	if p.After, err = parseCursor(after); err != nil {
		return p, db.At(err, "after")
	}
	if p.Before, err = parseCursor(before); err != nil {
		return p, db.At(err, "before")
	}
	return p, nil
}

// parseCursor reads a cursor, if there is one.
func parseCursor(text *string) (*db.Cursor, error) {
	if text == nil {
		return nil, nil
	}
	c, err := db.ParseCursor(*text)
	return &c, err
}

// messageWindow checks the arguments of messages.
func messageWindow(first, last, afterSequence, beforeSequence *int, roles []db.Role) (db.Window, error) {
	if first != nil && last != nil {
		return db.Window{}, db.Invalidf([]any{"last"}, "must not be given together with first")
	}
	if first != nil && *first < 0 {
		return db.Window{}, db.Invalidf([]any{"first"}, "must not be negative")
	}
	if last != nil && *last < 0 {
		return db.Window{}, db.Invalidf([]any{"last"}, "must not be negative")
	}
	return db.NewWindow(first, last, afterSequence, beforeSequence, roles), nil
}

// messageRoles are the roles to count: all, unless they are told.
func messageRoles(roles []db.Role) db.RoleSet {
	if roles == nil {
		return db.AllRoles
	}
	return db.NewRoleSet(roles)
}
