package db

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/lib/pq"

	"github.com/threadstore/threadstore/db/pgconn"
)

type parameters = map[string]string

// plain is a PostgreSQL database with these parameters besides what is said of TLS by default.
func plain(p parameters) Options {
	all := parameters{"sslmode": "prefer"}
	maps.Copy(all, p)
	return Options{Driver: PostgreSQL, Postgres: all}
}

func file(path string) Options { return Options{Driver: SQLite, Path: path} }

func TestParseURL(t *testing.T) {
	t.Parallel()
	user := func(more parameters) Options { // u:p@h/d, which most URLs below have
		all := parameters{"user": "u", "password": "p", "host": "h", "dbname": "d"}
		maps.Copy(all, more)
		return plain(all)
	}
	for _, c := range []struct {
		name string
		in   string
		want Options
	}{
		{"the default", DefaultURL, file("threads.db")},
		{"sqlite, relative", "sqlite:rel.db", file("rel.db")},
		{"sqlite, folder", "sqlite:data/rel.db", file("data/rel.db")},
		{"sqlite, absolute", "sqlite:/data/abs.db", file("/data/abs.db")},
		{"sqlite, dot", "sqlite:./rel.db", file("./rel.db")},
		{"sqlite, memory", "sqlite::memory:", file(Memory)},
		{"memory", ":memory:", file(Memory)},
		{"SQLAlchemy's sqlite, relative", "sqlite:///rel.db", file("rel.db")},
		{"SQLAlchemy's sqlite, absolute", "sqlite:////abs.db", file("/abs.db")},
		{"SQLAlchemy's sqlite, memory", "sqlite:///:memory:", file(Memory)},
		{"SQLAlchemy's sqlite, no path", "sqlite://", file(Memory)},
		{"the seed's sqlite, relative", "sqlite+aiosqlite:///rel.db", file("rel.db")},
		{"the seed's sqlite, folder", "sqlite+aiosqlite:///path/to/db.sqlite", file("path/to/db.sqlite")},
		{"the seed's sqlite, absolute", "sqlite+aiosqlite:////abs.db", file("/abs.db")},
		{"the seed's sqlite, absolute folder", "sqlite+aiosqlite:////var/lib/abs.db", file("/var/lib/abs.db")},
		{"the seed's sqlite, memory", "sqlite+aiosqlite:///:memory:", file(Memory)},
		{"the seed's sqlite, no path", "sqlite+aiosqlite://", file(Memory)},
		{"the seed's sqlite, no path after the slashes", "sqlite+aiosqlite:///", file(Memory)},
		{"sqlite of another Python driver", "sqlite+pysqlite:///rel.db", file("rel.db")},
		{"sqlite, spaces and letters of any script", "sqlite:///meine Fäden.db", file("meine Fäden.db")},
		{"sqlite, a colon", "sqlite:a:b.db", file("a:b.db")},
		{"sqlite, a hash", "sqlite:a#b.db", file("a#b.db")},
		{"sqlite, settings of Python's driver", "sqlite+aiosqlite:///rel.db?timeout=20&check_same_thread=False",
			file("rel.db")},

		{"postgres", "postgres://u:p@h/d", user(nil)},
		{"postgresql", "postgresql://u:p@h/d", user(nil)},
		{"the seed's", "postgresql+asyncpg://u:p@h/d", user(nil)},
		{"the seed's, documented", "postgresql+asyncpg://user:pass@localhost/dbname",
			plain(parameters{"user": "user", "password": "pass", "host": "localhost", "dbname": "dbname"})},
		{"postgres+asyncpg", "postgres+asyncpg://u:p@h/d", user(nil)},
		{"another Python driver", "postgresql+psycopg2://u:p@h/d", user(nil)},
		{"port", "postgresql+asyncpg://u:p@h:5433/d", user(parameters{"port": "5433"})},
		{"lowest port", "postgres://u:p@h:1/d", user(parameters{"port": "1"})},
		{"highest port", "postgres://u:p@h:65535/d", user(parameters{"port": "65535"})},
		{"no password", "postgres://u@h/d", plain(parameters{"user": "u", "host": "h", "dbname": "d"})},
		{"empty password", "postgres://u:@h/d", plain(parameters{"user": "u", "host": "h", "dbname": "d"})},
		{"no user", "postgres://h/d", plain(parameters{"host": "h", "dbname": "d"})},
		{"no user, port", "postgres://h:5433/d", plain(parameters{"host": "h", "port": "5433", "dbname": "d"})},
		{"no database", "postgres://u:p@h", plain(parameters{"user": "u", "password": "p", "host": "h"})},
		{"no database, slash", "postgres://u:p@h/", plain(parameters{"user": "u", "password": "p", "host": "h"})},
		{"no database, parameters", "postgres://u:p@h?sslmode=disable",
			plain(parameters{"user": "u", "password": "p", "host": "h", "sslmode": "disable"})},
		{"no host", "postgres:///d", plain(parameters{"dbname": "d"})},
		{"no host, user", "postgres://u:p@/d", plain(parameters{"user": "u", "password": "p", "dbname": "d"})},
		{"nothing", "postgres://", plain(nil)},
		{"IPv4", "postgres://u:p@127.0.0.1:5433/d", user(parameters{"host": "127.0.0.1", "port": "5433"})},
		{"IPv6", "postgres://u:p@[::1]/d", user(parameters{"host": "::1"})},
		{"IPv6, port", "postgres://u:p@[fe80::1]:5433/d", user(parameters{"host": "fe80::1", "port": "5433"})},
		{"host with dots and dashes", "postgres://u:p@db-1.example.org/d",
			user(parameters{"host": "db-1.example.org"})},
		{"socket folder, encoded", "postgres://u:p@%2Frun%2Fpostgresql/d", user(parameters{"host": "/run/postgresql"})},
		{"socket folder, as a parameter", "postgresql+asyncpg://u:p@/d?host=/run/postgresql",
			user(parameters{"host": "/run/postgresql"})},
		{"two hosts", "postgres://u:p@h1:5432,h2:5433/d", user(parameters{"host": "h1,h2", "port": "5432,5433"})},
		{"user, encoded", "postgres://a%40b%3Ac%2Fd:p@h/d", user(parameters{"user": "a@b:c/d"})},
		// Hosted databases name users so, and SQLAlchemy reads it.
		{"user with an at sign", "postgresql+asyncpg://u@server:p@h/d", user(parameters{"user": "u@server"})},
		{"database, encoded", "postgres://u:p@h/a%20b%2Fc", user(parameters{"dbname": "a b/c"})},
		{"plus stays", "postgres://u+u:p+p@h/d+d", user(parameters{"user": "u+u", "password": "p+p", "dbname": "d+d"})},
		{"letters of any script", "postgres://üser:pässwörd@h/dätabase",
			user(parameters{"user": "üser", "password": "pässwörd", "dbname": "dätabase"})},

		{"sslmode disable", "postgres://u:p@h/d?sslmode=disable", user(parameters{"sslmode": "disable"})},
		{"sslmode allow", "postgres://u:p@h/d?sslmode=allow", user(parameters{"sslmode": "allow"})},
		{"sslmode prefer", "postgres://u:p@h/d?sslmode=prefer", user(parameters{"sslmode": "prefer"})},
		{"sslmode require", "postgres://u:p@h/d?sslmode=require", user(parameters{"sslmode": "require"})},
		{"sslmode verify-ca", "postgres://u:p@h/d?sslmode=verify-ca", user(parameters{"sslmode": "verify-ca"})},
		{"sslmode verify-full", "postgres://u:p@h/d?sslmode=verify-full", user(parameters{"sslmode": "verify-full"})},
		{"ssl disable", "postgresql+asyncpg://u:p@h/d?ssl=disable", user(parameters{"sslmode": "disable"})},
		{"ssl allow", "postgresql+asyncpg://u:p@h/d?ssl=allow", user(parameters{"sslmode": "allow"})},
		{"ssl prefer", "postgresql+asyncpg://u:p@h/d?ssl=prefer", user(parameters{"sslmode": "prefer"})},
		{"ssl require", "postgresql+asyncpg://u:p@h/d?ssl=require", user(parameters{"sslmode": "require"})},
		{"ssl verify-ca", "postgresql+asyncpg://u:p@h/d?ssl=verify-ca", user(parameters{"sslmode": "verify-ca"})},
		{"ssl verify-full", "postgresql+asyncpg://u:p@h/d?ssl=verify-full", user(parameters{"sslmode": "verify-full"})},
		{"ssl true", "postgresql+asyncpg://u:p@h/d?ssl=true", user(parameters{"sslmode": "require"})},
		{"ssl True", "postgresql+asyncpg://u:p@h/d?ssl=True", user(parameters{"sslmode": "require"})},
		{"ssl 1", "postgresql+asyncpg://u:p@h/d?ssl=1", user(parameters{"sslmode": "require"})},
		{"ssl false", "postgresql+asyncpg://u:p@h/d?ssl=false", user(parameters{"sslmode": "disable"})},
		{"ssl False", "postgresql+asyncpg://u:p@h/d?ssl=False", user(parameters{"sslmode": "disable"})},
		{"ssl 0", "postgresql+asyncpg://u:p@h/d?ssl=0", user(parameters{"sslmode": "disable"})},
		{"asyncpg's timeout", "postgresql+asyncpg://u:p@h/d?timeout=7", user(parameters{"connect_timeout": "7"})},
		{"asyncpg's caches",
			"postgresql+asyncpg://u:p@h/d?prepared_statement_cache_size=0&statement_cache_size=0&command_timeout=60",
			user(nil)},
		{"other parameters", "postgres://u:p@h/d?application_name=x%20y&sslrootcert=/ca.pem",
			user(parameters{"application_name": "x y", "sslrootcert": "/ca.pem"})},
		{"parameters empty", "postgres://u:p@h/d?", user(nil)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseURL(c.in)
			if err != nil {
				t.Fatalf("ParseURL(%q): %v, want %v", c.in, err, c.want)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("ParseURL(%q) (-want +got):\n%s", c.in, diff)
			}
			viaOptions, err := ParseOptions(map[string]string{"DATABASE_URL": c.in})
			if err != nil {
				t.Fatalf("ParseOptions(DATABASE_URL=%q): %v", c.in, err)
			}
			want := withDefaultPool(c.want)
			if diff := cmp.Diff(want, viaOptions); diff != "" {
				t.Errorf("ParseOptions(DATABASE_URL=%q) (-want +got):\n%s", c.in, diff)
			}
		})
	}
}

