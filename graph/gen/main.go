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

// encoders is the plugin of gqlgen that makes the encoders.
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
	Code  string   // the code that appends v
}

// NeedsNode reports whether Code uses node.
func (f field) NeedsNode() bool {
	return strings.Contains(f.Code, "node.") || strings.Contains(f.Code, "&node")
}

// GenerateCode is called by gqlgen with all that it knows of the schema.
func (encoders) GenerateCode(data *codegen.Data) error {
	if err := check(data); err != nil {
		return err
	}
	var objects []object
	for _, o := range data.Objects {
		if o.Root || o.BuiltIn {
			continue
		}
		made := object{Object: o}
		for _, f := range o.Fields {
			types := objectTypes(data, f.TypeReference.Definition)
			made.Fields = append(made.Fields, field{f, types, valueCode(data, f)})
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

// union is a union as the template wants it.
type union struct {
	*codegen.Interface
	Members []member
}

// member is a Go type of a union's value.
type member struct {
	codegen.InterfaceImplementor
	Plan int // which of the possible types it is
}

func unions(data *codegen.Data) (list []union) {
	for _, name := range slices.Sorted(maps.Keys(data.Interfaces)) {
		u := union{Interface: data.Interfaces[name]}
		if u.BuiltIn {
			continue
		}
		types := objectTypes(data, u.Definition)
		for _, i := range u.Implementors {
			u.Members = append(u.Members, member{i, slices.Index(types, i.Name)})
		}
		list = append(list, u)
	}
	return list
}

// objectTypes returns the object types of a definition, none of a scalar.
func objectTypes(data *codegen.Data, def *ast.Definition) (names []string) {
	if def.Kind != ast.Object && def.Kind != ast.Union && def.Kind != ast.Interface {
		return nil
	}
	for _, p := range data.Schema.GetPossibleTypes(def) {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// result is a Go type that root fields return objects in.
type result struct {
	*config.TypeReference
	Types []string
	Code  string
}

func results(data *codegen.Data) (list []result) {
	seen := map[string]bool{}
	for _, f := range rootFields(data) {
		ref := f.TypeReference
		types := objectTypes(data, ref.Definition)
		if len(types) == 0 || seen[ref.GO.String()] {
			continue
		}
		seen[ref.GO.String()] = true
		// Whether the field may be null is for gqlgen to look at: one Go type can be the result of both kinds of field.
		list = append(list, result{ref, types, objectCode(nonNull(ref), "ok = false")})
	}
	return list
}

// rootFields are the fields of Query and Mutation that the schema's author wrote.
func rootFields(data *codegen.Data) (fields []*codegen.Field) {
	for _, root := range []*codegen.Object{data.QueryRoot, data.MutationRoot} {
		if root == nil {
			continue
		}
		for _, f := range root.Fields {
			if !f.TypeReference.Definition.BuiltIn {
				fields = append(fields, f)
			}
		}
	}
	return fields
}
