package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/graph"
	"github.com/threadstore/threadstore/graph/codes"
)

const (
	saveThread  = `mutation($v: ThreadInput!) { saveThread(thread: $v) { id } }`
	addMessage  = `mutation($v: MessageInput!) { addMessage(threadId: "t", message: $v) { id } }`
	addMessages = `mutation($v: [MessageInput!]!) { addMessages(threadId: "t", messages: $v) { id } }`
	findThreads = `query($v: JSONObject!) { findThreadsByAttributes(attributes: $v) { id } }`
	findSource  = `query($v: JSONObject) { findThreadsBySource(name: "n", properties: $v) { id } }`
)

// quoted is text as JSON.
func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestRules breaks each rule of the contract's Validation paragraph, on both databases.
func TestRules(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		a := newAPI(t, driver)
		a.must(`mutation { saveThread(thread: {id: "t", messages: []}) { id } }`, nil)
		before := a.must(`{ thread(id: "t") { updatedAt } }`, nil)

		deep := func(levels int) string { return strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels) }
		// Objects that must be refused wherever an object may stand.
		objects := map[string]string{
			"65 levels":                   deep(65),
			"65 levels of lists":          `{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`,
			"101 digits":                  `{"a":` + strings.Repeat("7", 101) + `}`,
			"a number too large":          `{"a":1.81e308}`,
			"a number too small":          `{"a":4e-324}`,
			"a number of 131,072 digits":  `{"a":1e131071}`,
			"a nested number bomb":        `{"a":[{"b":-1e400}]}`,
			"NUL in a string":             `{"a":"\u0000"}`,
			"NUL in a key":                `{"\u0000":1}`,
			"over 1 MiB":                  `{"a":` + quoted(strings.Repeat("x", 1<<20)) + `}`,
			"over 1 MiB with its numbers": `{"a":[` + strings.Repeat("1e308,", 4000) + `1]}`,
		}
		for name, object := range objects {
			a.wantError(saveThread, `{"v":{"id":"t","attributes":`+object+`}}`, codes.BadUserInput,
				`["thread","attributes"]`)
			if name == "over 1 MiB" || name == "65 levels" {
				continue // the places are alike; two of the objects need not travel to each
			}
			message := func(field, object string) string { return `{"role":"USER","` + field + `":` + object + `}` }
			a.wantError(saveThread, `{"v":{"id":"t","source":`+object+`}}`, codes.BadUserInput, `["thread","source"]`)
			a.wantError(saveThread, `{"v":{"id":"t","messages":[{"role":"USER"},`+message("attributes", object)+`]}}`,
				codes.BadUserInput, `["thread","messages",1,"attributes"]`)
			a.wantError(addMessage, `{"v":`+message("source", object)+`}`, codes.BadUserInput, `["message","source"]`)
			a.wantError(addMessages, `{"v":[`+message("attributes", object)+`]}`, codes.BadUserInput,
				`["messages",0,"attributes"]`)
			a.wantError(addMessage, `{"v":{"role":"USER","attachments":[{"filename":"a"},{"filename":"b","attributes":`+
				object+`}]}}`, codes.BadUserInput, `["message","attachments",1,"attributes"]`)
			a.wantError(findThreads, `{"v":`+object+`}`, codes.BadUserInput, `["attributes"]`)
			a.wantError(findSource, `{"v":`+object+`}`, codes.BadUserInput, `["properties"]`)
		}

		long := strings.Repeat("é", 256)
		for _, c := range []struct{ field, path string }{
			{`"id":""`, `"id"`}, {`"id":` + quoted(long), `"id"`}, {`"id":"\u0000"`, `"id"`},
			{`"content":"a\u0000"`, `"content"`}, {`"name":"\u0000"`, `"name"`},
			{`"toolCallId":"\u0000"`, `"toolCallId"`},
			{`"content":"x","parts":[{"text":"y"}]`, `"parts"`},
			{`"parts":[{"text":"x"},{"text":"\u0000"}]`, `"parts",1,"text"`},
			{`"parts":[{"imageUrl":"\u0000"}]`, `"parts",0,"imageUrl"`},
			{`"toolCalls":[{"callId":"","type":"t","function":{"name":"n","arguments":"a"}}]`,
				`"toolCalls",0,"callId"`},
			{`"toolCalls":[{"callId":"c","type":"t","function":{"name":"","arguments":"a"}}]`,
				`"toolCalls",0,"function","name"`},
			{`"toolCalls":[{"callId":"c","type":"t","function":{"name":"n","arguments":"\u0000"}}]`,
				`"toolCalls",0,"function","arguments"`},
			{`"toolCalls":[{"callId":"c","type":"\u0000","function":{"name":"n","arguments":""}}]`,
				`"toolCalls",0,"type"`},
			{`"attachments":[{"filename":"\u0000"}]`, `"attachments",0,"filename"`},
			{`"attachments":[{"filename":"f","storagePath":"\u0000"}]`, `"attachments",0,"storagePath"`},
			{`"metrics":{"model":"\u0000"}`, `"metrics","model"`},
			{`"metrics":{"weaveCall":{"callId":"c","uiUrl":"\u0000"}}`, `"metrics","weaveCall","uiUrl"`},
		} {
			m := `{"role":"USER",` + c.field + `}`
			a.wantError(addMessage, `{"v":`+m+`}`, codes.BadUserInput, `["message",`+c.path+`]`)
			a.wantError(addMessages, `{"v":[{"role":"USER"},`+m+`]}`, codes.BadUserInput, `["messages",1,`+c.path+`]`)
			a.wantError(saveThread, `{"v":{"id":"t","messages":[{"role":"USER"},{"role":"USER"},`+m+`]}}`,
				codes.BadUserInput, `["thread","messages",2,`+c.path+`]`)
		}
		for _, tool := range []string{`{"role":"TOOL"}`, `{"role":"TOOL","toolCallId":null}`,
			`{"role":"TOOL","toolCallId":""}`} {
			a.wantError(saveThread, `{"v":{"id":"t","messages":[{"role":"USER"},{"role":"USER"},{"role":"USER"},`+tool+
				`]}}`, codes.BadUserInput, `["thread","messages",3,"toolCallId"]`)
		}
		for _, c := range []struct{ field, path string }{{`"id":""`, "id"}, {`"id":` + quoted(long), "id"},
			{`"title":"\u0000"`, "title"}} {
			a.wantError(saveThread, `{"v":{`+c.field+`}}`, codes.BadUserInput, `["thread","`+c.path+`"]`)
		}
		a.wantError(saveThread, `{"v":{"id":"t","messages":[{"id":"a","role":"USER"},{"id":"a","role":"USER"}]}}`,
			codes.BadUserInput, `["thread","messages",1,"id"]`)

		for _, list := range []string{"threads", `findThreadsByAttributes(attributes: {}, `,
			`findThreadsBySource(name: "x", `} {
			if !strings.Contains(list, "(") {
				list += "("
			}
			for _, bad := range []string{"-1", "1001", "2147483647"} {
				a.wantError(`{ `+list+`limit: `+bad+`) { id messages { id thread { messages { id } } } } }`, nil,
					codes.BadUserInput, `["limit"]`)
			}
			a.wantError(`{ `+list+`offset: -1) { id } }`, nil, codes.BadUserInput, `["offset"]`)
			a.wantError(`query($v: Int) { `+list+`limit: $v) { id } }`, `{"v":null}`, codes.BadUserInput, "")
			a.wantError(`query($v: Int) { `+list+`offset: $v) { id } }`, `{"v":null}`, codes.BadUserInput, "")
			a.must(`query($v: Int = 5) { `+list+`limit: $v) { id } }`, nil)
			a.must(`{ `+list+`limit: 1000, offset: 2147483647) { id } }`, nil)
		}
		for _, c := range []struct{ args, path string }{
			{"first: 1, last: 1", "last"}, {"first: 0, last: -1", "last"}, {"first: -1", "first"},
			{"first: 1001", "first"}, {"first: 2147483647", "first"}, {"last: -1", "last"}, {"last: 1001", "last"},
			// of the id U+0000
			{`after: ""`, "after"}, {`before: ""`, "before"}, {`first: 1, after: "x"`, "after"},
			{`last: 1, before: "t"`, "before"}, {`after: "MTowOgA"`, "after"},
			// of an id that is not UTF-8, of the year 0
			{`last: 1, after: "MTowOv8"`, "after"}, {`before: "MTotNjIxMzU1OTY4MDAwMDAwMDE6dA"`, "before"},
		} {
			a.wantError(`{ threadConnection(`+c.args+
				`) { edges { node { messages { thread { messages { id } } } } } } }`, nil, codes.BadUserInput,
				`["`+c.path+`"]`)
		}
		a.must(`query($n: Int, $c: String) { threadConnection(first: $n, last: $n, after: $c, before: $c) { `+
			`totalCount } none: threadConnection(first: null, last: 1, after: null, before: null) { totalCount } }`,
			`{"n":null,"c":null}`)
		a.must(`{ threadConnection(first: 1000) { totalCount } none: threadConnection(last: 0, after: "MTowOnQ", `+
			`before: "MTowOnQ") { totalCount } }`, nil)
		a.wantError(`{ recentThreads(limit: 1001) { id } }`, nil, codes.BadUserInput, `["limit"]`)
		a.wantError(`{ recentThreads(limit: -1) { id } }`, nil, codes.BadUserInput, `["limit"]`)
		a.must(`query($v: Int) { recentThreads(limit: $v) { id } none: recentThreads(limit: null) { id } }`,
			`{"v":null}`)
		for _, c := range []struct{ args, path string }{{"first: 1, last: 1", "last"}, {"first: -1", "first"},
			{"last: -1", "last"}} {
			a.wantError(`{ messages(threadId: "t", `+c.args+`) { id } }`, nil, codes.BadUserInput, `["`+c.path+`"]`)
			a.wantError(`{ thread(id: "t") { messages(`+c.args+`) { id } } }`, nil, codes.BadUserInput,
				`["`+c.path+`"]`)
		}
		a.must(`{ messages(threadId: "t", first: null, last: 1, roles: null) { id } }`, nil)
		a.wantError(`query { findThreadsBySource(name: "\u0000") { id } }`, nil, codes.BadUserInput, `["name"]`)

		// What is just within the limits.
		a.must(saveThread, `{"v":{"attributes":`+deep(64)+`}}`)
		a.must(saveThread, `{"v":{"attributes":{"a":`+strings.Repeat("7", 100)+
			`,"b":5e-324,"c":-1.8e308,"d":0e999999999,"e":0.0}}}`)
		a.must(saveThread, `{"v":{"attributes":{"a":`+quoted(strings.Repeat("x", 1<<20-8))+`}}}`)
		a.must(saveThread, `{"v":{"id":`+quoted(long[2:])+`}}`)

		after := a.must(`{ thread(id: "t") { updatedAt messageCount } }`, nil)
		updatedAt := func(answer map[string]any) any { return answer["thread"].(map[string]any)["updatedAt"] }
		if updatedAt(after) != updatedAt(before) {
			t.Errorf("a refused write changed the thread: %v, was %v", after, before)
		}
	})
}

