package validate

import (
	"context"
	"runtime"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/threadstore/threadstore/graph/codes"
)

// tokenLimit bounds the work of parsing a document, which is about a microsecond for each token. Large inputs belong
// in variables.
const tokenLimit = 50_000

// documents parses and validates documents, as many at a time as there are processors, and keeps those that were valid.
// gqlgen's executor would do it, too, but as many at a time as there are requests, and without a look at how much
// work a document is.
type documents struct {
	schema   *ast.Schema
	maxDepth int
	slots    chan struct{}
	mu       sync.Mutex
	cache    documentCache
}

func newDocuments(schema *ast.Schema, maxDepth int) *documents {
	return &documents{schema: schema, maxDepth: maxDepth, slots: make(chan struct{}, runtime.GOMAXPROCS(0)),
		cache: newDocumentCache(maxCachedBytes)}
}

// get returns the valid document of a query. It waits for its turn until ctx ends.
func (d *documents) get(ctx context.Context, query string) (*ast.QueryDocument, gqlerror.List) {
	d.mu.Lock()
	doc, ok := d.cache.get(query)
	d.mu.Unlock()
	if ok {
		return doc, nil
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		err := gqlerror.Errorf("the request ended before its document was validated")
		return nil, gqlerror.List{withCode(err, codes.Timeout)}
	}
	doc, errs := d.parse(query)
	if errs == nil {
		d.mu.Lock()
		d.cache.add(query, doc)
		d.mu.Unlock()
	}
	return doc, errs
}

// parse parses and validates a document.
func (d *documents) parse(query string) (*ast.QueryDocument, gqlerror.List) {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, tokenLimit)
	if err != nil {
		list := gqlerror.List{gqlerror.WrapIfUnwrapped(err)}
		errcode.Set(list[0], errcode.ParseFailed)
		return nil, list
	}
	if len(doc.Operations) == 0 {
		return nil, gqlerror.List{withCode(gqlerror.Errorf("no operation provided"), codes.ValidationFailed)}
	}
	rules := validationRules()
	switch err := checkWork(doc, d.maxDepth); {
	case err == errFragmentCycle:
		rules = cycleRule()
	case err != nil:
		return nil, gqlerror.List{err}
	}
	list := validator.ValidateWithRules(d.schema, doc, rules)
	for _, err := range list {
		errcode.Set(err, errcode.ValidationFailed)
	}
	if len(list) > 0 {
		return nil, list
	}
	return doc, nil
}

func withCode(err *gqlerror.Error, code string) *gqlerror.Error {
	err.Extensions = map[string]any{"code": code}
	return err
}

// documentKey is the key of a context's valid document.
type documentKey struct{}

// executor is gqlgen's, but with documents from [documents].
type executor struct {
	graphql.GraphExecutor
	documents *documents
}

func (e executor) CreateOperationContext(
	ctx context.Context, params *graphql.RawParams,
) (*graphql.OperationContext, gqlerror.List) {
	doc, errs := e.documents.get(ctx, params.Query)
	if len(errs) > 0 {
		return &graphql.OperationContext{
			RawQuery: params.Query, OperationName: params.OperationName, Headers: params.Headers,
			Stats: graphql.Stats{Read: params.ReadTime, OperationStart: graphql.GetStartTime(ctx)},
		}, errs
	}
	return e.GraphExecutor.CreateOperationContext(context.WithValue(ctx, documentKey{}, doc), params)
}

// executorCache is how the documents get into gqlgen's executor: it looks here before it would parse.
type executorCache struct{}

var _ graphql.Cache[*ast.QueryDocument] = executorCache{}

func (executorCache) Get(ctx context.Context, _ string) (*ast.QueryDocument, bool) {
	doc, ok := ctx.Value(documentKey{}).(*ast.QueryDocument)
	return doc, ok
}

func (executorCache) Add(context.Context, string, *ast.QueryDocument) {}

// maxCachedBytes is how much memory the documents that are kept take at most, by [treeSize]; a document that would be
// an eighth of it is not kept.
const maxCachedBytes = 32 << 20

// documentCache keeps the documents that were used last, in a bounded amount of memory.
type documentCache struct {
	lru       *simplelru.LRU[string, cachedDocument]
	size, max int
}

type cachedDocument struct {
	doc  *ast.QueryDocument
	size int
}

func newDocumentCache(limit int) documentCache {
	lru, err := simplelru.NewLRU[string, cachedDocument](limit, nil) // it counts entries, which are fewer than bytes
	if err != nil {
		panic(err) // for a limit of 0
	}
	return documentCache{lru: lru, max: limit}
}

func (c *documentCache) get(query string) (*ast.QueryDocument, bool) {
	e, ok := c.lru.Get(query)
	return e.doc, ok
}

func (c *documentCache) add(query string, doc *ast.QueryDocument) {
	size := treeSize(query, doc)
	if size > c.max/8 || c.lru.Contains(query) {
		return
	}
	c.lru.Add(query, cachedDocument{doc, size})
	for c.size += size; c.size > c.max; {
		_, oldest, _ := c.lru.RemoveOldest()
		c.size -= oldest.size
	}
}

// What the nodes of a document take in memory, in bytes, with their positions and their places in lists: measured on
// documents of one kind of node each (TestTreeSize).
const (
	documentBytes  = 512
	selectionBytes = 232
	valueBytes     = 288
)

// treeSize estimates how many bytes a document takes.
func treeSize(query string, doc *ast.QueryDocument) int {
	var n nodes
	ignore := func(string) {}
	for _, o := range doc.Operations {
		n.addDirectives(o.Directives)
		n.addSelections(o.SelectionSet, ignore)
		for _, v := range o.VariableDefinitions {
			n.selections++
			n.addDirectives(v.Directives)
			if v.DefaultValue != nil {
				n.values++
				n.addValues(v.DefaultValue.Children)
			}
		}
	}
	for _, f := range doc.Fragments {
		n.selections++
		n.addDirectives(f.Directives)
		n.addSelections(f.SelectionSet, ignore)
	}
	return len(query) + (1+len(doc.Operations))*documentBytes + n.selections*selectionBytes + n.values*valueBytes
}
