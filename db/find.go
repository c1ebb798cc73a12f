package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// The columns of a thread that can be searched, as the first letter of a property's key.
const (
	ofAttributes = "a"
	ofSource     = "s"
)

// property is a row of thread_properties: a top-level key of attributes or
// source, with its value.
//
// Key is the letter of the column, then ":" and the key itself, or "#" and its
// SHA-256 when it is longer than maxIndexed bytes. Value is ":" and the
// canonical text of the JSON value, or "#" and the SHA-256 of that text.
type property struct{ Key, Value string }

// maxIndexed bytes of a key or value are readable in the table; together with
// an id of 255 code points a row then stays far below the 2,704 bytes that an
// index entry of PostgreSQL may have.
const maxIndexed = 200

func indexed(text string) string {
	if len(text) <= maxIndexed {
		return ":" + text
	}
	sum := sha256.Sum256([]byte(text))
	return "#" + hex.EncodeToString(sum[:])
}

// properties returns the properties of an object. Keys whose value is null are
// in absent instead: a thread without the key equals one that has it as null.
func properties(column string, object map[string]any) (present []property, absent []string, err error) {
	for _, k := range slices.Sorted(maps.Keys(object)) {
		key := column + indexed(k)
		if object[k] == nil {
			absent = append(absent, key)
			continue
		}
		text, err := canonical(object[k])
		if err != nil {
			return nil, nil, err
		}
		present = append(present, property{key, indexed(text)})
	}
	return present, absent, nil
}

// properties returns the rows that make the thread findable.
func (t *Thread) properties() ([]property, error) {
	var all []property
	for _, c := range []struct {
		column string
		object JSON
	}{{ofAttributes, t.Attributes}, {ofSource, t.Source}} {
		if c.object == "" {
			continue
		}
		v, err := c.object.decode()
		if err != nil {
			return nil, err
		}
		object, _ := v.(map[string]any)
		present, _, err := properties(c.column, object)
		if err != nil {
			return nil, err
		}
		all = append(all, present...)
	}
	return all, nil
}

// FindByAttributes returns up to limit of the threads whose attributes have
// every given key with an equal value, after the first offset, newest first.
// Numbers are equal by value, strings exactly, lists in order, objects in any
// order of keys; null equals a missing key. No keys match every thread.
func (r *Threads) FindByAttributes(ctx context.Context, attributes map[string]any, limit, offset int) ([]*Thread, error) {
	if _, err := NewObject(attributes); err != nil {
		return nil, At(err, "attributes")
	}
	present, absent, err := properties(ofAttributes, attributes)
	if err != nil {
		return nil, err
	}
	return r.find(ctx, present, absent, limit, offset)
}

// FindBySource is FindByAttributes for the source: its name must equal name,
// and each property must match.
func (r *Threads) FindBySource(ctx context.Context, name string, wanted map[string]any, limit, offset int) ([]*Thread, error) {
	if err := checkText(&name); err != nil {
		return nil, At(err, "name")
	}
	if _, err := NewObject(wanted); err != nil {
		return nil, At(err, "properties")
	}
	present, absent, err := properties(ofSource, wanted)
	if err != nil {
		return nil, err
	}
	named, _, err := properties(ofSource, map[string]any{"name": name})
	if err != nil {
		return nil, err
	}
	return r.find(ctx, append(named, present...), absent, limit, offset)
}

// How many matches of its rarest property make a search cheap: up to rare of
// them are all read and sorted. With more, the threads are walked newest first
// until enough match, which is soon, since many do. Most searches have a
// property with fewer than veryRare, and then no others are counted further.
const (
	veryRare = 64
	rare     = 2000
)

// maxProbes is up to how many properties each has a condition of its own in the statement: these are quicker than
// counting, but every number of them is a statement to prepare.
const maxProbes = 8

