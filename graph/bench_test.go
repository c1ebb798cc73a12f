package graph_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/graph"
	"github.com/threadstore/threadstore/graph/httpmw"
)

func requestBody(t testing.TB, query string, variables map[string]any) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// post asks a handler for what has no errors, without the network.
func post(t testing.TB, handler http.Handler, body []byte) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if bytes.Contains(w.Body.Bytes(), []byte(`"errors"`)) {
		t.Fatal(w.Body)
	}
}

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
					post(b, handler, requestBody(b, query, v))
					a.seen.Take()
				}
			}
			b.Run("thread", func(b *testing.B) {
				ask(b, `query($id: ID!) { thread(id: $id) { id title messages { id role sequence content toolCalls `+
					`{ callId type function { name arguments } } timestamp } } }`,
					func(i int) map[string]any { return map[string]any{"id": dbtest.BulkID(i % 2000)} })
			})
			b.Run("list", func(b *testing.B) {
				ask(b, `{ threads(limit: 50) { id title updatedAt attributes messages(last: 10) { role content } } }`,
					nil)
			})
			b.Run("find", func(b *testing.B) {
				ask(b, `query($a: JSONObject!) { findThreadsByAttributes(attributes: $a) { id title updatedAt } }`,
					func(i int) map[string]any {
						return map[string]any{"a": map[string]any{"customer": fmt.Sprint(i % 100)}}
					})
			})
			b.Run("append", func(b *testing.B) {
				ask(b, `mutation($id: ID!, $m: MessageInput!) { addMessage(threadId: $id, message: $m) { id `+
					`sequence timestamp } }`,
					func(i int) map[string]any {
						return map[string]any{"id": dbtest.BulkID(i % 2000),
							"m": map[string]any{"role": "USER", "content": "How are you?"}}
					})
			})
		})
	}
}

// BenchmarkCompression answers what a dashboard asks, 50 threads with the last 10 messages of each from recorded
// conversations (157 KiB), on PostgreSQL and over HTTP to 16 clients at once, who throw the answers away as they come.
// The encodings take turns, since the neighbours of the machine change by the second; what counts is the median of
// their ratios in one turn:
//
//	.ci/with-postgres go test ./graph -run - -bench Compression -benchtime 30x
func BenchmarkCompression(b *testing.B) {
	o := dbtest.Options(b, db.PostgreSQL)
	store := dbtest.OpenOptions(b, o, db.Hooks{})
	dbtest.Import(b, store)
	server := httptest.NewServer(graph.New(graph.Options{Threads: store.Scope("").Threads(),
		Messages:   store.Scope("").Messages(),
		Middleware: httpmw.Options{Log: slog.New(slog.DiscardHandler)}, Limits: defaultLimits(b)}))
	defer server.Close()
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as the program has it
	const (
		clients, each = 16, 20 // requests of each client in a turn
		body          = `{"query":"{ threads(limit: 50) { id title updatedAt attributes messages(last: 10) { role ` +
			`content } } }"}`
	)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: clients}}
	ask := func(encoding string) (size int64) {
		r, err := http.NewRequest(http.MethodPost, server.URL+"/graphql", strings.NewReader(body))
		if err != nil {
			b.Error(err)
			return 0
		}
		r.Header.Set("Content-Type", typeJSON)
		if encoding != "" {
			r.Header.Set("Accept-Encoding", encoding)
		}
		res, err := client.Do(r)
		if err != nil {
			b.Error(err)
			return 0
		}
		defer res.Body.Close()
		size, err = io.Copy(io.Discard, res.Body)
		if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Encoding") != encoding {
			b.Errorf("status %d, encoding %q, want %q; %v", res.StatusCode, res.Header.Get("Content-Encoding"),
				encoding, err)
		}
		return size
	}
	for _, written := range []bool{false, true} { // while an agent appends to the threads of the list
		b.Run(map[bool]string{false: "Read", true: "Written"}[written], func(b *testing.B) {
			encodings := []string{"", "gzip"}
			rates := make([][]float64, len(encodings)) // answers a second in each turn
			for b.Loop() {
				for i, encoding := range encodings {
					ctx, end := context.WithCancel(context.Background())
					var readers, writer sync.WaitGroup
					if written {
						writer.Go(func() { appendTo(b, ctx, store) })
					}
					start := time.Now()
					for range clients {
						readers.Go(func() {
							for range each {
								ask(encoding)
							}
						})
					}
					readers.Wait()
					rates[i] = append(rates[i], clients*each/time.Since(start).Seconds())
					end()
					writer.Wait()
				}
			}
			ratios := make([]float64, len(rates[0]))
			for turn := range ratios {
				ratios[turn] = rates[1][turn] / rates[0][turn]
			}
			for i, encoding := range encodings {
				name := cmp.Or(encoding, "plain")
				b.ReportMetric(median(rates[i]), name+"/s")
				b.ReportMetric(float64(ask(encoding))/1024, name+"-KiB")
			}
			b.ReportMetric(median(ratios), "gzip/plain")
		})
	}
}

// appendTo appends ten messages a second to the newest threads, in turns.
func appendTo(b *testing.B, ctx context.Context, store *db.DB) {
	threads, err := store.Scope("").Threads().List(ctx, 50, 0)
	if err != nil {
		b.Error(err)
		return
	}
	text := "as an agent says it"
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
		if _, _, err := store.Scope("").Messages().Add(context.Background(), threads[i*7%len(threads)].ID,
			[]db.MessagePatch{{Role: db.RoleUser, Content: db.Some(&text)}}); err != nil {
			b.Error(err)
			return
		}
	}
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