// withDefaultPool is o with the pool of an environment that does not set it.
func withDefaultPool(o Options) Options {
	o.PoolSize, o.MaxOverflow, o.PoolTimeout, o.PoolRecycle, o.Echo = 5, 10, 30*time.Second, 300*time.Second, false
	return o
}

// secret stands for a password in URLs that hold one.
const secret = "S3cr3t"

// checkStartError fails the test unless err is one line that names the setting and does not hold the secret.
func checkStartError(t *testing.T, call string, err error, setting string) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s is accepted, want an error", call)
	}
	for what, bad := range map[string]bool{
		"that names " + setting: !strings.Contains(err.Error(), setting),
		"of one line":           strings.ContainsAny(err.Error(), "\r\n"),
		"without the password":  strings.Contains(err.Error(), secret),
		"without Go's own text": strings.Contains(err.Error(), "strconv"),
	} {
		if bad {
			t.Errorf("%s: error %q, want one %s", call, err, what)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in string }{
		{"nothing but a word", secret},
		{"no scheme", "u:" + secret + "@h/d"},
		{"no scheme, slashes", "//u:" + secret + "@h/d"},
		{"another database", "mysql://u:" + secret + "@h/d"},
		{"another Python driver", "postgresql+pg8000://u:" + secret + "@h/d"},
		{"another driver of SQLite", "sqlite+pysqlcipher://:" + secret + "@/f.db"},
		{"a file URI", "file:threads.db"},
		{"space before the scheme", " postgres://u:" + secret + "@h/d"},
		{"no slashes", "postgres:u:" + secret + "@h/d"},
		{"one slash", "postgresql+asyncpg:/u:" + secret + "@h/d"},
		{"sqlite without a path", "sqlite:"},
		{"sqlite with a host", "sqlite://rel.db"},
		{"sqlite with a host and a path", "sqlite+aiosqlite://host/rel.db"},
		{"sqlite with an unknown parameter", "sqlite:///rel.db?mode=ro"},
		{"sqlite with parameters that cannot be read", "sqlite:///rel.db?timeout=%zz"},
		{"sqlite with NUL", "sqlite:rel\x00.db"},
		{"port 0", "postgres://u:" + secret + "@h:0/d"},
		{"port 65536", "postgres://u:" + secret + "@h:65536/d"},
		{"negative port", "postgres://u:" + secret + "@h:-1/d"},
		{"port in words", "postgres://u:" + secret + "@h:five/d"},
		{"port with a newline", "postgres://u:" + secret + "@h:5\n/d"},
		{"port of the second host", "postgres://u:" + secret + "@h1:5432,h2:x/d"},
		{"two ports", "postgres://u:" + secret + "@h:1:2/d"},
		{"IPv6 without brackets", "postgres://u:" + secret + "@::1/d"},
		{"IPv6 and a port without brackets", "postgres://u:" + secret + "@fe80::1:5432/d"},
		{"bracket without its other half", "postgres://u:" + secret + "@[::1/d"},
		{"sslmode unknown", "postgres://u:" + secret + "@h/d?sslmode=yes"},
		{"sslmode empty", "postgres://u:" + secret + "@h/d?sslmode="},
		{"ssl unknown", "postgres://u:" + secret + "@h/d?ssl=maybe"},
		{"parameters that cannot be read", "postgres://u:" + secret + "@h/d?a=%zz"},
		{"a parameter that cannot be read, with a password", "postgres://u@h/d?password=" + secret + "%zz"},
		{"parameters with a newline", "postgres://u:" + secret + "@h/d?a=1\nb"},
		{"NUL in the password", "postgres://u:" + secret + "%00@h/d"},
		{"NUL in a parameter", "postgres://u:" + secret + "@h/d?application_name=%00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, err := ParseURL(c.in)
			if err == nil {
				t.Fatalf("ParseURL(%q) = %s (%v), want it isDomainError", c.in, o, o.Postgres)
			}
			checkStartError(t, fmt.Sprintf("ParseURL(%q)", c.in), err, "DATABASE_URL")
			_, err = ParseOptions(map[string]string{"DATABASE_URL": c.in})
			checkStartError(t, fmt.Sprintf("ParseOptions(DATABASE_URL=%q)", c.in), err, "DATABASE_URL")
		})
	}
}

