package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args  []string
		words []string
	}{
		{[]string{"version"}, []string{"threadstore"}},
		{[]string{"--help"}, []string{"serve", "import", "export", "migrate", "healthcheck", "version", "DATABASE_URL",
			"TYLER_DB_POOL_SIZE", "TYLER_DB_MAX_OVERFLOW",
			"TYLER_DB_POOL_TIMEOUT", "TYLER_DB_POOL_RECYCLE", "TYLER_DB_ECHO", "TYLER_DB_TYPE", "_PATH",
			"THREADSTORE_ADDR", "THREADSTORE_CORS_ORIGINS",
			"THREADSTORE_MAX_PAGE", "THREADSTORE_MAX_BODY", "THREADSTORE_MAX_COMPLEXITY"}},
		{[]string{"-h"}, []string{"serve"}},
		{[]string{"serve", "--help"}, []string{"serve"}},
		{[]string{"import", "--help"}, []string{"import", "JSON Lines", "<file>", "--sample"}},
		{[]string{"export", "--help"}, []string{"export"}},
		{[]string{"migrate", "--help"}, []string{"migrate"}},
		{[]string{"healthcheck", "--help"}, []string{"healthcheck", "THREADSTORE_ADDR"}},
		{[]string{"version", "--help"}, []string{"version"}},
	} {
		// None of them reads a setting, so a bad one is no hindrance.
		in := invocation{args: c.args, env: []string{"DATABASE_URL=nonsense", "THREADSTORE_MAX_PAGE=x"},
			dir: t.TempDir()}
		e := in.run(t)
		if e.code != 0 || e.stderr != "" {
			t.Errorf("threadstore %q: exit status %d, standard error %q; want 0 and none", c.args, e.code, e.stderr)
		}
		for _, w := range c.words {
			if !strings.Contains(e.stdout, w) {
				t.Errorf("threadstore %q: %q does not name %q", c.args, e.stdout, w)
			}
		}
		if files, _ := os.ReadDir(in.dir); len(files) > 0 {
			t.Errorf("threadstore %q made %v", c.args, files)
		}
	}
	for _, args := range [][]string{{"nonsense"}, {"--nonsense"}, {"serve", "--nonsense"}, {"serve", "more"},
		{"import"}, {"import", "--nonsense"},
		{"export", "more"}, {"migrate", "more"}, {"healthcheck", "more"}, {"version", "more"}} {
		wantRefused(t, invocation{args: args, env: []string{"DATABASE_URL=:memory:"}})
	}
}

// TestVersion asks the program, and one that is built as a release is.
func TestVersion(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`^threadstore \S+ \((commit [0-9a-f]{7}, )?go1\.\S+\)\n$`)
	if out := (invocation{args: []string{"version"}}).must(t); !line.MatchString(out) {
		t.Errorf("version says %q", out)
	}
	release := filepath.Join(t.TempDir(), "threadstore")
	flags := "-X main.version=1.2.3 -X main.commit=0123456789abcdef"
	if out, err := exec.Command("go", "build", "-ldflags", flags, "-o", release, "..").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.Command(release, "version").Output()
	if want := "threadstore 1.2.3 (commit 0123456, " + runtime.Version() + ")\n"; err != nil || string(out) != want {
		t.Errorf("a release says %q, %v; want %q", out, err, want)
	}
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	of := func(addr string) invocation {
		return invocation{args: []string{"healthcheck"}, env: []string{"THREADSTORE_ADDR=" + addr}}
	}
	for _, all := range []string{"", "0.0.0.0", "[::]"} { // the server listens on all addresses
		s := serve(t, "DATABASE_URL=:memory:", "THREADSTORE_ADDR="+all+":0")
		addr := all + s.url[strings.LastIndex(s.url, ":"):]
		if e := of(addr).run(t); e != (ended{}) {
			t.Errorf("healthcheck of a server on %s: exit status %d, %q, %q", addr, e.code, e.stdout, e.stderr)
		}
		s.stop()
		wantRefused(t, of(addr), "THREADSTORE_ADDR "+addr+" does not answer", "refused")
	}
	ill := httptest.NewServer(http.NotFoundHandler())
	defer ill.Close()
	wantRefused(t, of(ill.Listener.Addr().String()), "/readyz answers 404")
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		u := dbtest.URL(t, driver)
		in := invocation{args: []string{"migrate"}, env: []string{"DATABASE_URL=" + u}}
		for range 2 {
			if out := in.must(t); out != "" {
				t.Errorf("migrate wrote %q", out)
			}
		}
		if driver == db.SQLite {
			wantOneFile(t, path(t, u))
		}
		for _, table := range []string{"threads", "messages"} {
			var n int
			if err := dbtest.Raw(t, rawOptions(t, u)).QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil ||
				n != 0 {
				t.Errorf("table %s: %d rows, %v", table, n, err)
			}
		}
	})
}

