package dbtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
)

// testBrokenRows edits rows by hand: reading them fails, says which row it was, and nothing else fails.
func testBrokenRows(t *testing.T, driver db.Driver) {
	o := Options(t, driver)
	store := OpenOptions(t, o, db.Hooks{})
	raw := Raw(t, o)
	save(t, store, db.ThreadPatch{ID: ptr("fine"), Messages: list(withID("fine", user("x")))})
	read := map[string]func(id string) error{
		"thread": func(id string) error { _, err := store.Scope("").Threads().ByIDs(ctx, []string{id}); return err },
		"list":   func(string) error { _, err := store.Scope("").Threads().List(ctx, 10, 0); return err },
		"message": func(id string) error {
			m, err := store.Scope("").Messages().Get(ctx, id)
			if err != nil {
				return err
			}
			for _, read := range []func() error{
				func() error { _, err := m.Parts(); return err },
				func() error { _, err := m.ToolCalls(); return err },
				func() error { _, err := m.Attachments(); return err },
				func() error { _, err := m.Metrics(); return err },
			} {
				if err := read(); err != nil {
					return err
				}
			}
			return nil
		},
		"append": func(id string) error {
			_, _, err := store.Scope("").Messages().Add(ctx, id, []db.MessagePatch{user("x")})
			return err
		},
		"count": func(id string) error {
			_, err := store.Scope("").Messages().CountByThreads(ctx, []string{id})
			return err
		},
		"messages": func(id string) error {
			_, err := store.Scope("").Messages().ListByThreads(ctx, []string{id}, db.NewWindow(nil, nil, nil, nil, nil))
			return err
		},
	}
	for i, c := range []struct {
		table, column, value string
		sqliteOnly           bool
		fails                []string
	}{
		{"threads", "attributes", "[1]", false, []string{"thread", "list"}},
		{"threads", "attributes", "{broken", true, []string{"thread", "list"}},
		{"threads", "source", `"text"`, false, []string{"thread", "list"}},
		{"threads", "updated_at", "yesterday", true, []string{"thread", "list"}},
		{"threads", "last_sequence", "many", true, []string{"append"}},
		{"threads", "user_count", "many", true, []string{"append", "count"}},
		{"messages", "sequence", "first", true, []string{"message"}}, // no window reaches it
		{"messages", "sequence", "1.5", true, []string{"message", "messages"}},
		{"messages", "role", "wizard", false, []string{"message", "messages"}},
		{"messages", "attributes", `"text"`, false, []string{"message", "messages"}},
		{"messages", "attributes", `{"a":}`, true, []string{"message", "messages"}},
		{"messages", "source", `1`, false, []string{"message", "messages"}},
		{"messages", "timestamp", "never", true, []string{"message", "messages"}},
		{"messages", "parts", `{"a":1}`, false, []string{"message"}},
		{"messages", "parts", `[{"type":"video"}]`, false, []string{"message"}},
		{"messages", "tool_calls", `[{"id":"x"}]`, false, []string{"message"}},
		{"messages", "tool_calls", `7`, false, []string{"message"}},
		{"messages", "attachments", `[{}]`, false, []string{"message"}},
		{"messages", "attachments", `[{"filename":"f","status":"lost"}]`, false, []string{"message"}},
		{"messages", "metrics", `{"usage":{"prompt_tokens":1.5}}`, false, []string{"message"}},
		{"messages", "metrics", `{"timing":{"started_at":"noon"}}`, false, []string{"message"}},
	} {
		if c.sqliteOnly && driver != db.SQLite {
			continue // PostgreSQL's types do not let it in
		}
		id := number("broken ", i)
		save(t, store, db.ThreadPatch{ID: &id, Messages: list(withID(id, user("x")))})
		Exec(t, raw, fmt.Sprintf(`UPDATE %s SET "%s" = '%s' WHERE id = '%s'`, c.table, c.column, c.value, id))
		for _, name := range c.fails {
			err := read[name](id)
			switch {
			case err == nil:
				t.Errorf("%s.%s = %s: reading the %s does not fail", c.table, c.column, c.value, name)
			case !strings.Contains(err.Error(), id):
				t.Errorf("%s.%s = %s: reading the %s fails without the id: %v", c.table, c.column, c.value, name, err)
			default:
				for _, code := range []db.Code{db.Invalid, db.NotFound, db.Conflict, db.Unavailable, db.Timeout} {
					if code.Is(err) {
						t.Errorf("%s.%s = %s: reading the %s has code %d, want an internal error", c.table, c.column,
							c.value, name, code)
					}
				}
			}
		}
		if err := read["thread"]("fine"); err != nil {
			t.Errorf("%s.%s = %s: another thread cannot be read: %v", c.table, c.column, c.value, err)
		}
		Exec(t, raw, fmt.Sprintf(`DELETE FROM threads WHERE id = '%s'`, id))
	}

	t.Run("bytes that are no text", func(t *testing.T) {
		if driver != db.SQLite {
			if _, err := raw.Exec(`UPDATE threads SET created_at = '0044-03-15 00:00:00+00 BC' ` +
				`WHERE id = 'fine'`); err != nil {
				t.Fatal(err)
			}
			if err := read["thread"]("fine"); err == nil || !strings.Contains(err.Error(), "fine") {
				t.Errorf("a time before the year 1: %v", err)
			}
			return
		}
		for column, name := range map[string]string{"threads.title": "thread", "threads.attributes": "thread",
			"messages.content": "message"} {
			table, column, _ := strings.Cut(column, ".")
			Exec(t, raw, fmt.Sprintf(`UPDATE %s SET %s = CAST(x'7b2261223a22ff227d' AS TEXT) WHERE id = 'fine'`,
				table, column))
			if err := read[name]("fine"); err == nil || !strings.Contains(err.Error(), "fine") {
				t.Errorf("%s.%s: %v", table, column, err)
			}
			Exec(t, raw, fmt.Sprintf(`UPDATE %s SET %s = '{}' WHERE id = 'fine'`, table, column))
		}
	})
	t.Run("as Tyler writes", func(t *testing.T) {
		now := `'2024-05-15 15:00:00.123456'`
		if driver != db.SQLite {
			now = `'2024-05-15 15:00:00.123456+00'`
		}
		Exec(t, raw,
			`INSERT INTO threads (id, title, attributes, source, created_at, updated_at) `+
				`VALUES ('tyler', NULL, '{"a": 1}', 'null', `+now+`, `+now+`)`,
			`INSERT INTO messages (id, thread_id, sequence, role, content, tool_calls, attributes, "timestamp", `+
				`source, attachments, metrics)
				VALUES ('tyler', 'tyler', 0, 'system', 'x', 'null', '{}', `+now+`, 'null', 'null', '{}'), ('tyler `+
				`2', 'tyler', 1, 'user', 'y', NULL, '{}', `+now+`, NULL, '[]', '{}')`)
		at := time.Date(2024, 5, 15, 15, 0, 0, 123456000, time.UTC)
		threads, err := store.Scope("").Threads().ByIDs(ctx, []string{"tyler"})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, "read", shownThread(t, threads["tyler"], all(t, store, "tyler")),
			thread{ID: "tyler", Attributes: value(t, `{"a":1}`), CreatedAt: at, UpdatedAt: at,
				Messages: []message{
					{ID: "tyler", ThreadID: "tyler", Role: db.RoleSystem, Content: ptr("x"),
						Parts: []db.Part{db.TextPart{Text: "x"}}, Attributes: map[string]any{}, Timestamp: at},
					{ID: "tyler 2", ThreadID: "tyler", Role: db.RoleUser, Sequence: 1, Content: ptr("y"),
						Parts: []db.Part{db.TextPart{Text: "y"}}, Attributes: map[string]any{}, Timestamp: at},
				}})
	})
}

