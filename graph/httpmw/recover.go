package httpmw

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/threadstore/threadstore/graph/codes"
	"github.com/threadstore/threadstore/graph/transport"
)

// Recover answers 500 when the handler panics, and logs why. gqlgen recovers from panics of resolvers itself, so that
// the rest of the answer is not lost; this is for all other code.
func Recover(log *slog.Logger) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tracker := &startTracker{ResponseWriter: w}
			defer func() {
				cause := recover()
				if cause == nil {
					return
				}
				if cause == http.ErrAbortHandler { // how a handler asks net/http to drop the connection
					panic(cause)
				}
				ctx := r.Context()
				id := slog.String("requestId", w.Header().Get(requestIDHeader))
				log.LogAttrs(ctx, slog.LevelError, "internal error", id,
					slog.String("error", fmt.Sprintf("panic: %v\n%s", cause, debug.Stack())))
				if tracker.started { // what was sent must not pass for a whole answer
					panic(http.ErrAbortHandler)
				}
				answerInternalError(w)
			}()
			next.ServeHTTP(tracker, r)
		})
	}
}

// answerInternalError answers in the form of GraphQL, whatever was asked: it is JSON that clients of the API know.
func answerInternalError(w http.ResponseWriter) {
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Length", "ETag", "Last-Modified"} {
		h.Del(name) // it is of the answer that failed
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	transport.WriteResponse(w, http.StatusInternalServerError, &graphql.Response{Errors: gqlerror.List{{
		Message:    "internal server error",
		Extensions: map[string]any{"code": codes.InternalServerError, "requestId": h.Get(requestIDHeader)},
	}}})
}

// startTracker knows whether an answer has begun.
type startTracker struct {
	http.ResponseWriter
	started bool
}

func (t *startTracker) WriteHeader(status int) {
	t.started = t.started || status >= 200 // what comes before is information, such as 103 Early Hints
	t.ResponseWriter.WriteHeader(status)
}

func (t *startTracker) Write(p []byte) (int, error) {
	t.started = true
	return t.ResponseWriter.Write(p)
}

// Flush and Hijack are for those who look for the interfaces of old; Unwrap is for http.ResponseController.
func (t *startTracker) Flush() {
	t.started = true
	_ = http.NewResponseController(t.ResponseWriter).Flush() // the client may be gone
}

func (t *startTracker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	t.started = true
	return http.NewResponseController(t.ResponseWriter).Hijack()
}

func (t *startTracker) Unwrap() http.ResponseWriter { return t.ResponseWriter }
