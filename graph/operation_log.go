package graph

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/threadstore/threadstore/graph/httpmw"
)

// logFailures writes one line for each response that has errors: the kind of operation,
// how long it took, the errors' codes; never variables or content.
func logFailures(log *slog.Logger) graphql.ResponseMiddleware {
	return func(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
		response := next(ctx)
		if response == nil || len(response.Errors) == 0 {
			return response
		}
		attrs := []slog.Attr{httpmw.RequestAttr(ctx)}
		if graphql.HasOperationContext(ctx) {
			op := graphql.GetOperationContext(ctx)
			if op.Operation != nil {
				kind, name := string(op.Operation.Operation), truncate(op.Operation.Name)
				attrs = append(attrs, slog.String("kind", kind), slog.String("name", name))
			}
			attrs = append(attrs, slog.Float64("ms", float64(time.Since(op.Stats.OperationStart).Microseconds())/1000))
		}
		var codes []string
		for _, err := range response.Errors {
			if code, _ := err.Extensions["code"].(string); !slices.Contains(codes, code) {
				codes = append(codes, code)
			}
		}
		log.LogAttrs(ctx, slog.LevelInfo, "graphql", append(attrs, slog.Any("codes", codes))...)
		return response
	}
}
