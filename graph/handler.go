package graph

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/rs/cors"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/threadstore/threadstore/graph/compress"
	"github.com/threadstore/threadstore/graph/generated"
	"github.com/threadstore/threadstore/graph/loaders"
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

	plain bool                    // tests: gqlgen's executor alone, to compare with
	seen  graphql.FieldMiddleware // tests: sees what every field resolves to, may be nil
}

// server is what the handlers share.
type server struct {
	log *slog.Logger
}

// tokenLimit bounds the work of parsing and validating a document, which is about
// a microsecond for each token. Large inputs belong in variables.
const tokenLimit = 50_000

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
	own, sdl := schema(o.MaxPage)
	executable := generated.NewExecutableSchema(generated.Config{
		Schema:     own,
		Resolvers:  &Resolver{Threads: o.Threads, Messages: o.Messages, MaxPage: o.MaxPage},
		Complexity: complexity(o.MaxPage),
	})
	gql := handler.New(executable)
	gql.AddTransport(transport{maxBody: o.MaxBody})
	gql.SetQueryCache(smallQueries{lru.New[*ast.QueryDocument](1000)})
	gql.SetParserTokenLimit(tokenLimit)
	gql.SetValidationRulesFn(validationRules)
	gql.SetErrorPresenter(h.present)
	gql.SetRecoverFunc(recovered)
	gql.Use(&strictVariables{})
	gql.Use(&costLimit{limit: o.MaxComplexity})
	gql.Use(extension.Introspection{})
	gql.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		return next(loaders.Attach(onlyAsked(ctx), o.Threads, o.Messages))
	})
	gql.AroundFields(introspectionNulls)
	if o.seen != nil {
		gql.AroundFields(o.seen)
	}
	if !o.plain {
		gql.AroundFields(generated.Direct(executable))
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
			h.log.LogAttrs(ctx, slog.LevelWarn, "not ready", requestAttr(ctx), slog.String("error", err.Error()))
			text(w, http.StatusServiceUnavailable, "not ready")
			return
		}
		text(w, http.StatusOK, "ok")
	})
	return withRequestID(allowOrigins(o.CORSOrigins, first("/graphql", api, routes)))
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

// allowOrigins lets browser pages of other origins call the API.
func allowOrigins(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{"X-Request-Id"},
		MaxAge:         int((10 * time.Minute).Seconds()),
	}).Handler(next)
}

// maxCachedQuery is the longest document, in bytes, whose parsed form is kept:
// the cache counts documents, and a client chooses their size.
const maxCachedQuery = 8 << 10

// smallQueries is a query cache of bounded size.
type smallQueries struct {
	graphql.Cache[*ast.QueryDocument]
}

func (c smallQueries) Add(ctx context.Context, query string, doc *ast.QueryDocument) {
	if len(query) <= maxCachedQuery {
		c.Cache.Add(ctx, query, doc)
	}
}
