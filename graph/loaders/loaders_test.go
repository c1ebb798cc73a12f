package loaders_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/graph/generated"
	"github.com/threadstore/threadstore/graph/loaders"
)

// events is the API's schema with a handler that answers one operation again and
// again, as gqlgen's does for a subscription.
type events struct {
	graphql.ExecutableSchema
	answer graphql.ResponseHandler
}

func (e events) Exec(context.Context) graphql.ResponseHandler { return e.answer }

// TestPerResponse answers one operation twice, with a write in between: what was
// loaded for the first response must not be in the second.
func TestPerResponse(t *testing.T) {
	store := dbtest.Open(t, db.SQLite, db.Hooks{})
	ctx := t.Context()
	id := "a"
	add := func() {
		t.Helper()
		if _, _, err := store.Scope("").Messages().Add(ctx, id, []db.MessagePatch{{Role: db.RoleUser}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Scope("").Threads().Save(ctx, db.ThreadPatch{ID: &id}); err != nil {
		t.Fatal(err)
	}
	add()

	var sets []*loaders.Set
	exec := executor.New(events{generated.NewExecutableSchema(generated.Config{}),
		func(ctx context.Context) *graphql.Response {
			set := loaders.For(ctx)
			sets = append(sets, set)
			thread, err := set.Thread(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			set.PrimeList(thread)
			for range 2 { // the second time from what is loaded
				n, err := set.Count(ctx, id, db.AllRoles)
				list, listErr := set.Messages(ctx, id, db.NewWindow(nil, nil, nil, nil, nil))
				if err != nil || listErr != nil || n != len(list) {
					t.Fatalf("%d messages counted, %d listed; %v, %v", n, len(list), err, listErr)
				}
			}
			n, _ := set.Count(ctx, id, db.AllRoles)
			return &graphql.Response{Data: fmt.Append(nil, n)}
		}})
	exec.AroundResponses(loaders.PerResponse(store.Scope("").Threads(), store.Scope("").Messages()))
	ctx = graphql.StartOperationTrace(ctx)
	op, errs := exec.CreateOperationContext(ctx, &graphql.RawParams{Query: `{ __typename }`})
	if errs != nil {
		t.Fatal(errs)
	}
	responses, ctx := exec.DispatchOperation(ctx, op)
	for want := 1; want <= 3; want++ {
		if got := string(responses(ctx).Data); got != fmt.Sprint(want) {
			t.Errorf("response %d is of %s messages", want, got)
		}
		add()
	}
	if sets[0] == sets[1] || sets[1] == sets[2] {
		t.Error("two responses had the same loaders")
	}
}
