package db

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/threadstore/threadstore/db/jsontext"
)

// Tyler's own tables have the names of ours and fewer columns. They are put
// aside, ours are made, and what they hold is copied: so an adopted database
// has the same tables, indexes and constraints as a new one.
const (
	tylerThreads  = "tyler_threads"
	tylerMessages = "tyler_messages"
)

// makeTables is the first migration: it makes the tables, and adopts those of
// Tyler if there are any, all in one transaction: if anything fails, Tyler's
// tables stay as they were.
func makeTables(ctx context.Context, s session) error {
	tyler, err := setTylerAside(ctx, s)
	if err != nil {
		return err
	}
	text, err := migrations.ReadFile("migrations/" + string(s.db.dialect.driver) + "/" + firstMigration)
	if err != nil {
		return err
	}
	if _, err := s.exec(ctx, string(text)); err != nil {
		return err
	}
	if tyler {
		return adoptTyler(ctx, s)
	}
	return nil
}

// setTylerAside renames the tables of Tyler and reports whether there are any.
func setTylerAside(ctx context.Context, s session) (bool, error) {
	found := 0
	for _, table := range []string{"threads", "messages"} {
		there, err := tableExists(ctx, s, table)
		if err != nil {
			return false, err
		}
		if there {
			found++
		}
	}
	switch found {
	case 0:
		return false, nil
	case 1:
		return false, errors.New("the database has a table threads or messages, but not both: " +
			"it is neither empty nor Tyler's")
	}
	for _, columns := range []string{`id, title, attributes, source, created_at, updated_at FROM threads`,
		`id, thread_id, sequence, role, content, name, tool_call_id, tool_calls, attributes, "timestamp", source,
			attachments, metrics FROM messages`} {
		if _, err := s.exec(ctx, `SELECT `+columns+` LIMIT 0`); err != nil {
			return false, fmt.Errorf("the database has tables threads and messages that are not Tyler's: %w", err)
		}
	}
	return true, errors.Join(setAside(ctx, s, "threads", tylerThreads), setAside(ctx, s, "messages", tylerMessages))
}

// setAside renames a table, and its indexes and constraints, whose names ours are to have.
func setAside(ctx context.Context, s session, from, to string) error {
	if _, err := s.exec(ctx, `ALTER TABLE `+from+` RENAME TO `+to); err != nil {
		return err
	}
	if s.db.dialect.driver == SQLite {
		var indexes []string
		const query = `SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL`
		if err := s.rows(ctx, &indexes, query, to); err != nil {
			return err
		}
		for _, index := range indexes {
			if _, err := s.exec(ctx, `DROP INDEX "`+strings.ReplaceAll(index, `"`, `""`)+`"`); err != nil {
				return err
			}
		}
		return nil
	}
	var renames []string
	if err := s.rows(ctx, &renames, `
		SELECT format('ALTER TABLE %I RENAME CONSTRAINT %I TO %I', c.conrelid::regclass::text, c.conname,
				'tyler_' || c.conname)
			FROM pg_constraint c WHERE c.conrelid = CAST(? AS regclass)
		UNION ALL
		SELECT format('ALTER INDEX %s RENAME TO %I', i.indexrelid::regclass, 'tyler_' || x.relname)
			FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = CAST(? AS regclass)
			AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)`, to, to); err != nil {
		return err
	}
	for _, rename := range renames {
		if _, err := s.exec(ctx, rename); err != nil {
			return err
		}
	}
	return nil
}

func tableExists(ctx context.Context, s session, name string) (bool, error) {
	query := `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?`
	if s.db.dialect.driver == PostgreSQL {
		query = `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = ?`
	}
	var n int
	_, err := s.row(ctx, &n, query, name)
	return n > 0, err
}

// adoptPage is how many threads are copied at a time.
const adoptPage = 200