// testDurability reads the settings that an answered write rests on from every
// connection as it is opened, also against defaults that would undo them.
func testDurability(t *testing.T, kind db.Driver) {
	o := Options(t, kind)
	o.PoolSize, o.MaxOverflow = 3, 2
	questions := map[string]string{"PRAGMA synchronous": "2", "PRAGMA journal_mode": "wal", "PRAGMA foreign_keys": "1"}
	if kind != db.SQLite {
		questions = map[string]string{"SHOW fsync": "on", "SHOW full_page_writes": "on"}
		Exec(t, Raw(t, o), fmt.Sprintf(`ALTER DATABASE %s SET synchronous_commit = off`, o.Postgres["dbname"]))
	}
	if kind == db.PostgreSQL {
		questions["SHOW synchronous_commit"] = "on"
		o.Postgres["synchronous_commit"], o.Postgres["options"] = "off", "-c synchronous_commit=off" // as a URL can say
	}
	opened := &asked{t: t, questions: questions}
	store := OpenOptions(t, o, db.Hooks{Connector: opened.connector})
	save(t, store, db.ThreadPatch{ID: ptr("t")})
	for _, err := range together(20, func(int) error {
		_, _, err := store.Scope("").Messages().Add(ctx, "t", []db.MessagePatch{user("x")})
		if err == nil {
			_, err = store.Scope("").Threads().List(ctx, 1, 0)
		}
		return err
	}) {
		t.Error(err)
	}
	if n := opened.connections.Load(); n < 2 {
		t.Errorf("only %d connections were opened", n)
	}
	if kind != db.SQLite {
		testFlushed(t, store, Raw(t, o))
	}
}

