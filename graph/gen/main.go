// Command gen makes the generated code: gqlgen's, and beside it the encoders of
// graph/generated/encode.go, which package graph/encode explains. Run it from the
// top of the repository: make generate.
package main

import (
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/api"
	"github.com/99designs/gqlgen/codegen"
	"github.com/99designs/gqlgen/codegen/config"
	"github.com/99designs/gqlgen/codegen/templates"
	"github.com/vektah/gqlparser/v2/ast"
)

func main() {
	cfg, err := config.LoadConfigFromDefaultLocations()
	if err == nil {
		err = api.Generate(cfg, api.AddPlugin(encoders{}))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

//go:embed encode.gotpl
var encodeTemplate string

// encoders is the plugin.
type encoders struct{}

func (encoders) Name() string { return "encode" }

// object is an object type as the template wants it.
type object struct {
	*codegen.Object
	Fields []field
}

// field is a field of an object.
type field struct {
	*codegen.Field
	Types []string // the object types its value can have, sorted
	Value string   // the code that appends v
}

// NeedsNode reports whether the code of Value uses node.
func (f field) NeedsNode() bool {
	return strings.Contains(f.Value, "node.") || strings.Contains(f.Value, "&node")
}

// GenerateCode is called by gqlgen with all that it knows of the schema.
func (encoders) GenerateCode(data *codegen.Data) error {
	var objects []object
	for _, o := range data.Objects {
		if o.Root || o.BuiltIn {
			continue
		}
		made := object{Object: o}
		for _, f := range o.Fields {
			made.Fields = append(made.Fields, field{Field: f, Types: possible(data, f.TypeReference.Definition), Value: value(data, f)})
		}
		objects = append(objects, made)
	}
	return templates.Render(templates.Options{
		PackageName:     data.Config.Exec.Package,
		Filename:        filepath.Join(filepath.Dir(data.Config.Exec.Filename), "encode.go"),
		Template:        encodeTemplate,
		GeneratedHeader: true,
		Packages:        data.Config.Packages,
		Data:            map[string]any{"Objects": objects, "Unions": unions(data), "Results": results(data)},
	})
}

// union is a union or an interface.
type union struct {
	*codegen.Interface
	Members []member
}

// member is a Go type of a union's value, and which of the possible types it is.
type member struct {
	codegen.InterfaceImplementor
	Plan int
}

func unions(data *codegen.Data) (list []union) {
	for _, name := range slices.Sorted(maps.Keys(data.Interfaces)) {
		u := union{Interface: data.Interfaces[name]}
		if u.BuiltIn {
			continue
		}
		types := possible(data, u.Definition)
		for _, i := range u.Implementors {
			u.Members = append(u.Members, member{i, slices.Index(types, i.Name)})
		}
		list = append(list, u)
	}
	return list
}

// possible returns the object types of a definition, none of a scalar.
func possible(data *codegen.Data, def *ast.Definition) (names []string) {
	if def.Kind != ast.Object && def.Kind != ast.Union && def.Kind != ast.Interface {
		return nil
	}
	for _, p := range data.Schema.GetPossibleTypes(def) {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// result is what root fields return.
type result struct {
	*config.TypeReference
	Types []string
	Value string
}

// results returns the Go types that root fields return objects in.
func results(data *codegen.Data) (list []result) {
	seen := map[string]bool{}
	for _, root := range []*codegen.Object{data.QueryRoot, data.MutationRoot} {
		for _, f := range root.Fields {
			ref := f.TypeReference
			if ref.Definition.BuiltIn || len(possible(data, ref.Definition)) == 0 || seen[ref.GO.String()] {
				continue
			}
			seen[ref.GO.String()] = true
			list = append(list, result{ref, possible(data, ref.Definition), value(data, f)})
		}
	}
	return list
}

// value returns the code that appends v, a value of the field, to enc and sets ok
// to false when there must be one and is none.
func value(data *codegen.Data, f *codegen.Field) string {
	ref := f.TypeReference
	goType := ref.GO.String()
	marshaler := ""
	if ref.Marshaler != nil {
		marshaler = ref.Marshaler.Name()
	}
	viaGqlgen := fmt.Sprintf("enc.Marshal(enc.%s(node.Context(), f.Selections, v))", ref.MarshalFunc())
	if ref.GQL.NonNull {
		viaGqlgen = "ok = " + viaGqlgen + " && ok"
	}
	simple := func(method string) string { return "enc." + method + "(v)" }
	switch {
	case ref.GQL.Elem == nil && ref.HasEnumValues() && ref.GQL.NonNull && !strings.HasPrefix(goType, "*"):
		return fmt.Sprintf("enc.String(%s[v])", ref.EnumMarshalVar(false))
	case ref.GQL.Elem == nil && (marshaler == "MarshalString" || marshaler == "MarshalID") && goType == "string":
		return simple("String")
	case ref.GQL.Elem == nil && (marshaler == "MarshalString" || marshaler == "MarshalID") && goType == "*string" && !ref.GQL.NonNull:
		return simple("StringOrNull")
	case ref.GQL.Elem == nil && marshaler == "MarshalInt" && goType == "int":
		return simple("Int")
	case ref.GQL.Elem == nil && marshaler == "MarshalFloat" && goType == "float64":
		return simple("Float")
	case ref.GQL.Elem == nil && marshaler == "MarshalBoolean" && goType == "bool":
		return simple("Bool")
	case ref.GQL.Elem == nil && marshaler == "MarshalDateTime" && goType == "time.Time":
		return simple("Time")
	case ref.GQL.Elem == nil && marshaler == "MarshalDateTime" && goType == "*time.Time" && !ref.GQL.NonNull:
		return simple("TimeOrNull")
	case ref.GQL.Elem == nil && marshaler == "MarshalStoredObject":
		return fmt.Sprintf("if v != \"\" {\nenc.Raw(string(v))\n} else {\n%s\n}", viaGqlgen)
	case len(possible(data, ref.Definition)) > 0:
		return objectValue(data, ref, viaGqlgen)
	}
	return viaGqlgen
}

// objectValue returns the code for a value of objects, which may be a list of them.
func objectValue(data *codegen.Data, ref *config.TypeReference, viaGqlgen string) string {
	one := func(ref *config.TypeReference, v, node string) string {
		call := fmt.Sprintf("enc.encode%s(%s, f.Plans, %s)", ref.Definition.Name, node, v)
		if ref.Definition.Kind == ast.Object {
			if !ref.IsPtr() {
				v = "&" + v
			}
			call = fmt.Sprintf("enc.encode%s(%s, f.Plans[0], %s)", ref.Definition.Name, node, v)
		}
		return call
	}
	nilable := ref.IsNilable()
	afterItem := ""
	if ref.Definition.Name == "Message" && ref.GQL.Elem != nil { // there may be very many
		afterItem = "enc.GrowForList(start, i+1, len(v))\n"
	}
	switch {
	case ref.GQL.Elem == nil && nilable && !ref.GQL.NonNull:
		return fmt.Sprintf("if v == nil {\nenc.Null()\n} else if mark := len(enc.B); !%s {\nenc.B = append(enc.B[:mark], \"null\"...)\n}", one(ref, "v", "&node"))
	case ref.GQL.Elem == nil && nilable:
		return fmt.Sprintf("if v == nil {\n%s\n} else {\nok = %s && ok\n}", viaGqlgen, one(ref, "v", "&node"))
	case ref.GQL.Elem == nil && ref.GQL.NonNull:
		return fmt.Sprintf("ok = %s && ok", one(ref, "v", "&node"))
	case ref.GQL.Elem != nil && ref.GQL.NonNull && ref.GQL.Elem.NonNull && ref.GQL.Elem.Elem == nil:
		start := ""
		if afterItem != "" {
			start = "start := len(enc.B)\n"
		}
		return start + fmt.Sprintf("enc.B = append(enc.B, '[')\nfor i := range v {\nif i > 0 {\nenc.B = append(enc.B, ',')\n}\nitem := encode.PathNode{Parent: &node, Index: i}\nok = %s && ok\n%s}\nenc.B = append(enc.B, ']')",
			one(ref.Elem(), "v[i]", "&item"), afterItem)
	}
	return viaGqlgen
}
