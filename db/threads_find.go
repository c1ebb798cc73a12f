package db

import (
	"context"
	"database/sql/driver"
	"hash/maphash"
	"strings"
	"sync/atomic"
)

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
	prefix, err := indexedValue(name)
	if err != nil {
		return nil, err
	}
	if given, ok := wanted["name"]; len(present) == 0 || ok && given != name {
		present = append(present, property{keyOfName, prefix})
	}
	return r.find(ctx, named(prefix, present), absent, limit, offset)
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

// frequentValues remembers which properties had rare matches or more when they
// were last searched, in as much memory as it has bits: two that share one are
// both taken to be common, which costs time only. It is safe for concurrent use.
type frequentValues struct {
	seed maphash.Seed
	bits [4096]atomic.Bool
}

func (c *frequentValues) bit(tenant string, p property) *atomic.Bool {
	return &c.bits[maphash.Comparable(c.seed, [3]string{tenant, p.Key, p.Value})%uint64(len(c.bits))]
}

// findRequest is a search for one property and, when it is done, what came of it.
type findRequest struct {
	scope Scope
	property
	limit, offset int
	columns       Columns
	threads       []*Thread
	few           bool
}

// canJoin reports whether the search can be part of one statement with the others.
func (one *findRequest) canJoin(batch []*findRequest) bool {
	other := batch[0]
	return one.scope == other.scope && one.limit == other.limit && one.offset == other.offset && one.columns == other.columns
}

// findFew returns the threads that have a property, if less than rare have it:
// that is nearly every search, and the statement for it is a third of the work
// of the one in find. It reports false if there are more.
func (r *Threads) findFew(ctx context.Context, p property, limit, offset int) (threads []*Thread, few bool, err error) {
	common := r.db.frequent.bit(r.tenant, p)
	if common.Load() || limit == 0 || offset >= rare { // then no row would tell how many there are
		return nil, false, nil
	}
	one := &findRequest{scope: r.Scope, property: p, limit: limit, offset: offset, columns: projectionOf(ctx).threads}
	alone := func() error { return r.findBatch(ctx, []*findRequest{one}) }
	if r.db.dialect.lateral {
		err = r.db.mapError(ctx, r.db.finds.Do(ctx, one, alone))
	} else {
		err = alone()
	}
	if err != nil { // after an error the batch may still be writing the result: do not read it
		return nil, false, err
	}
	if !one.few {
		common.Store(true)
	}
	return one.threads, one.few, nil
}

// findBatch does searches that are alike by one statement; on SQLite, one search.
func (r *Threads) findBatch(ctx context.Context, searches []*findRequest) error {
	first := searches[0]
	selected := threadTable.list(first.columns)
	const matches = ` FROM thread_properties x WHERE x.tenant = ? AND x.key = ? AND x.value = ? LIMIT ?`
	query := `SELECT 0, (SELECT count(*) FROM (SELECT 1` + matches + `) AS counted), ` + selected + `
		FROM (SELECT x.thread_id` + matches + `) AS few CROSS JOIN threads t WHERE t.tenant = ? AND t.id = few.thread_id ` + newestFirst + ` LIMIT ? OFFSET ?`
	args := []any{r.tenant, first.Key, first.Value, rare, r.tenant, first.Key, first.Value, rare, r.tenant, first.limit, first.offset}
	if r.db.dialect.lateral {
		var keys, values []string
		for _, one := range searches {
			keys, values = append(keys, one.Key), append(values, one.Value)
		}
		query = `SELECT k.n - 1, cardinality(few.ids), ` + selected + `
			FROM unnest(CAST(? AS text[]), CAST(? AS text[])) WITH ORDINALITY AS k(key, value, n)
			CROSS JOIN LATERAL (SELECT ARRAY(SELECT x.thread_id FROM thread_properties x WHERE x.tenant = ? AND x.key = k.key AND x.value = k.value LIMIT ?) AS ids OFFSET 0) AS few
			CROSS JOIN LATERAL (SELECT t.* FROM (
				SELECT t.* FROM threads t WHERE t.tenant = ? AND t.id = ANY (few.ids) OFFSET 0) AS t ` + newestFirst + ` LIMIT ? OFFSET ?) AS t
			ORDER BY k.n, t.updated_at DESC, t.id DESC`
		args = []any{r.db.dialect.list(keys), r.db.dialect.list(values), r.tenant, rare, r.tenant, first.limit, first.offset}
	}
	of := threadTable.selected(first.columns)
	return r.read(ctx, func(s session) error {
		for _, one := range searches {
			one.threads, one.few = nil, true
		}
		return s.each(ctx, query, args, func(v []driver.Value) error {
			one := searches[v[0].(int64)]
			if n := v[1].(int64); n >= rare {
				one.few = false
				return nil
			}
			t, err := scanThread(s.db.dialect, of, v[2:])
			one.threads = append(one.threads, t)
			return err
		})
	})
}