// TestSchemaRefusals gives values that the schema itself refuses: in the document and in variables, each with its code.
func TestSchemaRefusals(t *testing.T) {
	t.Parallel()
	a := newAPI(t, db.SQLite)
	a.must(`mutation { saveThread(thread: {id: "t"}) { id } }`, nil)
	for _, document := range []string{
		`{ thread }`, `{ thread(id: "t") }`, `{ nothing }`, `{ thread(id: "t", x: 1) { id } }`, `{ thread { id } }`,
		`{ thread(id: null) { id } }`,
		`{ thread(id: 1.5) { id } }`, `{ thread(id: true) { id } }`, `{ threads(limit: "5") { id } }`,
		`{ threads(limit: 1.0) { id } }`, `{ threads(limit: null) { id } }`,
		`{ threads(limit: 2147483648) { id } }`, `{ threads(limit: 99999999999999999999) { id } }`,
		`{ messages(threadId: "t", roles: [user]) { id } }`,
		`{ messages(threadId: "t", roles: ["USER"]) { id } }`, `{ messages(threadId: "t", roles: [null]) { id } }`,
		`{ findThreadsByAttributes(attributes: "x") { id } }`, `{ findThreadsByAttributes(attributes: [1]) { id } }`,
		`{ findThreadsByAttributes(attributes: null) { id } }`,
		`{ findThreadsByAttributes(attributes: {a: 99999999999999999999}) { id } }`,
		`{ findThreadsByAttributes(attributes: {a: [{b: -9223372036854775809}]}) { id } }`,
		`{ findThreadsByAttributes(attributes: {a: 1e400}) { id } }`,
		`{ findThreadsByAttributes(attributes: {a: RED}) { id } }`, `{ findThreadsBySource(name: 5) { id } }`,
		`query($v: Int = 99999999999999999999) { threads(limit: $v) { id } }`,
		`query($v: JSONObject! = {a: 99999999999999999999}) { findThreadsByAttributes(attributes: $v) { id } }`,
		`{ threads @include(if: 1) { id } }`, `{ threads @skip(if: "true") { id } }`, `{ threads @nothing { id } }`,
		`mutation { saveThread(thread: {title: 5}) { id } }`,
		`mutation { saveThread(thread: {createdAt: "yesterday"}) { id } }`,
		`mutation { saveThread(thread: {createdAt: 5}) { id } }`,
		`mutation { saveThread(thread: {nothing: 1}) { id } }`,
		`mutation { addMessage(threadId: "t", message: {content: "x"}) { id } }`,
		`mutation { addMessage(threadId: "t", message: {role: null}) { id } }`,
		`mutation { addMessage(threadId: "t", message: {role: USER, parts: [{text: "x", imageUrl: "y"}]}) { id } }`,
		`mutation { addMessage(threadId: "t", message: {role: USER, parts: [{}]}) { id } }`,
		`mutation { addMessage(threadId: "t", message: {role: USER, parts: [{text: null}]}) { id } }`,
		`mutation { addMessage(threadId: "t", message: {role: USER, toolCalls: [{callId: "c", type: "t"}]}) { ` +
			`id } }`,
		`mutation { addMessage(threadId: "t", message: {role: USER, metrics: {usage: {promptTokens: 1.5}}}) { id } }`,
	} {
		r := a.ask(document, nil)
		if len(r.Errors) == 0 || r.Errors[0].Extensions.Code != codes.ValidationFailed {
			t.Errorf("%s: %.300s, want %s", document, r.body, codes.ValidationFailed)
		}
		if strings.Contains(r.body, `"data"`) {
			t.Errorf("%s: the answer has data: %s", document, r.body)
		}
	}
	for _, document := range []string{`{`, ``, ` `, `{ thread(id: "t) { id } }`, `{ threads { id } `,
		`query { threads(limit: 1..2) { id } }`} {
		r := a.ask(document, nil)
		if len(r.Errors) == 0 || r.status == http.StatusOK && r.Errors[0].Extensions.Code != codes.ParseFailed &&
			strings.TrimSpace(document) != "" {
			t.Errorf("%q: %d %.300s, want %s", document, r.status, r.body, codes.ParseFailed)
		}
	}
	for _, c := range []struct{ query, value string }{
		{`query($v: ID!) { thread(id: $v) { id } }`, `1.5`}, {`query($v: ID!) { thread(id: $v) { id } }`, `true`},
		{`query($v: ID!) { thread(id: $v) { id } }`, `null`}, {`query($v: ID!) { thread(id: $v) { id } }`, `["t"]`},
		{`query($v: ID!) { thread(id: $v) { id } }`, `{}`},
		{`query($v: Int!) { threads(limit: $v) { id } }`, `"5"`},
		{`query($v: Int!) { threads(limit: $v) { id } }`, `5.5`},
		{`query($v: Int!) { threads(limit: $v) { id } }`, `2147483648`},
		{`query($v: Int!) { threads(limit: $v) { id } }`, `99999999999999999999`},
		{`query($v: Int!) { threads(limit: $v) { id } }`, `true`},
		{`query($v: String!) { findThreadsBySource(name: $v) { id } }`, `5`},
		{`query($v: String!) { findThreadsBySource(name: $v) { id } }`, `{"a":1}`},
		{`query($v: Boolean!) { threads @skip(if: $v) { id } }`, `"true"`},
		{`query($v: Boolean!) { threads @skip(if: $v) { id } }`, `1`},
		{`query($v: [Role!]) { messages(threadId: "t", roles: $v) { id } }`, `["user"]`},
		{`query($v: [Role!]) { messages(threadId: "t", roles: $v) { id } }`, `[1]`},
		{`query($v: [Role!]) { messages(threadId: "t", roles: $v) { id } }`, `[null]`},
		{`query($v: Role!) { messages(threadId: "t", roles: [$v]) { id } }`, `"User"`},
		{findThreads, `"x"`}, {findThreads, `[1]`}, {findThreads, `5`}, {findThreads, `null`},
		{saveThread, `{"title":5}`}, {saveThread, `{"nothing":1}`}, {saveThread, `[]`}, {saveThread, `"x"`},
		{saveThread, `{"createdAt":"yesterday"}`}, {saveThread, `{"createdAt":1716000000}`},
		{saveThread, `{"createdAt":"2024-01-01T00:00:00"}`}, {saveThread, `{"messages":[null]}`},
		{saveThread, `{"id":1.5}`},
		{addMessage, `{"content":"x"}`}, {addMessage, `{"role":null}`}, {addMessage, `{"role":"system"}`},
		{addMessage, `{"role":"USER","content":5}`}, {addMessage, `{"role":"USER","content":true}`},
		{addMessage, `{"role":"USER","parts":[{"text":"x","imageUrl":"y"}]}`},
		{addMessage, `{"role":"USER","parts":[{}]}`}, {addMessage, `{"role":"USER","parts":[{"text":null}]}`},
		{addMessage, `{"role":"USER","parts":[{"text":"x","imageUrl":null}]}`},
		{addMessage, `{"role":"USER","toolCalls":[{"callId":"c","type":"t"}]}`},
		{addMessage, `{"role":"USER","toolCalls":[{"callId":"c","type":"t","function":{"name":"n"}}]}`},
		{addMessage, `{"role":"USER","attachments":[{}]}`},
		{addMessage, `{"role":"USER","attachments":[{"filename":"f","status":"stored"}]}`},
		{addMessage, `{"role":"USER","metrics":{"usage":{"promptTokens":"1"}}}`},
		{addMessage, `{"role":"USER","metrics":{"timing":{"latencyMs":"1"}}}`},
		{addMessage, `{"role":"USER","metrics":{"timing":{"latencyMs":1e400}}}`},
		{addMessage, `{"role":"USER","metrics":{"weaveCall":{"callId":"c"}}}`},
		{addMessages, `[{"role":"USER"},{"role":"USER","id":true}]`},
		{`mutation($v: DateTime!) { saveThread(thread: {id: "t"}, ifUnmodifiedSince: $v) { id } }`, `"now"`},
		{saveThread, `{"__typename":"ThreadInput","title":"x"}`},
		{addMessage, `{"role":"USER","metrics":{"usage":{"__typename":"x"}}}`},
		// null where a default let a nullable variable stand in a place of no null
		{`query($v: Boolean = true) { __typename threads @skip(if: $v) { id } }`, `null`},
		{`query($v: Boolean = true) { threads { ... @include(if: $v) { id } } }`, `null`},
		{`query($v: Boolean = true) { threads { ...f @include(if: $v) } } fragment f on Thread { id }`, `null`},
		{`mutation($v: ThreadInput = {title: "d"}) { saveThread(thread: $v) { id } }`, `null`},
		{`mutation($v: [MessageInput!] = []) { addMessages(threadId: "t", messages: $v) { id } }`, `null`},
		{`mutation($v: AttachmentInput = {filename: "a"}) { addMessage(threadId: "t", message: {role: USER, ` +
			`attachments: [$v]}) { id } }`, `null`},
		{`mutation($v: Role = USER) { addMessage(threadId: "t", message: {role: $v}) { id } }`, `null`},
		{`query($v: ID = "t") { ...q } fragment q on Query { thread(id: $v) { id } }`, `null`},
		{`query($v: Int = 5) { threads(limit: $v) { id } }`, `null`},
	} {
		r := a.ask(c.query, `{"v":`+c.value+`}`)
		if len(r.Errors) == 0 || r.Errors[0].Extensions.Code != codes.BadUserInput {
			t.Errorf("%s with %s: %.300s, want %s", c.query, c.value, r.body, codes.BadUserInput)
		}
		if strings.Contains(r.body, "strconv") || strings.Contains(r.body, "reflect") {
			t.Errorf("%s with %s: the answer holds Go's words: %s", c.query, c.value, r.body)
		}
	}
	if n := a.must(`{ thread(id: "t") { messageCount } threads { id } }`, nil); len(n["threads"].([]any)) != 1 ||
		fmt.Sprint(n["thread"]) != "map[messageCount:0]" {
		t.Errorf("a refused request left something: %v", n)
	}
	// What is allowed, though one might not think so.
	a.must(`query($v: [String!], $n: [Int!], $r: [Role!], $o: [JSONObject!]) { findThreadsByAttributes(attributes: `+
		`{a: $v, n: $n, r: $r, o: $o}) { id } }`, `{"v":"x","n":1,"r":"USER","o":{"a":["b"]}}`)
	a.must(`query($v: ID!) { thread(id: $v) { id } }`, `{"v":12345678901234567890}`)
	a.must(`query($v: ID!) { thread(id: $v) { id } }`, `{"v":5}`)
	a.must(`query($v: [Role!]) { messages(threadId: "t", roles: $v) { id } }`, `{"v":"USER"}`)
	a.must(`query($v: Int) { messages(threadId: "t", first: $v) { id } }`, `{}`)
	a.wantData(`query($b: String) { findThreadsByAttributes(attributes: {a: $b, c: null}) { id } }`, `{"b":null}`,
		`{"findThreadsByAttributes":[{"id":"t"}]}`)
}

