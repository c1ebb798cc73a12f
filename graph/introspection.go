package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/introspection"
)

// introspectionNulls makes the fields of __Type null for the kinds that do not
// have them, as the specification says: gqlgen answers with empty lists.
func introspectionNulls(ctx context.Context, next graphql.Resolver) (any, error) {
	result, err := next(ctx)
	field := graphql.GetFieldContext(ctx)
	if err != nil || field.Object != "__Type" {
		return result, err
	}
	kind := ""
	switch t := field.Parent.Result.(type) {
	case *introspection.Type:
		kind = kindOf(t)
	case **introspection.Type:
		kind = kindOf(*t)
	case introspection.Type:
		kind = kindOf(&t)
	}
	var kinds []string
	switch field.Field.Name {
	case "fields", "interfaces":
		kinds = []string{"OBJECT", "INTERFACE"}
	case "possibleTypes":
		kinds = []string{"INTERFACE", "UNION"}
	case "enumValues":
		kinds = []string{"ENUM"}
	case "inputFields", "isOneOf":
		kinds = []string{"INPUT_OBJECT"}
	default:
		return result, nil
	}
	for _, k := range kinds {
		if k == kind {
			return result, nil
		}
	}
	return nil, nil
}

func kindOf(t *introspection.Type) string {
	if t == nil {
		return ""
	}
	return t.Kind()
}
