// Command threadstore keeps the conversations of AI agents and serves them over
// GraphQL, from an embedded SQLite file or PostgreSQL.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/interchange"
	"github.com/threadstore/threadstore/graph"
	"github.com/threadstore/threadstore/graph/httpmw"
	"github.com/threadstore/threadstore/internal/envconfig"
	"github.com/threadstore/threadstore/web"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() { // a second signal ends the process at once
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// cli are the commands.
type cli struct {
	Serve       struct{}      `cmd:"" default:"1" help:"Serve the GraphQL API (the default)."`
	Import      importCommand `cmd:"" help:"${import}"`
	Export      struct{}      `cmd:"" help:"${export}"`
	Migrate     struct{}      `cmd:"" help:"${migrate}"`
	Healthcheck struct{}      `cmd:"" help:"${healthcheck}"`
	Version     struct{}      `cmd:"" help:"Say which version this is."`
}

var commandHelp = kong.Vars{
	"import": "Import threads from JSON Lines in Tyler's Thread JSON. A line is a thread's whole new state; " +
		"importing twice changes nothing.",
	"export": "Write all threads to standard output as what import reads, all of one moment.",
	"migrate": "Bring the database's tables up to date, and end. " +
		"(serve, import and export do that by themselves.)",
	"healthcheck": "Ask the server at THREADSTORE_ADDR whether it is ready; if not, exit with 1.",
}

type importCommand struct {
	Files  []string `arg:"" name:"file" optional:"" help:"JSON Lines files; - is standard input."`
	Sample bool     `help:"Import the sample data that comes with the program: eight conversations of a bicycle shop."`
}

// Validate is called by kong.
func (c importCommand) Validate() error {
	if len(c.Files) == 0 && !c.Sample {
		return errors.New("expected a file, - for standard input, or --sample")
	}
	return nil
}

const description = `The place where AI-agent conversations live: a GraphQL API on SQLite or PostgreSQL.

Settings come from the environment:
  DATABASE_URL               sqlite:threads.db (default), :memory:, postgres://USER:PASSWORD@HOST/DATABASE,
                             or Tyler's postgresql+asyncpg:// and sqlite+aiosqlite:///
  TYLER_DB_TYPE, _HOST, _PORT, _NAME, _USER, _PASSWORD, _PATH
                             used when DATABASE_URL is unset
  TYLER_DB_POOL_SIZE (5), TYLER_DB_MAX_OVERFLOW (10), TYLER_DB_POOL_TIMEOUT (30 s), TYLER_DB_POOL_RECYCLE (300 s)
  TYLER_DB_ECHO (false)      log every SQL statement
  THREADSTORE_ADDR           listen address (127.0.0.1:8080)
  THREADSTORE_CORS_ORIGINS   origins of browser pages that may call the API, comma-separated, * for any (none)
  THREADSTORE_MAX_PAGE       largest limit (1000)
  THREADSTORE_MAX_BODY       largest request body in bytes (33554432)
  THREADSTORE_MAX_COMPLEXITY largest cost of a request (1000000)
  THREADSTORE_MAX_DEPTH      levels of fields in a request (20)
  THREADSTORE_MAX_ANSWER     largest answer in bytes, before compression (268435456)
  THREADSTORE_MAX_MEMORY     bytes that all requests together may hold (half of what the process may use, by
                             GOMEMLIMIT or its cgroup; 536870912 where neither says)
  THREADSTORE_REQUEST_TIMEOUT  seconds that a request may take (30)`

// run is the program: it returns the exit status. ctx ends when it is told to stop.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c cli
	ended := -1
	parser := kong.Must(&c, kong.Name("threadstore"), kong.Description(description), commandHelp,
		kong.Writers(stdout, stderr),
		kong.Exit(func(status int) { ended = status }), kong.ConfigureHelp(kong.HelpOptions{NoExpandSubcommands: true}))
	command, err := parser.Parse(args)
	if ended >= 0 { // --help was asked for
		return ended
	}
	if err == nil {
		err = dispatch(ctx, command.Selected().Name, c, environment(environ), stdin, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "threadstore: %s\n", oneLine(err))
		return 1
	}
	return 0
}

