package validate

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/threadstore/threadstore/graph/codes"
	"github.com/threadstore/threadstore/internal/budget"
)

// maxIntrospection is how many times as much of the schema's description may be asked for as tools ask for, who want
// all of it, once. It is counted as if each list were as long as the longest of its kind.
const maxIntrospection = 3

// introspectionBytes is about what a field of the schema's description takes while gqlgen makes an answer of it.
const introspectionBytes = 250

// introspectionCosts counts what is asked for of the schema's description.
type introspectionCosts struct {
	longest map[string]int // list of each field
	limit   int
}

func newIntrospectionCosts(s *ast.Schema) introspectionCosts {
	longest := map[string]int{"types": len(s.Types), "directives": len(s.Directives)}
	grow := func(field string, n int) { longest[field] = max(longest[field], n, 1) }
	for _, d := range s.Types {
		if d.Kind == ast.InputObject {
			grow("inputFields", len(d.Fields))
		} else {
			grow("fields", len(d.Fields))
		}
		grow("enumValues", len(d.EnumValues))
		grow("interfaces", len(d.Interfaces))
		grow("possibleTypes", len(s.PossibleTypes[d.Name]))
		for _, f := range d.Fields {
			grow("args", len(f.Arguments))
		}
	}
	for _, d := range s.Directives {
		grow("args", len(d.Arguments))
		grow("locations", len(d.Locations))
	}
	c := introspectionCosts{longest: longest}
	all, errs := gqlparser.LoadQueryWithRules(s, introspection.Query, nil)
	if len(errs) > 0 {
		panic(errs) // for a query of gqlgen's that is no longer valid
	}
	c.limit = maxIntrospection * c.cost(all.Operations[0].SelectionSet)
	return c
}

// cost returns how many fields of the schema's description a selection set asks for.
func (c introspectionCosts) cost(set ast.SelectionSet) int {
	return sumFields(set, map[string]int{}, func(f *ast.Field, below int) int {
		if strings.HasPrefix(f.ObjectDefinition.Name, "__") || f.Name == "__schema" || f.Name == "__type" {
			return 1 + below*max(c.longest[f.Name], 1) // below is at most MaxCost, so that it does not overflow
		}
		return below
	})
}

// check refuses a description of the schema that is too long, and counts the memory of one that is not.
func (c introspectionCosts) check(ctx context.Context, set ast.SelectionSet) *gqlerror.Error {
	cost := c.cost(set)
	if cost > c.limit {
		const message = "the request asks for up to %d fields of the schema's description, and the limit is %d: " +
			"ask for it once"
		return withCode(gqlerror.Errorf(message, cost, c.limit), codes.TooComplex)
	}
	// An error of the account is told at the end.
	_ = budget.Of(ctx).Use(ctx, cost/16*introspectionBytes)
	return nil
}
