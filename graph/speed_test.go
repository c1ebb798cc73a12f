//go:build !race

// The race detector slows down each piece by another factor.

package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/db/interchange"
	"github.com/threadstore/threadstore/graph"
)

var (
	speed       = flag.Bool("speed", false, "run TestSpeed")
	updateSpeed = flag.Bool("update-speed", false, "TestSpeed writes testdata/speed.tsv")
)

// slower is what a piece may take beside what it took when testdata/speed.tsv was written.
const slower = 1.25

// TestSpeed fails when a hot piece has become slower by more than a quarter. It
// times nothing but ratios: each piece in turns with a fixed loop (encoding/json
// on a recorded conversation), in one process, the shortest of many rounds each.
// testdata/speed.tsv has the ratios that were; after a change that is worth its
// price, or on another kind of machine or of Go: make speed-update.
func TestSpeed(t *testing.T) {
	if !*speed && !*updateSpeed { // it wants the machine for itself
		return
	}
	line := firstLine(t)
	reference := func() {
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	}
	var o graph.Options
	a := newAPI(t, db.SQLite, func(p *graph.Options) { o = *p })
	dbtest.Bulk(t, a.options, 2000, 25)
	dbtest.Import(t, a.store)
	handler := graph.New(o)
	ask := func(query string, variables map[string]any) func() {
		body := requestBody(t, query, variables)
		return func() {
			post(t, handler, body)
			a.seen.Take()
		}
	}
	var conversation struct{ ID string }
	if err := json.Unmarshal(line, &conversation); err != nil {
		t.Fatal(err)
	}
	pieces := []struct {
		name string
		run  func()
	}{
		{"a request without SQL", ask(`query($id: ID!) { thread(id: $id) { id title messages(first: 1) { id } } }`, map[string]any{"id": ""})},
		{"a recorded thread", ask(`query($id: ID!) { thread(id: $id) { id title messages { id role sequence content toolCalls { callId type function { name arguments } } timestamp } } }`,
			map[string]any{"id": conversation.ID})},
		{"50 threads with 10 messages each", ask(`{ threads(limit: 50) { id title updatedAt attributes messages(last: 10) { role content } } }`, nil)},
		{"a search", ask(`query($a: JSONObject!) { findThreadsByAttributes(attributes: $a) { id title updatedAt } }`, map[string]any{"a": map[string]any{"customer": "7"}})},
		{"a line of an import, decoded", func() {
			if err := interchange.Import(context.Background(), nowhere{}, "line", bytes.NewReader(line), func(int, int) {}); err != nil {
				t.Fatal(err)
			}
		}},
	}
	was := map[string]float64{}
	const file = "testdata/speed.tsv"
	if text, err := os.ReadFile(file); err == nil {
		for _, row := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			name, ratio, _ := strings.Cut(row, "\t")
			var v float64
			if _, err := fmt.Sscan(ratio, &v); err == nil {
				was[name] = v
			}
		}
	}
	var now strings.Builder
	now.WriteString("# piece\ttime beside encoding/json on a recorded conversation\n")
	for _, p := range pieces {
		ratio := beside(p.run, reference)
		for range 2 { // a neighbour may have been busy
			if *updateSpeed {
				ratio = max(ratio, beside(p.run, reference))
			} else if ratio > was[p.name]*slower {
				ratio = min(ratio, beside(p.run, reference))
			}
		}
		fmt.Fprintf(&now, "%s\t%.3f\n", p.name, ratio)
		t.Logf("%s: %.3f (was %.3f)", p.name, ratio, was[p.name])
		if !*updateSpeed && !(ratio <= was[p.name]*slower) {
			t.Errorf("%s takes %.3f of the reference, and took %.3f: more than %.2f times as long", p.name, ratio, was[p.name], slower)
		}
	}
	if *updateSpeed {
		if err := os.WriteFile(file, []byte(now.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// beside returns how long run takes beside reference.
func beside(run, reference func()) float64 {
	const rounds, long = 25, 8 * time.Millisecond
	shortest := [2]time.Duration{time.Hour, time.Hour}
	for range rounds {
		for i, f := range []func(){run, reference} {
			n, start := 0, time.Now()
			for time.Since(start) < long {
				f()
				n++
			}
			shortest[i] = min(shortest[i], time.Since(start)/time.Duration(n))
		}
	}
	return float64(shortest[0]) / float64(shortest[1])
}

func firstLine(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(dbtest.Data(t))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return line
}

// nowhere takes threads and keeps none.
type nowhere struct{}

func (nowhere) RestoreAll(context.Context, []db.Restored) error { return nil }
func (nowhere) Restore(context.Context, db.ThreadPatch, time.Time) (*db.Thread, error) {
	return nil, nil
}
