package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

// secret is a password that must not be seen anywhere. It begins and ends alike, so that half of it would be seen too.
const secret = "s3cr3t-hunter2-s3cr3t"

// wantRefused fails unless the program ends by itself, not with 0, and with one line on standard error, which holds all
// of words; log lines may stand before it.
func wantRefused(t *testing.T, in invocation, words ...string) {
	t.Helper()
	if !slices.ContainsFunc(in.env, func(v string) bool { return strings.HasPrefix(v, "THREADSTORE_ADDR=") }) {
		in.env = append([]string{"THREADSTORE_ADDR=127.0.0.1:0"}, in.env...)
	}
	start := time.Now()
	e := in.run(t)
	shown := fmt.Sprintf("%q %q", in.env, in.args)
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("%s: the end took %s", shown, d)
	}
	lines := strings.Split(strings.TrimSuffix(e.stderr, "\n"), "\n")
	last := lines[len(lines)-1]
	for _, l := range lines[:len(lines)-1] {
		if !strings.HasPrefix(l, "time=") {
			t.Errorf("%s: more than one line:\n%s", shown, e.stderr)
			break
		}
	}
	if e.code <= 0 || last == "" || strings.HasPrefix(last, "time=") || e.stdout != "" {
		t.Errorf("%s: exit status %d, standard output %q, standard error %q; want another status than 0 and one "+
			"line of error", shown, e.code, e.stdout, e.stderr)
	}
	for _, w := range words {
		if !strings.Contains(last, w) {
			t.Errorf("%s: the error %q does not name %q", shown, last, w)
		}
	}
	wantNoSecret(t, shown, e.stderr)
}

func wantNoSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, part := range []string{"s3cr3t", "hunter2", url.QueryEscape(secret)} {
		if strings.Contains(text, part) {
			t.Errorf("%s: the password is printed:\n%s", what, tail(text))
			return
		}
	}
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"DATABASE_URL": {"nonsense", "mysql://u:" + secret + "@h/d", "postgres:/u:" + secret + "@h/d",
			"postgres//u:" + secret + "@h/d",
			"postgresql+mysql://u:" + secret + "@h/d", "postgres://u:" + secret + "@h:99999/d",
			"postgres://u:" + secret + "@h:x/d",
			"postgres://u:" + secret + "@h:0/d", "postgres://u:" + secret + "/d",
			"postgres://u:p@ss:" + secret + "@h/d", "postgres://u:" + secret + "@h/d?sslmode=maybe",
			"postgres://u:" + secret + "@h/d?ssl=maybe", "postgres://u:" + secret + "@h/d?%zz", "postgres//u:" + secret,
			"u:" + secret + "@h/d",
			"postgres://u:p@" + secret + "@h:x/d", "postgres://u:" + secret + "/@h:y/d",
			"postgres://u:" + secret + "\n@h:x/d",
			"sqlite:", "sqlite://host/x", "sqlite:x.db?mode=ro", "sqlite+nonsense:///x.db", "file:x.db", ":memory",
			" "},
		"TYLER_DB_POOL_SIZE":    {"x", "0", "-1", "1.5", "1e3", "99999999999999999999", " 5", "5 s"},
		"TYLER_DB_MAX_OVERFLOW": {"x", "-1", "1.5", "99999999999999999999"},
		"TYLER_DB_POOL_TIMEOUT": {"x", "0", "-1", "30s", "99999999999999999999"},
		"TYLER_DB_POOL_RECYCLE": {"x", "-2", "5m", "99999999999999999999"},
		"TYLER_DB_ECHO":         {"maybe", "2", "yes please"},
		"TYLER_DB_TYPE":         {"mysql", "PostgreSQL ", "sqlite3"},
		"THREADSTORE_ADDR": {"8080", "nonsense", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999",
			"127.0.0.1:-1", "1:2:3", "host.invalid:80"},
		"THREADSTORE_CORS_ORIGINS": {"nonsense", "https://a.example/", "https://a.example/path",
			"https://a.example,nonsense", "//a.example", "a.example:80"},
		"THREADSTORE_MAX_PAGE":       {"x", "0", "-1", "1.5", "99999999999999999999"},
		"THREADSTORE_MAX_BODY":       {"x", "0", "-1", "32MB", "99999999999999999999"},
		"THREADSTORE_MAX_COMPLEXITY": {"x", "0", "-1", "99999999999999999999"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, value := range values {
				wantRefused(t, invocation{env: []string{name + "=" + value}}, name)
			}
		})
	}
	postgres := map[string]string{"TYPE": "postgresql", "HOST": "127.0.0.1", "PORT": "1", "NAME": "d", "USER": "u",
		"PASSWORD": secret}
	with := func(change map[string]string) (env []string) {
		for k, v := range postgres {
			if c, ok := change[k]; ok {
				v = c
			}
			env = append(env, "TYLER_DB_"+k+"="+v) // an empty one counts as unset
		}
		return env
	}
	for name, c := range map[string]struct {
		env   []string
		words []string
	}{
		"host missing":     {with(map[string]string{"HOST": ""}), []string{"TYLER_DB_HOST"}},
		"port missing":     {with(map[string]string{"PORT": ""}), []string{"TYLER_DB_PORT"}},
		"name missing":     {with(map[string]string{"NAME": ""}), []string{"TYLER_DB_NAME"}},
		"user missing":     {with(map[string]string{"USER": ""}), []string{"TYLER_DB_USER"}},
		"password missing": {with(map[string]string{"PASSWORD": ""}), []string{"TYLER_DB_PASSWORD"}},
		"postgres":         {with(map[string]string{"TYPE": "postgres", "HOST": ""}), []string{"TYLER_DB_HOST"}},
		"port no number":   {with(map[string]string{"PORT": "x"}), []string{"TYLER_DB_PORT"}},
		"port 0":           {with(map[string]string{"PORT": "0"}), []string{"TYLER_DB_PORT"}},
		"port too large":   {with(map[string]string{"PORT": "65536"}), []string{"TYLER_DB_PORT"}},
		"nobody listens":   {with(nil), []string{"127.0.0.1"}},
		"no such host":     {with(map[string]string{"HOST": "host.invalid"}), []string{"host.invalid"}},
		"path missing":     {[]string{"TYLER_DB_TYPE=sqlite"}, []string{"TYLER_DB_PATH"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefused(t, invocation{env: c.env}, c.words...)
		})
	}
}