// find returns the threads that have all properties and none of the absent keys.
//
// The statement decides by itself which of the two ways to go, from the data
// and not from the planner's statistics: driver is the rarest of the given
// properties, counted up to the bound; of the two halves of the union one is
// switched off: by its first condition, which holds for no row or for all, and on SQLite, which
// would look at every row all the same, by its limit.
func (r *Threads) find(ctx context.Context, present []property, absent []string, limit, offset int) ([]*Thread, error) {
	if len(present) == 0 && len(absent) == 0 {
		return r.List(ctx, limit, offset)
	}
	columns := columnsOf(ctx).threads | ThreadUpdatedAt // which the union below is sorted by
	selected := threadTable.list(columns)
	var q strings.Builder
	var args []any
	add := func(text string, more ...any) {
		q.WriteString(text)
		args = append(args, more...)
	}
	lacks := func() {
		if len(absent) > 0 {
			add(` AND NOT EXISTS (SELECT 1 FROM thread_properties x
				WHERE x.thread_id = t.id AND x.key IN (SELECT value FROM {list}))`, bind(absent))
		}
	}
	if len(present) == 0 {
		add(`SELECT ` + selected + ` FROM threads t WHERE 1 = 1`)
		lacks()
		add(` `+newestFirst+` LIMIT ? OFFSET ?`, limit, offset)
		return r.list(ctx, columns, q.String(), args...)
	}
	// matches adds the condition that a thread has every given property: each is looked for, or, when they are many,
	// those that are there are counted. (As scalar subqueries, these are conditions on one thread and stay so; the planners
	// would turn EXISTS into a join and lose the order of the walk.)
	matches := func() {
		if len(present) > maxProbes {
			add(` AND (SELECT count(*) FROM given g WHERE (
				SELECT 1 FROM thread_properties x WHERE x.thread_id = t.id AND x.key = g.key AND x.value = g.value) = 1)
				= (SELECT count(*) FROM given)`)
			return
		}
		for _, p := range present {
			add(` AND (SELECT 1 FROM thread_properties x WHERE x.thread_id = t.id AND x.key = ? AND x.value = ?) = 1`, p.Key, p.Value)
		}
	}
	const counted = `(SELECT count(*) FROM (
				SELECT 1 FROM thread_properties x WHERE x.key = g.key AND x.value = g.value LIMIT ?) AS s)`
	if len(present) == 1 {
		add(`WITH driver AS MATERIALIZED (
			SELECT g.key, g.value, `+counted+` AS n FROM (SELECT CAST(? AS text) AS key, CAST(? AS text) AS value) AS g
		)`, rare, present[0].Key, present[0].Value)
	} else {
		rows := make([][]string, len(present))
		for i, p := range present {
			rows[i] = []string{p.Key, p.Value}
		}
		add(`WITH given AS MATERIALIZED (
			SELECT r.value ->> 0 AS key, r.value ->> 1 AS value FROM {rows} AS r
		), sizes AS MATERIALIZED (
			SELECT g.key, g.value, `+counted+` AS n FROM given g
		), driver AS MATERIALIZED (
			SELECT u.key, u.value, u.n FROM (
				SELECT s.key, s.value, s.n FROM sizes s WHERE s.n < ?
				UNION ALL
				SELECT g.key, g.value, `+counted+` AS n FROM given g WHERE (SELECT min(s.n) FROM sizes s) >= ?
			) AS u ORDER BY u.n, u.key LIMIT 1
		)`, bind(rows), veryRare, veryRare, rare, veryRare)
	}
	add(` SELECT `+selected+` FROM (SELECT * FROM (
			SELECT `+selected+` FROM driver d
			CROSS JOIN thread_properties p
			CROSS JOIN threads t
			WHERE d.n < ? AND p.key = d.key AND p.value = d.value AND t.id = p.thread_id`, rare)
	if len(present) > 1 { // else the driver is all there is
		matches()
	}
	lacks()
	add(` `+newestFirst+` LIMIT ? OFFSET ?) AS few
		UNION ALL SELECT * FROM (
			SELECT `+selected+` FROM threads t
			WHERE (SELECT n FROM driver) >= ?`, limit, offset, rare)
	matches()
	lacks()
	add(` `+newestFirst+` {limit if many} OFFSET ?) AS many
		) AS t `+newestFirst, limit, offset)
	return r.list(ctx, columns, q.String(), args...)
}