// adoptTyler copies what Tyler has written and drops its tables.
func adoptTyler(ctx context.Context, s session) error {
	for first, after := true, ""; ; first = false {
		ids, err := adoptThreads(ctx, s, first, after)
		if err != nil {
			return fmt.Errorf("adopt Tyler's threads: %w", err)
		}
		if len(ids) == 0 {
			break
		}
		if err := adoptMessages(ctx, s, ids); err != nil {
			return fmt.Errorf("adopt Tyler's messages: %w", err)
		}
		after = ids[len(ids)-1]
	}
	if _, err := s.exec(ctx, `UPDATE threads SET
			last_sequence = COALESCE((SELECT max(m.sequence) FROM messages m WHERE m.thread_id = threads.id), 0),
			system_count = (SELECT count(*) FROM messages m WHERE m.thread_id = threads.id AND m.role = 'system'),
			user_count = (SELECT count(*) FROM messages m WHERE m.thread_id = threads.id AND m.role = 'user'),
			assistant_count = (SELECT count(*) FROM messages m WHERE m.thread_id = threads.id AND m.role = 'assistant'),
			tool_count = (SELECT count(*) FROM messages m
				WHERE m.thread_id = threads.id AND m.role = 'tool')`); err != nil {
		return err
	}
	var count struct {
		Threads  int `db:"threads"`
		Messages int `db:"messages"`
	}
	if _, err := s.row(ctx, &count,
		`SELECT (SELECT count(*) FROM threads) AS threads, (SELECT count(*) FROM messages) AS messages`); err != nil {
		return err
	}
	s.db.log.Info("adopted the tables of Tyler, and dropped them", "threads", count.Threads, "messages", count.Messages)
	// Without foreign keys, which SQLite does not mind by default, Tyler can leave messages of threads that are gone.
	if _, err := s.exec(ctx,
		`DELETE FROM `+tylerMessages+` WHERE thread_id IN (SELECT id FROM `+tylerThreads+`)`); err != nil {
		return err
	}
	var orphans int
	if _, err := s.row(ctx, &orphans, `SELECT count(*) FROM `+tylerMessages); err != nil {
		return err
	}
	tables := []string{tylerMessages, tylerThreads}
	if orphans > 0 {
		s.db.log.Warn("messages whose thread does not exist were left in a table of their own", "table", tylerMessages,
			"messages", orphans)
		tables = tables[1:]
	}
	for _, table := range tables {
		if _, err := s.exec(ctx, `DROP TABLE `+table); err != nil {
			return err
		}
	}
	return nil
}

// storable returns text as both databases can keep it. Python writes U+0000 and
// halves of surrogate pairs into JSON (as escapes) and SQLite keeps any bytes;
// none can be part of an answer, or of a jsonb.
func storable(text string) string {
	text = replaced(text)
	if !strings.Contains(text, `\u`) {
		return text
	}
	return escape.ReplaceAllStringFunc(text, func(e string) string {
		// An escaped backslash is matched too, so that what follows it is not taken for an escape.
		if e == `\u0000` || len(e) == 6 && jsontext.CheckUnicode([]byte(e)) != nil {
			return `\ufffd`
		}
		return e
	})
}

