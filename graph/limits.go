package graph

import (
	"context"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/threadstore/threadstore/graph/transport"
	"github.com/threadstore/threadstore/internal/budget"
)

// Limits are what a request may take, and all of them together. Each is a setting; what is fixed stands where it is
// checked: validate/work.go (the work of validating a document), db (sizes of what is stored), jsontext.MaxValues.
type Limits struct {
	MaxPage       int   `env:"THREADSTORE_MAX_PAGE" envDefault:"1000"`          // largest limit
	MaxBody       int64 `env:"THREADSTORE_MAX_BODY" envDefault:"33554432"`      // of a request, bytes
	MaxComplexity int   `env:"THREADSTORE_MAX_COMPLEXITY" envDefault:"1000000"` // largest cost of a request
	MaxDepth      int   `env:"THREADSTORE_MAX_DEPTH" envDefault:"20"`           // levels of fields in a document
	MaxAnswer     int64 `env:"THREADSTORE_MAX_ANSWER" envDefault:"268435456"`   // bytes, before compression
	// MaxMemory is how many bytes all requests together may hold; 0: half of what the process may use, see
	// [Limits.Complete].
	MaxMemory int64 `env:"THREADSTORE_MAX_MEMORY"`
	// RequestTimeout is how long a request may take, in seconds.
	RequestTimeout float64 `env:"THREADSTORE_REQUEST_TIMEOUT" envDefault:"30"`
}

// defaultMemory is what MaxMemory is where nothing says how much memory the process may use.
const defaultMemory = 512 << 20

// Complete checks the limits, and sets the one that depends on the machine: processMemory is how many bytes the
// process may use, 0 if nothing says so.
func (l *Limits) Complete(processMemory int64) error {
	for _, v := range []struct {
		name       string
		value, min int64
	}{
		{"THREADSTORE_MAX_PAGE", int64(l.MaxPage), 1},
		{"THREADSTORE_MAX_BODY", l.MaxBody, 1},
		{"THREADSTORE_MAX_COMPLEXITY", int64(l.MaxComplexity), 1},
		{"THREADSTORE_MAX_DEPTH", int64(l.MaxDepth), 1},
		{"THREADSTORE_MAX_ANSWER", l.MaxAnswer, 1},
	} {
		if v.value < v.min {
			return fmt.Errorf("%s must be %d or more, not %d", v.name, v.min, v.value)
		}
	}
	switch {
	case l.MaxMemory == 0 && processMemory > 0:
		l.MaxMemory = max(processMemory/2, budget.MinSize)
	case l.MaxMemory == 0:
		l.MaxMemory = defaultMemory
	case l.MaxMemory < budget.MinSize:
		return fmt.Errorf("THREADSTORE_MAX_MEMORY must be %d bytes or more, not %d", budget.MinSize, l.MaxMemory)
	}
	if !(l.RequestTimeout > 0 && l.RequestTimeout <= maxTimeout) { // NaN, too
		return fmt.Errorf("THREADSTORE_REQUEST_TIMEOUT must be a number of seconds above 0, at most %g, not %g",
			float64(maxTimeout), l.RequestTimeout)
	}
	return nil
}

// maxTimeout is the longest time for a request, in seconds: a day.
const maxTimeout = 24 * 60 * 60

func (l *Limits) timeout() time.Duration {
	return time.Duration(l.RequestTimeout * float64(time.Second))
}

// maxRootFields is how many root fields of a request are resolved at the same time.
const maxRootFields = 4

type rootFieldsKey struct{}

// limitRootFields lets maxRootFields root fields of a request run at the same time; gqlgen would start all at once.
func limitRootFields(gql *handler.Server) {
	gql.AroundResponses(func(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
		return next(context.WithValue(ctx, rootFieldsKey{}, make(chan struct{}, maxRootFields)))
	})
	gql.AroundRootFields(func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
		turns := ctx.Value(rootFieldsKey{}).(chan struct{})
		turns <- struct{}{} // what runs ends with its context, and so does the waiting
		defer func() { <-turns }()
		return next(ctx)
	})
}

// deadline ends what takes longer than the time for a request.
func deadline(l Limits) graphql.OperationMiddleware {
	return func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		respond := next(ctx)
		return func(ctx context.Context) *graphql.Response {
			ctx, cancel := context.WithTimeout(ctx, l.timeout())
			defer cancel()
			return respond(ctx)
		}
	}
}

// overBudget answers, in place of what there is of an answer, that the request took more memory than it may.
func overBudget(t transport.HTTP, present graphql.ErrorPresenterFunc) graphql.ResponseMiddleware {
	return func(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
		response := next(ctx)
		account := budget.Of(ctx)
		if response != nil && int64(len(response.Data)) > t.MaxAnswer {
			_ = account.UseAnswer(ctx, len(response.Data)) // what the encoders have not counted
		}
		if err := t.BudgetError(account.Err()); err != nil {
			return &graphql.Response{Errors: gqlerror.List{present(ctx, err)}, Data: []byte("null")}
		}
		return response
	}
}
