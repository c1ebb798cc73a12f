package graph_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

// connection is an answer of threadConnection.
type connection struct {
	ids, cursors []string
	next, prev   bool
	start, end   any
	total        string
}

// connect asks for a page with all there is to ask of one; args are as in the document, "" for none.
func (a *api) connect(args string) (c connection) {
	a.t.Helper()
	if args != "" {
		args = "(" + args + ")"
	}
	const selected = ` { ...Page totalCount ... on ThreadConnection { pageInfo { startCursor endCursor } } } }
		fragment Page on ThreadConnection { edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage } }`
	got := a.must(`{ c: threadConnection`+args+selected, nil)["c"].(map[string]any)
	for _, e := range got["edges"].([]any) {
		c.cursors = append(c.cursors, e.(map[string]any)["cursor"].(string))
		c.ids = append(c.ids, e.(map[string]any)["node"].(map[string]any)["id"].(string))
	}
	info := got["pageInfo"].(map[string]any)
	c.next, c.prev = info["hasNextPage"].(bool), info["hasPreviousPage"].(bool)
	c.start, c.end, c.total = info["startCursor"], info["endCursor"], fmt.Sprint(got["totalCount"])
	if n := len(c.cursors); n > 0 && (c.start != c.cursors[0] || c.end != c.cursors[n-1]) ||
		n == 0 && (c.start != nil || c.end != nil) {
		a.t.Errorf("threadConnection%s: the page is from %v to %v, its edges %v", args, c.start, c.end, c.cursors)
	}
	return c
}

// TestThreadConnection walks all threads by cursors, in both directions and with
// pages of several sizes, against the list that threads gives.
func TestThreadConnection(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		a := newAPI(t, driver)
		if c := a.connect(""); c.ids != nil || c.next || c.prev || c.total != "0" {
			t.Errorf("an empty store: %+v", c)
		}
		dbtest.Bulk(t, a.options, 150, 0)
		// Many threads of one updatedAt: they come by id descending.
		dbtest.Exec(t, dbtest.Raw(t, a.options),
			`UPDATE threads SET updated_at = (SELECT min(updated_at) FROM threads) WHERE id < 'bulk-0000100'`)
		var want []string
		for _, th := range a.must(`{ threads(limit: 1000) { id } }`, nil)["threads"].([]any) {
			want = append(want, th.(map[string]any)["id"].(string))
		}
		same := func(what string, got, want []string) {
			t.Helper()
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: got (+), want (-):\n%s", what, d)
			}
		}
		for _, size := range []int{1, 7, 50, 149, 150, 1000} {
			var forward, backward []string
			for args, more := "", true; more; {
				c := a.connect(fmt.Sprintf("first: %d%s", size, args))
				if c.prev != (len(forward) > 0) || c.total != "150" || len(c.ids) == 0 {
					t.Fatalf("first: %d%s: %+v", size, args, c)
				}
				forward, more = append(forward, c.ids...), c.next
				args = fmt.Sprintf(", after: %q", c.end)
			}
			for args, more := "", true; more; {
				c := a.connect(fmt.Sprintf("last: %d%s", size, args))
				if c.next != (len(backward) > 0) || len(c.ids) == 0 {
					t.Fatalf("last: %d%s: %+v", size, args, c)
				}
				backward, more = append(slices.Clone(c.ids), backward...), c.prev
				args = fmt.Sprintf(", before: %q", c.start)
			}
			same(fmt.Sprintf("forward by %d", size), forward, want)
			same(fmt.Sprintf("backward by %d", size), backward, want)
		}

		all := a.connect("first: 150")
		for _, c := range []struct {
			args       string
			from, to   int
			prev, next bool
		}{
			{"", 0, 100, false, true}, // the default
			{"first: null, last: null, after: null, before: null", 0, 100, false, true},
			{fmt.Sprintf("after: %q", all.cursors[9]), 10, 110, true, true},
			{fmt.Sprintf("after: %q", all.cursors[49]), 50, 150, true, false},
			{fmt.Sprintf("before: %q", all.cursors[10]), 0, 10, false, true},
			{fmt.Sprintf("before: %q", all.cursors[120]), 0, 100, false, true},
			{fmt.Sprintf("first: 5, after: %q, before: %q", all.cursors[9], all.cursors[12]), 10, 12, true, true},
			{fmt.Sprintf("first: 5, after: %q, before: %q", all.cursors[9], all.cursors[20]), 10, 15, true, true},
			{fmt.Sprintf("last: 5, after: %q, before: %q", all.cursors[9], all.cursors[20]), 15, 20, true, true},
			{fmt.Sprintf("first: 5, after: %q, before: %q", all.cursors[9], all.cursors[10]), 10, 10, true, true},
			{fmt.Sprintf("first: 5, after: %q, before: %q", all.cursors[9], all.cursors[9]), 10, 10, true, true},
			{fmt.Sprintf("first: 5, after: %q", all.cursors[149]), 150, 150, true, false},
			{fmt.Sprintf("last: 5, before: %q", all.cursors[0]), 0, 0, false, true},
			{"first: 0", 0, 0, false, true},
			{"last: 0", 150, 150, true, false},
			{fmt.Sprintf("first: 0, after: %q", all.cursors[149]), 150, 150, true, false},
			{fmt.Sprintf("last: 0, before: %q", all.cursors[0]), 0, 0, false, true},
		} {
			got := a.connect(c.args)
			same(c.args, got.ids, append([]string(nil), want[c.from:c.to]...))
			same(c.args, got.cursors, append([]string(nil), all.cursors[c.from:c.to]...))
			if got.prev != c.prev || got.next != c.next || got.total != "150" {
				t.Errorf("%s: hasPreviousPage %v hasNextPage %v totalCount %s, want %v %v 150", c.args, got.prev,
					got.next, got.total, c.prev, c.next)
			}
		}

		// A cursor outlives its thread, and an update of it.
		a.must(fmt.Sprintf(`mutation { deleteThread(id: %q) addMessage(threadId: %q, message: {role: USER}) { id } }`,
			want[9], want[49]), nil)
		same("after a deleted thread", a.connect(fmt.Sprintf("first: 3, after: %q", all.cursors[9])).ids, want[10:13])
		same("before an updated thread", a.connect(fmt.Sprintf("last: 3, before: %q", all.cursors[49])).ids,
			want[46:49])
		a.wantData(fmt.Sprintf(`query($c: String) { threadConnection(first: 1, after: $c) { totalCount edges { node `+
			`{ id title messages { id } messageCount } } } none: threadConnection(first: 1, after: %q) { edges { `+
			`cursor } } }`, all.cursors[149]),
			map[string]any{"c": all.cursors[50]}, fmt.Sprintf(`{"threadConnection":{"totalCount":149,`+
				`"edges":[{"node":{"id":%q,"title":"Bulk","messages":[],"messageCount":0}}]},"none":{"edges":[]}}`,
				want[51]))
	})
}
