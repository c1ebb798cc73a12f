package graph_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

// TestNulls sends explicit null and no value for every optional field, on create, insert and update, through the API.
func TestNulls(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		a := newAPI(t, driver)
		full := `{"id":"t","title":"T","attributes":{"a":1},"source":{"name":"s"},` +
			`"createdAt":"2020-01-02T03:04:05.678901+02:00","messages":[{"id":"m","role":"TOOL","content":"c",` +
			`"name":"n","toolCallId":"c",` +
			`"toolCalls":[{"callId":"x","type":"function","function":{"name":"f","arguments":"{}"}}],` +
			`"attributes":{"b":2},"timestamp":"2020-01-01T00:00:00Z","source":{"id":"u"},` +
			`"attachments":[{"filename":"f","mimeType":"m","fileId":"i","storagePath":"p","storageBackend":"b",` +
			`"status":"FAILED","attributes":{"z":[0.10]}},{"filename":"g"},{"filename":"h","status":null,` +
			`"attributes":null}],` +
			`"metrics":{"model":"gpt","timing":{"startedAt":"2020-01-01T00:00:00+01:00","endedAt":null,` +
			`"latencyMs":1000000.25},"usage":{"promptTokens":1,"completionTokens":null},` +
			`"weaveCall":{"callId":"w","uiUrl":"u"}}}]}`
		const read = `{ thread(id: "t") { title attributes source createdAt messages {
			role sequence content parts { __typename ... on TextPart { text } } name toolCallId
			toolCalls { callId type function { name arguments } } attributes timestamp source
			attachments { filename mimeType fileId storagePath storageBackend status attributes }
			metrics {
				model timing { startedAt endedAt latencyMs } usage { promptTokens completionTokens totalTokens }
				weaveCall { callId uiUrl }
			}
		} } }`
		message := map[string]string{
			"role": `"TOOL"`, "sequence": `1`, "content": `"c"`, "parts": `[{"__typename":"TextPart","text":"c"}]`,
			"name": `"n"`, "toolCallId": `"c"`,
			"toolCalls":  `[{"callId":"x","type":"function","function":{"name":"f","arguments":"{}"}}]`,
			"attributes": `{"b":2}`, "timestamp": `"2020-01-01T00:00:00Z"`, "source": `{"id":"u"}`,
			"attachments": `[{"filename":"f","mimeType":"m","fileId":"i","storagePath":"p","storageBackend":"b",` +
				`"status":"FAILED","attributes":{"z":[0.10]}},` +
				`{"filename":"g","mimeType":null,"fileId":null,"storagePath":null,"storageBackend":null,` +
				`"status":"PENDING","attributes":null},{"filename":"h","mimeType":null,"fileId":null,` +
				`"storagePath":null,"storageBackend":null,"status":"PENDING","attributes":null}]`,
			"metrics": `{"model":"gpt","timing":{"startedAt":"2019-12-31T23:00:00Z","endedAt":null,` +
				`"latencyMs":1000000.25},"usage":{"promptTokens":1,"completionTokens":0,"totalTokens":0},` +
				`"weaveCall":{"callId":"w","uiUrl":"u"}}`,
		}
		thread := map[string]string{"title": `"T"`, "attributes": `{"a":1}`, "source": `{"name":"s"}`,
			"createdAt": `"2020-01-02T01:04:05.678901Z"`}
		want := func(change map[string]string) string {
			fields := func(base map[string]string, prefix string) string {
				var all []string
				for k, v := range base {
					if c, ok := change[prefix+k]; ok {
						v = c
					}
					all = append(all, fmt.Sprintf("%q:%s", k, v))
				}
				sort.Strings(all)
				return strings.Join(all, ",")
			}
			return `{"thread":{` + fields(thread, "") + `,"messages":[{` + fields(message, "m.") + `}]}}`
		}
		const save = `mutation($v: ThreadInput!) { saveThread(thread: $v) { id } }`
		for _, c := range []struct {
			update string
			change map[string]string
		}{
			{`{"id":"t"}`, nil},
			{`{"id":"t","messages":null}`, nil},
			{`{"id":"t","createdAt":null}`, nil},
			{`{"id":"t","createdAt":"2021-01-01T00:00:00Z"}`, nil},
			{`{"id":"t","title":null,"attributes":null,"source":null}`,
				map[string]string{"title": "null", "attributes": "{}", "source": "null"}},
			{`{"id":"t","messages":[{"id":"m","role":"TOOL"}]}`, nil},
			{`{"id":"t","messages":[{"id":"m","role":"USER","content":null,"name":null,"toolCallId":null,` +
				`"toolCalls":null,"attributes":null,"source":null,"attachments":null,"metrics":null}]}`,
				map[string]string{"m.role": `"USER"`, "m.content": "null", "m.parts": "[]", "m.name": "null",
					"m.toolCallId": "null", "m.toolCalls": "[]", "m.attributes": "{}", "m.source": "null",
					"m.attachments": "[]",
					"m.metrics": `{"model":null,"timing":{"startedAt":null,"endedAt":null,"latencyMs":0},` +
						`"usage":{"promptTokens":0,"completionTokens":0,"totalTokens":0},"weaveCall":null}`}},
			{`{"id":"t","messages":[{"id":"m","role":"TOOL","parts":null}]}`,
				map[string]string{"m.content": "null", "m.parts": "[]"}},
			{`{"id":"t","messages":[{"id":"m","role":"TOOL","content":null,"parts":[{"text":"p"}]}]}`,
				map[string]string{"m.content": `"p"`, "m.parts": `[{"__typename":"TextPart","text":"p"}]`}},
			{`{"id":"t","messages":[{"id":"m","role":"TOOL","metrics":{"usage":null,"timing":null,"weaveCall":null,` +
				`"model":null}}]}`,
				map[string]string{"m.metrics": `{"model":null,"timing":{"startedAt":null,"endedAt":null,` +
					`"latencyMs":0},"usage":{"promptTokens":0,"completionTokens":0,"totalTokens":0},` +
					`"weaveCall":null}`}},
		} {
			a.must(`mutation { deleteThread(id: "t") }`, nil)
			a.must(save, `{"v":`+full+`}`)
			a.wantExactly(read, nil, want(nil))
			a.must(save, `{"v":`+c.update+`}`)
			a.wantExactly(read, nil, want(c.change))
		}
		nulls := `{"id":null,"title":null,"attributes":null,"source":null,"createdAt":null,"messages":[{"id":null,` +
			`"role":"USER","content":null,"parts":null,"name":null,"toolCallId":null,"toolCalls":null,` +
			`"attributes":null,"timestamp":null,"source":null,"attachments":null,"metrics":null}]}`
		a.wantData(`mutation($v: ThreadInput!) { saveThread(thread: $v) { title attributes source messages { `+
			`sequence content parts { __typename } name toolCallId toolCalls { callId } attributes source `+
			`attachments { filename } metrics { model } } } }`, `{"v":`+nulls+`}`,
			`{"saveThread":{"title":null,"attributes":{},"source":null,"messages":[{"sequence":1,"content":null,`+
				`"parts":[],"name":null,"toolCallId":null,"toolCalls":[],"attributes":{},"source":null,`+
				`"attachments":[],"metrics":{"model":null}}]}}`)
	})
}