func TestUnreachableDatabase(t *testing.T) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		at := fmt.Sprintf("127.0.0.1:%d", c.port)
		for _, in := range []struct {
			name, url string
			words     []string
		}{
			{"wrong password", "postgres://locked:" + secret + "@" + at + "/postgres", []string{at}},
			{"wrong password, with TLS required", "postgres://locked:" + secret + "@" + at +
				"/postgres?sslmode=require", []string{at}},
			{"no such database", "postgres://postgres:" + secret + "@" + at + "/nothing", []string{at, "nothing"}},
			{"no such user", "postgres://nobody:" + secret + "@" + at + "/postgres", []string{at}},
			{"no such parameter", "postgres://postgres:" + secret + "@" + at + "/postgres?nonsense=1",
				[]string{at, "nonsense"}},
			{"nobody listens", "postgres://u:" + secret + "@127.0.0.1:1/d", []string{"127.0.0.1:1"}},
			{"no such host", "postgres://u:" + secret + "@host.invalid/d", []string{"host.invalid"}},
			{"a password with an at sign", "postgres://u:p@" + secret + "@host.invalid/d", nil},
			{"a password with a slash", "postgres://u:p@" + secret + "/x@host.invalid/d", nil},
		} {
			t.Run(in.name, func(t *testing.T) {
				wantRefused(t, invocation{env: []string{"DATABASE_URL=" + in.url}}, in.words...)
				wantRefused(t, invocation{args: []string{"migrate"}, env: []string{"DATABASE_URL=" + in.url}},
					in.words...)
			})
		}
		t.Run("the right password", func(t *testing.T) {
			s := serve(t, "TYLER_DB_ECHO=true", "TYLER_DB_TYPE=postgres", "TYLER_DB_HOST=127.0.0.1",
				fmt.Sprint("TYLER_DB_PORT=", c.port),
				"TYLER_DB_NAME=postgres", "TYLER_DB_USER=locked", "TYLER_DB_PASSWORD="+clusterPassword)
			s.makeThread("t")
			s = serve(t, "DATABASE_URL=postgres://locked:"+url.PathEscape(clusterPassword)+"@"+at+"/postgres")
			if s.thread("t") == nil {
				t.Error("the two ways of naming a database lead to different ones")
			}
			if strings.Contains(s.stderr.String(), clusterPassword) {
				t.Error("the password is printed")
			}
		})
	})
	t.Run("pgbouncer", func(t *testing.T) {
		t.Parallel()
		right := dbtest.URL(t, dbtest.PgBouncer)
		u, err := url.Parse(right)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("postgres", secret)
		serve(t, "DATABASE_URL="+u.String()).stop()
		u.RawQuery = ""
		wantRefused(t, invocation{env: []string{"DATABASE_URL=" + u.String()}}, u.Host, "pgbouncer",
			"?binary_parameters=yes")
		u.RawQuery = "binary_parameters=maybe"
		wantRefused(t, invocation{env: []string{"DATABASE_URL=" + u.String()}}, "binary_parameters", "maybe")
		u.RawQuery, u.Path = "binary_parameters=yes", "/nothing"
		wantRefused(t, invocation{env: []string{"DATABASE_URL=" + u.String()}}, u.Host, "nothing")
	})
	t.Run("nobody answers", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0") // connections wait in its queue for ever
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		wantRefused(t, invocation{env: []string{"DATABASE_URL=postgres://u:" + secret + "@" + l.Addr().String() +
			"/d?sslmode=disable"}}, l.Addr().String())
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		for name, content := range map[string]string{"file": "x",
			"text.db": strings.Repeat("this is no database ", 1000)} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"missing/threads.db", "file/threads.db", "", "text.db"} {
			wantRefused(t, invocation{env: []string{"DATABASE_URL=sqlite:" + dir + "/" + name}}, dir)
			wantRefused(t, invocation{args: []string{"export"},
				env: []string{"TYLER_DB_TYPE=sqlite", "TYLER_DB_PATH=" + dir + "/" + name}}, dir)
		}
		if got, _ := os.ReadFile(filepath.Join(dir, "file")); string(got) != "x" {
			t.Errorf("the file that is no database now holds %.100q", got)
		}
	})
}

