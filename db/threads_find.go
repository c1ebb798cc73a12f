package db

import (
	"context"
	"database/sql/driver"
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
)

// FindByAttributes returns up to limit of the threads whose attributes have
// every given key with an equal value, after the first offset, newest first.
// Numbers are equal by value, strings exactly, lists in order, objects in any
// order of keys; null equals a missing key. No keys match every thread.
func (r *Threads) FindByAttributes(
	ctx context.Context, attributes map[string]any, limit, offset int,
) ([]*Thread, error) {
	if _, err := NewObject(attributes); err != nil {
		return nil, At(err, "attributes")
	}
	present, absent, err := propertiesOf(attributesPrefix, attributes)
	if err != nil {
		return nil, err
	}
	return r.find(ctx, present, absent, limit, offset)
}

// FindBySource is FindByAttributes for the source: its name must equal name,
// and each property must match.
func (r *Threads) FindBySource(
	ctx context.Context, name string, wanted map[string]any, limit, offset int,
) ([]*Thread, error) {
	if err := checkText(&name); err != nil {
		return nil, At(err, "name")
	}
	if _, err := NewObject(wanted); err != nil {
		return nil, At(err, "properties")
	}
	present, absent, err := propertiesOf(sourcePrefix, wanted)
	if err != nil {
		return nil, err
	}
	prefix, err := propertyValue(name)
	if err != nil {
		return nil, err
	}
	if given, ok := wanted["name"]; len(present) == 0 || ok && given != name {
		present = append(present, property{sourceNameKey, prefix})
	}
	return r.find(ctx, withSourceName(prefix, present), absent, limit, offset)
}

// Up to how many threads that have a property are counted; one with maxCount of them, or more, is common. A search
// whose rarest property is not common reads all threads that have it, and sorts them. Else it walks the threads, newest
// first, until enough match, which is soon, since many do. Most searches have a property with fewer than
// maxFirstCount, and then none is counted further.
const (
	maxFirstCount = 64
	maxCount      = 2000
)

// maxProbes is up to how many properties each has a condition of its own in the statement: these are quicker than
// counting, but every number of them is a statement to prepare.
const maxProbes = 8

// commonProperties remembers which properties were common when they were last
// searched, in as much memory as it has bits: two that share one are both taken
// to be common, which costs time only. It is safe for concurrent use.
type commonProperties struct {
	seed maphash.Seed
	bits [4096]atomic.Bool
}

func (c *commonProperties) bit(tenant string, p property) *atomic.Bool {
	return &c.bits[maphash.Comparable(c.seed, [3]string{tenant, p.Key, p.Value})%uint64(len(c.bits))]
}

// findRequest is a search for one property and, when it is done, what came of it.
type findRequest struct {
	scope Scope
	property
	limit, offset int
	columns       Columns
	threads       []*Thread
	common        bool // the property is; then there are no threads
}

// canJoin reports whether the search can be part of one statement with the others; see package coalesce.
func (r *findRequest) canJoin(batch []*findRequest) bool {
	other := batch[0]
	return r.scope == other.scope && r.limit == other.limit && r.offset == other.offset && r.columns == other.columns
}

// findSorted returns the threads that have a property, unless it is common, which it
// reports: nearly none is, and the statement is a third of the work of the one in find.
func (r *Threads) findSorted(
	ctx context.Context, p property, limit, offset int,
) (threads []*Thread, common bool, err error) {
	known := r.db.common.bit(r.tenant, p)
	if known.Load() || limit == 0 || offset >= maxCount { // then no row would tell whether it is
		return nil, true, nil
	}
	req := &findRequest{scope: r.Scope, property: p, limit: limit, offset: offset,
		columns: projectionOf(ctx).threads | ThreadUpdatedAt}
	alone := func() error { return r.findBatch(ctx, []*findRequest{req}) }
	if r.db.dialect.lateralJoins {
		err = r.db.mapError(ctx, r.db.finds.Do(ctx, req, alone))
	} else {
		err = alone()
	}
	if err != nil { // after an error the batch may still be writing the result: do not read it
		return nil, false, err
	}
	if req.common {
		known.Store(true)
	}
	return req.threads, req.common, nil
}