// escape matches what a backslash begins in JSON: a surrogate pair as one, a code unit, or a character.
var escape = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.`)

// replaced returns text with U+FFFD for bytes that are not UTF-8 and for U+0000.
func replaced(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

func storableJSON(c *columnJSON) { *c = columnJSON(storable(string(*c))) }

func storableText(s *string) *string {
	if s == nil {
		return nil
	}
	text := replaced(*s)
	return &text
}

// columnJSON, columnTime and columnInt are values in rows of Tyler's tables, as sqlx scans them. What cannot be read is
// an error of the row (err), not of the query, so that it can be told with the row's id.
type columnJSON JSON

func (c *columnJSON) Scan(src any) error { return scanJSON((*JSON)(c), src) }

type columnTime struct {
	time.Time
	err error
}

func (c *columnTime) Scan(src any) error {
	*c = columnTime{}
	c.err = scanTime(&c.Time, src)
	return nil
}

type columnInt struct {
	int
	err error
}

func (c *columnInt) Scan(src any) error {
	*c = columnInt{}
	c.err = scanInt(&c.int, src)
	return nil
}

// tylerThread is a row of Tyler's threads.
type tylerThread struct {
	ID         string     `db:"id"`
	Title      *string    `db:"title"`
	Attributes columnJSON `db:"attributes"`
	Source     columnJSON `db:"source"`
	CreatedAt  columnTime `db:"created_at"`
	UpdatedAt  columnTime `db:"updated_at"`
}

// thread returns what the row says.
func (r *tylerThread) thread(d *dialect) (*Thread, error) {
	t := &Thread{ID: r.ID, Title: r.Title, Attributes: JSON(r.Attributes), Source: JSON(r.Source),
		CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time}
	switch {
	case r.CreatedAt.err != nil:
		return nil, t.broken("created_at", r.CreatedAt.err)
	case r.UpdatedAt.err != nil:
		return nil, t.broken("updated_at", r.UpdatedAt.err)
	}
	return t, t.checkStored(d)
}

// adoptThreads copies a page of threads and returns their ids, as bytes in order.
func adoptThreads(ctx context.Context, s session, first bool, after string) ([]string, error) {
	// A cast takes the value out of the hands of the driver, which would read SQLite's declared types.
	collate := ""
	if s.db.dialect.driver == PostgreSQL {
		collate = ` COLLATE "C"`
	}
	var rows []tylerThread
	if err := s.rows(ctx, &rows,
		`SELECT t.id, t.title, CAST(t.attributes AS text) AS attributes, CAST(t.source AS text) AS source,
			COALESCE(t.created_at, t.updated_at, CURRENT_TIMESTAMP) AS created_at,
			COALESCE(t.updated_at, t.created_at, CURRENT_TIMESTAMP) AS updated_at
		FROM `+tylerThreads+` t WHERE ? OR t.id`+collate+` > ?
		ORDER BY t.id`+collate+` LIMIT ?`, first, after, adoptPage); err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].Title = storableText(rows[i].Title)
		storableJSON(&rows[i].Attributes)
		storableJSON(&rows[i].Source)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]string, len(rows))
	var values [][]any
	var properties [][]string
	for i := range rows {
		t, err := rows[i].thread(s.db.dialect)
		if err != nil {
			return nil, err
		}
		ids[i] = t.ID
		at := s.db.dialect.formatTime
		values = append(values, []any{t.ID, t.Title, t.Attributes, null(t.Source), at(t.CreatedAt), at(t.UpdatedAt)})
		present, err := t.searchProperties()
		if err != nil {
			return nil, fmt.Errorf("thread %q: %w", t.ID, err)
		}
		for _, p := range present {
			properties = append(properties, []string{t.ID, p.Key, p.Value})
		}
	}
	if _, err := s.exec(ctx, `INSERT INTO threads (id, title, attributes, source, created_at, updated_at)
		SELECT v.value ->> 0, v.value ->> 1, CAST(v.value ->> 2 AS {json}), CAST(v.value ->> 3 AS {json}),
			CAST(v.value ->> 4 AS {time}), CAST(v.value ->> 5 AS {time}) FROM {rows} AS v`, bind(values)); err != nil {
		return nil, err
	}
	if len(properties) == 0 {
		return ids, nil
	}
	// Not insertProperties: this is version 1 of the tables.
	_, err := s.exec(ctx, `INSERT INTO thread_properties (thread_id, key, value)
		SELECT v.value ->> 0, v.value ->> 1, v.value ->> 2 FROM {rows} AS v`, bind(properties))
	return ids, err
}

// tylerMessage is a row of Tyler's messages.
type tylerMessage struct {
	ID          string     `db:"id"`
	ThreadID    string     `db:"thread_id"`
	Sequence    columnInt  `db:"sequence"`
	Position    columnInt  `db:"position"`
	Role        string     `db:"role"`
	Content     *string    `db:"content"`
	Parts       columnJSON `db:"parts"`
	Name        *string    `db:"name"`
	ToolCallID  *string    `db:"tool_call_id"`
	ToolCalls   columnJSON `db:"tool_calls"`
	Attributes  columnJSON `db:"attributes"`
	Timestamp   columnTime `db:"timestamp"`
	Source      columnJSON `db:"source"`
	Attachments columnJSON `db:"attachments"`
	Metrics     columnJSON `db:"metrics"`
}

// message returns what the row says.
func (r *tylerMessage) message(d *dialect) (*Message, error) {
	m := &Message{ID: r.ID, ThreadID: r.ThreadID, Role: Role(r.Role), Sequence: r.Sequence.int, Content: r.Content,
		Name: r.Name, ToolCallID: r.ToolCallID, Attributes: JSON(r.Attributes), Timestamp: r.Timestamp.Time,
		Source: JSON(r.Source), position: r.Position.int, parts: JSON(r.Parts), toolCalls: JSON(r.ToolCalls),
		attachments: JSON(r.Attachments), metrics: JSON(r.Metrics)}
	if !m.Role.valid() {
		return nil, m.broken("role", fmt.Errorf("%.20q is no role", r.Role))
	}
	switch {
	case r.Sequence.err != nil:
		return nil, m.broken("sequence", r.Sequence.err)
	case r.Position.err != nil:
		return nil, m.broken("position", r.Position.err)
	case r.Timestamp.err != nil:
		return nil, m.broken("timestamp", r.Timestamp.err)
	}
	return m, m.checkStored(d)
}

// adoptMessages copies the messages of some threads.
func adoptMessages(ctx context.Context, s session, threadIDs []string) error {
	var rows []tylerMessage
	if err := s.rows(ctx, &rows,
		`SELECT m.id, m.thread_id, m.sequence, 0 AS position, m.role, m.content, NULL AS parts, m.name, m.tool_call_id,
			CAST(m.tool_calls AS text) AS tool_calls, CAST(m.attributes AS text) AS attributes,
			COALESCE(m."timestamp", CURRENT_TIMESTAMP) AS "timestamp",
			CAST(m.source AS text) AS source, CAST(m.attachments AS text) AS attachments,
			CAST(m.metrics AS text) AS metrics
		FROM `+tylerMessages+` m WHERE m.thread_id {in}`, s.db.dialect.array(threadIDs)); err != nil {
		return err
	}
	for i := range rows {
		r := &rows[i]
		r.Content, r.Name, r.ToolCallID = storableText(r.Content), storableText(r.Name), storableText(r.ToolCallID)
		for _, c := range []*columnJSON{&r.ToolCalls, &r.Attributes, &r.Source, &r.Attachments, &r.Metrics} {
			storableJSON(c)
		}
	}
	byThread := map[string][]*Message{}
	for i := range rows {
		m, err := rows[i].message(s.db.dialect)
		if err != nil {
			return err
		}
		if m.metrics == "" {
			m.metrics = emptyMetrics
		}
		byThread[m.ThreadID] = append(byThread[m.ThreadID], m)
	}
	for _, id := range threadIDs {
		assignSequences(byThread[id])
		if len(byThread[id]) == 0 {
			continue
		}
		// Not insertMessages: this is version 1 of the tables, whatever columns later ones add.
		if _, err := s.exec(ctx,
			`INSERT INTO messages (id, thread_id, sequence, position, role, content, name, tool_call_id,
				tool_calls, attributes, "timestamp", source, attachments, metrics)
			SELECT v.value ->> 0, ?, CAST(v.value ->> 1 AS bigint), CAST(v.value ->> 2 AS bigint), v.value ->> 3,
				v.value ->> 4, v.value ->> 5, v.value ->> 6, CAST(v.value ->> 7 AS {json}),
				CAST(v.value ->> 8 AS {json}), CAST(v.value ->> 9 AS {time}), CAST(v.value ->> 10 AS {json}),
				CAST(v.value ->> 11 AS {json}), CAST(v.value ->> 12 AS {json})
			FROM {rows} AS v`, id, bind(adopted(s, byThread[id]))); err != nil {
			return err
		}
	}
	return nil
}

// adopted returns the messages as the statement of adoptMessages takes them.
func adopted(s session, messages []*Message) [][]any {
	rows := make([][]any, len(messages))
	for i, m := range messages {
		rows[i] = []any{m.ID, m.Sequence, m.position, m.Role, m.Content, m.Name, m.ToolCallID, null(m.toolCalls),
			m.Attributes, s.db.dialect.formatTime(m.Timestamp), null(m.Source), null(m.attachments), m.metrics}
	}
	return rows
}

// assignSequences gives Tyler's messages their positions. Their sequences stay, unless they
// could not be ours (two messages on one, or a system message not on 0): then
// the thread is numbered anew in the same order.
func assignSequences(messages []*Message) {
	sort.Slice(messages, func(i, j int) bool {
		a, b := messages[i], messages[j]
		if x, y := a.Role == RoleSystem, b.Role == RoleSystem; x != y {
			return x
		}
		if a.Sequence != b.Sequence {
			return a.Sequence < b.Sequence
		}
		if !a.Timestamp.Equal(b.Timestamp) {
			return a.Timestamp.Before(b.Timestamp)
		}
		return a.ID < b.ID
	})
	valid, last, system := true, 0, 0
	for _, m := range messages {
		if m.Role == RoleSystem {
			system++
			m.assignSequence(system)
			continue
		}
		valid = valid && m.Sequence > last
		last = m.Sequence
	}
	if valid {
		return
	}
	for i, m := range messages[system:] {
		m.assignSequence(i + 1)
	}
}