// wantExactly is wantData with numbers compared by value.
func (a *api) wantExactly(query string, variables any, want string) {
	a.t.Helper()
	if d := cmp.Diff(exact(decode(a.t, want)), exact(any(a.must(query, variables)))); d != "" {
		a.t.Errorf("%.300s: got (+), want (-):\n%s", query, d)
	}
}

// TestNumbers sends numbers of every kind in variables and as literals, and reads them back.
func TestNumbers(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		a := newAPI(t, driver)
		object := `{"a":9007199254740993,"b":0.1,"c":12345678901234567890,"d":-0.5e-10,"e":1e22,` +
			`"f":100000000000000000000000.000000000001,"g":[1,{"h":9223372036854775808}]}`
		const read = `{ thread(id: "t") { attributes source messages { attributes source } } }`
		a.must(saveThread, `{"v":{"id":"t","attributes":`+object+`,"source":`+object+
			`,"messages":[{"role":"USER","attributes":`+object+`,"source":`+object+`}]}}`)
		a.wantExactly(read, nil, `{"thread":{"attributes":`+object+`,"source":`+object+`,"messages":[{"attributes":`+
			object+`,"source":`+object+`}]}}`)
		literal := `{a: 9223372036854775807, b: 0.5, c: -1, d: 1e10, e: [true, null, "x", {f: "\u00e9 \\ \" \n"}], ` +
			`g: """block"""}`
		a.must(`mutation { saveThread(thread: {id: "t", attributes: `+literal+`}) { id } }`, nil)
		a.wantExactly(`{ thread(id: "t") { attributes } }`, nil,
			`{"thread":{"attributes":{"a":9223372036854775807,"b":0.5,"c":-1,"d":10000000000,"e":[true,null,"x",`+
				`{"f":"é \\ \" \n"}],"g":"block"}}}`)
		a.wantData(`{ findThreadsByAttributes(attributes: `+literal+`) { id } }`, nil,
			`{"findThreadsByAttributes":[{"id":"t"}]}`)
	})
}

