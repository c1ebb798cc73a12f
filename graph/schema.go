package graph

import (
	"bytes"
	"strconv"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"

	"github.com/threadstore/threadstore/graph/generated"
)

// schema returns the schema for a page maximum: a default limit above it
// becomes it, also in what introspection tells.
func schema(maxPage int) *ast.Schema {
	s := generated.NewExecutableSchema(generated.Config{}).Schema()
	var text bytes.Buffer
	formatter.NewFormatter(&text).FormatSchema(s)
	own := gqlparser.MustLoadSchema(&ast.Source{Name: "schema.graphqls", Input: text.String()})
	delete(own.Directives, "defer") // gqlparser's own; our transport answers once
	for _, field := range own.Query.Fields {
		arg := field.Arguments.ForName("limit")
		if arg == nil || arg.DefaultValue == nil {
			continue
		}
		if n, err := strconv.Atoi(arg.DefaultValue.Raw); err == nil && n > maxPage {
			arg.DefaultValue.Raw = strconv.Itoa(maxPage)
		}
	}
	return own
}
