// Package validate refuses what a request must not be before anything of it runs: documents
// and variables that GraphQL or this API forbids, and those that would take too much work.
package validate

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
)

// tokenLimit bounds the work of parsing and validating a document, which is about
// a microsecond for each token. Large inputs belong in variables.
const tokenLimit = 50_000

// Install makes the server obey the rules and limits of this package.
func Install(gql *handler.Server, maxComplexity int) {
	gql.SetQueryCache(boundedQueryCache{lru.New[*ast.QueryDocument](1000)})
	gql.SetParserTokenLimit(tokenLimit)
	gql.SetValidationRulesFn(validationRules)
	gql.Use(&variableRules{})
	gql.Use(&complexityLimit{limit: maxComplexity})
}

// maxCachedDocument is the longest document, in bytes, whose parsed form is kept:
// the cache counts documents, and a client chooses their size.
const maxCachedDocument = 8 << 10

// boundedQueryCache is a query cache of bounded size.
type boundedQueryCache struct {
	graphql.Cache[*ast.QueryDocument]
}

func (c boundedQueryCache) Add(ctx context.Context, query string, doc *ast.QueryDocument) {
	if len(query) <= maxCachedDocument {
		c.Cache.Add(ctx, query, doc)
	}
}