// Of a mistyped URL, the password may be in the place of something else: a
// refusal does not show it, and what is said of an accepted one neither.
func TestParseURLMistyped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in string }{
		{"no host", "postgres://u:" + secret},
		{"no host but a database", "postgres://u:" + secret + "/d"},
		{"no host but a parameter", "postgres://u:" + secret + "?sslmode=disable"},
		{"user with an at sign", "postgres://u@server:" + secret + "@h/d"},
		{"user with a slash", "postgres://u/v:" + secret + "@h/d"},
		{"password with an at sign", "postgres://u:p@" + secret + "@h/d"},
		{"password with an at sign at its end", "postgres://u:" + secret + "@@h/d"},
		{"password with an at sign and a colon", "postgres://u:p@" + secret + ":x@h/d"},
		{"password with a colon after an at sign", "postgres://u:p@x:" + secret + "@h/d"},
		{"password with a slash after an at sign", "postgres://u:p@x/" + secret + "@h/d"},
		{"password with a question mark after an at sign", "postgres://u:p@x?" + secret + "@h/d"},
		{"password with a bracket after an at sign", "postgres://u:p@[" + secret + "@h/d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, err := ParseURL(c.in)
			if err != nil {
				checkStartError(t, fmt.Sprintf("ParseURL(%q)", c.in), err, "DATABASE_URL")
			} else if text := o.String(); strings.Contains(text, secret) {
				t.Errorf("ParseURL(%q) = %q, want it without the password", c.in, text)
			}
		})
	}
}

