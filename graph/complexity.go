package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/graph/generated"
)

// wholeThread is what a list of messages without first or last counts as.
const wholeThread = 100

// maxCost is where costs stop growing, far above any limit and far below an overflow.
const maxCost = 1 << 50

// complexity returns the cost functions: each field 1, times the page of every
// paged list around it. A limit, offset or cursor that the resolver will refuse costs
// nothing beyond its field: that must not be hidden behind "too complex".
func complexity(maxPage int) (c generated.ComplexityRoot) {
	times := func(child, page int) int {
		if page > 0 && child > maxCost/page {
			return maxCost
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
	c.Query.FindThreadsByAttributes = func(child int, _ map[string]any, limit, offset int) int { return list(child, limit, offset) }
	c.Query.FindThreadsBySource = func(child int, _ string, _ map[string]any, limit, offset int) int { return list(child, limit, offset) }
	c.Query.Messages = func(child int, _ string, first, last, _, _ *int, _ []db.Role) int {
		return messages(child, first, last)
	}
	c.Thread.Messages = func(child int, first, last, _, _ *int, _ []db.Role) int { return messages(child, first, last) }
	return c
}

// costLimit is an extension that refuses operations above a cost. gqlgen's own
// counts a fragment anew wherever it is spread: fragments that spread the next
// one twice keep it busy for years. This one counts each fragment once.
type costLimit struct {
	limit  int
	schema graphql.ExecutableSchema
}

var _ graphql.OperationContextMutator = &costLimit{}

func (*costLimit) ExtensionName() string { return "CostLimit" }

func (l *costLimit) Validate(es graphql.ExecutableSchema) error {
	l.schema = es
	return nil
}

func (l *costLimit) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	w := costs{ctx, l.schema, op.Variables, map[string]int{}}
	if cost := w.selections(op.Operation.SelectionSet); cost > l.limit {
		err := gqlerror.Errorf("the request costs %d, and the limit is %d: ask for fewer fields or smaller pages", cost, l.limit)
		err.Extensions = map[string]any{"code": TooComplex}
		return err
	}
	return nil
}

// costs counts the cost of one operation.
type costs struct {
	ctx       context.Context
	schema    graphql.ExecutableSchema
	variables map[string]any
	fragments map[string]int
}

func (w costs) selections(set ast.SelectionSet) (sum int) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			sum += w.field(s)
		case *ast.InlineFragment:
			sum += w.selections(s.SelectionSet)
		case *ast.FragmentSpread:
			cost, counted := w.fragments[s.Name]
			if !counted {
				cost = w.selections(s.Definition.SelectionSet)
				w.fragments[s.Name] = cost
			}
			sum += cost
		}
		sum = min(sum, maxCost)
	}
	return sum
}

func (w costs) field(f *ast.Field) int {
	child := w.selections(f.SelectionSet)
	if cost, ok := w.schema.Complexity(w.ctx, f.ObjectDefinition.Name, f.Name, child, f.ArgumentMap(w.variables)); ok {
		return min(cost, maxCost)
	}
	return 1 + child
}
