package encode

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
)

// Plan is what to write of an object: a selection on its type, with fragments, @skip and @include resolved.
type Plan struct{ Fields []Field }

// Field is one field of the answer.
type Field struct {
	graphql.CollectedField
	// Index says which field of its type it is; the cases of the generated code have the same numbers.
	Index int
	// Key is the JSON before the value: the name, with a comma before it for all but the first field.
	Key string
	// Plans are those of the object types that the value can have, sorted by name; nil for a scalar.
	Plans []*Plan
	// Args are the arguments of a resolver's field, nil until the first object has them.
	Args map[string]any
}

// NewPlan returns the plan for the fields that were collected on a type. index gives
// the number of a field, and setPlans the plans of one; the type's generated code has both.
func NewPlan(
	fields []graphql.CollectedField, typeName string, index func(name string) int, setPlans func(*Field),
) *Plan {
	p := &Plan{Fields: make([]Field, 0, len(fields))}
	for _, field := range fields {
		seen := func(f Field) bool { return f.Alias == field.Alias }
		// __typename can be collected twice under one name: of a union and of its member.
		if field.Name == "__typename" && slices.ContainsFunc(p.Fields, seen) {
			continue
		}
		key := make([]byte, 0, len(field.Alias)+16)
		if len(p.Fields) > 0 {
			key = append(key, ',')
		}
		key = append(AppendString(key, field.Alias), ':')
		f := Field{CollectedField: field, Index: Typename}
		if field.Name == "__typename" {
			key = AppendString(key, typeName)
		} else {
			f.Index = index(field.Name)
			setPlans(&f)
		}
		f.Key = string(key)
		p.Fields = append(p.Fields, f)
	}
	return p
}

// Typename is the index of __typename, whose value is part of its key.
const Typename = -1

// PathNode is a place in the answer, for resolvers and errors. A context is made of it only when one is needed.
type PathNode struct {
	Parent *PathNode
	Ctx    context.Context // the place's context, if there is one already; else it is
	// either the field of an object, or an element of a list.
	Field  *Field
	Object string // the type that Field is of
	Index  int
}

// Context returns the context of the place, as gqlgen would have made it.
func (p *PathNode) Context() context.Context {
	if p.Ctx != nil {
		return p.Ctx
	}
	fc := &graphql.FieldContext{}
	if p.Field != nil {
		fc.Object, fc.Field = p.Object, p.Field.CollectedField
	} else {
		index := p.Index
		fc.Index = &index
	}
	return graphql.WithFieldContext(p.Parent.Context(), fc)
}