// TestCodes makes each remaining error.
func TestCodes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		a := newAPI(t, driver)
		a.must(`mutation { a: saveThread(thread: {id: "t", messages: [{id: "m", role: USER}]}) { id } b: `+
			`saveThread(thread: {id: "u"}) { id } }`, nil)
		a.wantError(`mutation { addMessage(threadId: "unknown", message: {role: USER}) { id } }`, nil, codes.NotFound,
			"")
		a.wantError(`mutation { addMessages(threadId: "unknown", messages: []) { id } }`, nil, codes.NotFound, "")
		a.wantError(`mutation { addMessage(threadId: "u", message: {id: "m", role: USER}) { id } }`, nil,
			codes.Conflict, "")
		a.wantError(`mutation { addMessage(threadId: "t", message: {id: "m", role: USER, content: "x"}) { id } }`, nil,
			codes.Conflict, "")
		a.wantError(`mutation { saveThread(thread: {id: "u", messages: [{id: "m", role: USER}]}) { id } }`, nil,
			codes.Conflict, "")
		a.wantError(`mutation { saveThread(thread: {id: "t"}, ifUnmodifiedSince: "2020-01-01T00:00:00Z") { id } }`, nil,
			codes.Conflict, "")
		a.wantError(`mutation { saveThread(thread: {id: "unknown"}, ifUnmodifiedSince: "2999-01-01T00:00:00Z") { id `+
			`} }`, nil, codes.Conflict, "")
		a.wantData(`mutation { deleteThread(id: "unknown") addMessages(threadId: "t", messages: []) { id } }`, nil,
			`{"deleteThread":false,"addMessages":[]}`)
		a.wantData(`{ thread(id: "unknown") { id } message(id: "unknown") { id } messages(threadId: "unknown") { id `+
			`thread { id } } }`, nil, `{"thread":null,"message":null,"messages":[]}`)
		// An id that could not exist is simply unknown.
		for _, id := range []string{"", "\x00", strings.Repeat("é", 256)} {
			a.wantData(`query($id: ID!) { thread(id: $id) { id } message(id: $id) { id } messages(threadId: $id) { `+
				`id } }`, map[string]any{"id": id}, `{"thread":null,"message":null,"messages":[]}`)
			a.wantData(`mutation($id: ID!) { deleteThread(id: $id) }`, map[string]any{"id": id},
				`{"deleteThread":false}`)
			a.wantError(`mutation($id: ID!) { addMessage(threadId: $id, message: {role: USER}) { id } }`,
				map[string]any{"id": id}, codes.NotFound, "")
		}

		// A row edited by hand fails the request that reads it; the log has its id.
		dbtest.Exec(t, dbtest.Raw(t, a.options), `UPDATE messages SET role = 'wizard' WHERE id = 'm'`)
		r := a.wantError(`{ messages(threadId: "t") { id } }`, nil, codes.InternalServerError, "")
		for _, want := range []string{`message \"m\"`, "wizard", r.Errors[0].Extensions.RequestID} {
			if !strings.Contains(a.log.String(), want) {
				t.Errorf("the log has no %s:\n%s", want, a.log)
			}
		}
		if strings.Contains(r.body, "wizard") {
			t.Errorf("the answer tells what is stored: %s", r.body)
		}

		// The database goes away.
		a.store.Close()
		r = a.ask(`{ threads { id } }`, nil)
		if len(r.Errors) != 1 || r.Errors[0].Extensions.Code != codes.ServiceUnavailable &&
			r.Errors[0].Extensions.Code != codes.InternalServerError || strings.Contains(r.body, "sql:") {
			t.Errorf("with the database closed: %s", r.body)
		}
		if r := a.send(http.MethodGet, "/readyz", "", ""); r.status != http.StatusServiceUnavailable {
			t.Errorf("/readyz with the database closed: %d", r.status)
		}
		if r := a.send(http.MethodGet, "/healthz", "", ""); r.status != http.StatusOK {
			t.Errorf("/healthz with the database closed: %d", r.status)
		}
	})
}

