package graph

import (
	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/graph/generated"
	"github.com/threadstore/threadstore/graph/validate"
)

// fieldCosts returns what the fields cost that are not simply 1 and what is asked for below them: a paged list costs 1,
// and as many times what is below it as a page may have. A page that the resolver will refuse costs nothing beyond its
// field: that must not be hidden behind "too complex". validate/complexity_limit.go adds up a request, and refuses it.
func fieldCosts(maxPage int) (costs generated.ComplexityRoot) {
	times := func(child, page int) int {
		if page > 0 && child > validate.MaxCost/page {
			return validate.MaxCost
		}
		return 1 + page*child
	}
	byOffset := func(child, limit, offset int) int {
		if err := checkPage(maxPage, limit, offset); err != nil {
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
		return times(child, costOfWholeThread)
	}
	costs.Query.Threads = byOffset
	costs.Query.ThreadConnection = func(child int, first *int, after *string, last *int, before *string) int {
		page, err := connectionPage(maxPage, first, after, last, before)
		if err != nil {
			return 1
		}
		return times(child, page.Limit)
	}
	costs.Query.RecentThreads = func(child int, limit *int) int {
		return byOffset(child, recentLimit(maxPage, limit), 0)
	}
	costs.Query.FindThreadsByAttributes = func(child int, _ map[string]any, limit, offset int) int {
		return byOffset(child, limit, offset)
	}
	costs.Query.FindThreadsBySource = func(child int, _ string, _ map[string]any, limit, offset int) int {
		return byOffset(child, limit, offset)
	}
	costs.Query.Messages = func(child int, _ string, first, last, _, _ *int, _ []db.Role) int {
		return messages(child, first, last)
	}
	costs.Thread.Messages = func(child int, first, last, _, _ *int, _ []db.Role) int {
		return messages(child, first, last)
	}
	return costs
}