// oddPasswords are passwords as they are, and as they may stand in a URL.
var oddPasswords = []struct{ name, password, inURL string }{
	{"letters", secret, secret},
	{"at sign, encoded", secret + "@x", secret + "%40x"},
	{"everything encoded", secret + "@:/?#[]% +&='\\", secret + "%40%3A%2F%3F%23%5B%5D%25%20%2B%26%3D%27%5C"},
	{"slash", secret + "/x", secret + "/x"},
	{"hash", secret + "#x", secret + "#x"},
	{"question mark", secret + "?x", secret + "?x"},
	{"question mark that looks like a parameter", secret + "?sslmode=bad", secret + "?sslmode=bad"},
	{"colon", secret + ":x", secret + ":x"},
	{"colon and number", secret + ":5432", secret + ":5432"},
	{"colon and slash, like a host", secret + "h:5432/d", secret + "h:5432/d"},
	{"colon first", ":" + secret, ":" + secret},
	{"percent", secret + "%", secret + "%"},
	{"percent and letters", secret + "%x", secret + "%x"},
	{"percent in the middle", "100%" + secret, "100%" + secret},
	{"two percents", secret + "%%", secret + "%%"},
	{"percent and an encoded at sign", secret + "%x@y", secret + "%x%40y"},
	{"an encoded at sign and a percent at the end", "a@" + secret + "%", "a%40" + secret + "%"},
	{"percent, encoded", secret + "%40", secret + "%2540"},
	{"all that may stand raw", secret + "/#?:%", secret + "/#?:%"},
	{"quote", secret + "'x", secret + "'x"},
	{"backslash", secret + `\x`, secret + `\x`},
	{"backslash at the end", secret + `\`, secret + `\`},
	{"quote that would end a value", secret + "' sslmode='disable", secret + "' sslmode='disable"},
	{"space", secret + " x ", secret + " x "},
	{"plus", secret + "+x", secret + "+x"},
	{"ampersand", secret + "&x=y", secret + "&x=y"},
	{"brackets", secret + "[x]", secret + "[x]"},
	{"comma", secret + ",x", secret + ",x"},
	{"dollar and braces", secret + "$x${y}", secret + "$x${y}"},
	{"double quote", secret + `"x"`, secret + `"x"`},
	{"newline, encoded", secret + "\nx", secret + "%0Ax"},
	{"letters of any script", secret + "пароль密码", secret + "пароль密码"},
	{"encoded letters of any script", secret + "é", secret + "%C3%A9"},
}

// A password reaches the driver as it is, and no text about the database.
func TestPasswordInURL(t *testing.T) {
	t.Parallel()
	for _, c := range oddPasswords {
		for name, form := range map[string]string{
			"with a port":       "postgresql+asyncpg://u:%s@h:5433/d",
			"with a parameter":  "postgres://u:%s@h:5433/d?sslmode=prefer",
			"with IPv6":         "postgresql://u:%s@[::1]:5433/d",
			"without much else": "postgresql://:%s@",
		} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				in := fmt.Sprintf(form, c.inURL)
				o, err := ParseURL(in)
				if err != nil {
					t.Fatalf("ParseURL(%q): %v", in, err)
				}
				if got := o.Postgres["password"]; got != c.password {
					t.Errorf("ParseURL(%q): password %q, want %q", in, got, c.password)
				}
				if form != "postgresql://:%s@" {
					if got := fmt.Sprint(o.Postgres["user"], o.Postgres["port"],
						o.Postgres["dbname"]); got != "u5433d" {
						t.Errorf("ParseURL(%q): user, port and database are %q, want u, 5433 and d", in, got)
					}
				}
				checkPassword(t, o, c.password)
			})
		}
		t.Run(c.name+"/then a bad port", func(t *testing.T) {
			t.Parallel()
			in := "postgresql+asyncpg://u:" + c.inURL + "@h:x/d"
			_, err := ParseURL(in)
			checkStartError(t, fmt.Sprintf("ParseURL(%q)", in), err, "DATABASE_URL")
		})
		t.Run(c.name+"/then a bad parameter", func(t *testing.T) {
			t.Parallel()
			in := "postgresql+asyncpg://u:" + c.inURL + "@h/d?ssl=x"
			_, err := ParseURL(in)
			checkStartError(t, fmt.Sprintf("ParseURL(%q)", in), err, "DATABASE_URL")
		})
		t.Run(c.name+"/as a parameter", func(t *testing.T) {
			t.Parallel()
			in := "postgres://u@h/d?password=" + url.QueryEscape(c.password)
			o, err := ParseURL(in)
			if err != nil || o.Postgres["password"] != c.password {
				t.Fatalf("ParseURL(%q): password %q, %v, want %q", in, o.Postgres["password"], err, c.password)
			}
			checkPassword(t, o, c.password)
		})
		t.Run(c.name+"/of TYLER_DB_PASSWORD", func(t *testing.T) {
			t.Parallel()
			o, err := ParseOptions(tyler(parameters{"TYLER_DB_PASSWORD": c.password}))
			if err != nil || o.Postgres["password"] != c.password {
				t.Fatalf("ParseOptions(TYLER_DB_PASSWORD=%q): password %q, %v", c.password, o.Postgres["password"], err)
			}
			checkPassword(t, o, c.password)
			_, err = ParseOptions(tyler(parameters{"TYLER_DB_PASSWORD": c.password, "TYLER_DB_PORT": "x"}))
			checkStartError(t, fmt.Sprintf("ParseOptions(TYLER_DB_PASSWORD=%q, TYLER_DB_PORT=x)", c.password), err,
				"TYLER_DB_PORT")
		})
	}
}

// checkPassword fails the test unless the driver gets the password and the other parameters as they are, and no text
// shows it.
func checkPassword(t *testing.T, o Options, password string) {
	t.Helper()
	if text := fmt.Sprint(o); strings.Contains(text, secret) {
		t.Errorf("Options.String() = %q, want it without the password %q", text, password)
	}
	config, err := pq.NewConfig(pgconn.Params(o.Postgres).DSN())
	if err != nil {
		t.Fatalf("pq.NewConfig(%q): %v", pgconn.Params(o.Postgres).DSN(), err)
	}
	if config.Password != password || string(config.SSLMode) != "prefer" {
		t.Errorf("pq.NewConfig(%q): password %q, sslmode %q, want %q, prefer", pgconn.Params(o.Postgres).DSN(),
			config.Password, config.SSLMode, password)
	}
}

// tyler is an environment that names a PostgreSQL server by Tyler's variables, with some changed.
func tyler(changed map[string]string) map[string]string {
	e := map[string]string{"TYLER_DB_TYPE": "postgresql", "TYLER_DB_HOST": "h", "TYLER_DB_PORT": "5433",
		"TYLER_DB_NAME": "d", "TYLER_DB_USER": "u", "TYLER_DB_PASSWORD": secret}
	maps.Copy(e, changed)
	return e
}

func TestParseOptions(t *testing.T) {
	t.Parallel()
	server := plain(parameters{"user": "u", "password": secret, "host": "h", "port": "5433", "dbname": "d"})
	pool := func(change func(*Options)) Options {
		o := withDefaultPool(file("threads.db"))
		change(&o)
		return o
	}
	for _, c := range []struct {
		name string
		in   map[string]string
		want Options
	}{
		{"nothing", nil, withDefaultPool(file("threads.db"))},
		{"other variables", map[string]string{"PATH": "/bin", "PGHOST": "x", "POOL_SIZE": "7"},
			withDefaultPool(file("threads.db"))},
		{"everything empty", map[string]string{"DATABASE_URL": "", "TYLER_DB_TYPE": "", "TYLER_DB_POOL_SIZE": "",
			"TYLER_DB_MAX_OVERFLOW": "",
			"TYLER_DB_POOL_TIMEOUT": "", "TYLER_DB_POOL_RECYCLE": "", "TYLER_DB_ECHO": "", "TYLER_DB_PATH": ""},
			withDefaultPool(file("threads.db"))},
		{"URL", map[string]string{"DATABASE_URL": ":memory:"}, withDefaultPool(file(Memory))},
		{"URL beside Tyler's variables", tyler(map[string]string{"DATABASE_URL": "sqlite:x.db"}),
			withDefaultPool(file("x.db"))},
		{"URL beside a type that is none", map[string]string{"DATABASE_URL": "sqlite:x.db", "TYLER_DB_TYPE": "oracle"},
			withDefaultPool(file("x.db"))},
		{"Tyler's variables without a type", map[string]string{"TYLER_DB_HOST": "h", "TYLER_DB_PATH": "x.db"},
			withDefaultPool(file("threads.db"))},
		{"type postgresql", tyler(nil), withDefaultPool(server)},
		{"type postgres", tyler(map[string]string{"TYLER_DB_TYPE": "postgres"}), withDefaultPool(server)},
		{"type postgresql, a path beside it", tyler(map[string]string{"TYLER_DB_PATH": "x.db"}),
			withDefaultPool(server)},
		{"type sqlite", map[string]string{"TYLER_DB_TYPE": "sqlite", "TYLER_DB_PATH": "/data/x.db"},
			withDefaultPool(file("/data/x.db"))},
		{"type sqlite, memory", map[string]string{"TYLER_DB_TYPE": "sqlite", "TYLER_DB_PATH": ":memory:"},
			withDefaultPool(file(Memory))},
		{"type sqlite, a path that is no URL",
			map[string]string{"TYLER_DB_TYPE": "sqlite", "TYLER_DB_PATH": "a?b#c%20.db"},
			withDefaultPool(file("a?b#c%20.db"))},
		{"type sqlite, a server beside it", tyler(map[string]string{"TYLER_DB_TYPE": "sqlite",
			"TYLER_DB_PATH": "x.db"}), withDefaultPool(file("x.db"))},
		{"values are taken as they are", tyler(map[string]string{"TYLER_DB_USER": "a@b%40", "TYLER_DB_NAME": "a b/c'",
			"TYLER_DB_HOST": "/run/postgresql"}),
			withDefaultPool(plain(parameters{"user": "a@b%40", "password": secret, "host": "/run/postgresql",
				"port": "5433", "dbname": "a b/c'"}))},

		{"pool size", map[string]string{"TYLER_DB_POOL_SIZE": "7"}, pool(func(o *Options) { o.PoolSize = 7 })},
		{"smallest pool size", map[string]string{"TYLER_DB_POOL_SIZE": "1"}, pool(func(o *Options) { o.PoolSize = 1 })},
		{"largest pool size", map[string]string{"TYLER_DB_POOL_SIZE": "1000000"},
			pool(func(o *Options) { o.PoolSize = 1_000_000 })},
		{"overflow", map[string]string{"TYLER_DB_MAX_OVERFLOW": "20"}, pool(func(o *Options) { o.MaxOverflow = 20 })},
		{"no overflow", map[string]string{"TYLER_DB_MAX_OVERFLOW": "0"}, pool(func(o *Options) { o.MaxOverflow = 0 })},
		{"timeout in seconds", map[string]string{"TYLER_DB_POOL_TIMEOUT": "2"},
			pool(func(o *Options) { o.PoolTimeout = 2 * time.Second })},
		{"smallest timeout", map[string]string{"TYLER_DB_POOL_TIMEOUT": "1"},
			pool(func(o *Options) { o.PoolTimeout = time.Second })},
		{"largest timeout", map[string]string{"TYLER_DB_POOL_TIMEOUT": "1000000"},
			pool(func(o *Options) { o.PoolTimeout = 1_000_000 * time.Second })},
		{"recycle in seconds", map[string]string{"TYLER_DB_POOL_RECYCLE": "1800"},
			pool(func(o *Options) { o.PoolRecycle = 1800 * time.Second })},
		{"recycle 0 is never", map[string]string{"TYLER_DB_POOL_RECYCLE": "0"},
			pool(func(o *Options) { o.PoolRecycle = 0 })},
		{"recycle -1 is never", map[string]string{"TYLER_DB_POOL_RECYCLE": "-1"},
			pool(func(o *Options) { o.PoolRecycle = 0 })},
		{"echo true", map[string]string{"TYLER_DB_ECHO": "true"}, pool(func(o *Options) { o.Echo = true })},
		{"echo True", map[string]string{"TYLER_DB_ECHO": "True"}, pool(func(o *Options) { o.Echo = true })},
		{"echo 1", map[string]string{"TYLER_DB_ECHO": "1"}, pool(func(o *Options) { o.Echo = true })},
		{"echo false", map[string]string{"TYLER_DB_ECHO": "false"}, pool(func(o *Options) { o.Echo = false })},
		{"echo False", map[string]string{"TYLER_DB_ECHO": "False"}, pool(func(o *Options) { o.Echo = false })},
		{"all at once", map[string]string{"DATABASE_URL": "sqlite:x.db", "TYLER_DB_POOL_SIZE": "2",
			"TYLER_DB_MAX_OVERFLOW": "3", "TYLER_DB_POOL_TIMEOUT": "4",
			"TYLER_DB_POOL_RECYCLE": "5", "TYLER_DB_ECHO": "true"},
			Options{SQLite, "x.db", nil, 2, 3, 4 * time.Second, 5 * time.Second, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseOptions(c.in)
			if err != nil {
				t.Fatalf("ParseOptions(%v): %v, want %v", c.in, err, c.want)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("ParseOptions(%v) (-want +got):\n%s", c.in, diff)
			}
		})
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	t.Parallel()
	type bad struct {
		name    string
		in      map[string]string
		setting string
	}
	var cases []bad
	for setting, values := range map[string][]string{
		"TYLER_DB_POOL_SIZE":    {"0", "-1", "1000001"},
		"TYLER_DB_MAX_OVERFLOW": {"-1", "1000001"},
		"TYLER_DB_POOL_TIMEOUT": {"0", "-1", "1000001"},
		"TYLER_DB_POOL_RECYCLE": {"-2", "1000001"},
	} {
		for _, v := range append(values, "five", "1.5", " 5", "5s", "0x5", "5\n6", "99999999999999999999") {
			cases = append(cases, bad{fmt.Sprintf("%s=%q", setting, v), map[string]string{setting: v}, setting})
			cases = append(cases, bad{fmt.Sprintf("%s=%q beside a server", setting, v),
				tyler(map[string]string{setting: v}), setting})
		}
	}
	for _, v := range []string{"maybe", "2", " ", "true\n"} {
		cases = append(cases, bad{fmt.Sprintf("TYLER_DB_ECHO=%q", v), map[string]string{"TYLER_DB_ECHO": v},
			"TYLER_DB_ECHO"})
	}
	for _, v := range []string{"oracle", "mysql", "postgresql+asyncpg", "SQLITE 3", " sqlite", "a\nb"} {
		cases = append(cases, bad{fmt.Sprintf("TYLER_DB_TYPE=%q", v), tyler(map[string]string{"TYLER_DB_TYPE": v}),
			"TYLER_DB_TYPE"})
	}
	for _, kind := range []string{"postgresql", "postgres"} {
		for _, missing := range []string{"TYLER_DB_HOST", "TYLER_DB_PORT", "TYLER_DB_NAME", "TYLER_DB_USER",
			"TYLER_DB_PASSWORD"} {
			in := tyler(map[string]string{"TYLER_DB_TYPE": kind, "TYLER_DB_PATH": "x.db"})
			delete(in, missing)
			cases = append(cases, bad{kind + " without " + missing, in, missing})
			cases = append(cases, bad{kind + " with empty " + missing,
				tyler(map[string]string{"TYLER_DB_TYPE": kind, missing: ""}), missing})
		}
	}
	cases = append(cases,
		bad{"sqlite without a path", tyler(map[string]string{"TYLER_DB_TYPE": "sqlite"}), "TYLER_DB_PATH"},
		bad{"sqlite with an empty path", map[string]string{"TYLER_DB_TYPE": "sqlite", "TYLER_DB_PATH": ""},
			"TYLER_DB_PATH"},
	)
	for _, v := range []string{"0", "65536", "-1", "x", "5432 ", "5\n4", "99999999999999999999"} {
		cases = append(cases, bad{fmt.Sprintf("TYLER_DB_PORT=%q", v), tyler(map[string]string{"TYLER_DB_PORT": v}),
			"TYLER_DB_PORT"})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, err := ParseOptions(c.in)
			checkStartError(t, fmt.Sprintf("ParseOptions(%v)", c.in), err, c.setting)
			if diff := cmp.Diff(Options{}, o); diff != "" {
				t.Errorf("ParseOptions(%v) beside its error (-want +got):\n%s", c.in, diff)
			}
		})
	}
}

func TestOptionsString(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   Options
		want string
	}{
		{"file", file("/data/x.db"), "SQLite /data/x.db"},
		{"memory", file(Memory), "SQLite :memory:"},
		{"server", plain(parameters{"user": "u", "password": secret, "host": "h", "port": "5433", "dbname": "d"}),
			"PostgreSQL h:5433/d"},
		{"server without a port", plain(parameters{"user": "u", "password": secret, "host": "h", "dbname": "d"}),
			"PostgreSQL h/d"},
		{"server without a host", plain(parameters{"user": "u", "password": secret, "dbname": "d"}),
			"PostgreSQL localhost/d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.in.String(); got != c.want {
				t.Errorf("Options.String() = %q, want %q", got, c.want)
			}
			for _, verb := range []string{"%v", "%s"} {
				if got := fmt.Sprintf(verb, c.in); strings.Contains(got, secret) {
					t.Errorf("Options printed by %s = %q, want it without the password", verb, got)
				}
			}
		})
	}
}

// The driver reads every parameter as it is, and our own give way to the operator's.
func TestDSN(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		url  string
		more map[string]string
		want func(*pq.Config) any
		text string
	}{
		{"ours", "postgres://u:p@h/d", map[string]string{"application_name": "x"},
			func(c *pq.Config) any { return c.ApplicationName }, "x"},
		{"the operator's", "postgres://u:p@h/d?application_name=y", map[string]string{"application_name": "x"},
			func(c *pq.Config) any { return c.ApplicationName }, "y"},
		{"quotes and backslashes", `postgres://u:p@h/a'b\c`, nil, func(c *pq.Config) any { return c.Database },
			`a'b\c`},
		{"spaces", `postgres://u%20v:p@h/d`, nil, func(c *pq.Config) any { return c.User }, `u v`},
		{"IPv6", `postgres://u:p@[::1]:5433/d`, nil, func(c *pq.Config) any { return fmt.Sprint(c.Host, " ", c.Port) },
			`::1 5433`},
		{"TLS", `postgres://u:p@h/d`, nil, func(c *pq.Config) any { return c.SSLMode }, `prefer`},
		{"TLS, asyncpg's name", `postgres://u:p@h/d?ssl=require`, nil, func(c *pq.Config) any { return c.SSLMode },
			`require`},
		{"asyncpg's timeout", `postgres://u:p@h/d?timeout=7`, map[string]string{"connect_timeout": "10"},
			func(c *pq.Config) any { return c.ConnectTimeout }, `7s`},
		{"a setting of the server", `postgres://u:p@h/d?search_path=a`, nil,
			func(c *pq.Config) any { return c.Runtime["search_path"] }, `a`},
		{"two hosts", `postgres://u:p@h1:5433,h2:5434/d`, nil, func(c *pq.Config) any {
			return fmt.Sprint(c.Host, c.Port, c.Multi[0].Host, c.Multi[0].Port)
		}, `h15433h25434`},
		{"two hosts without ports", `postgres://u:p@h1,h2/d`, nil, func(c *pq.Config) any {
			return fmt.Sprint(c.Host, c.Port, c.Multi[0].Host, c.Multi[0].Port)
		}, `h15432h25432`},
		{"two hosts, a port for the first", `postgres://u:p@h1:5433,h2/d`, nil, func(c *pq.Config) any {
			return fmt.Sprint(c.Host, c.Port, c.Multi[0].Host, c.Multi[0].Port)
		}, `h15433h25432`},
		{"two hosts, a port for the second", `postgres://u:p@h1,h2:5434/d`, nil, func(c *pq.Config) any {
			return fmt.Sprint(c.Host, c.Port, c.Multi[0].Host, c.Multi[0].Port)
		}, `h15432h25434`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, err := ParseURL(c.url)
			if err != nil {
				t.Fatalf("ParseURL(%q): %v", c.url, err)
			}
			params := pgconn.Params{}
			maps.Copy(params, c.more)
			maps.Copy(params, o.Postgres)
			dsn := params.DSN()
			config, err := pq.NewConfig(dsn)
			if err != nil {
				t.Fatalf("pq.NewConfig(%q) of %q: %v", dsn, c.url, err)
			}
			if got := fmt.Sprint(c.want(&config)); got != c.text {
				t.Errorf("pq.NewConfig(%q) of %q: %q, want %q", dsn, c.url, got, c.text)
			}
		})
	}
}