func TestFutureSchema(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		u := dbtest.URL(t, driver)
		env := []string{"DATABASE_URL=" + u}
		invocation{args: []string{"migrate"}, env: env}.must(t)
		raw := dbtest.Raw(t, rawOptions(t, u))
		dbtest.Exec(t, raw, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)")
		for _, args := range [][]string{nil, {"migrate"}, {"export"}, {"import", dbtest.ConversationsFile(t)}} {
			wantRefused(t, invocation{args: args, env: env}, "999")
		}
		var n int
		if err := raw.QueryRow("SELECT count(*) FROM threads").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d threads, %v; want none", n, err)
		}
	})
}

// rawOptions returns the options of a URL for a connection of the test's own.
func rawOptions(t testing.TB, u string) db.Options {
	t.Helper()
	o := options(t, u)
	if o.Driver == db.PostgreSQL {
		o.Postgres["sslmode"] = "disable"
	}
	return o
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	first := serve(t, "DATABASE_URL=:memory:")
	at := func(addr string) invocation {
		return invocation{env: []string{"DATABASE_URL=:memory:", "THREADSTORE_ADDR=" + addr}}
	}
	wantRefused(t, at(strings.TrimPrefix(first.url, "http://")),
		"address already in use", "another threadstore", "THREADSTORE_ADDR=127.0.0.1:8081")
	// An empty variable counts as unset, so this one is refused for the default address.
	if l, err := net.Listen("tcp", "127.0.0.1:8080"); err == nil {
		defer l.Close()
	} // else somebody else has it, which does as well
	wantRefused(t, at(""), "127.0.0.1:8080", "THREADSTORE_ADDR=127.0.0.1:8081")
	if l, err := net.Listen("tcp", "127.0.0.1:8081"); err == nil {
		defer l.Close()
	}
	wantRefused(t, at("127.0.0.1:8081"), "THREADSTORE_ADDR=127.0.0.1:8082")
	// An address of the documentation (RFC 5737), which no machine has.
	wantRefused(t, at("192.0.2.1:9000"), "an address of this machine", "THREADSTORE_ADDR=127.0.0.1:9000")
}

