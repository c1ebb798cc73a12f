package graph

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/threadstore/threadstore/graph/generated"
)

// schemaFor returns the schema for a page maximum, and its text: schema.graphqls,
// in which a default limit above the maximum becomes it.
func schemaFor(maxPage int) (*ast.Schema, string) {
	s := generated.NewExecutableSchema(generated.Config{}).Schema()
	text := []rune(s.Query.Position.Src.Input)              // a Position counts runes
	for _, field := range slices.Backward(s.Query.Fields) { // so that the positions of those to come stay right
		arg := field.Arguments.ForName("limit")
		if arg == nil || arg.DefaultValue == nil {
			continue
		}
		if n, err := strconv.Atoi(arg.DefaultValue.Raw); err == nil && n > maxPage {
			at := arg.DefaultValue.Position
			text = slices.Replace(text, at.Start, at.End, []rune(strconv.Itoa(maxPage))...)
		}
	}
	own := gqlparser.MustLoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(text)})
	delete(own.Directives, "defer") // gqlparser's own; our transport answers once
	return own, string(text)
}

// serveSchema answers with the text of the schema, descriptions included.
func serveSchema(text string) http.Handler {
	// Weak, since the text is the same in each coding and the bytes are not.
	tag := fmt.Sprintf(`W/"%x"`, sha256.Sum256([]byte(text)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Plain text, so that browsers show it; the language has no media type of its own.
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	})
}
