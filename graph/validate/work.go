package validate

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/threadstore/threadstore/graph/codes"
)

// maxWork is how many steps the validation of a document may take: what gqlparser visits, since it visits a fragment
// anew for each definition that reaches it, and the pairs that its rule about overlapping fields compares, since that
// compares every two fields, and every two fragments, that write to the same place of the answer. 66 KB of fragments
// could make 800 million pairs. A step takes up to 0.2 us; a page of a dashboard takes some thousand.
const maxWork = 250_000

// maxMutationFields is how many root fields a mutation may have: they run one after the other, each in a transaction.
const maxMutationFields = 100

// errFragmentCycle is for a document in which fragments spread themselves, which gqlparser has an error for.
var errFragmentCycle = &gqlerror.Error{Message: "a fragment spreads itself"}

func cycleRule() *rules.Rules { return rules.NewRules(rules.NoFragmentCyclesRule) }

// checkWork returns an error if a document, which need not be valid, would take too much work to validate or to run,
// or is too deep. It itself takes less than it would allow.
func checkWork(doc *ast.QueryDocument, maxDepth int) *gqlerror.Error {
	c := &workCounter{fragments: map[string]*fragment{}, left: maxWork}
	var all []*fragment
	for _, definition := range doc.Fragments {
		f := newFragment(definition.SelectionSet)
		if c.fragments[definition.Name] == nil { // of two with a name, gqlparser spreads the first
			c.fragments[definition.Name] = f
		}
		all = append(all, f)
	}
	for _, f := range all {
		if c.hasCycle(f) {
			return errFragmentCycle
		}
	}
	for _, o := range doc.Operations {
		root := c.collect(o.SelectionSet)
		if err := c.checkOperation(o, root, maxDepth); err != nil {
			return err
		}
		c.visit(newFragment(o.SelectionSet), map[*fragment]bool{})
		c.compare(root)
	}
	for _, f := range all {
		c.visit(f, map[*fragment]bool{})
		c.compare(c.collect(f.set))
	}
	if c.left < 0 {
		const message = "the document takes too much work to validate: its fields and fragments, each where it is " +
			"spread, make more than %d pairs to compare; spread fewer fragments, and repeat fewer fields"
		return refuse(doc.Operations[0].Position, message, maxWork)
	}
	return nil
}

// checkOperation checks what an operation may have at most. root are its root fields. If they are more than there is
// work left for, some are missing here, and the document is refused when they are compared.
func (c *workCounter) checkOperation(o *ast.OperationDefinition, root collected, maxDepth int) *gqlerror.Error {
	if depth := c.depth(o.SelectionSet); depth > maxDepth && !root.isIntrospection() {
		return refuse(o.Position, "the document has %d levels of fields, and the limit is %d (THREADSTORE_MAX_DEPTH)",
			depth, maxDepth)
	}
	if n := len(root.names); o.Operation == ast.Mutation && n > maxMutationFields {
		return refuse(o.Position, "a mutation has %d root fields, and the limit is %d", n, maxMutationFields)
	}
	return nil
}

func refuse(at *ast.Position, format string, args ...any) *gqlerror.Error {
	return withCode(gqlerror.ErrorPosf(at, format, args...), codes.TooComplex)
}

// workCounter counts the steps of a document's validation.
type workCounter struct {
	fragments map[string]*fragment
	left      int // steps; negative when there were too many
}

// fragment is a fragment, or an operation.
type fragment struct {
	set    ast.SelectionSet
	nodes  nodes    // that it has itself
	spread []string // the fragments in it
	state  int8     // of hasCycle
	levels int      // of depth; -1 until it is known
}

func newFragment(set ast.SelectionSet) *fragment {
	f := &fragment{set: set, levels: -1}
	f.nodes.addSelections(set, func(name string) { f.spread = append(f.spread, name) })
	return f
}

// nodes are how many nodes a part of a document has.
type nodes struct {
	selections int // fields, fragments and directives
	values     int // arguments, and what lists and objects hold
}

// addSelections counts a selection set, and tells of the fragments that are spread in it.
func (n *nodes) addSelections(set ast.SelectionSet, spread func(name string)) {
	for _, s := range set {
		n.selections++
		switch s := s.(type) {
		case *ast.Field:
			n.addArguments(s.Arguments)
			n.addDirectives(s.Directives)
			n.addSelections(s.SelectionSet, spread)
		case *ast.InlineFragment:
			n.addDirectives(s.Directives)
			n.addSelections(s.SelectionSet, spread)
		case *ast.FragmentSpread:
			n.addDirectives(s.Directives)
			spread(s.Name)
		}
	}
}

