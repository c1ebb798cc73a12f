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
	cost := sumFields(op.Operation.SelectionSet, map[string]int{}, func(f *ast.Field, below int) int {
		cost, ok := l.schema.Complexity(ctx, f.ObjectDefinition.Name, f.Name, below, f.ArgumentMap(op.Variables))
		if !ok {
			return 1 + below
		}
		return cost
	})
	if cost > l.limit {
		const message = "the request costs %d, and the limit is %d: ask for fewer fields or smaller pages"
		err := gqlerror.Errorf(message, cost, l.limit)
		return withCode(err, codes.TooComplex)
	}
	return l.introspection.check(ctx, op.Operation.SelectionSet)
}

// sumFields adds up what field says of each field, given what the fields below it add up to. A fragment is looked at
// once, and counts wherever it is spread.
func sumFields(
	set ast.SelectionSet, fragments map[string]int, field func(f *ast.Field, below int) int,
) (sum int) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			sum += min(field(s, sumFields(s.SelectionSet, fragments, field)), MaxCost)
		case *ast.InlineFragment:
			sum += sumFields(s.SelectionSet, fragments, field)
		case *ast.FragmentSpread:
			cost, counted := fragments[s.Name]
			if !counted {
				cost = sumFields(s.Definition.SelectionSet, fragments, field)
				fragments[s.Name] = cost
			}
			sum += cost
		}
		sum = min(sum, MaxCost)
	}
	return sum
}