// find returns the threads that have all properties and none of the absent keys.
// It is one statement, or two for a property that is common and was not known to be.
func (r *Threads) find(ctx context.Context, present []property, absent []string, limit, offset int) ([]*Thread, error) {
	if len(present) == 0 && len(absent) == 0 {
		return r.List(ctx, limit, offset)
	}
	if len(present) == 1 && len(absent) == 0 {
		if threads, few, err := r.findFew(ctx, present[0], limit, offset); err != nil || few {
			return threads, err
		}
	}
	columns := projectionOf(ctx).threads | ThreadUpdatedAt // which the union of [findQuery.byDriver] is sorted by
	q := findQuery{tenant: r.tenant, dialect: r.db.dialect, present: present, absent: absent}
	if len(present) == 0 {
		q.add(`SELECT `+threadTable.list(columns)+` FROM threads t WHERE t.tenant = ?`, q.tenant)
		q.lacksAbsent()
		q.add(` `+newestFirst+` LIMIT ? OFFSET ?`, limit, offset)
	} else {
		q.byDriver(columns, limit, offset)
	}
	return r.list(ctx, columns, q.text.String(), q.args...)
}

// findQuery writes the statement for a search.
type findQuery struct {
	tenant  string
	dialect *dialect
	present []property
	absent  []string // keys
	text    strings.Builder
	args    []any
}

func (q *findQuery) add(text string, args ...any) {
	q.text.WriteString(text)
	q.args = append(q.args, args...)
}

// byDriver selects the threads that have every given property. The statement
// decides by itself which of the two ways to go, from the data and not from the
// planner's statistics: driver is the rarest of the given properties, counted up
// to the bound; of the two halves of the union one is switched off: by its first
// condition, which holds for no row or for all, and on SQLite, which would look
// at every row all the same, by its limit.
func (q *findQuery) byDriver(columns Columns, limit, offset int) {
	selected, plain := threadTable.list(columns), threadTable.names("t.", columns)
	q.withDriver()
	q.add(` SELECT `+selected+` FROM (SELECT * FROM (
			SELECT `+plain+` FROM driver d
			CROSS JOIN {properties of d}
			CROSS JOIN {thread of p}
			WHERE d.n < ? AND p.tenant = d.tenant AND p.key = d.key AND p.value = d.value
				AND t.tenant = p.tenant AND t.id = p.thread_id`, rare)
	if len(q.present) > 1 { // else the driver is all there is
		q.hasPresent()
	}
	q.lacksAbsent()
	q.add(` `+newestFirst+` LIMIT ? OFFSET ?) AS few
		UNION ALL SELECT * FROM (
			SELECT `+plain+` FROM threads t
			WHERE t.tenant = ? AND (SELECT n FROM driver) >= ?`, limit, offset, q.tenant, rare)
	q.hasPresent()
	q.lacksAbsent()
	q.add(` `+newestFirst+` {limit if many} OFFSET ?) AS many
		) AS t `+newestFirst, limit, offset)
}

// withDriver adds the driver, with how many threads have it, as a table of one row.
func (q *findQuery) withDriver() {
	const counted = `(SELECT count(*) FROM (
				SELECT 1 FROM thread_properties x WHERE x.tenant = ? AND x.key = g.key AND x.value = g.value LIMIT ?) AS s)`
	if len(q.present) == 1 {
		q.add(`WITH driver AS MATERIALIZED (
			SELECT CAST(? AS text) AS tenant, g.key, g.value, `+counted+` AS n
			FROM (SELECT CAST(? AS text) AS key, CAST(? AS text) AS value) AS g
		)`, q.tenant, q.tenant, rare, q.present[0].Key, q.present[0].Value)
		return
	}
	rows := make([][]string, len(q.present))
	for i, p := range q.present {
		rows[i] = []string{p.Key, p.Value}
	}
	q.add(`WITH given AS MATERIALIZED (
			SELECT r.value ->> 0 AS key, r.value ->> 1 AS value FROM {rows} AS r
		), sizes AS MATERIALIZED (
			SELECT g.key, g.value, `+counted+` AS n FROM given g
		), driver AS MATERIALIZED (
			SELECT CAST(? AS text) AS tenant, u.key, u.value, u.n FROM (
				SELECT s.key, s.value, s.n FROM sizes s WHERE s.n < ?
				UNION ALL
				SELECT g.key, g.value, `+counted+` AS n FROM given g WHERE (SELECT min(s.n) FROM sizes s) >= ?
			) AS u ORDER BY u.n, u.key LIMIT 1
		)`, bind(rows), q.tenant, veryRare, q.tenant, veryRare, q.tenant, rare, veryRare)
}

// hasPresent adds the condition that a thread has every given property: each is
// looked for, or, when they are many, those that are there are counted. (As scalar
// subqueries, these are conditions on one thread and stay so; the planners would
// turn EXISTS into a join and lose the order of the walk.)
func (q *findQuery) hasPresent() {
	if len(q.present) > maxProbes {
		q.add(` AND (SELECT count(*) FROM given g WHERE (
				SELECT 1 FROM thread_properties x
				WHERE x.tenant = ? AND x.thread_id = t.id AND x.key = g.key AND x.value = g.value) = 1)
				= (SELECT count(*) FROM given)`, q.tenant)
		return
	}
	for _, p := range q.present {
		q.add(` AND (SELECT 1 FROM thread_properties x
				WHERE x.tenant = ? AND x.thread_id = t.id AND x.key = ? AND x.value = ?) = 1`, q.tenant, p.Key, p.Value)
	}
}

// lacksAbsent adds the condition that a thread has none of the absent keys.
func (q *findQuery) lacksAbsent() {
	if len(q.absent) > 0 {
		q.add(` AND NOT EXISTS (SELECT 1 FROM thread_properties x
				WHERE x.tenant = ? AND x.thread_id = t.id AND x.key {in})`, q.tenant, q.dialect.list(q.absent))
	}
}