func TestSQLiteURLs(t *testing.T) {
	t.Parallel()
	const absolute = "{folder}"
	for _, c := range []struct {
		name string
		env  []string
		want string // the one file that is there afterwards; {folder} is a folder's absolute path
	}{
		{"no setting", nil, "threads.db"},
		{"every setting empty", []string{"DATABASE_URL=", "TYLER_DB_TYPE=", "TYLER_DB_HOST=", "TYLER_DB_PORT=",
			"TYLER_DB_NAME=", "TYLER_DB_USER=",
			"TYLER_DB_PASSWORD=", "TYLER_DB_PATH=", "TYLER_DB_POOL_SIZE=", "TYLER_DB_MAX_OVERFLOW=",
			"TYLER_DB_POOL_TIMEOUT=", "TYLER_DB_POOL_RECYCLE=",
			"TYLER_DB_ECHO=", "THREADSTORE_CORS_ORIGINS=", "THREADSTORE_MAX_PAGE=", "THREADSTORE_MAX_BODY=",
			"THREADSTORE_MAX_COMPLEXITY="}, "threads.db"},
		{"relative", []string{"DATABASE_URL=sqlite:rel.db"}, "rel.db"},
		{"relative, SQLAlchemy", []string{"DATABASE_URL=sqlite:///rel.db"}, "rel.db"},
		{"relative, the seed's", []string{"DATABASE_URL=sqlite+aiosqlite:///rel.db"}, "rel.db"},
		{"absolute", []string{"DATABASE_URL=sqlite:" + absolute + "/1.db"}, absolute + "/1.db"},
		{"absolute, SQLAlchemy", []string{"DATABASE_URL=sqlite:///" + absolute + "/2.db"}, absolute + "/2.db"},
		{"absolute, the seed's", []string{"DATABASE_URL=sqlite+aiosqlite:///" + absolute + "/3.db"},
			absolute + "/3.db"},
		{"by path", []string{"TYLER_DB_TYPE=sqlite", "TYLER_DB_PATH=" + absolute + "/4.db"}, absolute + "/4.db"},
		{"by path, any characters", []string{"TYLER_DB_TYPE=sqlite", "TYLER_DB_PATH=a b%20c?d=e&f#g'h\"i;é.db"},
			"a b%20c?d=e&f#g'h\"i;é.db"},
		{"by path, absolute, any characters", []string{"TYLER_DB_TYPE=sqlite",
			"TYLER_DB_PATH=" + absolute + "/a b%20c?d#e.db"}, absolute + "/a b%20c?d#e.db"},
		{"by path, beginning with file:", []string{"TYLER_DB_TYPE=sqlite", "TYLER_DB_PATH=file:x.db"}, "file:x.db"},
		{"empty DATABASE_URL, by path", []string{"DATABASE_URL=", "TYLER_DB_TYPE=sqlite", "TYLER_DB_PATH=5.db"},
			"5.db"},
		{"DATABASE_URL wins", []string{"DATABASE_URL=sqlite:6.db", "TYLER_DB_TYPE=postgres", "TYLER_DB_PATH=7.db"},
			"6.db"},
		{"memory", []string{"DATABASE_URL=:memory:"}, ""},
		{"memory, sqlite", []string{"DATABASE_URL=sqlite::memory:"}, ""},
		{"memory, SQLAlchemy", []string{"DATABASE_URL=sqlite:///:memory:"}, ""},
		{"memory, SQLAlchemy without a path", []string{"DATABASE_URL=sqlite:///"}, ""},
		{"memory, the seed's", []string{"DATABASE_URL=sqlite+aiosqlite:///:memory:"}, ""},
		{"memory, by path", []string{"TYLER_DB_TYPE=sqlite", "TYLER_DB_PATH=:memory:"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, folder := t.TempDir(), t.TempDir()
			in := invocation{dir: dir}
			for _, e := range c.env {
				in.env = append(in.env, strings.ReplaceAll(e, absolute, folder))
			}
			s := in.start(t)
			s.makeThread("t")
			s.stop()
			var files, want []string
			for _, d := range []string{dir, folder} {
				entries, err := os.ReadDir(d)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					files = append(files, filepath.Join(d, e.Name()))
				}
			}
			if strings.HasPrefix(c.want, absolute) {
				want = append(want, strings.Replace(c.want, absolute, folder, 1))
			} else if c.want != "" {
				want = append(want, filepath.Join(dir, c.want))
			}
			if d := cmp.Diff(want, files); d != "" {
				t.Errorf("files: got (+), want (-):\n%s", d)
			}
			if found := in.start(t).thread("t") != nil; found != (c.want != "") {
				t.Errorf("after a restart, is the thread there? %v", found)
			}
		})
	}
}

