package db

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"math"
	"slices"
	"strings"
)

// Window selects messages of a thread. It is comparable: equal windows select
// the same. The zero value selects nothing; see [NewWindow].
type Window struct {
	Limit   int  // -1 for all
	FromEnd bool // the limit counts from the end
	// After and Before bound the ordinals, exclusively.
	After, Before int64
	Roles         RoleSet
}

// NewWindow returns the window for API arguments; nil is one that was not
// given. first and last must not both be given, nor be negative.
func NewWindow(first, last, afterSequence, beforeSequence *int, given []Role) Window {
	w := Window{Limit: -1, After: math.MinInt64, Before: math.MaxInt64, Roles: AllRoles}
	if first != nil {
		w.Limit = *first
	}
	if last != nil {
		w.Limit, w.FromEnd = *last, true
	}
	// System messages have sequence 0 and negative ordinals.
	if afterSequence != nil && *afterSequence >= 0 {
		w.After = int64(*afterSequence)
	}
	if beforeSequence != nil {
		if w.Before = int64(*beforeSequence); w.Before <= 0 {
			return Window{}
		}
	}
	if given != nil {
		w.Roles = NewRoleSet(given)
	}
	switch w.Roles {
	case NewRoleSet([]Role{RoleSystem}):
		w.Before, w.Roles = min(w.Before, 1), AllRoles
	case AllRoles &^ NewRoleSet([]Role{RoleSystem}):
		w.After, w.Roles = max(w.After, 0), AllRoles
	}
	if w.Limit == 0 || w.Roles == 0 || w.After >= w.Before-1 {
		return Window{}
	}
	return w
}

// ListByThreads returns the messages each thread has in the window, in order,
// by thread id. It is one statement however many threads there are, and it
// reads little more than it returns, however long they are.
func (r *Messages) ListByThreads(
	ctx context.Context, threadIDs []string, w Window,
) (found map[string][]*Message, err error) {
	known := validIDs(threadIDs)
	if len(known) == 0 || w == (Window{}) {
		return nil, nil
	}
	err = r.read(ctx, func(s session) error {
		found, err = windows(ctx, s, known, w, projectionOf(ctx).messages)
		return err
	})
	return found, err
}

// ListWithThread returns a thread, nil when it is unknown, and its messages in
// the window, in order. It is one statement, and so one state of both.
func (r *Messages) ListWithThread(
	ctx context.Context, threadID string, w Window,
) (thread *Thread, messages []*Message, err error) {
	if !isValidID(threadID) {
		return nil, nil, nil
	}
	columns := projectionOf(ctx)
	alone := func() error {
		return r.read(ctx, func(s session) error {
			return rereadWithIDs(columns.messages, func(read Columns) error {
				thread, messages, err = readWithThread(ctx, s, threadID, w, columns.threads, read)
				return err
			})
		})
	}
	if !r.db.dialect.lateralJoins || w.Roles != AllRoles || w == (Window{}) {
		err = alone()
		return thread, messages, err
	}
	req := &threadRequest{scope: r.Scope, id: threadID, window: w, columns: columns}
	err = r.db.mapError(ctx, r.db.threads.Do(ctx, req, func() error {
		err := alone()
		req.thread, req.messages = thread, messages
		return err
	}))
	switch {
	case err != nil: // after an error the batch may still be writing the result: do not read it
		return nil, nil, err
	case req.long:
		err = alone()
		return thread, messages, err
	}
	return req.thread, req.messages, nil
}

// threadRequest is a thread to read with its messages and, when it is done, what came of it.
type threadRequest struct {
	scope    Scope
	id       string
	window   Window
	columns  projection
	thread   *Thread
	messages []*Message
	long     bool // it has more messages than are read in a batch
}

// maxBatchMessages is how many messages of a thread are read in a batch, so that
// nobody has to wait for a thread of very many.
const maxBatchMessages = 200

// canJoin reports whether the thread can be read by one statement with the others; see package coalesce.
func (r *threadRequest) canJoin(batch []*threadRequest) bool {
	return r.scope == batch[0].scope && r.window == batch[0].window && r.columns == batch[0].columns
}

