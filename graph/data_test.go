package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/db/interchange"
)

const everything = `
fragment everything on Thread {
  id title attributes source createdAt updatedAt messageCount
  messages {
    id role sequence content parts { __typename ... on TextPart { text } ... on ImagePart { url } } name toolCallId
    toolCalls { callId type function { name arguments } } attributes timestamp source
    attachments { filename mimeType fileId storagePath storageBackend status attributes }
    metrics {
      model timing { startedAt endedAt latencyMs } usage { promptTokens completionTokens totalTokens }
      weaveCall { callId uiUrl }
    }
    thread { id }
  }
}`

// TestRecordedConversations reads all that was imported over GraphQL and holds it against the file.
func TestRecordedConversations(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		a := newAPI(t, driver)
		dbtest.Import(t, a.store)
		threads := a.must(`{ threads { ...everything } }`+everything, nil)["threads"].([]any)
		lines := dbtest.Lines(t)
		if len(threads) != len(lines) {
			t.Fatalf("%d threads, want %d", len(threads), len(lines))
		}
		messages, calls := 0, 0
		for _, th := range threads {
			got := th.(map[string]any)
			line := lines[got["id"].(string)]
			want := threadFromLine(t, line)
			messages += len(want["messages"].([]any))
			for _, m := range want["messages"].([]any) {
				calls += len(m.(map[string]any)["toolCalls"].([]any))
			}
			if d := cmp.Diff(exact(any(want)), exact(any(got))); d != "" {
				t.Fatalf("thread %s: got (+), want (-):\n%s", got["id"], d)
			}
		}
		t.Logf("%d threads, %d messages, %d tool calls compared", len(threads), messages, calls)

		// Each thread is found by each of its attributes together, and by its source.
		for id, line := range lines {
			for query, variables := range map[string]map[string]any{
				`query($v: JSONObject!) { found: findThreadsByAttributes(attributes: $v, limit: 1000) { id } }`: {
					"v": line["attributes"],
				},
				`query($n: String!, $v: JSONObject) {
					found: findThreadsBySource(name: $n, properties: $v, limit: 1000) { id } }`: {
					"n": line["source"].(map[string]any)["name"], "v": line["source"],
				},
			} {
				found := a.must(query, variables)["found"].([]any)
				if !slices.ContainsFunc(found, func(f any) bool { return f.(map[string]any)["id"] == id }) {
					t.Errorf("%s does not find thread %s", query, id)
				}
			}
		}
	})
}

// threadFromLine is what the API should tell of a line of the file.
func threadFromLine(t *testing.T, line map[string]any) map[string]any {
	t.Helper()
	var system, others []any
	for _, m := range line["messages"].([]any) {
		m := m.(map[string]any)
		parts := []any{}
		if content, ok := m["content"].(string); ok {
			parts = append(parts, map[string]any{"__typename": "TextPart", "text": content})
		}
		calls := []any{}
		list, _ := m["tool_calls"].([]any)
		for _, c := range list {
			c := c.(map[string]any)
			calls = append(calls, map[string]any{"callId": c["id"], "type": c["type"], "function": c["function"]})
		}
		metrics := m["metrics"].(map[string]any)
		timing, usage := metrics["timing"].(map[string]any), metrics["usage"].(map[string]any)
		attributes := m["attributes"]
		if attributes == nil {
			attributes = map[string]any{}
		}
		out := map[string]any{
			"id": m["id"], "role": strings.ToUpper(m["role"].(string)), "sequence": json.Number("0"),
			"content": m["content"], "parts": parts,
			"name": m["name"], "toolCallId": m["tool_call_id"], "toolCalls": calls, "attributes": attributes,
			"timestamp": moment(t, m["timestamp"]),
			"source":    m["source"], "attachments": []any{}, "thread": map[string]any{"id": line["id"]},
			"metrics": map[string]any{"model": metrics["model"],
				"timing": map[string]any{"startedAt": timing["started_at"], "endedAt": timing["ended_at"],
					"latencyMs": timing["latency"]},
				"usage": map[string]any{"promptTokens": usage["prompt_tokens"],
					"completionTokens": usage["completion_tokens"], "totalTokens": usage["total_tokens"]},
				"weaveCall": nil},
		}
		if m["role"] == "system" {
			system = append(system, out)
		} else {
			others = append(others, out)
			out["sequence"] = json.Number(fmt.Sprint(len(others)))
		}
	}
	messages := append(append([]any{}, system...), others...)
	return map[string]any{"id": line["id"], "title": line["title"], "attributes": line["attributes"],
		"source":    line["source"],
		"createdAt": moment(t, line["created_at"]), "updatedAt": moment(t, line["updated_at"]), "messages": messages,
		"messageCount": json.Number(fmt.Sprint(len(messages)))}
}

// moment is Tyler's time as the API writes it.
func moment(t *testing.T, v any) string {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, v.(string))
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC().Format("2006-01-02T15:04:05.999999Z")
}

// exact makes numbers comparable by value.
func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		r, ok := new(big.Rat).SetString(v.String())
		if !ok {
			return v
		}
		return "number " + r.String()
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = exact(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k := range v {
			out[k] = exact(v[k])
		}
		return out
	}
	return v
}

