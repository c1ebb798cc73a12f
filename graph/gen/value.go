package main

import (
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/codegen"
	"github.com/99designs/gqlgen/codegen/config"
	"github.com/vektah/gqlparser/v2/ast"
)

// bufferMethods are those of encode.Buffer that write what a marshaler makes of a Go type.
var bufferMethods = map[[2]string]string{
	{"MarshalString", "string"}:       "String",
	{"MarshalString", "*string"}:      "StringOrNull",
	{"MarshalID", "string"}:           "String",
	{"MarshalID", "*string"}:          "StringOrNull",
	{"MarshalInt", "int"}:             "Int",
	{"MarshalFloat", "float64"}:       "Float",
	{"MarshalBoolean", "bool"}:        "Bool",
	{"MarshalDateTime", "time.Time"}:  "Time",
	{"MarshalDateTime", "*time.Time"}: "TimeOrNull",
}

// valueCode returns the code that appends v, a value of the field, to the answer, and sets ok
// to false if v is null and must not be. What it does not know is left to gqlgen's marshaler.
func valueCode(data *codegen.Data, f *codegen.Field) string {
	ref := f.TypeReference
	goType := ref.GO.String()
	pointer := strings.HasPrefix(goType, "*")
	marshaler := ""
	if ref.Marshaler != nil {
		marshaler = ref.Marshaler.Name()
	}
	viaGqlgen := fmt.Sprintf("enc.Marshal(enc.%s(node.Context(), f.Selections, v))", ref.MarshalFunc())
	if ref.GQL.NonNull {
		viaGqlgen = "ok = " + viaGqlgen + " && ok"
	}
	if len(objectTypes(data, ref.Definition)) > 0 {
		if code := objectCode(ref, viaGqlgen); code != "" {
			return code
		}
		return viaGqlgen
	}
	if ref.GQL.Elem != nil {
		return viaGqlgen
	}
	if method := bufferMethods[[2]string{marshaler, goType}]; method != "" && !(pointer && ref.GQL.NonNull) {
		return "enc." + method + "(v)"
	}
	switch {
	case ref.HasEnumValues() && ref.GQL.NonNull && !pointer:
		return fmt.Sprintf("enc.String(%s[v])", ref.EnumMarshalVar(false))
	case marshaler == "MarshalStoredObject":
		return "if v != \"\" {\nenc.Raw(string(v))\n} else {\n" + viaGqlgen + "\n}"
	}
	return viaGqlgen
}

// objectCode returns the code for v, an object or a list of objects, and "" for what it
// does not know. ifNil is the code for a null that must not be.
func objectCode(ref *config.TypeReference, ifNil string) string {
	nullable := !ref.GQL.NonNull
	switch {
	case ref.GQL.Elem == nil && ref.IsNilable() && nullable:
		return "if v == nil {\nenc.Null()\n} else if mark := len(enc.B); !" + encodeCall(ref, "v", "&node") + ` {
			enc.B = append(enc.B[:mark], "null"...)
		}`
	case ref.GQL.Elem == nil && ref.IsNilable():
		return "if v == nil {\n" + ifNil + "\n} else {\nok = " + encodeCall(ref, "v", "&node") + " && ok\n}"
	case ref.GQL.Elem == nil && !nullable:
		return "ok = " + encodeCall(ref, "v", "&node") + " && ok"
	case ref.GQL.Elem != nil && !nullable && ref.GQL.Elem.NonNull && ref.GQL.Elem.Elem == nil:
		return listCode(ref)
	}
	return ""
}

// listCode returns the code for v, a list of objects without nulls.
func listCode(ref *config.TypeReference) string {
	before, grow := "", ""
	if ref.Definition.Name == "Message" { // there may be very many
		before, grow = "start := len(enc.B)\n", "enc.GrowForList(start, i+1, len(v))\n"
	}
	return before + `enc.B = append(enc.B, '[')
		for i := range v {
			if i > 0 {
				enc.B = append(enc.B, ',')
			}
			item := encode.PathNode{Parent: &node, Index: i}
			ok = ` + encodeCall(ref.Elem(), "v[i]", "&item") + ` && ok
			` + grow + `}
		enc.B = append(enc.B, ']')`
}

// encodeCall returns the call that encodes v, one object, whose place in the answer is node.
func encodeCall(ref *config.TypeReference, v, node string) string {
	if ref.Definition.Kind != ast.Object { // a union: which type it is shows then
		return fmt.Sprintf("enc.encode%s(%s, f.Plans, %s)", ref.Definition.Name, node, v)
	}
	if !ref.IsPtr() {
		v = "&" + v
	}
	return fmt.Sprintf("enc.encode%s(%s, f.Plans[0], %s)", ref.Definition.Name, node, v)
}

// nonNull returns ref as if it were not nullable, so that the code for it sets ok to false.
func nonNull(ref *config.TypeReference) *config.TypeReference {
	notNull, gql := *ref, *ref.GQL
	gql.NonNull = true
	notNull.GQL = &gql
	return &notNull
}