// listBatch is [Messages.ListWithThread] for several threads of PostgreSQL.
func (r *Messages) listBatch(ctx context.Context, all []*threadRequest) error {
	first := all[0]
	ids := make([]string, len(all))
	for i, req := range all {
		ids[i] = req.id
	}
	threads, messages := first.columns.threads, first.columns.messages
	q := windowQuery{Window: first.window, dialect: r.db.dialect, tenant: r.tenant}
	if q.Limit < 0 || q.Limit > maxBatchMessages {
		q.Limit = maxBatchMessages + 1
	}
	q.add(`SELECT k.key, u.* FROM {keys} CROSS JOIN LATERAL (
		SELECT `+threadTable.selectList(threads)+`, `+messageTable.nullList(messages)+`
			FROM threads t WHERE t.tenant = ? AND t.id = k.value
		UNION ALL SELECT * FROM (SELECT `+threadTable.nullList(threads)+`, `+messageTable.selectList(messages)+`
			FROM `, r.db.dialect.array(ids), r.tenant)
	q.from("m", nil)
	q.upToLimit("m")
	q.add(`) AS w) AS u`)
	lists := make([]messageList, len(all))
	read := newThreadOrMessages(threads, messages)
	err := r.read(ctx, func(s session) error {
		for i, req := range all {
			req.thread, lists[i] = nil, messageList{}
		}
		return s.each(ctx, q.text.String(), q.args, func(v []driver.Value) error {
			i := v[0].(int64)
			return read.row(v[1:], s.db.dialect, ids[i], &all[i].thread, &lists[i])
		})
	})
	for i, req := range all {
		req.messages = inOrder(lists[i].all)
		req.long = len(req.messages) > maxBatchMessages
	}
	return err
}

// windows reads the messages of some threads in a window, by thread id.
func windows(
	ctx context.Context, s session, threadIDs []string, w Window, columns Columns,
) (found map[string][]*Message, err error) {
	err = rereadWithIDs(columns, func(read Columns) error {
		found, err = readWindows(ctx, s, threadIDs, w, read)
		return err
	})
	return found, err
}

// rereadWithIDs runs read again, with the ids of messages, when it finds a broken one
// and they were not wanted: the error has to tell which it is.
func rereadWithIDs(wanted Columns, read func(Columns) error) error {
	err := read(wanted)
	if _, broken := errors.AsType[*brokenMessage](err); broken && wanted&MessageID == 0 {
		err = read(wanted | MessageID)
	}
	return err
}

func readWindows(
	ctx context.Context, s session, threadIDs []string, w Window, columns Columns,
) (map[string][]*Message, error) {
	q := windowQuery{Window: w, dialect: s.db.dialect, tenant: s.tenant, threads: threadIDs}
	selected, before := messageTable.selectList(columns), 0
	if len(threadIDs) > 1 {
		selected, before = `k.key, `+selected, 1
	}
	q.messages(selected)
	lists := make([]messageList, len(threadIDs))
	of := messageTable.selected(columns)
	if err := s.each(ctx, q.text.String(), q.args, func(v []driver.Value) error {
		n := 0
		if before > 0 {
			n = int(v[0].(int64)) // what the query itself counts
		}
		m := lists[n].add()
		err := m.scan(s.db.dialect, of, v[before:])
		m.ThreadID = threadIDs[n]
		return err
	}); err != nil {
		return nil, err
	}
	found := make(map[string][]*Message, len(threadIDs))
	for i, id := range threadIDs {
		found[id] = inOrder(lists[i].all)
	}
	return found, nil
}

// readWithThread reads a row of the thread, then those of its messages; each has nulls for the columns of the other.
func readWithThread(
	ctx context.Context, s session, threadID string, w Window, threads, messages Columns,
) (thread *Thread, _ []*Message, err error) {
	q := windowQuery{Window: w, dialect: s.db.dialect, tenant: s.tenant, threads: []string{threadID}}
	q.add(`SELECT `+threadTable.selectList(threads)+`, `+messageTable.nullList(messages)+`
		FROM threads t WHERE t.tenant = ? AND t.id = ? UNION ALL SELECT * FROM (`, s.tenant, threadID)
	q.messages(threadTable.nullList(threads) + `, ` + messageTable.selectList(messages))
	q.add(`) AS u`)
	read := newThreadOrMessages(threads, messages)
	var list messageList
	err = s.each(ctx, q.text.String(), q.args, func(v []driver.Value) error {
		return read.row(v, s.db.dialect, threadID, &thread, &list)
	})
	return thread, inOrder(list.all), err
}

// threadOrMessages reads rows that have the columns of threads and of messages, and are of one of them.
type threadOrMessages struct {
	ofThread  []column[Thread]
	ofMessage []column[Message]
}

func newThreadOrMessages(threads, messages Columns) threadOrMessages {
	return threadOrMessages{threadTable.selected(threads), messageTable.selected(messages)}
}

func (r threadOrMessages) row(
	v []driver.Value, d *dialect, threadID string, thread **Thread, messages *messageList,
) (err error) {
	if v[0] != nil { // the thread's id
		*thread, err = scanThread(d, r.ofThread, v)
		return err
	}
	m := messages.add()
	err = m.scan(d, r.ofMessage, v[len(r.ofThread):])
	m.ThreadID = threadID
	return err
}