// TestInterchange takes the conversations through import, export, import and export.
func TestInterchange(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		ctx := context.Background()
		export := func(store *db.DB) string {
			var out bytes.Buffer
			if _, err := interchange.Export(ctx, store.Scope("").Threads(), &out); err != nil {
				t.Fatal(err)
			}
			return out.String()
		}
		first, second := dbtest.Open(t, driver, db.Hooks{}), dbtest.Open(t, driver, db.Hooks{})
		dbtest.Import(t, first)
		odd := `{"id":"odd","title":null,"messages":[` +
			`{"id":"o1","role":"user","sequence":1,"content":[{"type":"text","text":"a"},{"type":"image_url",` +
			`"image_url":{"url":"u","detail":"high"}}],"timestamp":"2024-01-01T00:00:00.5+00:00",` +
			`"source":{"id":"x","n":1.50},"metrics":{"model":null,"extra":[1e3]},` +
			`"attributes":{"k":{"deep":[null,0.1]}}},` +
			`{"id":"o2","role":"assistant","sequence":2,"content":"","timestamp":"2024-01-01T02:00:00+02:00",` +
			`"source":null,"metrics":{},"tool_calls":[{"id":"c","type":"function","function":{"name":"f",` +
			`"arguments":"{}","strict":true},"index":0}],"attachments":[{"filename":"f","mime_type":null,` +
			`"file_id":null,"storage_path":null,"storage_backend":null,"status":"stored",` +
			`"processed_content":{"type":"pdf"},"attributes":` + strings.Repeat(`{"a":`, 64) + `1` +
			strings.Repeat(`}`, 64) + `}]},` +
			`{"id":"o3","role":"system","sequence":0,"content":"s","timestamp":"2024-01-01T00:00:00","source":null,` +
			`"metrics":{}}` +
			`],"created_at":"2024-01-01T00:00:00+00:00","updated_at":"2024-01-01T00:00:00.123456+00:00",` +
			`"attributes":{},"source":null}` + "\n"
		if err := interchange.Import(ctx, first.Scope("").Threads(), "odd", strings.NewReader(odd),
			func(int, int) {}); err != nil {
			t.Fatal(err)
		}
		exported := export(first)
		for _, store := range []*db.DB{second, first, second} { // into another store, and again into its own
			if err := interchange.Import(ctx, store.Scope("").Threads(), "exported", strings.NewReader(exported),
				func(int, int) {}); err != nil {
				t.Fatal(err)
			}
			if again := export(store); again != exported {
				t.Fatalf("export after import differs: %d and %d bytes", len(again), len(exported))
			}
		}
		got := map[string]any{}
		for line := range strings.Lines(exported) {
			th := decode(t, line).(map[string]any)
			got[th["id"].(string)] = exact(th)
		}
		want := map[string]any{}
		for id, line := range dbtest.Lines(t) {
			want[id] = exact(any(line))
		}
		// The odd one comes back with its messages in order, numbered, times in Python's form, and nothing else
		// changed.
		normal := decode(t, odd).(map[string]any)
		list := normal["messages"].([]any)
		normal["messages"] = []any{list[2], list[0], list[1]}
		list[0].(map[string]any)["timestamp"] = "2024-01-01T00:00:00.500000+00:00"
		list[1].(map[string]any)["timestamp"] = "2024-01-01T00:00:00+00:00"
		list[2].(map[string]any)["timestamp"] = "2024-01-01T00:00:00+00:00"
		want["odd"] = exact(any(normal))
		if d := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); d != "" {
			t.Fatalf("threads: got (+), want (-):\n%s", d)
		}
		for id := range want {
			if d := cmp.Diff(want[id], got[id]); d != "" {
				t.Errorf("thread %s: exported (+), imported (-):\n%s", id, d)
			}
		}
	})
}

// TestWalkPages walks the windows of each conversation in pages, forwards and backwards.
func TestWalkPages(t *testing.T) {
	t.Parallel()
	a := newAPI(t, db.SQLite)
	dbtest.Import(t, a.store)
	ids := func(v any) (ids []string) {
		for _, m := range v.([]any) {
			ids = append(ids, m.(map[string]any)["id"].(string))
		}
		return ids
	}
	for id := range dbtest.Lines(t) {
		whole := ids(a.must(`query($id: ID!) { messages(threadId: $id, roles: [USER, ASSISTANT, TOOL]) { id } }`,
			map[string]any{"id": id})["messages"])
		var forwards, backwards []string
		for at := 0; ; at += 7 {
			page := ids(a.must(`query($id: ID!, $at: Int) { messages(threadId: $id, first: 7, afterSequence: $at) { `+
				`id } }`, map[string]any{"id": id, "at": at})["messages"])
			forwards = append(forwards, page...)
			if len(page) < 7 {
				break
			}
		}
		for at := len(whole) + 1; at > 1; at -= 7 {
			page := ids(a.must(`query($id: ID!, $at: Int) { messages(threadId: $id, last: 7, beforeSequence: $at, `+
				`roles: [USER, TOOL, ASSISTANT]) { id } }`, map[string]any{"id": id, "at": at})["messages"])
			backwards = append(page, backwards...)
		}
		if !slices.Equal(whole, forwards) || !slices.Equal(whole, backwards) {
			t.Errorf("thread %s: %d messages, %d walking forwards, %d backwards", id, len(whole), len(forwards),
				len(backwards))
		}
	}
}
