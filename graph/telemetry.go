package graph

import (
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
)

type requestIDKey struct{}

// requestID returns the id of the HTTP request, "" outside of one.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

func requestAttr(ctx context.Context) slog.Attr { return slog.String("requestId", requestID(ctx)) }

// goodRequestID is what we take from a client or a proxy as a request's id; anything else could forge log lines.
var goodRequestID = regexp.MustCompile(`^[A-Za-z0-9._:/+=-]{1,128}$`)

// withRequestID gives each request an id, the X-Request-Id it came with if that is a sane one.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if id == "" || !goodRequestID.MatchString(id) {
			id = uuid.Must(uuid.NewV7()).String()
		}
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// logResponse writes one line for each operation that has errors: what kind, how
// long, which codes; never variables or content.
func (h *server) logResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if response == nil || len(response.Errors) == 0 {
		return response
	}
	attrs := []slog.Attr{requestAttr(ctx)}
	if graphql.HasOperationContext(ctx) {
		op := graphql.GetOperationContext(ctx)
		if op.Operation != nil {
			attrs = append(attrs, slog.String("kind", string(op.Operation.Operation)), slog.String("name", short(op.Operation.Name)))
		}
		attrs = append(attrs, slog.Float64("ms", float64(time.Since(op.Stats.OperationStart).Microseconds())/1000))
	}
	var codes []string
	for _, err := range response.Errors {
		if code, _ := err.Extensions["code"].(string); !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	h.log.LogAttrs(ctx, slog.LevelInfo, "graphql", append(attrs, slog.Any("codes", codes))...)
	return response
}
