package validate

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/threadstore/threadstore/graph/codes"
)

// MaxCost is where costs stop growing, far above any limit and far below an overflow.
const MaxCost = 1 << 50

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
		err.Extensions = map[string]any{"code": codes.TooComplex}
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
		sum = min(sum, MaxCost)
	}
	return sum
}

func (w costs) field(f *ast.Field) int {
	child := w.selections(f.SelectionSet)
	if cost, ok := w.schema.Complexity(w.ctx, f.ObjectDefinition.Name, f.Name, child, f.ArgumentMap(w.variables)); ok {
		return min(cost, MaxCost)
	}
	return 1 + child
}
