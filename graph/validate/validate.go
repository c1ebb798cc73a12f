// Package validate refuses what a request must not be before anything of it runs: documents
// and variables that GraphQL or this API forbids, and those that would take too much work.
package validate

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/vektah/gqlparser/v2/ast"
)

// Options are what Install needs.
type Options struct {
	Schema        *ast.Schema
	MaxComplexity int // largest cost of a request
	MaxDepth      int // levels of fields in a document
}

// Install adds the transports to a server, and makes it obey the rules and limits of this package in what comes over
// them.
func Install(gql *handler.Server, o Options, transports ...graphql.Transport) {
	d := newDocuments(o.Schema, o.MaxDepth)
	for _, t := range transports {
		gql.AddTransport(transport{t, d})
	}
	gql.SetQueryCache(executorCache{})
	gql.Use(&variableRules{})
	gql.Use(&complexityLimit{limit: o.MaxComplexity})
}

// transport gives its requests an [executor].
type transport struct {
	graphql.Transport
	documents *documents
}

func (t transport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	t.Transport.Do(w, r, executor{exec, t.documents})
}
