package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/graph"
)

// BenchmarkRequests answers requests on a store of 2,000 threads with 25 messages each, without the network:
//
//	.ci/with-postgres go test ./graph -run - -bench . -benchmem
func BenchmarkRequests(b *testing.B) {
	for _, driver := range []db.Driver{db.SQLite, db.PostgreSQL} {
		b.Run(string(driver), func(b *testing.B) {
			var o graph.Options
			a := newAPI(b, driver, func(p *graph.Options) { o = *p })
			dbtest.Bulk(b, a.options, 2000, 25)
			handler := graph.New(o)
			ask := func(b *testing.B, query string, variables func(i int) map[string]any) {
				for i := 0; b.Loop(); i++ {
					var v map[string]any
					if variables != nil {
						v = variables(i)
					}
					body, err := json.Marshal(map[string]any{"query": query, "variables": v})
					if err != nil {
						b.Fatal(err)
					}
					r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
					r.Header.Set("Content-Type", "application/json")
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, r)
					if bytes.Contains(w.Body.Bytes(), []byte(`"errors"`)) {
						b.Fatal(w.Body)
					}
					a.seen.Take()
				}
			}
			b.Run("thread", func(b *testing.B) {
				ask(b, `query($id: ID!) { thread(id: $id) { id title messages { id role sequence content toolCalls { callId type function { name arguments } } timestamp } } }`,
					func(i int) map[string]any { return map[string]any{"id": dbtest.BulkID(1 + i%2000)} })
			})
			b.Run("list", func(b *testing.B) {
				ask(b, `{ threads(limit: 50) { id title updatedAt attributes messages(last: 10) { role content } } }`, nil)
			})
			b.Run("find", func(b *testing.B) {
				ask(b, `query($a: JSONObject!) { findThreadsByAttributes(attributes: $a) { id title updatedAt } }`,
					func(i int) map[string]any {
						return map[string]any{"a": map[string]any{"customer": fmt.Sprint(i % 100)}}
					})
			})
			b.Run("append", func(b *testing.B) {
				ask(b, `mutation($id: ID!, $m: MessageInput!) { addMessage(threadId: $id, message: $m) { id sequence timestamp } }`,
					func(i int) map[string]any {
						return map[string]any{"id": dbtest.BulkID(1 + i%2000), "m": map[string]any{"role": "USER", "content": "How are you?"}}
					})
			})
		})
	}
}
