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

// complexityLimit is an extension that refuses operations above a cost: the sum of what
// graph/field_costs.go says of each field, or 1 and what is below it. gqlgen's own
// counts a fragment again wherever it is spread, so that sixty fragments that each
// spread the next one twice would keep it busy for years. This one counts each once.
type complexityLimit struct {
	limit         int
	schema        graphql.ExecutableSchema
	introspection introspectionCosts
}

var _ graphql.OperationContextMutator = &complexityLimit{}

func (*complexityLimit) ExtensionName() string { return "ComplexityLimit" }

func (l *complexityLimit) Validate(es graphql.ExecutableSchema) error {
	l.schema = es
	l.introspection = newIntrospectionCosts(es.Schema())
	return nil
}

func (l *complexityLimit) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	c := counter{ctx, l.schema, op.Variables, map[string]int{}}
	if cost := c.selections(op.Operation.SelectionSet); cost > l.limit {
		const message = "the request costs %d, and the limit is %d: ask for fewer fields or smaller pages"
		err := gqlerror.Errorf(message, cost, l.limit)
		return withCode(err, codes.TooComplex)
	}
	if cost := l.introspection.selections(op.Operation.SelectionSet, map[string]int{}); cost > 0 {
		return l.introspection.check(ctx, cost)
	}
	return nil
}

// counter counts the cost of one operation.
type counter struct {
	ctx       context.Context
	schema    graphql.ExecutableSchema
	variables map[string]any
	fragments map[string]int
}

func (c counter) selections(set ast.SelectionSet) (sum int) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			sum += c.field(s)
		case *ast.InlineFragment:
			sum += c.selections(s.SelectionSet)
		case *ast.FragmentSpread:
			cost, counted := c.fragments[s.Name]
			if !counted {
				cost = c.selections(s.Definition.SelectionSet)
				c.fragments[s.Name] = cost
			}
			sum += cost
		}
		sum = min(sum, MaxCost)
	}
	return sum
}

func (c counter) field(f *ast.Field) int {
	child := c.selections(f.SelectionSet)
	if cost, ok := c.schema.Complexity(c.ctx, f.ObjectDefinition.Name, f.Name, child, f.ArgumentMap(c.variables)); ok {
		return min(cost, MaxCost)
	}
	return 1 + child
}