func dispatch(
	ctx context.Context, command string, c cli, env map[string]string, stdin io.Reader, stdout, stderr io.Writer,
) error {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	slog.SetDefault(log) // and with it the standard logger, which libraries write to
	if command == "version" {
		fmt.Fprintln(stdout, versionLine())
		return nil
	}
	var s settings
	if err := s.parse(env); err != nil {
		return err
	}
	if command == "healthcheck" {
		return healthcheck(ctx, s.Addr)
	}
	if o := s.database; command == "export" && o.Driver == db.SQLite && o.Path != db.Memory {
		if _, err := os.Stat(o.Path); err != nil { // do not make an empty database and call it a backup
			return fmt.Errorf("cannot export %s: there is no such file", o)
		}
	}
	store, err := db.Open(s.database, db.Hooks{Log: log})
	if err != nil {
		return fmt.Errorf("cannot use %s: %w", s.database, err)
	}
	defer store.Close()
	if err := store.Migrate(ctx); err != nil {
		if e, ok := errors.AsType[*db.Error](err); ok && e.Err != nil {
			err = e.Err // the reason is for clients: "try again"
		}
		return fmt.Errorf("cannot use %s: %w", s.database, err)
	}
	switch command {
	case "serve":
		return serve(ctx, s, store, log)
	case "import":
		return importAll(ctx, store, c.Import, stdin, stderr)
	case "export":
		n, err := interchange.Export(ctx, store.Scope(soleTenant).Threads(), stdout)
		if err == nil {
			fmt.Fprintf(stderr, "%d threads exported\n", n)
		}
		return err
	}
	fmt.Fprintf(stderr, "%s is up to date\n", s.database)
	return nil
}

// soleTenant is whose threads the server and the commands see, as long as nothing tells who asks. What keeps tenants
// apart is db/scope.go.
const soleTenant = ""

// settings are the environment variables of this program.
type settings struct {
	database    db.Options
	Addr        string   `env:"THREADSTORE_ADDR" envDefault:"127.0.0.1:8080"`
	CORSOrigins []string `env:"THREADSTORE_CORS_ORIGINS"`
	graph.Limits
}

func (s *settings) parse(env map[string]string) (err error) {
	if err := envconfig.Parse(env, s); err != nil {
		return err
	}
	if err := s.Limits.Complete(processMemory()); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(s.Addr); err != nil {
		return fmt.Errorf("THREADSTORE_ADDR must be HOST:PORT, not %.60q", s.Addr)
	}
	for i, o := range s.CORSOrigins {
		o = strings.TrimSpace(o)
		s.CORSOrigins[i] = o
		u, err := url.Parse(o)
		if o != "*" && (err != nil || u.Scheme == "" || u.Host == "" || o != u.Scheme+"://"+u.Host) {
			return fmt.Errorf("THREADSTORE_CORS_ORIGINS must hold origins such as https://dashboard.example "+
				"(scheme and host, no path), not %.60q", o)
		}
	}
	s.database, err = db.ParseOptions(env)
	return err
}

func environment(environ []string) map[string]string {
	env := map[string]string{}
	for _, e := range environ {
		if k, v, ok := strings.Cut(e, "="); ok {
			env[k] = v
		}
	}
	return env
}

// processMemory returns how many bytes the process may use, by GOMEMLIMIT or by its cgroup; 0 if neither says.
func processMemory() int64 {
	if limit, ok := goMemoryLimit(); ok {
		return limit
	}
	return cgroupMemory()
}

// goMemoryLimit returns GOMEMLIMIT, and whether it is set.
func goMemoryLimit() (limit int64, ok bool) {
	limit = debug.SetMemoryLimit(-1)
	return limit, limit < math.MaxInt64
}

// cgroupMemory returns how many bytes the cgroup allows, 0 if there is none, or no limit.
func cgroupMemory() int64 {
	limit, err := memlimit.FromCgroup()
	if err != nil || limit > math.MaxInt64/2 {
		return 0
	}
	return int64(limit)
}