// TestMemory keeps one database in memory, whatever number of connections there are and however old they get.
func TestMemory(t *testing.T) {
	t.Parallel()
	for _, u := range []string{":memory:", "sqlite+aiosqlite:///:memory:"} {
		t.Run(u, func(t *testing.T) {
			t.Parallel()
			s := serve(t, "DATABASE_URL="+u, "TYLER_DB_POOL_RECYCLE=1")
			s.makeThread("t")
			const writers = 8
			var group sync.WaitGroup
			var sent atomic.Int64
			for w := range writers {
				group.Go(func() {
					// Over several lives of a connection.
					for start, i := time.Now(), 0; time.Since(start) < 3500*time.Millisecond; i++ {
						a, err := s.send(addMessage, object{"id": "t",
							"message": input{fmt.Sprintf("%d/%d", w, i), "USER", "x"}})
						if err != nil || len(a.Errors) > 0 {
							t.Errorf("writer %d, message %d: %v %.300s", w, i, err, a.body)
							return
						}
						sent.Add(1)
						// A server with nothing to do closes connections too.
						time.Sleep(time.Duration(100+w*100) * time.Millisecond)
					}
				})
			}
			group.Wait()
			th := s.thread("t")
			if th == nil || int64(len(th.Messages)) != sent.Load() {
				t.Fatalf("the thread is %+v, want %d messages", th, sent.Load())
			}
			th.wantWhole(t)
		})
	}
}

func TestPostgresURLs(t *testing.T) {
	t.Parallel()
	plain := dbtest.URL(t, db.PostgreSQL)
	u, err := url.Parse(plain)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, "DATABASE_URL="+plain).makeThread("t")
	_, rest, _ := strings.Cut(plain, "://")
	byParts := []string{"TYLER_DB_HOST=" + u.Hostname(), "TYLER_DB_PORT=" + u.Port(),
		"TYLER_DB_NAME=" + strings.Trim(u.Path, "/"),
		"TYLER_DB_USER=" + u.User.Username(), "TYLER_DB_PASSWORD=" + secret} // a server that trusts us asks for none
	for name, env := range map[string][]string{
		"postgres":             {"DATABASE_URL=postgres://" + rest},
		"postgresql":           {"DATABASE_URL=postgresql://" + rest},
		"the seed's":           {"DATABASE_URL=postgresql+asyncpg://" + rest},
		"the seed's, ssl":      {"DATABASE_URL=postgresql+asyncpg://" + rest + "?ssl=disable"},
		"the seed's, prefer":   {"DATABASE_URL=postgresql+asyncpg://" + rest + "?ssl=prefer"},
		"sslmode":              {"DATABASE_URL=postgresql://" + rest + "?sslmode=disable"},
		"with a password":      {"DATABASE_URL=" + strings.Replace(plain, "@", ":"+secret+"@", 1)},
		"by parts, postgresql": append([]string{"TYLER_DB_TYPE=postgresql"}, byParts...),
		"by parts, postgres":   append([]string{"TYLER_DB_TYPE=postgres", "DATABASE_URL="}, byParts...),
		"DATABASE_URL wins":    {"DATABASE_URL=" + plain, "TYLER_DB_TYPE=sqlite", "TYLER_DB_PATH=x.db"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, env...)
			if s.thread("t") == nil {
				t.Error("the thread is not in this database")
			}
			wantNoSecret(t, name, s.stderr.String())
		})
	}
	wantRefused(t, invocation{env: []string{"DATABASE_URL=" + plain + "?sslmode=require"}})
}