// lines decodes JSON Lines with exact numbers, by id.
func lines(t testing.TB, text string) map[string]any {
	t.Helper()
	byID := map[string]any{}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for d.More() {
		var th map[string]any
		if err := d.Decode(&th); err != nil {
			t.Fatal(err)
		}
		byID[th["id"].(string)] = th
	}
	return byID
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestImportExport(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		all := dbtest.Conversations(t)
		env := func() []string { return []string{"DATABASE_URL=" + dbtest.URL(t, driver)} }
		export := func(env []string) string { return invocation{args: []string{"export"}, env: env}.must(t) }

		one := env()
		for range 2 { // importing twice changes nothing
			e := invocation{args: []string{"import", dbtest.ConversationsFile(t)}, env: one}.run(t)
			if e.code != 0 || !strings.Contains(e.stderr, "100 threads, 2526 messages") || e.stdout != "" {
				t.Fatalf("import: exit status %d, standard output %q, standard error %q", e.code, e.stdout, e.stderr)
			}
		}
		exported := export(one)
		if got := len(lines(t, exported)); got != 100 {
			t.Errorf("the export has %d threads, want 100", got)
		}
		same := func(what string, env []string) {
			t.Helper()
			if got := export(env); got != exported {
				t.Errorf("%s: the export is another one, got (+), want (-):\n%s", what,
					tail(cmp.Diff(lines(t, exported), lines(t, got))))
			}
		}
		same("again", one)

		several := env()
		invocation{args: []string{"import", writeFile(t, "a.jsonl", strings.Join(all[:40], "")), "-",
			writeFile(t, "b.jsonl", strings.Join(all[70:], ""))},
			env: several, stdin: strings.NewReader(strings.Join(all[40:70], ""))}.must(t)
		same("from several files", several)

		piped := env()
		invocation{args: []string{"import", "-"}, env: piped, stdin: strings.NewReader(exported)}.must(t)
		same("export into import", piped)

		other := db.PostgreSQL
		if driver != db.SQLite {
			other = db.SQLite
		}
		crossed := []string{"DATABASE_URL=" + dbtest.URL(t, other)}
		invocation{args: []string{"import", "-"}, env: crossed, stdin: strings.NewReader(exported)}.must(t)
		if d := cmp.Diff(lines(t, exported), lines(t, export(crossed))); d != "" {
			t.Errorf("export into import into the other kind of database: got (+), want (-):\n%s", tail(d))
		}
		if export(crossed) != exported {
			t.Log("the exports of the two kinds of database differ in the order of keys or of threads")
		}
	}, dbtest.PgBouncer)
}

func TestImportSample(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		env := []string{"DATABASE_URL=" + dbtest.URL(t, driver)}
		var first string
		for range 2 { // importing twice changes nothing
			e := invocation{args: []string{"import", "--sample"}, env: env}.run(t)
			if e.code != 0 || e.stderr != "sample data: 8 threads, 61 messages imported\n" || e.stdout != "" {
				t.Fatalf("import --sample: exit status %d, standard output %q, standard error %q", e.code, e.stdout,
					e.stderr)
			}
			exported := invocation{args: []string{"export"}, env: env}.must(t)
			if first != "" && exported != first {
				t.Error("importing the sample data twice is not importing it once")
			}
			first = exported
		}
		// What a newcomer may want to see has to be there.
		for _, part := range []string{`"role":"system"`, `"role":"tool"`, `"tool_calls":[`, `"image_url"`,
			`"attachments":[`, `"total_tokens":`, `"channel":`, "12345678901234567890"} {
			if !strings.Contains(first, part) {
				t.Errorf("the sample data has no %s", part)
			}
		}
		line := broken(t, func(map[string]any, map[string]any) {})
		e := invocation{args: []string{"import", "--sample", writeFile(t, "own.jsonl", line)}, env: env}.run(t)
		if e.code != 0 || len(lines(t, invocation{args: []string{"export"}, env: env}.must(t))) != 9 {
			t.Errorf("import --sample with a file: exit status %d, standard error %q", e.code, e.stderr)
		}
	})
}