// failing stands in for a store whose errors a real one gives only by bad luck.
type failing struct {
	graph.ThreadStore
	err error
}

func (f failing) List(context.Context, int, int) ([]*db.Thread, error) {
	if f.err == nil {
		panic("secret of the panic")
	}
	return nil, f.err
}

func (f failing) Count(ctx context.Context) (int, error) {
	_, err := f.List(ctx, 0, 0)
	return 0, err
}

func TestMasking(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, code string
		err        error
	}{
		{"unavailable", codes.ServiceUnavailable,
			&db.Error{Code: db.Unavailable, Reason: "try again", Err: fmt.Errorf("secret of the driver")}},
		{"timeout", codes.Timeout, &db.Error{Code: db.Timeout, Reason: "too late",
			Err: fmt.Errorf("secret of the context")}},
		{"unknown", codes.InternalServerError, fmt.Errorf("secret: %w", fmt.Errorf("pq: syntax error"))},
		{"panic", codes.InternalServerError, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t, db.SQLite, func(o *graph.Options) { o.Threads = failing{o.Threads, c.err} })
			r := a.wantError(`{ threads { id } }`, nil, c.code, "")
			if strings.Contains(r.body, "secret") {
				t.Errorf("the answer holds the secret: %s", r.body)
			}
			a.wantError(`{ threadConnection { totalCount } }`, nil, c.code, "")
			if !strings.Contains(a.log.String(), "secret") ||
				!strings.Contains(a.log.String(), r.Errors[0].Extensions.RequestID) {
				t.Errorf("the log lacks the cause or the request id:\n%s", a.log)
			}
			// it keeps serving
			a.must(`{ recent: recentThreads(limit: 0) @skip(if: true) { id } message(id: "x") { id } }`, nil)
		})
	}
}

