package graph

import (
	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/graph/generated"
	"github.com/threadstore/threadstore/graph/validate"
)

// wholeThread is what a list of messages without first or last counts as.
const wholeThread = 100

// complexity returns the cost functions: each field 1, times the page of every
// paged list around it. A limit, offset or cursor that the resolver will refuse costs
// nothing beyond its field: that must not be hidden behind "too complex".
func complexity(maxPage int) (c generated.ComplexityRoot) {
	times := func(child, page int) int {
		if page > 0 && child > validate.MaxCost/page {
			return validate.MaxCost
		}
		return 1 + page*child
	}
	list := func(child, limit, offset int) int {
		if limit < 0 || limit > maxPage || offset < 0 {
			return 1
		}
		return times(child, limit)
	}
	messages := func(child int, first, last *int) int {
		switch {
		case first != nil:
			return times(child, min(max(*first, 0), maxPage))
		case last != nil:
			return times(child, min(max(*last, 0), maxPage))
		}
		return times(child, wholeThread)
	}
	c.Query.Threads = list
	c.Query.ThreadConnection = func(child int, first *int, after *string, last *int, before *string) int {
		p, err := pageRequest(maxPage, first, after, last, before)
		if err != nil {
			return 1
		}
		return times(child, p.Limit)
	}
	c.Query.RecentThreads = func(child int, limit *int) int {
		if limit == nil {
			return times(child, maxPage)
		}
		return list(child, *limit, 0)
	}
	c.Query.FindThreadsByAttributes = func(child int, _ map[string]any, limit, offset int) int {
		return list(child, limit, offset)
	}
	c.Query.FindThreadsBySource = func(child int, _ string, _ map[string]any, limit, offset int) int {
		return list(child, limit, offset)
	}
	c.Query.Messages = func(child int, _ string, first, last, _, _ *int, _ []db.Role) int {
		return messages(child, first, last)
	}
	c.Thread.Messages = func(child int, first, last, _, _ *int, _ []db.Role) int { return messages(child, first, last) }
	return c
}
