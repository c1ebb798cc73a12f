package db

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/threadstore/threadstore/internal/envconfig"
)

// Driver names a kind of database.
type Driver string

const (
	PostgreSQL Driver = "postgres"
	SQLite     Driver = "sqlite"
)

// Memory is the path of a SQLite database that lives in memory and ends with the process.
const Memory = ":memory:"

// Options say which database to open, and how. [ParseOptions] fills them from
// the environment; the pool fields of a literal Options must be set.
type Options struct {
	Driver Driver
	// Path is SQLite's file, or [Memory].
	Path string
	// Postgres holds lib/pq connection parameters: host, port, user, password, dbname, sslmode, ...
	Postgres map[string]string
	// PoolSize is how many connections are kept open. On SQLite the pool is the
	// readers', beside one writer.
	PoolSize int
	// MaxOverflow is how many connections beyond PoolSize may be opened under load.
	MaxOverflow int
	// PoolTimeout is how long a request waits before it fails with Unavailable: for a connection, for its turn to write
	// a SQLite file, or for the end of transactions in whose favour its own was undone.
	PoolTimeout time.Duration
	// PoolRecycle is a connection's life; 0 is for ever.
	PoolRecycle time.Duration
	// Echo logs every SQL statement, without its values.
	Echo bool
}

// settings are the environment variables of the database.
type settings struct {
	URL         string `env:"DATABASE_URL"`
	PoolSize    int    `env:"TYLER_DB_POOL_SIZE" envDefault:"5"`
	MaxOverflow int    `env:"TYLER_DB_MAX_OVERFLOW" envDefault:"10"`
	PoolTimeout int    `env:"TYLER_DB_POOL_TIMEOUT" envDefault:"30"`
	PoolRecycle int    `env:"TYLER_DB_POOL_RECYCLE" envDefault:"300"`
	Echo        bool   `env:"TYLER_DB_ECHO" envDefault:"false"`
	Type        string `env:"TYLER_DB_TYPE"`
	Host        string `env:"TYLER_DB_HOST"`
	Port        string `env:"TYLER_DB_PORT"`
	Name        string `env:"TYLER_DB_NAME"`
	User        string `env:"TYLER_DB_USER"`
	Password    string `env:"TYLER_DB_PASSWORD"`
	Path        string `env:"TYLER_DB_PATH"`
}

// DefaultURL is the database when no setting names one.
const DefaultURL = "sqlite:threads.db"

// ParseOptions reads the database settings from environment. An empty variable
// counts as unset. The error names the setting and never holds a password.
func ParseOptions(environment map[string]string) (Options, error) {
	var s settings
	if err := envconfig.Parse(environment, &s); err != nil {
		return Options{}, err
	}
	for _, v := range []struct {
		name       string
		value, min int
	}{
		{"TYLER_DB_POOL_SIZE", s.PoolSize, 1},
		{"TYLER_DB_MAX_OVERFLOW", s.MaxOverflow, 0},
		{"TYLER_DB_POOL_TIMEOUT", s.PoolTimeout, 1},
		{"TYLER_DB_POOL_RECYCLE", s.PoolRecycle, -1},
	} {
		if v.value < v.min || v.value > maxSetting {
			return Options{}, fmt.Errorf("%s must be %d to %d, not %d", v.name, v.min, maxSetting, v.value)
		}
	}
	o, err := s.database()
	if err != nil {
		return Options{}, err
	}
	o.PoolSize, o.MaxOverflow, o.Echo = s.PoolSize, s.MaxOverflow, s.Echo
	o.PoolTimeout = time.Duration(s.PoolTimeout) * time.Second
	o.PoolRecycle = time.Duration(max(s.PoolRecycle, 0)) * time.Second // -1 is "never", as SQLAlchemy has it
	return o, nil
}

// maxSetting bounds the numbers of the pool: as seconds they stay far from overflowing a duration.
const maxSetting = 1_000_000