// inOrder sorts the messages of a thread. As a rule they come in the order of
// an index, forward or backward, and looking whether they do costs little.
func inOrder(list []*Message) []*Message {
	if len(list) > 1 && list[0].compare(list[1]) > 0 {
		slices.Reverse(list)
	}
	if !slices.IsSortedFunc(list, (*Message).compare) {
		slices.SortFunc(list, (*Message).compare)
	}
	return list
}

// compare is the order of messages in a thread.
func (m *Message) compare(other *Message) int {
	return cmp.Or(cmp.Compare(m.Sequence, other.Sequence), cmp.Compare(m.position, other.position))
}

// windowQuery writes the statement for a window of some threads.
type windowQuery struct {
	Window
	dialect *dialect
	tenant  string
	threads []string
	text    strings.Builder
	args    []any
}

func (q *windowQuery) add(text string, more ...any) {
	q.text.WriteString(text)
	q.args = append(q.args, more...)
}

// messages adds the query that selects columns of messages m, and of the keys k
// if the threads are several. It asks for an order only where that decides what
// is selected: a sort of all rows in the database would cost more than [inOrder].
func (q *windowQuery) messages(selected string) {
	ofRoles := q.Roles.roles()
	// An index has the messages of all roles, or of one, in their order.
	single, walk := len(q.threads) == 1, len(ofRoles) < 2
	q.add(`SELECT ` + selected + ` FROM `)
	if !single {
		q.add(`{keys} CROSS JOIN `, q.dialect.array(q.threads))
	}
	switch {
	case q.Limit < 0 && (single || !q.dialect.lateralJoins):
		q.from("m", ofRoles)
		q.add(` AND m.ordinal > ? AND m.ordinal < ?`, q.After, q.Before)
	case q.Limit < 0: // OFFSET 0 keeps the planner from beginning with the messages, of all threads
		q.add(`LATERAL (SELECT x.* FROM `)
		q.from("x", ofRoles)
		q.add(` AND x.ordinal > ? AND x.ordinal < ? OFFSET 0) AS m`, q.After, q.Before)
	case walk && single:
		q.from("m", ofRoles)
		q.upToLimit("m")
	case walk && q.dialect.lateralJoins:
		q.add(`LATERAL (SELECT x.* FROM `)
		q.from("x", ofRoles)
		q.upToLimit("x")
		q.add(`) AS m`)
	default:
		q.from("m", ofRoles)
		q.threshold(ofRoles)
	}
}

// from adds the messages of a thread that have one of the roles; all if none are given.
func (q *windowQuery) from(alias string, ofRoles []Role) {
	q.add(`messages ` + alias)
	q.add(` WHERE `+alias+`.tenant = ? AND `+alias+`.thread_id = `, q.tenant)
	if len(q.threads) == 1 {
		q.add(`?`, q.threads[0])
	} else {
		q.add(`k.value`)
	}
	switch len(ofRoles) {
	case 0:
	case 1:
		q.add(` AND `+alias+`.role = ?`, string(ofRoles[0]))
	default:
		q.add(` AND ` + alias + `.role IN (?` + strings.Repeat(`, ?`, len(ofRoles)-1) + `)`)
		for _, r := range ofRoles {
			q.args = append(q.args, string(r))
		}
	}
}

// upToLimit adds that an index is walked from the start or the end, up to the limit.
func (q *windowQuery) upToLimit(alias string) {
	q.add(` AND `+alias+`.ordinal > ? AND `+alias+`.ordinal < ? ORDER BY `+alias+`.ordinal`+q.direction()+` LIMIT ?`,
		q.After, q.Before, q.Limit)
}

func (q *windowQuery) direction() string {
	if q.FromEnd {
		return ` DESC`
	}
	return ``
}

// threshold adds that messages are on this side of the ordinal at which the
// window of their thread ends. That is looked up by a walk up to the limit; with
// several ofRoles, by one such walk for each.
func (q *windowQuery) threshold(ofRoles []Role) {
	// One bound on each side: SQLite's search of an index uses one, and not always the narrower.
	if q.FromEnd {
		q.add(` AND m.ordinal < ? AND m.ordinal >= (SELECT min(e.ordinal) FROM (`, q.Before)
	} else {
		q.add(` AND m.ordinal > ? AND m.ordinal <= (SELECT max(e.ordinal) FROM (`, q.After)
	}
	each := func(ofRoles ...Role) {
		q.add(`SELECT x.ordinal FROM `)
		q.from("x", ofRoles)
		q.upToLimit("x")
	}
	if len(ofRoles) < 2 {
		each(ofRoles...)
	} else {
		q.add(`SELECT u.ordinal FROM (`)
		for i, r := range ofRoles {
			if i > 0 {
				q.add(` UNION ALL `)
			}
			q.add(`SELECT * FROM (`)
			each(r)
			q.add(`) AS r`)
		}
		q.add(`) AS u ORDER BY u.ordinal`+q.direction()+` LIMIT ?`, q.Limit)
	}
	q.add(`) AS e)`)
}
