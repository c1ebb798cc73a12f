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
	"github.com/threadstore/threadstore/internal/budget"
)

// Options are what New needs.
type Options struct {
	Threads  ThreadStore
	Messages MessageStore
	// Sample puts the sample data into the store.
	Sample func(context.Context) (threads, messages int, err error)

	Middleware httpmw.Options
	Limits     Limits

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
	schema, sdl := schemaFor(o.Limits.MaxPage)
	executable := generated.NewExecutableSchema(generated.Config{
		Schema:     schema,
		Resolvers:  &Resolver{Threads: o.Threads, Messages: o.Messages, MaxPage: o.Limits.MaxPage},
		Complexity: fieldCosts(o.Limits.MaxPage),
	})
	gql := handler.New(executable)
	overHTTP := transport.HTTP{
		MaxBody: o.Limits.MaxBody, MaxAnswer: o.Limits.MaxAnswer, Memory: budget.NewPool(o.Limits.MaxMemory),
	}
	validate.Install(gql, validate.Options{
		Schema: schema, MaxComplexity: o.Limits.MaxComplexity, MaxDepth: o.Limits.MaxDepth,
	}, overHTTP)
	gql.SetErrorPresenter(presenter.present)
	gql.SetRecoverFunc(recoverPanic)
	gql.Use(extension.Introspection{})
	gql.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		return next(withProjection(ctx))
	})
	gql.AroundOperations(deadline(o.Limits))
	gql.AroundResponses(loaders.PerResponse(o.Threads, o.Messages))
	gql.AroundResponses(logFailures(o.Middleware.Log))
	gql.AroundResponses(overBudget(overHTTP, presenter.present))
	limitRootFields(gql)
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
