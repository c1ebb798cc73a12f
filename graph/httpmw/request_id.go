package httpmw

import (
	"context"
	"log/slog"
	"net/http"
	"regexp"

	"github.com/google/uuid"
)

const requestIDHeader = "X-Request-Id"

type requestIDKey struct{}

// RequestIDOf returns the id of the HTTP request, "" outside of one.
func RequestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// RequestAttr is the id of the HTTP request for a line of the log.
func RequestAttr(ctx context.Context) slog.Attr { return slog.String("requestId", RequestIDOf(ctx)) }

// validRequestID is what is taken from a client or a proxy as a request's id. Anything else could forge lines of the
// log.
var validRequestID = regexp.MustCompile(`^[A-Za-z0-9._:/+=-]{1,128}$`)

// RequestID gives each request an id: that of its X-Request-Id header if it is valid, else a new one. The answer has
// it in the same header.
func RequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if id == "" || !validRequestID.MatchString(id) {
			id = uuid.Must(uuid.NewV7()).String()
		}
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}
