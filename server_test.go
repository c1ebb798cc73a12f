package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/graph"
)

var update = flag.Bool("update", false, "TestReadme writes the answers of the tour into README.md")

// start runs serve until the test ends, and returns its address.
func start(t *testing.T, environ ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var log dbtest.Output
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve"}, append(environ, "THREADSTORE_ADDR=127.0.0.1:0"), strings.NewReader(""),
			&log, &log)
	}()
	t.Cleanup(func() {
		stop()
		if status := <-ended; status != 0 {
			t.Errorf("serve ended with status %d:\n%s", status, &log)
		}
	})
	address := regexp.MustCompile(`url=http://([^/]+)/`)
	for range 200 {
		if m := address.FindStringSubmatch(log.String()); m != nil {
			return m[1]
		}
		select {
		case status := <-ended:
			ended <- status
			t.Fatalf("serve ended with status %d:\n%s", status, &log)
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("serve tells no address:\n%s", &log)
	return ""
}

// TestDefaults reads the settings of an empty environment.
func TestDefaults(t *testing.T) {
	var s settings
	if err := s.parse(nil); err != nil {
		t.Fatal(err)
	}
	want := settings{Addr: "127.0.0.1:8080", Limits: graph.Limits{
		MaxPage: 1000, MaxBody: 33554432, MaxComplexity: 1_000_000, MaxDepth: 20, MaxAnswer: 268435456,
		MaxMemory: 512 << 20, RequestTimeout: 30},
		database: db.Options{
			Driver: db.SQLite, Path: "threads.db", PoolSize: 5, MaxOverflow: 10, PoolTimeout: 30 * time.Second,
			PoolRecycle: 300 * time.Second}}
	if d := cmp.Diff(want, s, cmp.AllowUnexported(settings{})); d != "" {
		t.Errorf("got (+), want (-):\n%s", d)
	}
}

// TestListenError has what a test cannot bring about everywhere: a port that root may
// have, and the numbers of Windows.
func TestListenError(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EADDRINUSE: "THREADSTORE_ADDR=[::1]:8081", 10048: "THREADSTORE_ADDR=[::1]:8081",
		syscall.EACCES: "THREADSTORE_ADDR=[::1]:8080", 10013: "THREADSTORE_ADDR=[::1]:8080",
		syscall.EADDRNOTAVAIL: "THREADSTORE_ADDR=127.0.0.1:80", 10049: "THREADSTORE_ADDR=127.0.0.1:80",
		syscall.EMFILE: "THREADSTORE_ADDR: listen tcp: bind: " + syscall.EMFILE.Error(),
	} {
		err := listenError("[::1]:80", &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", errno)})
		if !errors.Is(err, errno) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%d: %q does not end in %q", errno, err, want)
		}
	}
}

// TestRoutes asks the server for each of its pages: each has a request id, and none answers to another method.
func TestRoutes(t *testing.T) {
	address := start(t, "DATABASE_URL=:memory:", "THREADSTORE_CORS_ORIGINS=https://a.example")
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 200}, {"GET", "/healthz", 200}, {"GET", "/readyz", 200}, {"GET", "/schema.graphql", 200},
		{"GET", "/graphql?query={__typename}", 200},
		{"GET", "/nothing", 404}, {"GET", "/assets/nothing", 404}, {"GET", "/healthz/nothing", 404},
		{"POST", "/", 405}, {"POST", "/healthz", 405}, {"POST", "/readyz", 405}, {"POST", "/schema.graphql", 405},
		{"GET", "/sample", 405}, {"POST", "/assets/x", 405},
		// as a client asks whose address of the server ends in a slash
		{"POST", "//graphql", 307}, {"OPTIONS", "//graphql", 204},
	} {
		req, err := http.NewRequest(c.method, "http://"+address+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://a.example")
		req.Header.Set("Access-Control-Request-Method", "POST")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.status || res.Header.Get("X-Request-Id") == "" ||
			res.Header.Get("Access-Control-Allow-Origin") != "https://a.example" {
			t.Errorf("%s %s: %d, want %d: %v", c.method, c.path, res.StatusCode, c.status, res.Header)
		}
	}
}

// tour matches a command of the README with the answer that stands below it.
var tour = regexp.MustCompile("(?s)```console\n\\$ ([^`]*?)```\n\n```json\n(.*?)```\n")

// TestReadme takes the tour: it runs each command as it is printed, and holds its answer against the printed one.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{"DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "threads.db")}
	const imported = "go run . import docs/tour.jsonl\ndocs/tour.jsonl: 5 threads, 52 messages imported\n"
	if !strings.Contains(string(readme), imported) {
		t.Errorf("the README does not begin the tour with %q", imported)
	}
	var log dbtest.Output
	if status := run(context.Background(), []string{"import", "docs/tour.jsonl"}, environ, nil, &log,
		&log); status != 0 || !strings.HasSuffix(imported, log.String()) {
		t.Fatalf("import ended with status %d and said %q", status, log.String())
	}
	address := start(t, environ...)
	steps := 0
	current := tour.ReplaceAllStringFunc(string(readme), func(step string) string {
		steps++
		m := tour.FindStringSubmatch(step)
		command := strings.ReplaceAll(m[1], "localhost:8080", address)
		answer, err := exec.Command("bash", "-c", command).Output()
		if err != nil {
			t.Errorf("%s: %v", m[1], err)
			return step
		}
		if d := cmp.Diff(values(t, m[2]), values(t, string(answer))); d != "" && !*update {
			t.Errorf("%s: answered (+), printed (-):\n%s", m[1], d)
		}
		return strings.Replace(step, m[2], strings.TrimSpace(string(answer))+"\n", 1)
	})
	if steps < 7 {
		t.Errorf("only %d steps were found", steps)
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(current), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// values decodes a sequence of JSON values.
func values(t *testing.T, text string) (all []any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for d.More() {
		var v any
		if err := d.Decode(&v); err != nil {
			t.Errorf("%.200s: %v", text, err)
			return nil
		}
		all = append(all, v)
	}
	return all
}
