package graph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

// TestStatements counts the SQL statements that reach the driver: they depend
// on the shape of the request and not on how many threads it lists. A request
// that waited for a batching timer would fail here by taking a minute.
func TestStatements(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		a := newAPI(t, driver)
		dbtest.Bulk(t, a.options, 1200, 4)
		cursor := func(i int) string { return db.Cursor{UpdatedAt: dbtest.BulkTime(i), ID: dbtest.BulkID(i)}.String() }
		for _, c := range []struct {
			query string // LIMIT stands for the number of threads, ID for one's id, HERE and FAR for cursors
			want  int
		}{
			{`{ threads(limit: LIMIT) { id } }`, 1},
			{`{ threads(limit: LIMIT) { messages(last: 2) { content } messageCount } }`, 3},
			{`{ threads(limit: LIMIT) { messages { content } } }`, 2},
			{`{ recentThreads(limit: LIMIT) { messages(last: 2) { content } messageCount } }`, 3},
			{`{ findThreadsByAttributes(attributes: {kind: "all"}, limit: LIMIT) { messages(last: 2) { content } ` +
				`messageCount } }`, 3},
			{`{ findThreadsByAttributes(attributes: {kind: "all", none: null, priority: "low"}, limit: LIMIT) { id } }`,
				1},
			{`{ findThreadsBySource(name: "slack", limit: LIMIT) { messages(last: 2) { content } messageCount } }`, 3},
			// A page by cursor is one statement, which also knows whether there is more on either side.
			{`{ threadConnection(first: LIMIT) { edges { cursor node { id } } pageInfo { hasNextPage ` +
				`hasPreviousPage startCursor endCursor } } }`, 1},
			{`{ threadConnection(first: LIMIT, after: "HERE") { edges { cursor node { title } } pageInfo { ` +
				`hasNextPage hasPreviousPage startCursor endCursor } } }`, 1},
			{`{ threadConnection(last: LIMIT, before: "FAR", after: "HERE") { pageInfo { hasNextPage ` +
				`hasPreviousPage } } }`, 1},
			{`{ threadConnection(first: LIMIT, after: "HERE") { edges { node { messages(last: 2) { content } ` +
				`messageCount } } } }`, 3},
			{`{ threadConnection(last: LIMIT) { edges { node { messages(last: 2) { thread { title } } } } } }`, 2},
			// The count of all is one more, and none when it is not asked for.
			{`{ threadConnection(first: LIMIT) { totalCount edges { node { messageCount } } } }`, 3},
			{`{ threadConnection(first: LIMIT) { totalCount @skip(if: true) edges { node { id } } } }`, 1},
			{`{ thread(id: "ID") { title } }`, 1},
			{`{ thread(id: "ID") { messages { content } } }`, 1},
			{`{ thread(id: "ID") { messages(last: 2) { content } again: messages(last: 2, roles: null) { id } } }`, 1},
			{`{ thread(id: "ID") { messages(last: 2, roles: [USER]) { content } } }`, 2},
			{`{ thread(id: "ID") { messages { content } messageCount } }`, 2},
			{`{ thread(id: "ID") { messages(last: 1) { content } first: messages(first: 1) { content } } }`, 3},
			{`{ messages(threadId: "ID") { content } }`, 1},
			{`{ messages(threadId: "ID") { content thread { title } } }`, 2},
			{`{ message(id: "ID/1") { content } }`, 1},
			{`{ message(id: "ID/1") { content thread { title messageCount } } }`, 3},
			// Counts of any roles are one statement; so are windows with the same arguments.
			{`{ threads(limit: LIMIT) { all: messageCount tools: messageCount(roles: [TOOL]) users: ` +
				`messageCount(roles: [USER]) } }`, 2},
			{`{ threads(limit: LIMIT) { a: messages(last: 2) { id } b: messages(last: 2) { role } } }`, 2},
			{`{ threads(limit: LIMIT) { a: messages(last: 2, roles: [USER, USER]) { id } b: messages(last: 2, ` +
				`roles: [USER]) { role } } }`, 2},
			// Each window of other arguments is one more.
			{`{ threads(limit: LIMIT) { a: messages(first: 1) { id } b: messages(last: 1) { id } c: messages(last: ` +
				`1, roles: [USER]) { id } } }`, 4},
			// A message's thread is the one it came from, also in a cycle: one more for each level.
			{`{ threads(limit: LIMIT) { messages(last: 2) { thread { title } } } }`, 2},
			{`{ threads(limit: LIMIT) { messages(last: 2) { thread { messages(first: 1) { thread { messageCount } } ` +
				`} } } }`, 4},
			{`{ threads(limit: LIMIT) { messages(last: 2) { thread { messages(last: 2) { thread { messages(last: 2) ` +
				`{ id } } } } } } }`, 2},
			// Two lists with the same threads in them.
			{`{ threads(limit: LIMIT) { id } recentThreads(limit: LIMIT) { id } }`, 2},
			// A message list without messages asks for nothing.
			{`{ threads(limit: LIMIT) { messages(first: 0) { id } a: messages(roles: []) { id } } }`, 1},
			// Nothing is asked for what is skipped.
			{`{ threads(limit: LIMIT) { messages(last: 1) @skip(if: true) { id } messageCount @include(if: false) } }`,
				1},
		} {
			for _, n := range []int{1, 100, 1000} {
				query := strings.NewReplacer("LIMIT", fmt.Sprint(n), "ID", dbtest.BulkID(n), "HERE", cursor(1150),
					"FAR", cursor(50)).Replace(c.query)
				a.seen.Take()
				start := time.Now()
				a.must(query, nil)
				statements := a.seen.Take()
				if took := time.Since(start); took > 30*time.Second {
					t.Errorf("%s: took %s: does it wait for the batching timer of a minute?", query, took)
				}
				if len(statements) != c.want {
					t.Errorf("%s: %d statements in %s, want %d:\n%s", query, len(statements), time.Since(start), c.want,
						strings.Join(statements, "\n"))
				}
			}
		}
		// Two lists of the same threads share what their fields load: the second adds at most a statement of its own.
		a.seen.Take()
		a.must(`{ threads(limit: 100) { messages(last: 2) { id } } recentThreads(limit: 100) { messages(last: 2) { `+
			`id } } more: threads(limit: 50, offset: 80) { messages(last: 2) { id } } }`, nil)
		if n := len(a.seen.Take()); n > 6 {
			t.Errorf("three lists: %d statements, want at most 6", n)
		}
		// A mutation's answer is read after it: what an earlier field of the operation has read is not used again.
		id := dbtest.BulkID(5)
		a.wantData(fmt.Sprintf(`mutation { a: addMessage(threadId: %[1]q, message: {role: USER}) { thread { `+
			`messageCount } } b: addMessage(threadId: %[1]q, message: {role: USER}) { thread { messageCount `+
			`messages(last: 1) { sequence } } } }`, id), nil,
			`{"a":{"thread":{"messageCount":5}},"b":{"thread":{"messageCount":6,"messages":[{"sequence":6}]}}}`)
	})
}