// TestLists reads every list of threads with defaults, limits and offsets, against the order that is promised.
func TestLists(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		a := newAPI(t, driver)
		dbtest.Bulk(t, a.options, 150, 0)
		// Many threads of one updatedAt: they come by id descending.
		dbtest.Exec(t, dbtest.Raw(t, a.options),
			`UPDATE threads SET updated_at = (SELECT min(updated_at) FROM threads) WHERE id < 'bulk-0000100'`)
		list := func(field string) (ids []string) {
			for _, th := range a.must(`{ l: `+field+` { id } }`, nil)["l"].([]any) {
				ids = append(ids, th.(map[string]any)["id"].(string))
			}
			return ids
		}
		var want []string
		for i := 149; i >= 0; i-- {
			want = append(want, dbtest.BulkID(i))
		}
		for field, all := range map[string]bool{`threads(limit: 1000)`: true, `recentThreads`: true,
			`recentThreads(limit: null)`: true, `threads`: false,
			`findThreadsByAttributes(attributes: {kind: "all"})`:                false,
			`findThreadsByAttributes(attributes: {}, limit: 1000)`:              true,
			`findThreadsByAttributes(attributes: {kind: "all"}, limit: 1000)`:   true,
			`findThreadsBySource(name: "slack")`:                                false,
			`findThreadsBySource(name: "slack", properties: null, limit: 1000)`: true,
			`findThreadsBySource(name: "slack", properties: {}, limit: 1000)`:   true} {
			expected := want
			if !all {
				expected = want[:100] // the default limit
			}
			if d := cmp.Diff(expected, list(field)); d != "" {
				t.Errorf("%s: got (+), want (-):\n%s", field, d)
			}
		}
		for _, field := range []string{`threads(%s)`, `findThreadsByAttributes(attributes: {kind: "all"}, %s)`,
			`findThreadsBySource(name: "slack", %s)`} {
			if d := cmp.Diff(want[30:50], list(fmt.Sprintf(field, "limit: 20, offset: 30"))); d != "" {
				t.Errorf("%s: got (+), want (-):\n%s", field, d)
			}
			if got := list(fmt.Sprintf(field, "limit: 0")); len(got) != 0 {
				t.Errorf("%s with limit 0: %v", field, got)
			}
		}
		a.wantData(`query($p: JSONObject) { findThreadsBySource(name: "slack", properties: $p, limit: 1) { id } }`,
			`{"p":null}`, `{"findThreadsBySource":[{"id":"bulk-0000149"}]}`)
		a.must(`mutation { addMessage(threadId: "bulk-0000007", message: {role: USER}) { id } }`, nil)
		a.wantData(`{ recentThreads(limit: 1) { id messageCount(roles: []) messages(roles: []) { id } } `+
			`threads(limit: 1) { id } }`, nil,
			`{"recentThreads":[{"id":"bulk-0000007","messageCount":0,"messages":[]}],`+
				`"threads":[{"id":"bulk-0000007"}]}`)
	})
}