// setMemoryLimit tells Go's runtime, unless GOMEMLIMIT has, how much memory to try to stay within: nine tenths of what
// the cgroup allows, or else twice what requests may hold.
func setMemoryLimit(l graph.Limits) {
	if _, ok := goMemoryLimit(); ok {
		return
	}
	debug.SetMemoryLimit(cmp.Or(cgroupMemory()/10*9, 2*l.MaxMemory))
}

// Timeouts of the HTTP server. Those of the API's bodies and answers are graph/transport's (limits.go).
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 2 * time.Minute // of a whole request, where nothing reads its body
	idleTimeout       = 2 * time.Minute
	drainTimeout      = 25 * time.Second // for the requests in flight when told to stop; orchestrators kill after 30 s
)

// gcPercent is how far the heap may grow, in percent of what is live, before it is collected. What is live is a few
// megabytes as a rule, and Go's 100 would collect it so often that it costs a fifth of the requests.
const gcPercent = 400

// serve answers requests until ctx ends, then finishes those in flight.
func serve(ctx context.Context, s settings, store *db.DB, log *slog.Logger) error {
	listener, err := net.Listen("tcp", s.Addr)
	if err != nil {
		return listenError(s.Addr, err)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	setMemoryLimit(s.Limits)
	server := &http.Server{
		Handler:           routes(s, store, log),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	if !web.Built() {
		log.Info("this binary has no playground in it: the page at / needs the internet; " +
			"make run in a clone builds one that does not (Node 20.19 or later)")
	}
	url := "http://" + listener.Addr().String() + "/"
	log.Info("threadstore serves", "url", url, "database", s.database.String(), "version", versionLine())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping: finishing the requests in flight")
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(draining); err != nil {
		return errors.Join(fmt.Errorf("requests were still in flight after %s", drainTimeout), server.Close())
	}
	return nil
}

// listenError says what to do about an address that cannot be listened on. Windows has
// numbers of its own for these errors.
func listenError(addr string, err error) error {
	is := func(unix, windows syscall.Errno) bool { return errors.Is(err, unix) || errors.Is(err, windows) }
	host, port, _ := net.SplitHostPort(addr) // settings.parse has seen it
	why, set := "", ""
	switch {
	case is(syscall.EADDRINUSE, 10048):
		other := "8081"
		if port == other {
			other = "8082"
		}
		why, set = "another program listens there, perhaps another threadstore: stop it, or",
			net.JoinHostPort(host, other)
	case is(syscall.EACCES, 10013):
		why, set = "ports below 1024 are often reserved:", net.JoinHostPort(host, "8080")
	case is(syscall.EADDRNOTAVAIL, 10049):
		why, set = "the host must be an address of this machine, or empty for all:", net.JoinHostPort("127.0.0.1", port)
	default:
		return fmt.Errorf("cannot listen on THREADSTORE_ADDR: %w", err)
	}
	return fmt.Errorf("cannot listen on THREADSTORE_ADDR: %w; %s set THREADSTORE_ADDR=%s", err, why, set)
}

// routes puts together what the server answers: the API, the playground, and the probes of its health. Each has a
// list of middleware of its own: graph/httpmw/chain.go.
func routes(s settings, store *db.DB, log *slog.Logger) http.Handler {
	middleware := httpmw.Options{Log: log, CORSOrigins: s.CORSOrigins}

	playground := http.NewServeMux()
	playground.Handle("GET /{$}", web.Handler())
	playground.Handle("GET /assets/", web.Handler())
	page := httpmw.Plain(middleware, playground)

	probes := graph.Probes(store.Ready, middleware)

	api := graph.New(graph.Options{
		Threads: store.Scope(soleTenant).Threads(), Messages: store.Scope(soleTenant).Messages(),
		Sample: func(ctx context.Context) (threads, messages int, err error) {
			err = interchange.ImportSample(ctx, store.Scope(soleTenant).Threads(),
				func(t, m int) { threads, messages = t, m })
			return threads, messages, err
		},
		Middleware: middleware, Limits: s.Limits,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/healthz", path == "/readyz":
			probes.ServeHTTP(w, r)
		case path == "/", strings.HasPrefix(path, "/assets/"):
			page.ServeHTTP(w, r)
		default: // what there is not, too
			api.ServeHTTP(w, r)
		}
	})
}

// importAll imports what the command names, showing progress if stderr is a terminal.
func importAll(ctx context.Context, store *db.DB, c importCommand, stdin io.Reader, stderr io.Writer) error {
	if c.Sample {
		err := importOne(ctx, "sample data", stderr, func(progress func(threads, messages int)) error {
			return interchange.ImportSample(ctx, store.Scope(soleTenant).Threads(), progress)
		})
		if err != nil {
			return err
		}
	}
	for _, name := range c.Files {
		err := importOne(ctx, name, stderr, func(progress func(threads, messages int)) error {
			return importFile(ctx, store, name, stdin, progress)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// importOne runs one import and tells what it does.
func importOne(
	ctx context.Context, name string, stderr io.Writer, run func(progress func(threads, messages int)) error,
) error {
	terminal := false
	if f, ok := stderr.(*os.File); ok {
		terminal = term.IsTerminal(int(f.Fd()))
	}
	threads, messages := 0, 0
	shown := time.Now()
	err := interruptible(ctx, func() error {
		return run(func(t, m int) {
			threads, messages = t, m
			if terminal && time.Since(shown) > 100*time.Millisecond {
				shown = time.Now()
				fmt.Fprintf(stderr, "\r%s: %d threads, %d messages", name, t, m)
			}
		})
	})
	if terminal {
		fmt.Fprint(stderr, "\r\x1b[K")
	}
	if err != nil {
		return fmt.Errorf("%w (%d threads before it were imported)", err, threads)
	}
	fmt.Fprintf(stderr, "%s: %d threads, %d messages imported\n", name, threads, messages)
	return nil
}

// interruptible runs fn, but does not wait for it when ctx ends: it may be reading from a terminal or a pipe.
func interruptible(ctx context.Context, fn func() error) error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errors.New("interrupted")
	}
}

func importFile(
	ctx context.Context, store *db.DB, name string, stdin io.Reader, progress func(threads, messages int),
) error {
	if name == "-" {
		return interchange.Import(ctx, store.Scope(soleTenant).Threads(), "standard input", stdin, progress)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return interchange.Import(ctx, store.Scope(soleTenant).Threads(), name, f, progress)
}

// healthcheckTimeout is longer than /readyz waits for the database, and shorter than the Dockerfile's HEALTHCHECK
// waits.
const healthcheckTimeout = 8 * time.Second

// healthcheck asks the server that listens on addr whether it is ready. One that listens on all addresses is asked at
// this machine's own: so Dial takes an empty host, 0.0.0.0 and [::].
func healthcheck(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/readyz", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		err = errors.Unwrap(err) // it is a *url.Error, with the URL made up above
		return fmt.Errorf("the server at THREADSTORE_ADDR %s does not answer: %w", addr, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the server at THREADSTORE_ADDR %s is not ready: /readyz answers %s", addr, res.Status)
	}
	return nil
}

// version and commit are set in releases, by -ldflags "-X main.version=0.1.0 -X main.commit=…".
var version, commit string

// versionLine says what this is; of another build it says what Go has noted in it.
func versionLine() string {
	v, c := version, commit
	if info, ok := debug.ReadBuildInfo(); ok && v == "" {
		v = strings.Trim(strings.TrimPrefix(info.Main.Version, "v"), "()") // it may be (devel)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				c = s.Value
			}
		}
	}
	if c != "" {
		c = "commit " + c[:min(len(c), 7)] + ", "
	}
	return "threadstore " + cmp.Or(v, "devel") + " (" + c + runtime.Version() + ")"
}

// oneLine is the error as one line: what libraries join with newlines is joined with semicolons.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