// FuzzParseURL: any text is read or refused without a panic, and of a URL with
// a password neither the error nor what is said of the database holds it. (The
// user comes as it must be written, or the password cannot be told.)
func FuzzParseURL(f *testing.F) {
	for _, seed := range []struct{ scheme, user, before, after, rest string }{
		{"postgresql+asyncpg", "u", "", "", "h:5432/d?ssl=require"},
		{"postgres", "", "/#?:%", "%40", "[::1]:5432/d"},
		{"postgresql", "u", "", "", "h:x/d"},
		{"postgresql", "u", "", "", "h/d?sslmode=x"},
		{"postgresql", "u", "", "", "h1:1,h2:2/d?timeout=3"},
		{"postgresql", "a%40b", "'", `\`, "/d?host=/run"},
		{"postgresql", "u@server", "", "", "h/d"},
		{"postgresql", "u", "p@", "", "h/d"},
		{"postgresql", "u", "p@x:", "", "h/d"},
		{"sqlite", "u", "", "", "h/d"},
		{"sqlite+aiosqlite", "", "", "", "/x.db?mode=ro"},
		{"mysql", "u", "", "", "h/d"},
		{"", "", "", "", ""},
		{"postgresql", "u", "%zz", "%00", "h/d?a=%zz"},
	} {
		f.Add(seed.scheme, seed.user, seed.before, seed.after, seed.rest)
	}
	f.Fuzz(func(t *testing.T, scheme, user, before, after, rest string) {
		_, _ = ParseURL(scheme + rest) // anything at all
		if strings.ContainsAny(scheme, ":/?#@") || strings.ContainsAny(user, ":/?#[]") ||
			strings.Contains(scheme+user+rest, secret) || strings.HasPrefix(scheme, "sqlite") {
			return
		}
		if password := before + after; strings.Contains(password, "@") && strings.Contains(password, "?") {
			return // a raw at sign ends the password, and anything may stand in a parameter
		}
		raw := scheme + "://" + user + ":" + before + secret + after + "@" + rest
		o, err := ParseURL(raw)
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Fatalf("ParseURL(%q): error %q, want it without the password", raw, err)
			}
			return
		}
		if o.Driver != PostgreSQL || strings.Contains(o.String(), secret) {
			t.Fatalf("ParseURL(%q) = %s, want PostgreSQL without the password", raw, o)
		}
		password := o.Postgres["password"]
		if strings.ContainsRune(rest, '?') || !utf8.ValidString(pgconn.Params(o.Postgres).DSN()) {
			return
		}
		if config, err := pq.NewConfig(pgconn.Params(o.Postgres).DSN()); err == nil && config.Password != password {
			t.Fatalf("pq.NewConfig(%q): password %q, want %q", pgconn.Params(o.Postgres).DSN(),
				config.Password, password)
		}
	})
}