// TestPostgresConnections looks at the connections to PostgreSQL from outside: those that a server has are those that
// it uses, also when the database was asked for TLS first and has none.
func TestPostgresConnections(t *testing.T) {
	t.Parallel()
	plain := dbtest.URL(t, db.PostgreSQL)
	u, err := url.Parse(plain)
	if err != nil {
		t.Fatal(err)
	}
	raw := dbtest.Raw(t, rawOptions(t, plain))
	const ours = ` FROM pg_stat_activity WHERE application_name = 'threadstore' AND datname = current_database()`
	count := func(condition string) (n int) {
		t.Helper()
		if err := raw.QueryRow(`SELECT count(*)` + ours + condition).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	sessions := func() map[int]bool {
		t.Helper()
		rows, err := raw.Query(`SELECT pid` + ours)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		pids := map[int]bool{}
		for rows.Next() {
			var pid int
			if err := rows.Scan(&pid); err != nil {
				t.Fatal(err)
			}
			pids[pid] = true
		}
		return pids
	}
	p := newProxy(t, u.Host)
	u.Host = p.addr
	s := serve(t, "DATABASE_URL="+u.String(), "TYLER_DB_POOL_SIZE=2", "TYLER_DB_MAX_OVERFLOW=1",
		"TYLER_DB_POOL_TIMEOUT=3", "TYLER_DB_POOL_RECYCLE=1")
	s.makeThread("t")

	t.Run("recycled", func(t *testing.T) {
		before := sessions()
		until(t, "another connection", func() bool {
			s.thread("t")
			for pid := range sessions() {
				if !before[pid] {
					return true
				}
			}
			return false
		})
	})
	t.Run("none left behind", func(t *testing.T) {
		// One answer after the other: nothing is being opened meanwhile. And before there is any load, in which the
		// garbage collector would close what was forgotten.
		for range 20 {
			s.thread("t")
		}
		got, want := p.open(), len(sessions())
		for deadline := time.Now().Add(3 * time.Second); got > want && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
			got, want = p.open(), len(sessions()) // one may just be ending
		}
		if got > want {
			t.Errorf("%d TCP connections to PostgreSQL, which has %d sessions of this server", got, want)
		}
	})
	t.Run("as many as allowed", func(t *testing.T) {
		var group sync.WaitGroup
		most := 0
		var done atomic.Bool
		defer func() { done.Store(true); group.Wait() }()
		for w := range 12 {
			group.Go(func() {
				for i := 0; !done.Load() && i < 10_000; i++ {
					if a, err := s.send(addMessage, object{"id": "t",
						"message": input{fmt.Sprintf("%d/%d", w, i), "USER", "x"}}); err != nil || len(a.Errors) > 0 {
						t.Errorf("writer %d, message %d: %v %.300s", w, i, err, a.body)
					}
				}
			})
		}
		look := func() bool {
			// Not those that were closed and whose end PostgreSQL has not noticed yet.
			most = max(most, count(` AND state <> 'idle'`))
			return most >= 3
		}
		until(t, "three connections at work", look)
		for range 200 {
			look()
		}
		done.Store(true)
		group.Wait()
		if most != 3 {
			t.Errorf("up to %d connections, want 3: TYLER_DB_POOL_SIZE and TYLER_DB_MAX_OVERFLOW", most)
		}
	})
	t.Run("no connection free", func(t *testing.T) {
		var group sync.WaitGroup
		defer group.Wait() // after the lock is gone
		tx, err := raw.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback() //nolint:errcheck // it is over when the test went well
		if _, err := tx.Exec(`SELECT 1 FROM threads WHERE id = 't' FOR UPDATE`); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			group.Go(func() {
				if a, err := s.send(addMessage, object{"id": "t",
					"message": input{fmt.Sprint("waits ", i), "USER", "x"}}); err != nil || len(a.Errors) > 0 {
					t.Errorf("a write that waits for another: %v %.300s", err, a.body)
				}
			})
		}
		until(t, "three writes that wait", func() bool {
			return count(` AND wait_event_type = 'Lock'`) == 3
		})
		start := time.Now()
		s.wantCode(`{ threads { id } }`, nil, "SERVICE_UNAVAILABLE")
		if d := time.Since(start); d < 2900*time.Millisecond || d > 20*time.Second { // by default 30 s
			t.Errorf("it took %s, want TYLER_DB_POOL_TIMEOUT, 3 s", d)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
		group.Wait()
	})
}

// proxy passes connections on and counts those that the client holds open.
type proxy struct {
	addr  string
	count atomic.Int64
}

func (p *proxy) open() int { return int(p.count.Load()) }

func newProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String()}
	var group sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		group.Wait() // the servers, started later, have ended
	})
	group.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			p.count.Add(1)
			group.Go(func() {
				_, _ = io.Copy(server, client) // until the client has closed it
				p.count.Add(-1)
				server.Close()
			})
			group.Go(func() {
				_, _ = io.Copy(client, server)
				client.(*net.TCPConn).CloseWrite()
			})
		}
	})
	return p
}