// testFlushed asks PostgreSQL, after each kind of write, whether it has put on disk what it had logged: its default was
// set to leave that for later. Others may do it for a write that does not wait, so there are many.
func testFlushed(t *testing.T, store *db.DB, raw *sql.DB) {
	patch := func() db.ThreadPatch {
		return db.ThreadPatch{ID: ptr("flushed"), Title: some("x"), Messages: list(user("x"), user("y"))}
	}
	add := func(patches ...db.MessagePatch) error {
		_, _, err := store.Scope("").Messages().Add(ctx, "flushed", patches)
		return err
	}
	for range 20 {
		for _, c := range []struct {
			name  string
			write func() error
		}{
			{"Save, new", func() error { _, err := store.Scope("").Threads().Save(ctx, patch()); return err }},
			{"Save", func() error { _, err := store.Scope("").Threads().Save(ctx, patch()); return err }},
			{"Restore", func() error { _, err := store.Scope("").Threads().Restore(ctx, patch(), start); return err }},
			{"Add one", func() error { return add(user("x")) }},
			{"Add a system message", func() error { return add(db.MessagePatch{Role: db.RoleSystem}) }},
			{"Add several", func() error { return add(user("x"), user("y")) }},
			{"Delete", func() error { _, err := store.Scope("").Threads().Delete(ctx, "flushed"); return err }},
		} {
			var before string
			if err := raw.QueryRow(`SELECT pg_current_wal_insert_lsn()`).Scan(&before); err != nil {
				t.Fatal(err)
			}
			if err := c.write(); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			var flushed bool
			if err := raw.QueryRow(`SELECT pg_current_wal_flush_lsn() > CAST($1 AS pg_lsn)`,
				before).Scan(&flushed); err != nil {
				t.Fatal(err)
			}
			if !flushed {
				t.Fatalf("%s: answered before it is on disk", c.name)
			}
		}
	}
}

// asked asks every new connection about its settings.
type asked struct {
	t           *testing.T
	questions   map[string]string
	connections atomic.Int64
}

func (a *asked) connector(c driver.Connector) driver.Connector { return askedConnector{c, a} }

type askedConnector struct {
	driver.Connector
	*asked
}

func (c askedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c.connections.Add(1)
	for question, want := range c.questions {
		rows, err := conn.(driver.QueryerContext).QueryContext(ctx, question, nil)
		if err != nil {
			return nil, err
		}
		row := make([]driver.Value, 1)
		if err := rows.Next(row); err != nil {
			return nil, err
		}
		got := fmt.Sprint(row[0])
		if b, ok := row[0].([]byte); ok {
			got = string(b)
		}
		if got != want {
			c.t.Errorf("%s answers %q, want %q", question, got, want)
		}
		if err := rows.Close(); err != nil {
			return nil, err
		}
	}
	return conn, nil
}

