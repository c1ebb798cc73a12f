// Package httpmw is the HTTP middleware that requests pass on their way to a handler.
package httpmw

import (
	"context"
	"log/slog"
	"net/http"
	"regexp"

	"github.com/google/uuid"
)

type requestIDKey struct{}

// RequestID returns the id of the HTTP request, "" outside of one.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// RequestAttr is the id of the HTTP request for a line of the log.
func RequestAttr(ctx context.Context) slog.Attr { return slog.String("requestId", RequestID(ctx)) }

// goodRequestID is what we take from a client or a proxy as a request's id; anything else could forge log lines.
var goodRequestID = regexp.MustCompile(`^[A-Za-z0-9._:/+=-]{1,128}$`)

// WithRequestID gives each request an id, the X-Request-Id it came with if that is a sane one.
func WithRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if id == "" || !goodRequestID.MatchString(id) {
			id = uuid.Must(uuid.NewV7()).String()
		}
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}