// TestNoTimer asks for a batch many times over: a timer of 16 ms in each level, the library's default, would take ten
// seconds.
func TestNoTimer(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("loaders/loaders.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "dataloader.WithWait[string, V](time.Minute)") {
		t.Error("the loaders' timer is not a minute: this test relies on that a request which waits for it cannot " +
			"pass unseen")
	}
	a := newAPI(t, db.SQLite)
	dbtest.Bulk(t, a.options, 20, 3)
	start := time.Now()
	for range 100 {
		a.must(`{ threads { messages(last: 2) { thread { messages(first: 1) { thread { messageCount } } } } `+
			`messageCount } }`, nil)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("100 requests took %s", took)
	}
}

// TestSignatures holds the types, arguments and defaults of the schema against the contract's, literally.
func TestSignatures(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: string(text)})
	const window = "(first: Int, last: Int, afterSequence: Int, beforeSequence: Int, roles: [Role!])"
	for name, want := range map[string][]string{
		"Query": {"thread(id: ID!): Thread", "threads(limit: Int! = 100, offset: Int! = 0): [Thread!]!",
			"threadConnection(first: Int, after: String, last: Int, before: String): ThreadConnection!",
			"recentThreads(limit: Int): [Thread!]!",
			"findThreadsByAttributes(attributes: JSONObject!, limit: Int! = 100, offset: Int! = 0): [Thread!]!",
			"findThreadsBySource(name: String!, properties: JSONObject, limit: Int! = 100, offset: Int! = 0): " +
				"[Thread!]!",
			"messages(threadId: ID!, " + window[1:] + ": [Message!]!", "message(id: ID!): Message"},
		"Mutation": {"saveThread(thread: ThreadInput!, ifUnmodifiedSince: DateTime): Thread!",
			"deleteThread(id: ID!): Boolean!",
			"addMessage(threadId: ID!, message: MessageInput!): Message!",
			"addMessages(threadId: ID!, messages: [MessageInput!]!): [Message!]!"},
		"Thread": {"id: ID!", "title: String", "attributes: JSONObject!", "source: JSONObject", "createdAt: DateTime!",
			"updatedAt: DateTime!", "messages" + window + ": [Message!]!", "messageCount(roles: [Role!]): Int!"},
		"Message": {"id: ID!", "thread: Thread!", "role: Role!", "sequence: Int!", "content: String",
			"parts: [ContentPart!]!", "name: String", "toolCallId: String", "toolCalls: [ToolCall!]!",
			"attributes: JSONObject!", "timestamp: DateTime!", "source: JSONObject", "attachments: [Attachment!]!",
			"metrics: MessageMetrics!"},
		"ThreadConnection": {"edges: [ThreadEdge!]!", "pageInfo: PageInfo!", "totalCount: Int!"},
		"ThreadEdge":       {"cursor: String!", "node: Thread!"},
		"PageInfo": {"hasNextPage: Boolean!", "hasPreviousPage: Boolean!", "startCursor: String",
			"endCursor: String"},
		"TextPart": {"text: String!"}, "ImagePart": {"url: String!"},
		"ToolCall":         {"callId: String!", "type: String!", "function: ToolCallFunction!"},
		"ToolCallFunction": {"name: String!", "arguments: String!"},
		"Attachment": {"filename: String!", "mimeType: String", "fileId: String", "storagePath: String",
			"storageBackend: String", "status: AttachmentStatus!", "attributes: JSONObject"},
		"MessageMetrics": {"model: String", "timing: MessageTiming!", "usage: TokenUsage!", "weaveCall: WeaveCall"},
		"MessageTiming":  {"startedAt: DateTime", "endedAt: DateTime", "latencyMs: Float!"},
		"TokenUsage":     {"promptTokens: Int!", "completionTokens: Int!", "totalTokens: Int!"},
		"WeaveCall":      {"callId: String!", "uiUrl: String!"},
		"ThreadInput": {"id: ID", "title: String", "attributes: JSONObject", "source: JSONObject",
			"createdAt: DateTime", "messages: [MessageInput!]"},
		"MessageInput": {"id: ID", "role: Role!", "content: String", "parts: [ContentPartInput!]", "name: String",
			"toolCallId: String", "toolCalls: [ToolCallInput!]", "attributes: JSONObject",
			"timestamp: DateTime", "source: JSONObject", "attachments: [AttachmentInput!]",
			"metrics: MessageMetricsInput"},
		"ContentPartInput":      {"text: String", "imageUrl: String"},
		"ToolCallInput":         {"callId: String!", "type: String!", "function: ToolCallFunctionInput!"},
		"ToolCallFunctionInput": {"name: String!", "arguments: String!"},
		"AttachmentInput": {"filename: String!", "mimeType: String", "fileId: String", "storagePath: String",
			"storageBackend: String", "status: AttachmentStatus = PENDING", "attributes: JSONObject"},
		"MessageMetricsInput": {"model: String", "timing: MessageTimingInput", "usage: TokenUsageInput",
			"weaveCall: WeaveCallInput"},
		"MessageTimingInput": {"startedAt: DateTime", "endedAt: DateTime", "latencyMs: Float = 0"},
		"TokenUsageInput":    {"promptTokens: Int = 0", "completionTokens: Int = 0", "totalTokens: Int = 0"},
		"WeaveCallInput":     {"callId: String!", "uiUrl: String!"},
	} {
		var got []string
		for _, f := range schema.Types[name].Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			var args []string
			for _, arg := range f.Arguments {
				args = append(args, arg.Name+": "+arg.Type.String()+defaultOf(arg.DefaultValue))
			}
			text := f.Name
			if args != nil {
				text += "(" + strings.Join(args, ", ") + ")"
			}
			got = append(got, text+": "+f.Type.String()+defaultOf(f.DefaultValue))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: got (+), want (-):\n%s", name, d)
		}
	}
	for name, want := range map[string]string{"Role": "SYSTEM USER ASSISTANT TOOL",
		"AttachmentStatus": "PENDING STORED FAILED"} {
		var got []string
		for _, v := range schema.Types[name].EnumValues {
			got = append(got, v.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s is %v, want %s", name, got, want)
		}
	}
	if got := strings.Join(schema.Types["ContentPart"].Types, " | "); got != "TextPart | ImagePart" {
		t.Errorf("ContentPart is %s", got)
	}
	if schema.Types["ContentPartInput"].Directives.ForName("oneOf") == nil {
		t.Error("ContentPartInput is not oneOf")
	}
}