func (s settings) database() (Options, error) {
	if s.URL != "" {
		return ParseURL(s.URL)
	}
	need := func(names ...string) error {
		for _, name := range names {
			value := map[string]string{"HOST": s.Host, "PORT": s.Port, "NAME": s.Name, "USER": s.User,
				"PASSWORD": s.Password, "PATH": s.Path}[name]
			if value == "" {
				return fmt.Errorf("TYLER_DB_TYPE is %s, which also needs TYLER_DB_%s", s.Type, name)
			}
		}
		return nil
	}
	switch s.Type {
	case "":
		return ParseURL(DefaultURL)
	case "postgresql", "postgres":
		if err := need("HOST", "PORT", "NAME", "USER", "PASSWORD"); err != nil {
			return Options{}, err
		}
		if err := checkPort(s.Port); err != nil {
			return Options{}, fmt.Errorf("TYLER_DB_PORT: %w", err)
		}
		return Options{Driver: PostgreSQL, Postgres: map[string]string{
			"host": s.Host, "port": s.Port, "dbname": s.Name, "user": s.User, "password": s.Password,
			"sslmode": "prefer"}}, nil
	case "sqlite":
		if err := need("PATH"); err != nil {
			return Options{}, err
		}
		return Options{Driver: SQLite, Path: s.Path}, nil
	}
	return Options{}, fmt.Errorf("TYLER_DB_TYPE must be postgresql, postgres or sqlite, not %.60q", s.Type)
}

// address is the part of a PostgreSQL URL after "//", read as SQLAlchemy reads
// it: a password may hold any character but an at sign.
var address = regexp.MustCompile(
	`^(?:([^:/?]*)(?::([^@]*))?@)?((?:\[[^\]]*\]|[^/?:,\[\]])*(?::[^/?,]*)?(?:,[^/?]*)?)(?:/([^?]*))?(?:\?(.*))?$`,
)

// ParseURL reads a database URL: postgres://, postgresql://, sqlite:path,
// :memory:, and those of SQLAlchemy (postgresql+asyncpg://, sqlite+aiosqlite:///).
// The error never holds the URL, since a password may be anywhere in a mistyped one.
func ParseURL(raw string) (Options, error) {
	if raw == Memory {
		return Options{Driver: SQLite, Path: Memory}, nil
	}
	scheme, rest, found := strings.Cut(raw, ":")
	if !found {
		return Options{}, fmt.Errorf("DATABASE_URL must begin with sqlite:, postgres:// or postgresql:// and a host")
	}
	switch kind, driver, _ := strings.Cut(scheme, "+"); {
	case kind == "sqlite" && (driver == "" || driver == "aiosqlite" || driver == "pysqlite"):
		return parseSQLite(rest)
	case (kind == "postgresql" || kind == "postgres") &&
		(driver == "" || strings.HasPrefix(driver, "asyncpg") || strings.HasPrefix(driver, "psycopg")):
		rest, found = strings.CutPrefix(rest, "//")
		if !found {
			return Options{}, fmt.Errorf("DATABASE_URL: %s: must be followed by //", scheme)
		}
		return parsePostgres(rest)
	}
	return Options{}, fmt.Errorf("DATABASE_URL must begin with sqlite:, postgres:// or postgresql:// and a host")
}

// parseSQLite reads what follows "sqlite:". After // it is SQLAlchemy's form,
// where one more slash begins a relative path and two an absolute one.
func parseSQLite(rest string) (Options, error) {
	path, query, _ := strings.Cut(rest, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return Options{}, fmt.Errorf("DATABASE_URL: the part after ? cannot be read")
	}
	for name := range values {
		// Settings of Python's driver that have no meaning here, and change nothing that is stored.
		switch name {
		case "timeout", "check_same_thread", "cached_statements", "isolation_level":
		default:
			return Options{}, fmt.Errorf("DATABASE_URL: unknown SQLite parameter %.40q", name)
		}
	}
	if after, ok := strings.CutPrefix(path, "//"); ok {
		if after == "" {
			after = "/" // as in SQLAlchemy, no path is a database in memory
		}
		if path, ok = strings.CutPrefix(after, "/"); !ok {
			return Options{}, fmt.Errorf(
				"DATABASE_URL: sqlite:// takes no host; write sqlite:PATH, sqlite:///RELATIVE or sqlite:////ABSOLUTE",
			)
		}
		if path == "" {
			path = Memory
		}
	}
	if path == "" {
		return Options{}, fmt.Errorf("DATABASE_URL: sqlite: must be followed by a path")
	}
	if strings.ContainsRune(path, 0) {
		return Options{}, fmt.Errorf("DATABASE_URL: a path must not hold U+0000")
	}
	return Options{Driver: SQLite, Path: path}, nil
}