// broken returns a thread's line in which change has been done to its second message.
func broken(t testing.TB, change func(thread, message map[string]any)) string {
	t.Helper()
	message := map[string]any{"id": "bad message", "role": "user", "content": "unmistakable",
		"timestamp": "2024-05-15T15:00:00+00:00"}
	thread := map[string]any{"id": "bad thread", "title": "bad", "created_at": "2024-05-15T15:00:00+00:00",
		"updated_at": "2024-05-15T15:00:00+00:00",
		"messages": []any{map[string]any{"id": "first message", "role": "user", "content": "fine",
			"timestamp": "2024-05-15T15:00:00+00:00"}, message}}
	change(thread, message)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(thread); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestImportBadLine(t *testing.T) {
	t.Parallel()
	all := dbtest.Conversations(t)
	var first struct{ Messages []struct{ ID string } }
	decode(t, []byte(all[0]), &first)
	fine := func(map[string]any, map[string]any) {}
	cases := []struct {
		name   string
		line   string
		reason []string
	}{
		{"broken JSON", `{"id": "bad thread", "messages": [` + "\n", []string{"JSON"}},
		{"no object", `["bad thread"]` + "\n", []string{"JSON object"}},
		{"more after the object", strings.TrimSpace(broken(t, fine)) + " {}\n", []string{"JSON"}},
		{"missing tool_call_id", broken(t, func(_, m map[string]any) { m["role"] = "tool" }),
			[]string{"messages[1]", "ool"}},
		{"unknown role", broken(t, func(_, m map[string]any) { m["role"] = "wizard" }), []string{"messages[1].role"}},
		{"no role", broken(t, func(_, m map[string]any) { delete(m, "role") }), []string{"messages[1].role"}},
		{"U+0000 in a text", broken(t, func(_, m map[string]any) { m["content"] = "a\x00b" }),
			[]string{"messages[1].content", "U+0000"}},
		{"U+0000 in JSON", broken(t, func(_, m map[string]any) { m["attributes"] = map[string]any{"a": "\x00"} }),
			[]string{"messages[1].attributes", "U+0000"}},
		{"not UTF-8", strings.Replace(broken(t, fine), "unmistakable", "\xff\xfe", 1), []string{"UTF-8"}},
		{"half a surrogate", strings.Replace(broken(t, fine), "unmistakable", `\ud800`, 1), []string{"surrogate"}},
		{"a number bomb", strings.Replace(broken(t,
			func(_, m map[string]any) { m["attributes"] = map[string]any{"n": 42} }), "42", "1e131071", 1),
			[]string{"messages[1].attributes", "number"}},
		{"a number bomb in metrics", strings.Replace(broken(t,
			func(_, m map[string]any) { m["metrics"] = map[string]any{"latency": 42} }), "42", "1e131071", 1),
			[]string{"messages[1].metrics"}},
		{"a message of another thread", broken(t, func(_, m map[string]any) { m["id"] = first.Messages[1].ID }),
			[]string{"message id"}},
		{"a message twice", broken(t, func(_, m map[string]any) { m["id"] = "first message" }),
			[]string{"messages[1].id"}},
		{"no id", broken(t, func(th, _ map[string]any) { delete(th, "id") }), []string{"id"}},
		{"no times", broken(t, func(th, _ map[string]any) { delete(th, "created_at"); delete(th, "updated_at") }),
			[]string{"updated_at"}},
		{"a bad time", broken(t, func(_, m map[string]any) { m["timestamp"] = "yesterday" }),
			[]string{"messages[1].timestamp"}},
		{"messages no list", broken(t, func(th, _ map[string]any) { th["messages"] = "none" }), []string{"messages"}},
		{"nested too deep", broken(t, func(th, _ map[string]any) {
			var deep any = "x"
			for range 64 {
				deep = []any{deep}
			}
			th["attributes"] = map[string]any{"deep": deep}
		}), []string{"attributes"}},
		{"attributes too large", broken(t, func(th, _ map[string]any) {
			th["attributes"] = map[string]any{"x": strings.Repeat("x", 1<<20)}
		}), []string{"attributes"}},
	}
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		u := dbtest.URL(t, driver) // for all: none may leave anything
		env := []string{"DATABASE_URL=" + u}
		raw := dbtest.Raw(t, rawOptions(t, u))
		want := lines(t, all[0]+all[1])
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				content := all[0] + all[1] + c.line + all[2]
				file := writeFile(t, "bad.jsonl", content)
				wantRefused(t, invocation{args: []string{"import", file}, env: env},
					append([]string{file + ":3:"}, c.reason...)...)
				wantRefused(t, invocation{args: []string{"import", "-"}, env: env, stdin: strings.NewReader(content)},
					append([]string{"standard input:3:"}, c.reason...)...)

				got := lines(t, invocation{args: []string{"export"}, env: env}.must(t))
				if len(got) != 2 {
					t.Errorf("%d threads, want the two of lines 1 and 2", len(got))
				}
				messagesOf := func(thread any) []any { return thread.(map[string]any)["messages"].([]any) }
				for id, th := range got {
					if want[id] == nil || len(messagesOf(th)) != len(messagesOf(want[id])) {
						t.Errorf("thread %s is stored, and the file has it as %.200v", id, want[id])
					}
				}
				var n int
				if err := raw.QueryRow("SELECT count(*) FROM messages WHERE thread_id = 'bad thread' OR id IN " +
					"('first message', 'bad message')").Scan(&n); err != nil || n != 0 {
					t.Errorf("%d messages of line 3 are stored, %v", n, err)
				}
			})
		}
	})
}