func defaultOf(v *ast.Value) string {
	if v == nil {
		return ""
	}
	return " = " + v.String()
}

// TestPathOfRefusal: what the schema refuses in a variable tells where, in gqlparser's own way.
func TestPathOfRefusal(t *testing.T) {
	t.Parallel()
	a := newAPI(t, db.SQLite)
	r := a.ask(saveThread, `{"v":{"messages":[{"role":"USER"},{"role":"USER","content":5}]}}`)
	if got := fmt.Sprint(r.Errors[0].Path); r.status != http.StatusOK || got != "[variable v messages 1 content]" ||
		r.Errors[0].Extensions.ArgumentPath != nil {
		t.Errorf("status %d, path %s, argumentPath %v", r.status, got, r.Errors[0].Extensions.ArgumentPath)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	made := a.must(`mutation { saveThread(thread: {messages: [{role: USER}]}) { id messages { id } } }`,
		nil)["saveThread"].(map[string]any)
	added := a.must(`mutation($id: ID!) { addMessage(threadId: $id, message: {role: USER}) { id } }`,
		map[string]any{"id": made["id"]})["addMessage"].(map[string]any)
	for _, id := range []any{made["id"], made["messages"].([]any)[0].(map[string]any)["id"], added["id"]} {
		if !uuid.MatchString(id.(string)) {
			t.Errorf("the server made the id %s, want a UUIDv7", id)
		}
	}
}