func testMigrate(t *testing.T, driver db.Driver) {
	o := parse(t, URL(t, driver))
	empty, err := db.Open(o, db.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.Ready(ctx); err == nil {
		t.Error("Ready before Migrate does not mind that there are no tables")
	}
	if err := empty.Close(); err != nil {
		t.Fatal(err)
	}
	store := OpenOptions(t, o, db.Hooks{})
	if err := store.Ready(ctx); err != nil {
		t.Errorf("Ready after Migrate: %v", err)
	}
	tool := db.MessagePatch{Role: db.RoleTool, ToolCallID: some("c")}
	save(t, store, db.ThreadPatch{ID: ptr("t"),
		Messages: list(db.MessagePatch{Role: db.RoleSystem}, user("x"), db.MessagePatch{Role: db.RoleAssistant}, tool)})
	raw := Raw(t, o)
	diff(t, "roles as they are stored", column(t, raw, `SELECT role FROM messages ORDER BY ordinal`),
		[]string{"system", "user", "assistant", "tool"})
	if driver != db.SQLite {
		diff(t, "columns that are not jsonb",
			column(t, raw,
				`SELECT table_name || '.' || column_name FROM information_schema.columns `+
					`WHERE data_type <> 'jsonb' AND table_schema = 'public'
			AND column_name IN ('attributes', 'source', 'parts', 'tool_calls', 'attachments', `+
					`'metrics')`), []string(nil))
	}
	again := OpenOptions(t, o, db.Hooks{})
	if load(t, again, "t") == nil {
		t.Error("migrating again lost a thread")
	}
}

// testMigrateTogether starts several servers at once on an empty database, and on one of Tyler's, which one adopts.
func testMigrateTogether(t *testing.T, driver db.Driver) {
	if n := migrateTogether(t, parse(t, URL(t, driver)), 6); n != 0 {
		t.Errorf("nothing was adopted %d times", n)
	}
	tyler := parse(t, URL(t, driver))
	Exec(t, Raw(t, tyler), tylerTables(driver)...)
	if n := migrateTogether(t, tyler, 3); n != 1 {
		t.Errorf("Tyler's tables were adopted %d times", n)
	}
}

// migrateTogether returns how many of the servers adopted tables of Tyler.
func migrateTogether(t *testing.T, o db.Options, servers int) int {
	t.Helper()
	log := &Output{}
	for _, err := range together(servers, func(int) error {
		store, err := db.Open(o, db.Hooks{Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			return err
		}
		defer store.Close()
		if err := store.Migrate(ctx); err != nil {
			return err
		}
		_, err = store.Scope("").Threads().Save(ctx, db.ThreadPatch{})
		return err
	}) {
		t.Error(err)
	}
	if got, err := OpenOptions(t, o, db.Hooks{}).Scope("").Threads().List(ctx, 100, 0); err != nil ||
		len(got) != servers {
		t.Errorf("%d threads, %v, want %d", len(got), err, servers)
	}
	return strings.Count(log.String(), "adopted the tables")
}

func testFutureSchema(t *testing.T, driver db.Driver) {
	o := Options(t, driver)
	OpenOptions(t, o, db.Hooks{})
	Exec(t, Raw(t, o),
		`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, `+map[db.Driver]string{db.SQLite: "1",
			db.PostgreSQL: "true", PgBouncer: "true"}[driver]+`)`)
	store, err := db.Open(o, db.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(ctx); err == nil || !strings.Contains(err.Error(), "999") {
		t.Errorf("Migrate = %v, want an error that names version 999", err)
	}
	if err := store.Ready(ctx); err == nil {
		t.Error("Ready does not mind the version")
	}
}

// tylerTables are as SQLAlchemy makes them from Tyler's models.
func tylerTables(kind db.Driver) []string {
	const json = "JSON"
	at := "DATETIME"
	if kind != db.SQLite {
		at = "TIMESTAMP WITH TIME ZONE"
	}
	return []string{
		`CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)`, // not ours to touch
		fmt.Sprintf(`CREATE TABLE threads (id VARCHAR NOT NULL, title VARCHAR, attributes %[1]s NOT NULL, source `+
			`%[1]s, created_at %[2]s, updated_at %[2]s, PRIMARY KEY (id))`, json, at),
		fmt.Sprintf(`CREATE TABLE messages (id VARCHAR NOT NULL, thread_id VARCHAR NOT NULL, sequence INTEGER NOT `+
			`NULL, role VARCHAR NOT NULL, content TEXT,
			name VARCHAR, tool_call_id VARCHAR, tool_calls %[1]s, attributes %[1]s NOT NULL, timestamp %[2]s, `+
			`source %[1]s, attachments %[1]s, metrics %[1]s NOT NULL,
			PRIMARY KEY (id), FOREIGN KEY(thread_id) REFERENCES threads (id) ON DELETE CASCADE)`, json, at),
		`CREATE INDEX ix_messages_thread ON messages (thread_id)`,
	}
}

// testMigrateSources migrates the properties of sources, as version 1 had them.
func testMigrateSources(t *testing.T, driver db.Driver) {
	current := Options(t, driver)
	store := OpenOptions(t, current, db.Hooks{})
	o, raw := oldDatabase(t, driver, 1)
	long := strings.Repeat("long", 100)
	var want []string
	for id, source := range map[string]string{
		"both": `{"name": "slack", "channel": "C1", "after": 1, "zebra": [true]}`,
		"long": `{"name": "` + long + `", "` + long + `": "` + long + `"}`,
		"only": `{"name": "slack"}`, "none": `{"channel": "C1"}`, "number": `{"name": 5, "channel": "C1"}`,
		"null": `{"name": null, "channel": "C1"}`,
	} {
		p := db.ThreadPatch{ID: ptr(id), Attributes: givenObject(t, `{"s": "n", "name": "slack"}`),
			Source: givenObject(t, source)}
		save(t, store, p)
		Exec(t, raw, fmt.Sprintf(`INSERT INTO threads (id, source) VALUES ('%s', '%s')`, id, source))
		properties := map[string]string{}
		for _, row := range column(t, Raw(t, current),
			`SELECT key || ' ' || value FROM thread_properties WHERE thread_id = '`+id+`'`) {
			key, value, _ := strings.Cut(row, " ")
			properties[key] = value
		}
		name := properties["n:name"]
		for key, value := range properties {
			want = append(want, id+" "+key+" "+value)
			if strings.HasPrefix(key, "n") {
				value = strings.TrimPrefix(value, name)
				if key == "n:name" {
					value = name
				}
				key = "s" + key[1:]
			}
			Exec(t, raw, fmt.Sprintf(`INSERT INTO thread_properties (thread_id, key, value) VALUES ('%s', '%s', '%s')`,
				id, key, value))
		}
	}
	// What version 1 kept of sources that nobody can search for.
	Exec(t, raw, `INSERT INTO thread_properties (thread_id, key, value) VALUES
		('none', 's:channel', ':"C1"'), ('number', 's:name', ':5e1'), ('number', 's:channel', ':"C1"'), ('null', `+
		`'s:channel', ':"C1"')`)
	OpenOptions(t, o, db.Hooks{})
	got := column(t, raw, `SELECT thread_id || ' ' || key || ' ' || value FROM thread_properties`)
	slices.Sort(got)
	slices.Sort(want)
	diff(t, "thread_properties", got, want)
}

// testAdopt migrates a database that Tyler has written.
func testAdopt(t *testing.T, driver db.Driver) {
	o := parse(t, URL(t, driver))
	raw := Raw(t, o)
	Exec(t, raw, tylerTables(driver)...)
	zone := ""
	if driver != db.SQLite {
		zone = "+00"
	}
	at := func(second int) string { return fmt.Sprintf("'2024-05-15 15:00:%02d.000007%s'", second, zone) }
	metrics := `{"model": "gpt-4o", "timing": {"started_at": null, "ended_at": "2024-05-15T15:00:01.5+00:00", ` +
		`"latency": 12.5}, "usage": {"completion_tokens": 1, "prompt_tokens": 2, "total_tokens": 3}, "weave_call": ` +
		`{"id": "", "ui_url": ""}, "extra": {"kept": true}}`
	Exec(t, raw,
		`INSERT INTO threads VALUES ('t1', 'One', '{"customer_id": "42", "n": 1.0}', '{"name": "slack", "channel": `+
			`"C1"}', `+at(1)+`, `+at(9)+`)`,
		`INSERT INTO threads VALUES ('t2', NULL, '{}', 'null', `+at(2)+`, `+at(8)+`)`,
		`INSERT INTO threads VALUES ('t3', 'numbered badly', '{}', NULL, NULL, `+at(7)+`)`,
		`INSERT INTO messages VALUES ('s1', 't1', 0, 'system', 'one', NULL, NULL, 'null', '{}', `+at(1)+`, 'null', `+
			`'null', '{}')`,
		`INSERT INTO messages VALUES ('s2', 't1', 0, 'system', 'two', NULL, NULL, NULL, '{}', `+at(2)+`, NULL, NULL,`+
			` '{}')`,
		`INSERT INTO messages VALUES ('a1', 't1', 1, 'assistant', NULL, NULL, NULL, '[{"id": "c", "type": `+
			`"function", "function": {"name": "f", "arguments": "{}"}, "index": 0}]', '{}', `+at(3)+`, NULL, NULL, `+
			`'`+metrics+`')`,
		`INSERT INTO messages VALUES ('b1', 't1', 2, 'tool', 'done', 'f', 'c', NULL, '{"k": [1]}', `+at(4)+`, `+
			`'{"id": "x", "type": "tool"}', '[{"filename": "a", "status": "stored"}]', '{}')`,
		`INSERT INTO messages VALUES ('g1', 't1', 5, 'user', '', NULL, NULL, NULL, '{}', `+at(5)+`, NULL, NULL, '{}')`,
		`INSERT INTO threads VALUES ('t4', 'odd', '{"nul": "a\u0000b", "half": "\ud83d", "pair": "\ud83d\ude00", `+
			`"none": "\\u0000"}', NULL, `+at(1)+`, `+at(6)+`)`,
		`INSERT INTO messages VALUES ('d2', 't3', 1, 'user', 'second', NULL, NULL, NULL, '{}', `+at(2)+`, NULL, `+
			`NULL, '{}')`,
		`INSERT INTO messages VALUES ('d1', 't3', 1, 'user', 'first', NULL, NULL, NULL, '{}', `+at(1)+`, NULL, NULL,`+
			` '{}')`,
	)
	store := OpenOptions(t, o, db.Hooks{})
	moment := func(second int) time.Time { return time.Date(2024, 5, 15, 15, 0, second, 7000, time.UTC) }
	none := map[string]any{}
	text := func(s string) []db.Part { return []db.Part{db.TextPart{Text: s}} }
	diff(t, "t1", *load(t, store, "t1"), thread{ID: "t1", Title: ptr("One"),
		Attributes: value(t, `{"customer_id":"42","n":1}`), Source: value(t, `{"name":"slack","channel":"C1"}`),
		CreatedAt: moment(1), UpdatedAt: moment(9), Messages: []message{
			{ID: "s1", ThreadID: "t1", Role: db.RoleSystem, Content: ptr("one"), Parts: text("one"), Attributes: none,
				Timestamp: moment(1)},
			{ID: "s2", ThreadID: "t1", Role: db.RoleSystem, Content: ptr("two"), Parts: text("two"), Attributes: none,
				Timestamp: moment(2)},
			{ID: "a1", ThreadID: "t1", Role: db.RoleAssistant, Sequence: 1, Attributes: none, Timestamp: moment(3),
				ToolCalls: []db.ToolCall{{CallID: "c", Type: "function",
					Function: db.ToolCallFunction{Name: "f", Arguments: "{}"}}},
				Metrics: db.Metrics{Model: ptr("gpt-4o"),
					Timing: db.Timing{EndedAt: ptr(time.Date(2024, 5, 15, 15, 0, 1, 500000000, time.UTC)),
						LatencyMS: 12.5},
					Usage: db.TokenUsage{PromptTokens: 2, CompletionTokens: 1, TotalTokens: 3}}},
			{ID: "b1", ThreadID: "t1", Role: db.RoleTool, Sequence: 2, Content: ptr("done"), Parts: text("done"),
				Name: ptr("f"), ToolCallID: ptr("c"), Attributes: value(t, `{"k":[1]}`),
				Timestamp: moment(4), Source: value(t, `{"id":"x","type":"tool"}`),
				Attachments: []db.Attachment{{Filename: "a", Status: db.AttachmentStored}}},
			{ID: "g1", ThreadID: "t1", Role: db.RoleUser, Sequence: 5, Content: ptr(""), Parts: text(""),
				Attributes: none, Timestamp: moment(5)},
		}})
	diff(t, "t2", *load(t, store, "t2"), thread{ID: "t2", Attributes: none, CreatedAt: moment(2), UpdatedAt: moment(8)})
	var order []string
	for _, m := range load(t, store, "t3").Messages {
		order = append(order, fmt.Sprint(m.ID, m.Sequence))
	}
	diff(t, "t3, numbered anew", order, []string{"d11", "d22"})

	if got, err := store.Scope("").Threads().FindByAttributes(ctx,
		decoded(t, `{"customer_id":"42","n":1}`), 10, 0); err != nil || len(got) != 1 {
		t.Errorf("FindByAttributes = %v, %v", ids(got), err)
	}
	if got, err := store.Scope("").Threads().FindBySource(ctx, "slack",
		decoded(t, `{"channel":"C1"}`), 10, 0); err != nil || len(got) != 1 {
		t.Errorf("FindBySource = %v, %v", ids(got), err)
	}
	if got := load(t, store, "t4"); got == nil {
		t.Error("t4 is not there")
	} else {
		diff(t, "t4, with what no answer can hold replaced", got.Attributes,
			any(map[string]any{"nul": "a\uFFFDb", "half": "\uFFFD", "pair": "😀", "none": `\u0000`}))
	}
	list, err := store.Scope("").Threads().List(ctx, 10, 0)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "List", ids(list), []string{"t1", "t2", "t3", "t4"})
	added, _, err := store.Scope("").Messages().Add(ctx, "t1", []db.MessagePatch{user("x"), {Role: db.RoleSystem}})
	if err != nil || added[0].Sequence != 6 || added[1].Sequence != 0 {
		t.Errorf("Add = %+v, %v, want sequence 6", added, err)
	}
	Exec(t, raw, `DROP TABLE alembic_version`)
	diff(t, "the tables", columns(t, raw, driver), columns(t, Raw(t, fresh(t, driver)), driver))
}

// fresh returns the options of a database that was migrated from nothing.
func fresh(t testing.TB, driver db.Driver) db.Options {
	t.Helper()
	o := parse(t, URL(t, driver))
	OpenOptions(t, o, db.Hooks{})
	return o
}

// columns returns the definition of all tables and indexes.
func columns(t testing.TB, raw *sql.DB, kind db.Driver) []string {
	t.Helper()
	query := `SELECT name || ': ' || COALESCE(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1`
	if kind != db.SQLite {
		query = `SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || ` +
			`COALESCE(column_default, '') || ' ' || COALESCE(collation_name, '')
				FROM information_schema.columns WHERE table_schema = 'public'
			UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
			UNION ALL SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint ` +
			`WHERE connamespace = 'public'::regnamespace ORDER BY 1`
	}
	return column(t, raw, query)
}

// column returns the rows of a query for one text.
func column(t testing.TB, raw *sql.DB, query string) []string {
	t.Helper()
	rows, err := raw.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	return all
}

// testAdoptFailure gives the migration tables that it cannot adopt: they stay as they are.
func testAdoptFailure(t *testing.T, driver db.Driver) {
	for name, statements := range map[string][]string{
		"tables of somebody else": {`CREATE TABLE threads (id INTEGER, colour TEXT)`,
			`CREATE TABLE messages (id INTEGER)`},
		"one table": {`CREATE TABLE threads (id INTEGER, colour TEXT)`},
		"a row that is no thread": append(tylerTables(driver),
			`INSERT INTO threads VALUES ('t', 'x', '[1]', NULL, '2024-01-01 00:00:00', '2024-01-01 00:00:00')`),
	} {
		o := parse(t, URL(t, driver))
		raw := Raw(t, o)
		Exec(t, raw, statements...)
		store, err := db.Open(o, db.Hooks{})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Migrate(ctx); err == nil {
			t.Errorf("%s: the migration did not fail", name)
		}
		store.Close()
		if _, err := raw.Exec(`SELECT id FROM threads`); err != nil {
			t.Errorf("%s: the table is no longer there: %v", name, err)
		}
		if _, err := raw.Exec(`SELECT last_sequence FROM threads`); err == nil {
			t.Errorf("%s: the table became ours", name)
		}
	}
	if driver != db.SQLite {
		return // its foreign keys leave no orphans
	}
	t.Run("messages without a thread are kept aside", func(t *testing.T) {
		o := parse(t, URL(t, driver))
		raw := Raw(t, o)
		Exec(t, raw, append(tylerTables(driver), `PRAGMA foreign_keys = 0`,
			`CREATE INDEX threads_updated_at ON threads (title)`,
			`INSERT INTO threads VALUES ('t', 'x', '{}', NULL, '2024-01-01 00:00:00', '2024-01-01 00:00:00')`,
			`INSERT INTO messages VALUES ('m', 't', 1, 'user', 'x', NULL, NULL, NULL, '{}', '2024-01-01 00:00:00', `+
				`NULL, NULL, '{}')`,
			`INSERT INTO messages VALUES ('o', 'gone', 1, 'user', 'x', NULL, NULL, NULL, '{}', '2024-01-01 `+
				`00:00:00', NULL, NULL, '{}')`)...)
		store := OpenOptions(t, o, db.Hooks{})
		if n := len(load(t, store, "t").Messages); n != 1 {
			t.Errorf("%d messages, want 1", n)
		}
		var id string
		if err := raw.QueryRow(`SELECT id FROM tyler_messages`).Scan(&id); err != nil || id != "o" {
			t.Errorf("the message without a thread: %q, %v", id, err)
		}
	})
}

// oldDatabase makes a database as the program left it at an earlier version of the schema.
func oldDatabase(t *testing.T, driver db.Driver, version int) (db.Options, *sql.DB) {
	t.Helper()
	o := parse(t, URL(t, driver))
	raw := Raw(t, o)
	kind := "sqlite"
	versions := `CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, ` +
		`is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now')))`
	if driver != db.SQLite {
		kind = "postgres"
		versions = `CREATE TABLE goose_db_version (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, ` +
			`version_id bigint NOT NULL,
			is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now())`
	}
	Exec(t, raw, versions, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)`)
	files, err := filepath.Glob(filepath.Join("migrations", kind, "*.sql"))
	if err != nil || len(files) < version {
		t.Fatalf("migrations %v, %v", files, err)
	}
	slices.Sort(files)
	for i, file := range files[:version] {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		Exec(t, raw, string(text),
			fmt.Sprintf(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, true)`, i+1))
	}
	return o, raw
}