func TestEcho(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		for _, on := range []bool{true, false} {
			s := serve(t, "DATABASE_URL="+dbtest.URL(t, driver), fmt.Sprint("TYLER_DB_ECHO=", on))
			s.must(saveThread, object{"thread": object{"id": "id-" + secret, "title": "title " + secret,
				"attributes": object{"key": secret},
				"messages":   []input{{"message " + secret, "USER", "content " + secret}}}}, nil)
			s.must(`query($a: JSONObject!) { findThreadsByAttributes(attributes: $a) { id messages { content } } }`,
				object{"a": object{"key": secret}}, nil)
			s.stop()
			log := s.stderr.String()
			wantNoSecret(t, "echo", log)
			for _, statement := range []string{"INSERT INTO threads", "INSERT INTO messages", "FROM messages"} {
				if strings.Contains(log, statement) != on {
					t.Errorf("TYLER_DB_ECHO=%v: is %q logged? %v:\n%s", on, statement, !on, tail(log))
				}
			}
		}
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	t.Run("THREADSTORE_MAX_PAGE", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "DATABASE_URL=:memory:", "THREADSTORE_MAX_PAGE=5")
		for i := range 7 {
			s.makeThread(fmt.Sprint(i))
		}
		for query, want := range map[string]int{"{ threads(limit: 5) { id } }": 5, "{ threads(limit: 4) { id } }": 4,
			"{ threads { id } }": 5, "{ threads: recentThreads { id } }": 5} {
			var data struct{ Threads []struct{ ID string } }
			if s.must(query, nil, &data); len(data.Threads) != want {
				t.Errorf("%s: %d threads, want %d", query, len(data.Threads), want)
			}
		}
		s.wantCode("{ threads(limit: 6) { id } }", nil, "BAD_USER_INPUT")
		s.wantCode("{ recentThreads(limit: 6) { id } }", nil, "BAD_USER_INPUT")
	})
	t.Run("THREADSTORE_MAX_BODY", func(t *testing.T) {
		t.Parallel()
		const most = 1000
		s := serve(t, "DATABASE_URL=:memory:", fmt.Sprint("THREADSTORE_MAX_BODY=", most))
		for size, want := range map[int]int{most: 200, most + 1: 413, most * 1000: 413} {
			body := `{"query":"{ threads { id } }"}`
			body += strings.Repeat(" ", size-len(body))
			res, err := client.Post(s.url+"/graphql", "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if a, err := readAnswer(res); err != nil || a.status != want ||
				want == 413 && a.code() != "BAD_USER_INPUT" {
				t.Errorf("a body of %d bytes: %v, status %d, want %d: %.300s", size, err, a.status, want, a.body)
			}
		}
	})
	t.Run("THREADSTORE_MAX_COMPLEXITY", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "DATABASE_URL=:memory:", "THREADSTORE_MAX_COMPLEXITY=100")
		s.must("{ threads(limit: 10) { id title } }", nil, nil)
		s.wantCode("{ threads(limit: 100) { id title } }", nil, "TOO_COMPLEX")
		s.wantCode("{ threads(limit: 10) { messages(last: 10) { id } } }", nil, "TOO_COMPLEX")
	})
	t.Run("THREADSTORE_CORS_ORIGINS", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct{ setting, origin, want string }{
			{"https://a.example, http://b.example:3000", "https://a.example", "https://a.example"},
			{"https://a.example, http://b.example:3000", "http://b.example:3000", "http://b.example:3000"},
			{"https://a.example, http://b.example:3000", "http://a.example", ""},
			{"https://a.example", "https://a.example.evil.example", ""},
			{"*", "https://anybody.example", "*"},
			{"", "https://a.example", ""},
		} {
			s := serve(t, "DATABASE_URL=:memory:", "THREADSTORE_CORS_ORIGINS="+c.setting)
			for _, method := range []string{http.MethodOptions, http.MethodPost} {
				req, err := http.NewRequest(method, s.url+"/graphql",
					strings.NewReader(`{"query":"{ threads { id } }"}`))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Origin", c.origin)
				req.Header.Set("Content-Type", "application/json")
				if method == http.MethodOptions {
					req.Header.Set("Access-Control-Request-Method", "POST")
					req.Header.Set("Access-Control-Request-Headers", "content-type")
				}
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if got := res.Header.Get("Access-Control-Allow-Origin"); got != c.want {
					t.Errorf("%s from %s with %q: allowed is %q, want %q", method, c.origin, c.setting, got, c.want)
				}
			}
		}
	})
}
