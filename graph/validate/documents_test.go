package validate

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/threadstore/threadstore/graph/codes"
)

var testSchema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query { thread(id: ID!): Thread findThreads(attributes: JSONObject!): [Thread!]! }
	type Mutation { delete(id: ID!): Boolean! }
	type Thread { id: ID! title: String messages(first: Int): [Message!]! }
	type Message { id: ID! content: String thread: Thread! }
	scalar JSONObject`})

// repeat returns what text returns for 0 to n-1, side by side.
func repeat(n int, text func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(text(i))
	}
	return b.String()
}

// numbered returns 0 to n-1 in a format, side by side.
func numbered(n int, format string) string {
	return repeat(n, func(i int) string { return fmt.Sprintf(format, i) })
}

// spreads returns a query that spreads n fragments, with their definitions; fields may hold their number, as a format.
func spreads(n int, fields string) string {
	return "{thread(id:1){" + numbered(n, "...f%[1]d ") + "}}" + numbered(n, "fragment f%[1]d on Thread{"+fields+"}")
}

// chain returns n fragments, each of which spreads the next one.
func chain(n int) string {
	return repeat(n, func(i int) string { return fmt.Sprintf("fragment f%d on Thread{a%d:id ...f%d}", i, i, i+1) }) +
		fmt.Sprintf("fragment f%d on Thread{id}", n)
}

// nested returns a query in which k fields of one name stand side by side, on each of three levels twice.
func nested(k int) string {
	s := "id"
	for range 3 {
		s = strings.Repeat("messages{thread{"+s+"}}", k)
	}
	return "{thread(id:1){" + s + "}}"
}

// deep returns a query of 2n levels around the inner fields, and one above them.
func deep(n int, inner string) string {
	return "{thread(id:1){" + strings.Repeat("messages{thread{", n) + inner + strings.Repeat("}}", n) + "}}"
}

// TestWork parses documents that make a validator work beyond all measure, and those that clients send.
func TestWork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, document, code string
		message              string // of which the first error's is one
	}{
		{"fragments of the same fields", spreads(200, strings.Repeat("id ", 100)), codes.TooComplex,
			"too much work"},
		{"few of them", spreads(20, strings.Repeat("id ", 100)), codes.TooComplex, "too much work"},
		{"fragments of one field", spreads(4000, "a%[1]d:id"), codes.TooComplex, "too much work"},
		{"fragments in a chain", "{thread(id:1){...f0}}" + chain(4000), codes.TooComplex, "too much work"},
		{"many operations on a chain", numbered(300, "query q%[1]d{thread(id:1){...f0}}") +
			chain(300), codes.TooComplex, "too much work"},
		{"fragments that are not defined", "{thread(id:1){" + numbered(2500, "...f%[1]d ") + "}}",
			codes.TooComplex, "too much work"},
		{"a field again and again", "{thread(id:1){" + strings.Repeat("id ", 1000) + "}}",
			codes.TooComplex, "too much work"},
		{"fields again and again, in each other", nested(8), codes.TooComplex, "too much work"},
		{"fragments that double", "{thread(id:1){...f0}}" + repeat(60, func(i int) string {
			return fmt.Sprintf("fragment f%d on Thread{a:messages{thread{...f%[2]d}} b:messages{thread{...f%[2]d}}}",
				i, i+1)
		}) + "fragment f60 on Thread{id}", codes.TooComplex, "122 levels"},
		// The first of two fragments of a name is the one that gqlparser spreads.
		{"fragments of the same fields, each twice",
			spreads(250, strings.Repeat("id ", 12)) +
				numbered(250, "fragment f%[1]d on Thread{id}"),
			codes.TooComplex, "too much work"},
		{"fragments that double, without a field", "{thread(id:1){...f0}}" + repeat(60, func(i int) string {
			return fmt.Sprintf("fragment f%d on Thread{...f%d ...f%d}", i, i+1, i+1)
		}), codes.ValidationFailed, "Unknown fragment"},
		{"a cycle", "{thread(id:1){...f0}} fragment f0 on Thread{messages{thread{...f1}}} fragment f1 on Thread{...f0}",
			codes.ValidationFailed, "Cannot spread fragment"},
		{"21 levels", deep(9, "messages{thread{id}}"),
			codes.TooComplex, "22 levels of fields, and the limit is 20 (THREADSTORE_MAX_DEPTH)"},
		{"20 levels", deep(9, "id"), "", ""},
		{"levels of the schema", "{__schema{types{" + strings.Repeat("ofType{", 30) + "kind" +
			strings.Repeat("}", 30) + "}}}", "", ""},
		{"101 root fields of a mutation", "mutation{" + numbered(101, "a%[1]d:delete(id:1) ") + "}",
			codes.TooComplex, "101 root fields, and the limit is 100"},
		{"101 of them, after a query that leaves no work for them",
			"query q{thread(id:1){" + strings.Repeat("id ", 705) + numbered(15, "b%[1]d:id ") +
				"}} mutation m{" + numbered(101, "a%[1]d:delete(id:1) ") + "}",
			codes.TooComplex, ""},
		{"100 of them", "mutation{" + numbered(100, "a%[1]d:delete(id:1) ") + "}", "", ""},
		{"500 aliases", "{" + numbered(500, "a%[1]d:thread(id:%[1]d){id title} ") + "}", "", ""},
		{"the fragments of a large page", spreads(60, "id title messages(first:10){id content}"), "", ""},
		{"a large literal", "{findThreads(attributes:{" + numbered(5000, "a%[1]d:1 ") + "}){id}}", "", ""},
		{"tokens", "{thread(id:1){" + strings.Repeat("id ", 60_000) + "}}", codes.ParseFailed, "token limit"},
		{"nothing", "", codes.ValidationFailed, "no operation"},
		{"a fragment alone", "fragment f on Thread{id}", codes.ValidationFailed, "no operation"},
	} {
		_, errs := newDocuments(testSchema, 20).get(t.Context(), c.document)
		want := c.code + " " + c.message
		switch {
		case c.code == "" && len(errs) > 0:
			t.Errorf("%s: %.200s, want no error", c.name, errs)
		case c.code != "" && len(errs) == 0:
			t.Errorf("%s: no error, want %s", c.name, c.code)
		case c.code != "" && (errs[0].Extensions["code"] != c.code || !strings.Contains(errs[0].Message, c.message)):
			t.Errorf("%s: %v %.200s, want %s", c.name, errs[0].Extensions["code"], errs[0].Message, want)
		}
	}
}

// TestTreeSize keeps documents of one kind each, and compares the memory that they take with what is believed of it.
func TestTreeSize(t *testing.T) {
	for name, piece := range map[string]string{
		"fields":    "a%d:id ",
		"arguments": "b%d:messages(first:1){id}",
		"inline":    "...{a%d:id}",
		"skipped":   "a%d:id @skip(if:true)",
	} {
		query := "{thread(id:1){" + numbered(500, piece) + "}}"
		checkSize(t, name, func(i int) string { return query + fmt.Sprintf("#%d", i) })
	}
	object := numbered(500, "a%[1]d:1 ")
	checkSize(t, "values", func(i int) string {
		return fmt.Sprintf("{findThreads(attributes:{%s}){id}}#%d", object, i)
	})
	checkSize(t, "small", func(i int) string { return fmt.Sprintf("{thread(id:%d){id}}", i) })
}

// checkSize fills a cache with documents and looks at the heap.
func checkSize(t *testing.T, name string, query func(i int) string) {
	t.Helper()
	d := newDocuments(testSchema, 20)
	d.cache = newDocumentCache(8 << 20)
	before := liveHeap()
	for i := 0; i == d.cache.lru.Len(); i++ { // until one made an older one go
		if _, errs := d.get(context.Background(), query(i)); len(errs) > 0 {
			t.Fatalf("%s: %.200s", name, errs)
		}
		if i+1 != d.cache.lru.Len() {
			break
		}
	}
	heap := float64(liveHeap() - before)
	if ratio := heap / float64(d.cache.size); ratio > 1.5 || ratio < 0.4 {
		t.Errorf("%s: %d documents take %.1f MB, %.2f of what is believed", name, d.cache.lru.Len(), heap/1e6, ratio)
	} else {
		t.Logf("%s: %d documents take %.1f MB, %.2f of what is believed", name, d.cache.lru.Len(), heap/1e6, ratio)
	}
	runtime.KeepAlive(d)
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestTurn asks for a document while others are being validated, and leaves.
func TestTurn(t *testing.T) {
	t.Parallel()
	d := newDocuments(testSchema, 20)
	for range cap(d.slots) {
		d.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, errs := d.get(ctx, "{thread(id:1){id}}"); len(errs) != 1 || errs[0].Extensions["code"] != codes.Timeout {
		t.Errorf("while others are validated: %v, want %s", errs, codes.Timeout)
	}
	<-d.slots
	if _, errs := d.get(t.Context(), "{thread(id:1){id}}"); len(errs) > 0 {
		t.Errorf("after it: %v", errs)
	}
}
