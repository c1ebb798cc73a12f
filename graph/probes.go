package graph

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/threadstore/threadstore/graph/httpmw"
)

// readyTimeout bounds one look at the database.
const readyTimeout = 5 * time.Second

// Probes returns the handler of what tells the health of the process:
//
//	/healthz  200 while it lives
//	/readyz   200 while ready (db.DB.Ready) has no error: the database can be reached and is migrated; else 503
func Probes(ready func(context.Context) error, o httpmw.Options) http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") })
	routes.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := ready(ctx); err != nil {
			o.Log.LogAttrs(ctx, slog.LevelWarn, "not ready", httpmw.RequestAttr(ctx), slog.String("error", err.Error()))
			text(w, http.StatusServiceUnavailable, "not ready")
			return
		}
		text(w, http.StatusOK, "ok")
	})
	return httpmw.Plain(o, routes)
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body + "\n")) // the client may be gone
}
