package validate

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/threadstore/threadstore/graph/codes"
	"github.com/threadstore/threadstore/graph/model"
)

// VariablePath is how the path of an error in a variable begins, in gqlparser's errors as in ours.
const VariablePath = ast.PathName("variable")

// variableRules is an extension that checks the values of variables as the
// specification has it, before anything is executed. gqlparser's own check
// coerces ("5" passes for an Int) and does not know oneOf.
type variableRules struct{ types map[string]*ast.Definition }

var _ graphql.OperationContextMutator = &variableRules{}

func (*variableRules) ExtensionName() string { return "VariableRules" }

func (r *variableRules) Validate(es graphql.ExecutableSchema) error {
	r.types = es.Schema().Types
	return nil
}

func (r *variableRules) MutateOperationContext(_ context.Context, op *graphql.OperationContext) *gqlerror.Error {
	badInput := func(err *gqlerror.Error) *gqlerror.Error {
		if err != nil {
			err.Extensions = map[string]any{"code": codes.BadUserInput}
		}
		return err
	}
	null := map[string]bool{}
	for _, def := range op.Operation.VariableDefinitions {
		v, given := op.Variables[def.Variable]
		if !given {
			continue
		}
		null[def.Variable] = v == nil
		path := ast.Path{VariablePath, ast.PathName(def.Variable)}
		if err := checkValue(r.types, def.Type, v, path); err != nil {
			return badInput(err)
		}
		op.Variables[def.Variable] = toAnySlices(v)
	}
	if slices.Contains(slices.Collect(maps.Values(null)), true) {
		return badInput(nullVariables{null, map[string]bool{}}.selections(op.Operation.SelectionSet))
	}
	return nil
}

// toAnySlices makes lists of any of typed lists: gqlparser makes []string{"a"} from "a" for [String].
func toAnySlices(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = toAnySlices(v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = toAnySlices(v[i])
		}
		return v
	}
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice {
		return v
	}
	out := make([]any, list.Len())
	for i := range out {
		out[i] = toAnySlices(list.Index(i).Interface())
	}
	return out
}

// nullVariables looks for variables that are null where null must not stand.
// The specification lets a nullable variable with a default into such a place,
// and leaves it to the execution to refuse null; gqlgen panics or takes it.
type nullVariables struct {
	null map[string]bool // by variable
	seen map[string]bool // by fragment
}

func (n nullVariables) selections(set ast.SelectionSet) (err *gqlerror.Error) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if err = n.arguments(s.Arguments); err == nil {
				err = n.directives(s.Directives, s.SelectionSet)
			}
		case *ast.InlineFragment:
			err = n.directives(s.Directives, s.SelectionSet)
		case *ast.FragmentSpread:
			var inside ast.SelectionSet
			if !n.seen[s.Name] {
				n.seen[s.Name] = true
				inside = s.Definition.SelectionSet
			}
			err = n.directives(s.Directives, inside)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n nullVariables) directives(list ast.DirectiveList, set ast.SelectionSet) *gqlerror.Error {
	for _, d := range list {
		if err := n.arguments(d.Arguments); err != nil {
			return err
		}
	}
	return n.selections(set)
}

func (n nullVariables) arguments(list ast.ArgumentList) *gqlerror.Error {
	for _, a := range list {
		if err := n.value(a.Value); err != nil {
			return err
		}
	}
	return nil
}

func (n nullVariables) value(v *ast.Value) *gqlerror.Error {
	if v.Kind == ast.Variable && n.null[v.Raw] && v.ExpectedType != nil && v.ExpectedType.NonNull {
		return gqlerror.ErrorPathf(ast.Path{VariablePath, ast.PathName(v.Raw)},
			"must not be null where %s is expected", v.ExpectedType)
	}
	for _, c := range v.Children {
		if err := n.value(c.Value); err != nil {
			return err
		}
	}
	return nil
}

// checkValue checks what gqlparser does not check of a value of the type t.
func checkValue(types map[string]*ast.Definition, t *ast.Type, v any, path ast.Path) *gqlerror.Error {
	if v == nil {
		return nil
	}
	// Lists may be typed slices: gqlparser makes a list of one from a single value.
	if t.Elem != nil {
		list := reflect.ValueOf(v)
		if list.Kind() != reflect.Slice {
			return checkValue(types, t.Elem, v, path)
		}
		for i := range list.Len() {
			if err := checkValue(types, t.Elem, list.Index(i).Interface(), child(path, ast.PathIndex(i))); err != nil {
				return err
			}
		}
		return nil
	}
	def := types[t.NamedType]
	switch def.Kind {
	case ast.Enum:
		s, ok := v.(string)
		if !ok || def.EnumValues.ForName(s) == nil {
			var names []string
			for _, v := range def.EnumValues {
				names = append(names, v.Name)
			}
			return gqlerror.ErrorPathf(path, "must be one of %s", strings.Join(names, ", "))
		}
	case ast.Scalar:
		if err := checkScalar(def.Name, v); err != nil {
			return gqlerror.ErrorPathf(path, "%s", err.Error())
		}
	case ast.InputObject:
		object, ok := v.(map[string]any)
		if !ok {
			return gqlerror.ErrorPathf(path, "must be an object of the type %s", def.Name)
		}
		if _, ok := object["__typename"]; ok { // gqlparser looks away
			return gqlerror.ErrorPathf(child(path, ast.PathName("__typename")), "unknown field")
		}
		if def.Directives.ForName("oneOf") != nil && !hasOneField(object) {
			return gqlerror.ErrorPathf(path, "must have exactly one field, and not null")
		}
		for _, f := range def.Fields {
			if err := checkValue(types, f.Type, object[f.Name], child(path, ast.PathName(f.Name))); err != nil {
				return err
			}
		}
	}
	return nil
}

// child returns the path of an element of what is at path, which stays as it is.
func child(path ast.Path, element ast.PathElement) ast.Path {
	return append(path[:len(path):len(path)], element)
}

func hasOneField(object map[string]any) bool {
	for _, v := range object {
		return len(object) == 1 && v != nil
	}
	return false
}

func checkScalar(name string, v any) (err error) {
	switch name {
	case "String":
		_, err = model.UnmarshalString(v)
	case "ID":
		_, err = model.UnmarshalID(v)
	case "Int":
		_, err = model.UnmarshalInt(v)
	case "Float":
		_, err = model.UnmarshalFloat(v)
	case "Boolean":
		_, err = model.UnmarshalBoolean(v)
	case "DateTime":
		_, err = model.UnmarshalDateTime(v)
	case "JSONObject":
		_, err = model.UnmarshalJSONObject(v)
	}
	return err
}