func TestImportNoFile(t *testing.T) {
	t.Parallel()
	u := dbtest.URL(t, db.SQLite)
	env := []string{"DATABASE_URL=" + u}
	missing := filepath.Join(t.TempDir(), "missing.jsonl")
	wantRefused(t, invocation{args: []string{"import", missing}, env: env}, missing)
	wantRefused(t, invocation{args: []string{"import", filepath.Dir(missing)}, env: env}, filepath.Dir(missing))
	e := invocation{args: []string{"import", dbtest.ConversationsFile(t), missing}, env: env}.run(t)
	if e.code == 0 || !strings.Contains(e.stderr, missing) || strings.Count(e.stderr, "threads, 2526 messages") != 1 {
		t.Errorf("a good file and a missing one: exit status %d, %q", e.code, e.stderr)
	}
	if got := len(lines(t, invocation{args: []string{"export"}, env: env}.must(t))); got != 100 {
		t.Errorf("%d threads of the good file, want 100", got)
	}
	for name, text := range map[string]string{"empty": "", "blank lines": "\n \n\r\n",
		"no newline at the end": strings.TrimSuffix(dbtest.Conversations(t)[0], "\n"),
		"CRLF":                  strings.TrimSuffix(dbtest.Conversations(t)[0], "\n") + "\r\n"} {
		if e := (invocation{args: []string{"import", writeFile(t, "x.jsonl", text)}, env: env}).run(t); e.code != 0 {
			t.Errorf("%s: exit status %d: %s", name, e.code, e.stderr)
		}
	}
}

// TestImportWhileServing imports into a database that a server writes to at the same time.
func TestImportWhileServing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		env := []string{"DATABASE_URL=" + dbtest.URL(t, driver)}
		s := invocation{env: env}.start(t)
		s.makeThread("t")
		done := make(chan struct{})
		var group sync.WaitGroup
		const writers = 4
		counts := make([]int, writers)
		for w := range writers {
			group.Go(func() {
				for counts[w] < 100_000 {
					select {
					case <-done:
						return
					default:
					}
					id := fmt.Sprintf("%d/%d", w, counts[w])
					if a, err := s.send(addMessage, object{"id": "t", "message": input{id, "USER", id}}); err != nil ||
						len(a.Errors) > 0 {
						t.Errorf("message %s: %v %.300s", id, err, a.body)
						return
					}
					counts[w]++
				}
			})
		}
		e := invocation{args: []string{"import", dbtest.ConversationsFile(t)}, env: env}.run(t)
		exported := invocation{args: []string{"export"}, env: env}.run(t)
		close(done)
		group.Wait()
		if e.code != 0 || exported.code != 0 {
			t.Fatalf("import: exit status %d: %s\nexport: exit status %d: %s", e.code, e.stderr, exported.code,
				exported.stderr)
		}
		sent := 0
		for _, n := range counts {
			sent += n
		}
		t.Logf("%d messages were appended during the import and the export", sent)
		th := s.thread("t")
		th.wantWhole(t)
		if len(th.Messages) != sent || sent == 0 {
			t.Errorf("%d messages, want %d", len(th.Messages), sent)
		}
		if got := len(s.threads()); got != 101 {
			t.Errorf("%d threads, want 101", got)
		}
		// The export is of one moment: the messages of the thread that grew are the first so many, none left out.
		own := lines(t, exported.stdout)
		if len(own) != 101 {
			t.Errorf("%d threads exported, want 101", len(own))
		}
		grown, _ := own["t"].(map[string]any)
		list, _ := grown["messages"].([]any)
		var ids, want []string
		for _, m := range list {
			ids = append(ids, m.(map[string]any)["id"].(string))
		}
		for _, m := range th.Messages[:min(len(ids), len(th.Messages))] {
			want = append(want, m.ID)
		}
		if !slices.Equal(ids, want) {
			t.Errorf("the exported messages are not the first %d of the thread", len(ids))
		}
		scanner := bufio.NewScanner(strings.NewReader(e.stderr))
		for scanner.Scan() {
			if strings.Contains(scanner.Text(), "\r") {
				t.Errorf("progress is shown, though standard error is no terminal: %q", scanner.Text())
			}
		}
	})
}
