package graph

import (
	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/graph/generated"
)

// wholeThread is what a list of messages without first or last counts as.
const wholeThread = 100

// complexity returns the cost functions: each field 1, times the page of every
// paged list around it. A limit out of range costs nothing beyond its field: the
// resolver refuses it, which must not be hidden behind "too complex".
func complexity(maxPage int) (c generated.ComplexityRoot) {
	times := func(child, page int) int {
		page = min(max(page, 0), maxPage)
		if page > 0 && child > maxCost/page {
			return maxCost
		}
		return 1 + page*child
	}
	list := func(child, limit int) int {
		if limit < 0 || limit > maxPage {
			return 1
		}
		return times(child, limit)
	}
	messages := func(child int, first, last *int) int {
		switch {
		case first != nil:
			return times(child, *first)
		case last != nil:
			return times(child, *last)
		}
		return times(child, min(wholeThread, maxPage))
	}
	c.Query.Threads = func(child, limit, _ int) int { return list(child, limit) }
	c.Query.RecentThreads = func(child int, limit *int) int {
		if limit == nil {
			return times(child, maxPage)
		}
		return list(child, *limit)
	}
	c.Query.FindThreadsByAttributes = func(child int, _ map[string]any, limit, _ int) int { return list(child, limit) }
	c.Query.FindThreadsBySource = func(child int, _ string, _ map[string]any, limit, _ int) int { return list(child, limit) }
	c.Query.Messages = func(child int, _ string, first, last, _, _ *int, _ []db.Role) int {
		return messages(child, first, last)
	}
	c.Thread.Messages = func(child int, first, last, _, _ *int, _ []db.Role) int { return messages(child, first, last) }
	return c
}

// maxCost is where costs stop growing, far above any limit and far below an overflow.
const maxCost = 1 << 50
