package graph_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/db/interchange"
)

// TestColumns asks for each field alone: what is read for it must be all it is made of.
func TestColumns(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		a := newAPI(t, driver)
		if err := interchange.ImportSample(t.Context(), a.store.Scope("").Threads(), func(int, int) {}); err != nil {
			t.Fatal(err)
		}
		const find = `findThreadsByAttributes(attributes: {language: "en"})`
		all := a.must(`{ threads { ...everything } found: `+find+` { ...everything } }`+everything, nil)
		threads, found := all["threads"].([]any), all["found"].([]any)
		edges := func(data map[string]any) []any { return data["pages"].(map[string]any)["edges"].([]any) }
		withAll := edges(a.must(`{ pages: threadConnection(first: 50) { edges { cursor node { ...everything } } } }`+
			everything, nil))
		for i, e := range edges(a.must(`{ pages: threadConnection { edges { cursor } } }`, nil)) {
			if want := withAll[i].(map[string]any)["cursor"]; e.(map[string]any)["cursor"] != want {
				t.Errorf("ThreadEdge.cursor alone: %v, want %v", e, want)
			}
		}
		for field, selection := range map[string]string{"id": "", "title": "", "attributes": "", "source": "",
			"createdAt": "", "updatedAt": "", "messageCount": ""} {
			got := a.must(fmt.Sprintf(`{ threads { %[1]s %[2]s } found: %[3]s { %[1]s %[2]s } }`, field, selection,
				find), nil)
			alone := edges(a.must(fmt.Sprintf(`{ pages: threadConnection { edges { node { %s %s } } } }`, field,
				selection), nil))
			for i, th := range threads {
				if d := cmp.Diff(th.(map[string]any)[field],
					got["threads"].([]any)[i].(map[string]any)[field]); d != "" {
					t.Errorf("Thread.%s alone: got (+), want (-):\n%s", field, d)
				}
				if d := cmp.Diff(th.(map[string]any)[field],
					alone[i].(map[string]any)["node"].(map[string]any)[field]); d != "" {
					t.Errorf("Thread.%s alone, by cursor: got (+), want (-):\n%s", field, d)
				}
			}
			for i, th := range found {
				if d := cmp.Diff(th.(map[string]any)[field], got["found"].([]any)[i].(map[string]any)[field]); d != "" {
					t.Errorf("Thread.%s alone, found: got (+), want (-):\n%s", field, d)
				}
			}
		}
		for field, selection := range map[string]string{"id": "", "role": "", "sequence": "", "content": "", "name": "",
			"toolCallId": "", "attributes": "", "timestamp": "", "source": "",
			"parts":       "{ __typename ... on TextPart { text } ... on ImagePart { url } }",
			"toolCalls":   "{ callId type function { name arguments } }",
			"attachments": "{ filename mimeType fileId storagePath storageBackend status attributes }",
			"metrics": "{ model timing { startedAt endedAt latencyMs } usage { promptTokens completionTokens " +
				"totalTokens } weaveCall { callId uiUrl } }",
			"thread": "{ id }",
		} {
			got := a.must(fmt.Sprintf(`{ threads { messages { %s %s } } }`, field, selection), nil)["threads"].([]any)
			for i, th := range threads {
				messages := got[i].(map[string]any)["messages"].([]any)
				for j, m := range th.(map[string]any)["messages"].([]any) {
					want := m.(map[string]any)
					if d := cmp.Diff(want[field], messages[j].(map[string]any)[field]); d != "" {
						t.Errorf("Message.%s alone, of %s: got (+), want (-):\n%s", field, want["id"], d)
					}
					if i == 0 && j == 0 {
						one := a.must(fmt.Sprintf(`{ message(id: %q) { %s %s } }`, want["id"], field, selection),
							nil)["message"].(map[string]any)
						if d := cmp.Diff(want[field], one[field]); d != "" {
							t.Errorf("Message.%s alone, by id: got (+), want (-):\n%s", field, d)
						}
					}
				}
			}
		}
	})
}