// TestReadsWhileDeleting reads trees while their threads come and go: what is gone is unknown, never an internal error.
func TestReadsWhileDeleting(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		a := newAPI(t, driver)
		end := time.Now().Add(3 * time.Second)
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() {
				for i := 0; time.Now().Before(end); i++ {
					id := fmt.Sprintf("%d/%d", w, i%2)
					a.must(saveThread, fmt.Sprintf(`{"v":{"id":%q,"messages":[{"id":%q,"role":"USER"},`+
						`{"role":"USER"}]}}`, id, "m"+id))
					a.must(`mutation($id: ID!) { deleteThread(id: $id) }`, map[string]any{"id": id})
				}
			})
			wg.Go(func() {
				for i := 0; time.Now().Before(end); i++ {
					id := fmt.Sprintf("%d/%d", w, i%2)
					a.must(`query($id: ID!, $m: ID!) {
						thread(id: $id) { messages { id thread { messageCount } } messageCount }
						threads { id messages(last: 1) { id thread { id messages { id } } } messageCount }
						message(id: $m) { id thread { id messages { id thread { id } } } }
						messages(threadId: $id) { id thread { title } }
					}`, map[string]any{"id": id, "m": "m" + id})
				}
			})
		}
		wg.Wait()
	})
}

func TestComplexity(t *testing.T) {
	t.Parallel()
	a := newAPI(t, db.SQLite, func(o *graph.Options) { o.Limits.MaxComplexity = 1301 })
	for _, c := range []struct {
		query string
		cost  int
	}{
		{`{ threads(limit: 100) { id messages(last: 10) { content } messageCount } }`, 1 + 100*(1+1+10+1)},
		{`{ threads(limit: 100) { id messages(last: 10) { content } messageCount title } }`, 1 + 100*(1+1+10+1+1)},
		{`{ threads { id } }`, 101},
		{`{ recentThreads { id } }`, 1001},
		{`{ recentThreads(limit: 1000) { id title } }`, 2001},
		{`{ recentThreads(limit: 1) { messages { id } } }`, 1 + 1 + 100},
		{`{ recentThreads(limit: 1) { messages(first: 2000) { id } } }`, 1 + 1 + 1000},
		{`{ recentThreads(limit: 1) { messages(first: 2000) { id role } } }`, 1 + 1 + 2000},
		{`{ threadConnection { edges { node { id } } } }`, 1 + 100*3},
		{`{ threadConnection(first: 130) { edges { cursor node { id title } } pageInfo { endCursor } totalCount } }`,
			1 + 130*8},
		{`{ threadConnection(last: 130) { edges { cursor node { id title messageCount messages(last: 1) { id } } } } }`,
			1 + 130*8},
		{`{ threadConnection(last: 130) { edges { cursor node { id title messageCount messages(last: 3) { id } } } } }`,
			1 + 130*10},
		{`{ threadConnection(last: 131) { edges { cursor node { id title messageCount messages(last: 3) { id } } } } }`,
			1 + 131*10},
		{`{ threadConnection(first: 0) { edges { node { messages(first: 1000) { id role } } } } }`, 1},
		{`{ messages(threadId: "x") { id role } }`, 201},
		{`{ messages(threadId: "x", last: 1000) { id role } }`, 2001},
		{`{ findThreadsByAttributes(attributes: {}, limit: 1000) { id title } }`, 2001},
		{`{ findThreadsBySource(name: "x", limit: 1000) { id title } }`, 2001},
		{`{ thread(id: "x") { ...f a: messages(first: 10) { ...g } } } fragment f on Thread { messages(first: 1000) ` +
			`{ id } } fragment g on Message { thread { messages { id } } }`, 1 + 1001 + 1 + 10*(1+101)},
		{`mutation { saveThread(thread: {}) { messages(first: 1000) { id role } } }`, 2 + 2000},
	} {
		r := a.ask(c.query, nil)
		refused := len(r.Errors) > 0 && r.Errors[0].Extensions.Code == codes.TooComplex
		if want := c.cost > 1301; refused != want {
			t.Errorf("%s costs %d: refused %v, want %v: %.200s", c.query, c.cost, refused, want, r.body)
		}
	}
	a.seen.Take()
	a.ask(`{ recentThreads(limit: 1000) { id title } }`, nil)
	if n := len(a.seen.Take()); n != 0 {
		t.Errorf("a request that is too complex ran %d statements", n)
	}
	// A bad limit or offset is bad input, whatever it would cost.
	a.wantError(`{ threads(limit: 1000, offset: -1) { messages(first: 1000) { id } } }`, nil, codes.BadUserInput,
		`["offset"]`)
	for _, limit := range []string{"-1", "1001", "2147483647"} {
		a.wantError(`{ threads(limit: `+limit+`) { id } }`, nil, codes.BadUserInput, `["limit"]`)
	}
	a.wantError(`query($l: Int) { threads(limit: $l) { id } }`, `{"l":null}`, codes.BadUserInput, "")
	for args, path := range map[string]string{"first: 1001": "first", "last: -1": "last",
		"first: 1000, last: 1000": "last", `first: 1000, after: "x"`: "after", `before: "x"`: "before"} {
		a.wantError(`{ threadConnection(`+args+`) { edges { node { messages(first: 1000) { id } } } } }`, nil,
			codes.BadUserInput, `["`+path+`"]`)
	}
}

