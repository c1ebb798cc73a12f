package graph

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"

	"github.com/threadstore/threadstore/graph/generated"
	"github.com/threadstore/threadstore/graph/httpmw"
	"github.com/threadstore/threadstore/graph/loaders"
	"github.com/threadstore/threadstore/graph/transport"
	"github.com/threadstore/threadstore/graph/validate"
)

// Options are what New needs.
type Options struct {
	Threads  ThreadStore
	Messages MessageStore
	// Sample puts the sample data into the store.
	Sample func(context.Context) (threads, messages int, err error)

	Middleware    httpmw.Options
	MaxPage       int   // largest limit, 1 or more
	MaxBody       int64 // largest request body, bytes
	MaxComplexity int   // largest cost of a request
	MaxDepth      int   // levels of fields in a document

	gqlgenOnly bool                    // for tests: without our encoders, to compare with
	observe    graphql.FieldMiddleware // for tests: sees what every field resolves to, may be nil
}

// New returns the handler of the API:
//
//	/graphql         the API
//	/schema.graphql  its schema, with descriptions
//	/sample          takes a POST of the playground: sample data for an empty store
func New(o Options) http.Handler {
	presenter := &errorPresenter{log: o.Middleware.Log}
	schema, sdl := schemaFor(o.MaxPage)
	executable := generated.NewExecutableSchema(generated.Config{
		Schema:     schema,
		Resolvers:  &Resolver{Threads: o.Threads, Messages: o.Messages, MaxPage: o.MaxPage},
		Complexity: fieldCosts(o.MaxPage),
	})
	gql := handler.New(executable)
	limits := validate.Options{Schema: schema, MaxComplexity: o.MaxComplexity, MaxDepth: o.MaxDepth}
	validate.Install(gql, limits, transport.HTTP{MaxBody: o.MaxBody})
	gql.SetErrorPresenter(presenter.present)
	gql.SetRecoverFunc(recoverPanic)
	gql.Use(extension.Introspection{})
	gql.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		return next(withProjection(ctx))
	})
	gql.AroundResponses(loaders.PerResponse(o.Threads, o.Messages))
	gql.AroundResponses(logFailures(o.Middleware.Log))
	gql.AroundFields(introspectionNulls)
	if o.observe != nil {
		gql.AroundFields(o.observe)
	}
	if !o.gqlgenOnly {
		gql.AroundFields(generated.EncodeRootFields(executable))
	}

	routes := http.NewServeMux()
	routes.Handle("/graphql", gql)
	routes.Handle("GET /schema.graphql", serveSchema(sdl))
	routes.Handle("POST /sample", http.NewCrossOriginProtection().Handler(loadSample(o, presenter)))
	return httpmw.API(o.Middleware, routes)
}