// parsePostgres reads what follows "postgresql://".
func parsePostgres(rest string) (Options, error) {
	m := address.FindStringSubmatch(rest)
	if m == nil {
		return Options{}, fmt.Errorf("DATABASE_URL must have the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	if strings.Contains(m[3]+m[4], "@") { // what stands there may be a piece of a password
		return Options{}, fmt.Errorf(
			"DATABASE_URL: an @ in the user, the password or the database must be written %%40",
		)
	}
	hosts, ports, err := parseHosts(m[3])
	if err != nil {
		return Options{}, err
	}
	p := map[string]string{"sslmode": "prefer"}
	for key, text := range map[string]string{
		"user": m[1], "password": m[2], "host": hosts, "port": ports, "dbname": m[4],
	} {
		if text := unescape(text); text != "" {
			p[key] = text
		}
	}
	if err := parseParameters(m[5], p); err != nil {
		return Options{}, err
	}
	for _, v := range p {
		if strings.ContainsRune(v, 0) {
			return Options{}, fmt.Errorf("DATABASE_URL must not hold U+0000")
		}
	}
	return Options{Driver: PostgreSQL, Postgres: p}, nil
}

// parseHosts reads HOST:PORT,HOST:PORT… into lib/pq's lists of hosts and of ports, "" if no port is given.
func parseHosts(text string) (hostList, portList string, err error) {
	var hosts, ports []string
	for h := range strings.SplitSeq(text, ",") {
		host, port := h, ""
		if i := strings.LastIndexByte(h, ':'); i > strings.LastIndexByte(h, ']') {
			host, port = h[:i], h[i+1:]
			if checkPort(port) != nil {
				return "", "", fmt.Errorf(
					"DATABASE_URL: what follows the host's colon is no port of 1 to 65535 (is the host missing?)",
				)
			}
		}
		if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
			return "", "", fmt.Errorf(
				"DATABASE_URL: a host must have one port, and an IPv6 address stand in brackets",
			)
		}
		hosts, ports = append(hosts, strings.Trim(host, "[]")), append(ports, port)
	}
	if strings.Join(ports, "") == "" {
		return strings.Join(hosts, ","), "", nil
	}
	for i := range ports {
		if ports[i] == "" {
			ports[i] = "5432"
		}
	}
	return strings.Join(hosts, ","), strings.Join(ports, ","), nil
}

// parseParameters adds to p what follows the ? of a URL, by lib/pq's names.
func parseParameters(query string, p map[string]string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("DATABASE_URL: the part after ? cannot be read")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values.Get(name)
		switch name {
		case "ssl": // asyncpg's name for sslmode
			switch value {
			case "true", "True", "1":
				value = "require"
			case "false", "False", "0":
				value = "disable"
			}
			name = "sslmode"
		case "prepared_statement_cache_size", "prepared_statement_name_func", "statement_cache_size", "command_timeout":
			continue // asyncpg's own caches and timers
		case "timeout": // asyncpg's name
			name = "connect_timeout"
		}
		if name == "sslmode" {
			switch value {
			case "disable", "allow", "prefer", "require", "verify-ca", "verify-full":
			default:
				return fmt.Errorf(
					"DATABASE_URL: sslmode (ssl) must be disable, allow, prefer, require, verify-ca or verify-full, "+
						"not %.40q",
					value,
				)
			}
		}
		p[name] = value
	}
	return nil
}

// escaped is a percent escape; any other percent sign stands for itself, as in Python's unquote.
var escaped = regexp.MustCompile(`(%[0-9a-fA-F]{2})+`)

func unescape(text string) string {
	return escaped.ReplaceAllStringFunc(text, func(e string) string {
		plain, err := url.PathUnescape(e)
		if err != nil {
			return e
		}
		return plain
	})
}

func checkPort(port string) error {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("a port must be 1 to 65535, not %.40q", port)
	}
	return nil
}

// String says which database this is, without the password.
func (o Options) String() string {
	if o.Driver == SQLite {
		return "SQLite " + o.Path
	}
	at := o.Postgres["host"]
	if at == "" {
		at = "localhost"
	}
	if p := o.Postgres["port"]; p != "" {
		at += ":" + p
	}
	if name := o.Postgres["dbname"]; name != "" {
		at += "/" + name
	}
	return "PostgreSQL " + at
}