// TestMaxPage lowers the page maximum below the default limit.
func TestMaxPage(t *testing.T) {
	t.Parallel()
	a := newAPI(t, db.SQLite, func(o *graph.Options) { o.Limits.MaxPage = 3 })
	for range 5 {
		a.must(`mutation { saveThread(thread: {attributes: {a: 1}, source: {name: "n"}}) { id } }`, nil)
	}
	for _, list := range []string{`threads`, `recentThreads`, `findThreadsByAttributes(attributes: {a: 1})`,
		`findThreadsBySource(name: "n")`} {
		if got := a.must(`{ l: `+list+` { id } }`, nil)["l"].([]any); len(got) != 3 {
			t.Errorf("%s returns %d threads, want 3", list, len(got))
		}
	}
	for _, c := range []struct {
		args string
		want int
	}{{``, 3}, {`(after: null)`, 3}, {`(before: "MTowOnQ")`, 3}, {`(last: 3)`, 3}, {`(first: 2)`, 2}} {
		if got := a.must(`{ c: threadConnection`+c.args+` { edges { cursor } } }`,
			nil)["c"].(map[string]any)["edges"].([]any); len(got) != c.want {
			t.Errorf("threadConnection%s returns %d threads, want %d", c.args, len(got), c.want)
		}
	}
	a.wantError(`{ threadConnection(first: 4) { totalCount } }`, nil, codes.BadUserInput, `["first"]`)
	a.wantError(`{ threadConnection(last: 4) { totalCount } }`, nil, codes.BadUserInput, `["last"]`)
	a.wantError(`{ threads(limit: 4) { id } }`, nil, codes.BadUserInput, `["limit"]`)
	a.wantError(`{ threads(limit: 100) { id } }`, nil, codes.BadUserInput, `["limit"]`)
	told := a.must(`{ __type(name: "Query") { fields { name args { name defaultValue } } } }`, nil)
	if text := fmt.Sprint(told); !strings.Contains(text, "defaultValue:3 name:limit") ||
		strings.Contains(text, "defaultValue:100") {
		t.Errorf("introspection tells another default: %s", text)
	}
}
