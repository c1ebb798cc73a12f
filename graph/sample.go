package graph

import (
	"encoding/json"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/graph/transport"
)

// loadSample puts the sample data into an empty store, for a button of the playground. It is no
// mutation, since the schema is for applications and not for a demonstration.
func loadSample(o Options, presenter *errorPresenter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		list, err := o.Threads.List(ctx, 1, 0)
		if err == nil && len(list) > 0 {
			const reason = "the store is not empty; threadstore import --sample adds the sample data to what is there"
			err = &db.Error{Code: db.Conflict, Reason: reason}
		}
		var done struct {
			Threads  int `json:"threads"`
			Messages int `json:"messages"`
		}
		if err == nil {
			done.Threads, done.Messages, err = o.Sample(ctx)
		}
		if err != nil {
			status := http.StatusInternalServerError
			switch {
			case db.Conflict.Is(err):
				status = http.StatusConflict
			case db.Unavailable.Is(err), db.Timeout.Is(err):
				status = http.StatusServiceUnavailable
			}
			transport.WriteResponse(w, status, &graphql.Response{Errors: gqlerror.List{presenter.present(ctx, err)}})
			return
		}
		_ = json.NewEncoder(w).Encode(done) // the client may be gone
	})
}
