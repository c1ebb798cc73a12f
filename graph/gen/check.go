package main

import (
	"errors"
	"fmt"

	"github.com/99designs/gqlgen/codegen"
	"github.com/99designs/gqlgen/codegen/config"
	"github.com/vektah/gqlparser/v2/ast"
)

// check fails for what gqlgen's own code would do for a field and the encoders would leave out without
// a word. Whoever needs such a feature teaches it to encode.gotpl first, and then removes its line here.
//
// Root fields are resolved by gqlgen's code, so all of its features work there. What no generated code can
// show: graphql.AroundFields sees the root fields and the fields with resolvers, and no others.
func check(data *codegen.Data) error {
	var found []error
	refuse := func(where, what string) {
		found = append(found, fmt.Errorf("%s: the generated encoders know nothing of %s", where, what))
	}
	c := data.Config
	for what, set := range map[string]bool{
		"omit_panic_handler":                        c.OmitPanicHandler,
		"use_function_syntax_for_execution_context": c.UseFunctionSyntaxForExecutionContext,
		"a layout of several files":                 c.Exec.Layout != config.ExecLayoutSingleFile,
	} {
		if set {
			refuse("gqlgen.yml", what)
		}
	}
	for name, d := range data.AllDirectives {
		if !d.SkipRuntime && d.IsLocation(ast.LocationField) {
			refuse("@"+name, "directives of the fields of a request")
		}
	}
	for name, i := range data.Interfaces {
		if i.Kind == ast.Interface && !i.BuiltIn {
			refuse(name, "interfaces")
		}
	}
	for _, o := range data.Objects {
		for _, f := range o.Fields {
			switch {
			case o.BuiltIn:
			case o.Root:
				if f.UsesSubscriptionContext() { // the resolver would run outside of loaders.PerResponse
					refuse(o.Name+"."+f.Name, "an event's own context, nor do the loaders")
				}
			default:
				checkField(f, func(what string) { refuse(o.Name+"."+f.Name, what) })
			}
		}
	}
	return errors.Join(append(found, checkResults(data))...)
}

// checkField looks for what encode.gotpl does not do for a field of an object.
func checkField(f *codegen.Field, refuse func(what string)) {
	for _, d := range f.ImplDirectives() {
		refuse("directives: @" + d.Name + " would not be called")
	}
	for _, a := range f.Args {
		for _, d := range a.ImplDirectives() { // arguments are read once for all objects of a selection
			refuse("directives of arguments: @" + d.Name + " would not be called for every object")
		}
	}
	for what, set := range map[string]bool{
		"batch resolvers":                            f.IsBatch(),
		"maps as objects":                            f.IsMap(),
		"methods that take a context":                f.MethodHasContext && !f.IsResolver,
		"methods with arguments":                     len(f.Args) > 0 && !f.IsResolver,
		"methods that return a value and a bool":     f.VOkFunc,
		"methods that tell whether there is a value": f.HasHaser,
		"channels": f.Stream,
	} {
		if set {
			refuse(what)
		}
	}
}

// checkResults looks for root fields of the same Go type, which share an encoder, and whose lists differ in whether
// their elements may be null.
func checkResults(data *codegen.Data) error {
	first := map[string]*codegen.Field{}
	for _, f := range rootFields(data) {
		key := f.TypeReference.GO.String()
		before := first[key]
		if before == nil {
			first[key] = f
			continue
		}
		if a, b := before.TypeReference.GQL.Elem, f.TypeReference.GQL.Elem; a != nil && a.String() != b.String() {
			const message = "%s and %s: the generated encoders want the same nullability in all lists of a Go type"
			return fmt.Errorf(message, before.Name, f.Name)
		}
	}
	return nil
}