// testMigrateTenants takes a database from before there were tenants: what was there belongs to the tenant "", and the
// tables are those of a new database.
func testMigrateTenants(t *testing.T, driver db.Driver) {
	o, raw := oldDatabase(t, driver, 3)
	at := "'2026-01-02 03:04:05.678901'"
	if driver != db.SQLite {
		at = "timestamptz '2026-01-02 03:04:05.678901+00'"
	}
	Exec(t, raw,
		`INSERT INTO threads (id, title, attributes, created_at, updated_at, last_sequence, system_count, `+
			`user_count) VALUES
			('t', 'Old', '{"a":1}', `+at+`, `+at+`, 1, 1, 1), ('empty', NULL, '{}', `+at+`, `+at+`, 0, 0, 0)`,
		`INSERT INTO messages (id, thread_id, sequence, position, role, content, "timestamp") VALUES
			('s', 't', 0, 1, 'system', 'Be kind.', `+at+`), ('u', 't', 1, 0, 'user', 'Hi!', `+at+`)`,
		`INSERT INTO thread_properties (thread_id, key, value) VALUES ('t', 'a:a', ':1e1')`)
	stores := make([]*db.DB, 3)
	for _, err := range together(len(stores), func(i int) error { // servers that start at once
		var err error
		if stores[i], err = db.Open(o, db.Hooks{}); err == nil {
			err = stores[i].Migrate(ctx)
		}
		return err
	}) {
		t.Fatal(err)
	}
	for _, s := range stores {
		defer s.Close()
	}
	th := load(t, stores[0], "t")
	if th == nil || *th.Title != "Old" || len(th.Messages) != 2 || *th.Messages[0].Content != "Be kind." ||
		*th.Messages[1].Content != "Hi!" {
		t.Fatalf("the old thread is %+v", th)
	}
	found, err := stores[0].Scope("").Threads().FindByAttributes(ctx, map[string]any{"a": 1}, 10, 0)
	if err != nil || len(found) != 1 {
		t.Errorf("found %v, %v, want the old thread", found, err)
	}
	if _, _, err := stores[1].Scope("").Messages().Add(ctx, "t", []db.MessagePatch{user("x")}); err != nil {
		t.Error(err)
	}
	if n := len(load(t, stores[2], "t").Messages); n != 3 {
		t.Errorf("%d messages after an append, want 3", n)
	}
	if deleted, err := stores[0].Scope("").Threads().Delete(ctx, "t"); err != nil || !deleted {
		t.Errorf("deleted %v, %v", deleted, err)
	}
	if n := len(column(t, raw, `SELECT id FROM messages`)); n != 0 {
		t.Errorf("%d messages of a deleted thread", n)
	}
	fresh := Options(t, driver)
	OpenOptions(t, fresh, db.Hooks{})
	ours := func(o db.Options) []string { // goose's own table aside
		return slices.DeleteFunc(columns(t, Raw(t, o), driver),
			func(c string) bool { return strings.HasPrefix(c, "goose_db_version") })
	}
	diff(t, "tables", ours(o), ours(fresh))
}
