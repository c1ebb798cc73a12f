package validate

import (
	"math"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/threadstore/threadstore/graph/model"
)

// validationRules are gqlparser's, and ours.
func validationRules() *rules.Rules {
	r := rules.NewDefaultRules()
	r.AddRule("StrictLiterals", literalRule)
	return r
}

// literalRule refuses in a document what gqlparser leaves to the execution:
// numbers beyond 64 bits (which would panic when the arguments are read),
// integers beyond 32 bits for Int, and literals that our scalars do not take.
func literalRule(observers *core.Events, addError core.AddErrFunc) {
	report := func(v *ast.Value, format string, args ...any) {
		addError(core.Message(format, args...), core.At(v.Position))
	}
	observers.OnValue(func(_ *core.Walker, v *ast.Value) {
		switch v.Kind {
		case ast.IntValue:
			n, err := strconv.ParseInt(v.Raw, 10, 64)
			if err != nil {
				report(v, "An inline integer must have at most 64 bits; give larger ones in a variable.")
			} else if v.Definition != nil && v.Definition.Name == "Int" && (n < math.MinInt32 || n > math.MaxInt32) {
				report(v, "Int cannot represent non 32-bit signed integer value: %s.", v.Raw)
			}
		case ast.FloatValue:
			if f, err := strconv.ParseFloat(v.Raw, 64); err != nil || math.IsInf(f, 0) {
				report(v, "An inline number must fit 64 bits; give others in a variable.")
			}
		}
		if v.Definition == nil || v.ExpectedType == nil || v.Kind == ast.Variable || v.Kind == ast.NullValue ||
			v.Kind == ast.ListValue && v.ExpectedType.Elem != nil {
			return
		}
		switch v.Definition.Name {
		case "JSONObject":
			if v.Kind != ast.ObjectValue {
				report(v, "JSONObject must be an object.")
				return
			}
			if e := findEnum(v); e != nil {
				report(e, "An enum value is no JSON value.")
			}
		case "DateTime":
			if v.Kind != ast.StringValue && v.Kind != ast.BlockValue {
				report(v, "DateTime must be a string.")
			} else if _, err := model.UnmarshalDateTime(v.Raw); err != nil {
				report(v, "DateTime %s.", err)
			}
		}
	})
}

// findEnum returns an enum literal inside v, nil if there is none.
func findEnum(v *ast.Value) *ast.Value {
	if v.Kind == ast.EnumValue {
		return v
	}
	for _, c := range v.Children {
		if e := findEnum(c.Value); e != nil {
			return e
		}
	}
	return nil
}