// findBatch does searches that are alike by one statement; on SQLite, one search.
func (r *Threads) findBatch(ctx context.Context, searches []*findRequest) error {
	first := searches[0]
	selected := threadTable.selectList(first.columns)
	const matches = ` FROM thread_properties x WHERE x.tenant = ? AND x.key = ? AND x.value = ? LIMIT ?`
	query := `SELECT 0, (SELECT count(*) FROM (SELECT 1` + matches + `) AS counted), ` + selected + `
		FROM (SELECT x.thread_id` + matches + `) AS matches CROSS JOIN threads t
			WHERE t.tenant = ? AND t.id = matches.thread_id ` + newestFirst + ` LIMIT ? OFFSET ?`
	args := []any{r.tenant, first.Key, first.Value, maxCount, r.tenant, first.Key, first.Value, maxCount, r.tenant,
		first.limit, first.offset}
	if r.db.dialect.lateralJoins {
		var keys, values []string
		for _, req := range searches {
			keys, values = append(keys, req.Key), append(values, req.Value)
		}
		query = `SELECT k.n - 1, cardinality(matches.ids), ` + selected + `
			FROM unnest(CAST(? AS text[]), CAST(? AS text[])) WITH ORDINALITY AS k(key, value, n)
			CROSS JOIN LATERAL (SELECT ARRAY(
				SELECT x.thread_id FROM thread_properties x
				WHERE x.tenant = ? AND x.key = k.key AND x.value = k.value LIMIT ?
			) AS ids OFFSET 0) AS matches
			CROSS JOIN LATERAL (SELECT t.* FROM (
				SELECT ` + threadTable.plainList("t.", first.columns) + ` FROM threads t
				WHERE t.tenant = ? AND t.id = ANY (matches.ids) OFFSET 0) AS t
				` + newestFirst + ` LIMIT ? OFFSET ?) AS t`
		args = []any{r.db.dialect.array(keys), r.db.dialect.array(values), r.tenant, maxCount, r.tenant, first.limit,
			first.offset}
	}
	of := threadTable.selected(first.columns)
	err := r.read(ctx, func(s session) error {
		for _, req := range searches {
			req.threads, req.common = nil, false
		}
		return s.each(ctx, query, args, func(v []driver.Value) error {
			req := searches[v[0].(int64)]
			if n := v[1].(int64); n >= maxCount {
				req.common = true
				return nil
			}
			t, err := scanThread(s.db.dialect, of, v[2:])
			req.threads = append(req.threads, t)
			return err
		})
	})
	if err != nil {
		return err
	}
	for _, req := range searches {
		sortNewestFirst(req.threads)
	}
	return nil
}

// sortNewestFirst sorts threads whose updatedAt was read. They come in this order, as a rule: the rows of a lateral
// join in that of its subquery, though nothing promises it. To look costs less than to sort them in the database again.
func sortNewestFirst(threads []*Thread) {
	newest := func(a, b *Thread) int { return a.Cursor().compare(b.Cursor()) }
	if !slices.IsSortedFunc(threads, newest) {
		slices.SortFunc(threads, newest)
	}
}