func (n *nodes) addDirectives(list ast.DirectiveList) {
	for _, d := range list {
		n.selections++
		n.addArguments(d.Arguments)
	}
}

func (n *nodes) addArguments(list ast.ArgumentList) {
	for _, a := range list {
		n.values++
		n.addValues(a.Value.Children)
	}
}

func (n *nodes) addValues(list ast.ChildValueList) {
	for _, c := range list {
		n.values++
		n.addValues(c.Value.Children)
	}
}

// hasCycle reports whether a fragment spreads itself, over others or not.
func (c *workCounter) hasCycle(f *fragment) bool {
	const (
		entered = iota + 1
		left
	)
	if f.state != 0 {
		return f.state == entered
	}
	f.state = entered
	for _, name := range f.spread {
		if g := c.fragments[name]; g != nil && c.hasCycle(g) {
			return true
		}
	}
	f.state = left
	return false
}

// depth returns how many levels of fields a selection set has.
func (c *workCounter) depth(set ast.SelectionSet) (levels int) {
	for _, s := range set {
		n := 0
		switch s := s.(type) {
		case *ast.Field:
			n = 1 + c.depth(s.SelectionSet)
		case *ast.InlineFragment:
			n = c.depth(s.SelectionSet)
		case *ast.FragmentSpread:
			f := c.fragments[s.Name]
			if f == nil {
				continue
			}
			if f.levels < 0 {
				f.levels = c.depth(f.set)
			}
			n = f.levels
		}
		levels = max(levels, n)
	}
	return levels
}

// visit counts the nodes that are visited when f is: its own, and those of the fragments that it reaches.
func (c *workCounter) visit(f *fragment, visited map[*fragment]bool) {
	if visited[f] || c.left < 0 {
		return
	}
	visited[f] = true
	c.left -= 1 + f.nodes.selections + f.nodes.values
	for _, name := range f.spread {
		if g := c.fragments[name]; g != nil {
			c.visit(g, visited)
		}
	}
}

// collected are the fields of one place of the answer, by response name, in order.
type collected struct {
	names     []string
	fields    map[string][]*ast.Field
	count     int
	fragments map[string]bool
}

// isIntrospection reports whether only the schema is asked for.
func (c collected) isIntrospection() bool {
	for _, fields := range c.fields {
		if slices.ContainsFunc(fields, func(f *ast.Field) bool { return !strings.HasPrefix(f.Name, "__") }) {
			return false
		}
	}
	return true
}

// compare counts the comparisons among the fields that write to the same place of the answer, and to those below it.
func (c *workCounter) compare(all collected) {
	if c.left < 0 {
		return
	}
	// Every two fragments are compared, name by name; and those that are not defined, too.
	c.left -= (all.count + len(all.fragments)) * (1 + len(all.fragments))
	for _, name := range all.names {
		fields := all.fields[name]
		c.left -= len(fields) * (len(fields) - 1) / 2
		var below []ast.SelectionSet
		for _, f := range fields {
			if len(f.SelectionSet) > 0 {
				below = append(below, f.SelectionSet)
			}
		}
		if len(below) > 0 {
			c.compare(c.collect(below...))
		}
	}
}

// collect returns the fields of selection sets that are merged, with those of fragments; no more than there is work
// left to compare, and one.
func (c *workCounter) collect(sets ...ast.SelectionSet) collected {
	all := collected{fields: map[string][]*ast.Field{}, fragments: map[string]bool{}}
	var walk func(ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, s := range set {
			if all.count > c.left { // more than can be compared
				return
			}
			switch s := s.(type) {
			case *ast.Field:
				if _, ok := all.fields[s.Alias]; !ok {
					all.names = append(all.names, s.Alias)
				}
				all.fields[s.Alias] = append(all.fields[s.Alias], s)
				all.count++
			case *ast.InlineFragment:
				walk(s.SelectionSet)
			case *ast.FragmentSpread:
				if all.fragments[s.Name] {
					continue
				}
				all.fragments[s.Name] = true
				if f := c.fragments[s.Name]; f != nil {
					walk(f.set)
				}
			}
		}
	}
	for _, set := range sets {
		walk(set)
	}
	return all
}
