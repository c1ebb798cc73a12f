package graph

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"

	"github.com/threadstore/threadstore/graph/compress"
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
	// Ready reports whether requests can be served.
	Ready func(context.Context) error
	// Sample puts the sample data into the store.
	Sample func(context.Context) (threads, messages int, err error)
	// Page serves / and /assets/.
	Page http.Handler
	Log  *slog.Logger

	MaxPage       int      // largest limit, 1 or more
	MaxBody       int64    // largest request body, bytes
	MaxComplexity int      // largest cost of a request
	CORSOrigins   []string // origins of other pages whose scripts may call the API; "*" is any

	gqlgenOnly bool                    // tests: gqlgen's executor alone, to compare with
	observe    graphql.FieldMiddleware // tests: sees what every field resolves to, may be nil
}

// server is what the handlers share.
type server struct {
	log *slog.Logger
}

// readyTimeout bounds one look at the database.
const readyTimeout = 5 * time.Second

// New returns the handler of all routes:
//
//	/graphql         the API
//	/schema.graphql  its schema, with descriptions
//	/                the playground, its files in /assets/
//	/sample          takes a POST of the playground: sample data for an empty store
//	/healthz         200 while the process lives
//	/readyz          200 while the database can be reached and is migrated, else 503
func New(o Options) http.Handler {
	h := &server{log: o.Log}
	own, sdl := schemaFor(o.MaxPage)
	executable := generated.NewExecutableSchema(generated.Config{
		Schema:     own,
		Resolvers:  &Resolver{Threads: o.Threads, Messages: o.Messages, MaxPage: o.MaxPage},
		Complexity: complexity(o.MaxPage),
	})
	gql := handler.New(executable)
	gql.AddTransport(transport.HTTP{MaxBody: o.MaxBody})
	validate.Install(gql, o.MaxComplexity)
	gql.SetErrorPresenter(h.present)
	gql.SetRecoverFunc(recovered)
	gql.Use(extension.Introspection{})
	gql.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		return next(withProjection(ctx))
	})
	gql.AroundResponses(loaders.PerResponse(o.Threads, o.Messages))
	gql.AroundFields(introspectionNulls)
	if o.observe != nil {
		gql.AroundFields(o.observe)
	}
	if !o.gqlgenOnly {
		gql.AroundFields(generated.EncodeRootFields(executable))
	}
	gql.AroundResponses(h.logResponse)

	routes := http.NewServeMux()
	api := compress.Handler(gql)
	routes.Handle("/graphql", api)
	routes.Handle("GET /schema.graphql", compress.Handler(serveSchema(sdl)))
	routes.Handle("GET /{$}", o.Page)
	routes.Handle("GET /assets/", o.Page)
	routes.Handle("POST /sample", http.NewCrossOriginProtection().Handler(h.loadSample(o)))
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") })
	routes.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := o.Ready(ctx); err != nil {
			h.log.LogAttrs(ctx, slog.LevelWarn, "not ready", httpmw.RequestAttr(ctx), slog.String("error", err.Error()))
			text(w, http.StatusServiceUnavailable, "not ready")
			return
		}
		text(w, http.StatusOK, "ok")
	})
	return httpmw.WithRequestID(httpmw.AllowOrigins(o.CORSOrigins, first("/graphql", api, routes)))
}

// first serves a path itself before it asks the routes: finding a route is a microsecond or two.
func first(path string, handler, routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			handler.ServeHTTP(w, r)
			return
		}
		routes.ServeHTTP(w, r)
	})
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body + "\n")) // the client may be gone
}