// find returns the threads that have all properties and none of the absent keys.
// It is one statement, or two for a property that is common and was not known to be.
func (r *Threads) find(ctx context.Context, present []property, absent []string, limit, offset int) ([]*Thread, error) {
	if len(present) == 0 && len(absent) == 0 {
		return r.List(ctx, limit, offset)
	}
	if len(present) == 1 && len(absent) == 0 {
		if threads, common, err := r.findSorted(ctx, present[0], limit, offset); err != nil || !common {
			return threads, err
		}
	}
	columns := projectionOf(ctx).threads | ThreadUpdatedAt // which the union of [findQuery.byRarest] is sorted by
	q := findQuery{tenant: r.tenant, dialect: r.db.dialect, present: present, absent: absent}
	if len(present) == 0 {
		q.add(`SELECT `+threadTable.selectList(columns)+` FROM threads t WHERE t.tenant = ?`, q.tenant)
		q.lacksAbsent()
		q.add(` `+newestFirst+` LIMIT ? OFFSET ?`, limit, offset)
	} else {
		q.byRarest(columns, limit, offset)
	}
	return r.readThreads(ctx, columns, q.text.String(), q.args...)
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

// byRarest selects the threads that have every given property. The statement
// decides by itself which of the two ways to go, from the data and not from the
// planner's statistics: rarest is the given property that the fewest threads have,
// n of them, counted up to maxCount; of the two halves of the union, sorted and
// walked, one is switched off: by its first condition, which holds for no row or
// for all, and on SQLite, which would look at every row all the same, by its limit.
func (q *findQuery) byRarest(columns Columns, limit, offset int) {
	selected, plain := threadTable.selectList(columns), threadTable.plainList("t.", columns)
	q.withRarest()
	q.add(` SELECT `+selected+` FROM (SELECT * FROM (
			SELECT `+plain+` FROM rarest r
			CROSS JOIN {matches p of r}
			CROSS JOIN {thread t of p}
			WHERE r.n < ? AND p.tenant = r.tenant AND p.key = r.key AND p.value = r.value
				AND t.tenant = p.tenant AND t.id = p.thread_id`, maxCount)
	if len(q.present) > 1 { // else the rarest is all there is
		q.hasPresent()
	}
	q.lacksAbsent()
	q.add(` `+newestFirst+` LIMIT ? OFFSET ?) AS sorted
		UNION ALL SELECT * FROM (
			SELECT `+plain+` FROM threads t
			WHERE t.tenant = ? AND (SELECT n FROM rarest) >= ?`, limit, offset, q.tenant, maxCount)
	q.hasPresent()
	q.lacksAbsent()
	q.add(` `+newestFirst+` {limit if walked} OFFSET ?) AS walked
		) AS t `+newestFirst, limit, offset)
}

// withRarest adds the rarest property, with how many threads have it, as a table of one row.
func (q *findQuery) withRarest() {
	const counted = `(SELECT count(*) FROM (
				SELECT 1 FROM thread_properties x
					WHERE x.tenant = ? AND x.key = g.key AND x.value = g.value LIMIT ?) AS s)`
	if len(q.present) == 1 {
		q.add(`WITH rarest AS MATERIALIZED (
			SELECT CAST(? AS text) AS tenant, g.key, g.value, `+counted+` AS n
			FROM (SELECT CAST(? AS text) AS key, CAST(? AS text) AS value) AS g
		)`, q.tenant, q.tenant, maxCount, q.present[0].Key, q.present[0].Value)
		return
	}
	rows := make([][]string, len(q.present))
	for i, p := range q.present {
		rows[i] = []string{p.Key, p.Value}
	}
	q.add(`WITH given AS MATERIALIZED (
			SELECT r.value ->> 0 AS key, r.value ->> 1 AS value FROM {rows} AS r
		), first_counts AS MATERIALIZED (
			SELECT g.key, g.value, `+counted+` AS n FROM given g
		), rarest AS MATERIALIZED (
			SELECT CAST(? AS text) AS tenant, u.key, u.value, u.n FROM (
				SELECT s.key, s.value, s.n FROM first_counts s WHERE s.n < ?
				UNION ALL
				SELECT g.key, g.value, `+counted+` AS n FROM given g WHERE (SELECT min(s.n) FROM first_counts s) >= ?
			) AS u ORDER BY u.n, u.key LIMIT 1
		)`, bind(rows), q.tenant, maxFirstCount, q.tenant, maxFirstCount, q.tenant, maxCount, maxFirstCount)
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
				WHERE x.tenant = ? AND x.thread_id = t.id AND x.key {in})`, q.tenant, q.dialect.array(q.absent))
	}
}
