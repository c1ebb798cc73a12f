// Package e2e_test drives the built program as operators and clients do: as
// processes with an environment, files, signals and HTTP, on both databases.
package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

// program is the path of the program under test: the one that THREADSTORE_BIN names, else one built here.
var program string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if program = os.Getenv("THREADSTORE_BIN"); program != "" {
		if _, err := exec.LookPath(program); err != nil || !filepath.IsAbs(program) {
			fmt.Fprintf(os.Stderr, "THREADSTORE_BIN must be the absolute path of a program, not %q\n", program)
			return 1
		}
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "threadstore-e2e-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "threadstore")
	if out, err := exec.Command("go", "build", "-o", program, "..").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// patience bounds every wait that should be short: it is met on a busy machine too, and ends a hanging test.
const patience = 40 * time.Second

// until polls what until it is true, and fails the test when it does not become so.
func until(t testing.TB, what string, isTrue func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !isTrue(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// invocation says how the program is started. Nothing of the test's own environment reaches it.
type invocation struct {
	args  []string
	env   []string
	dir   string // "" is a new empty folder
	stdin io.Reader
	// blocks is the largest file that it may write, in KiB; 0 is no limit.
	blocks int
}

func (in invocation) command(t testing.TB) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program, in.args...)
	if in.blocks > 0 {
		cmd = exec.Command("bash", append([]string{"-c", `ulimit -f "$1" && shift && exec "$@"`, "bash",
			fmt.Sprint(in.blocks), program}, in.args...)...)
	}
	cmd.Env = append([]string{"HOME=" + t.TempDir()}, in.env...)
	cmd.Dir = in.dir
	if cmd.Dir == "" {
		cmd.Dir = t.TempDir()
	}
	cmd.Stdin = in.stdin
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// ended is how a command of the program ended.
type ended struct {
	code           int
	stdout, stderr string
}

// run runs a command of the program to its end.
func (in invocation) run(t testing.TB) ended {
	t.Helper()
	cmd := in.command(t)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	timer := time.AfterFunc(patience, func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
	})
	defer timer.Stop()
	start := time.Now()
	if err := cmd.Run(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatalf("threadstore %q: %v", in.args, err)
		}
	}
	if d := time.Since(start); d >= patience {
		t.Fatalf("threadstore %q did not end within %s; standard error:\n%s", in.args, patience, tail(stderr.String()))
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs a command that has to succeed, and returns its standard output.
func (in invocation) must(t testing.TB) string {
	t.Helper()
	e := in.run(t)
	if e.code != 0 {
		t.Fatalf("threadstore %q: exit status %d, want 0; standard error:\n%s", in.args, e.code, tail(e.stderr))
	}
	return e.stdout
}

func tail(s string) string {
	if len(s) > 4000 {
		return "…" + s[len(s)-4000:]
	}
	return s
}

// server is a running server process.
type server struct {
	t      testing.TB
	cmd    *exec.Cmd
	stderr *dbtest.Output
	url    string
	done   chan struct{} // closed when it has ended
}

// launch starts a server on a free port and does not wait for it. It ends with the test.
func (in invocation) launch(t testing.TB) *server {
	t.Helper()
	in.env = append([]string{"THREADSTORE_ADDR=127.0.0.1:0"}, in.env...)
	s := &server{t: t, cmd: in.command(t), stderr: &dbtest.Output{}, done: make(chan struct{})}
	s.cmd.Stderr = s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // the exit status is read from ProcessState
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended
		<-s.done
		if t.Failed() {
			t.Logf("standard error of the server at %s:\n%s", s.url, tail(s.stderr.String()))
		}
	})
	return s
}

var servesAt = regexp.MustCompile(`msg="threadstore serves" url=(http://[^/ ]+)/`)

// ready waits until the server answers.
func (s *server) ready() *server {
	s.t.Helper()
	until(s.t, "the server's start", func() bool {
		if s.hasEnded() {
			s.t.Fatalf("the server ended at its start with status %d:\n%s", s.cmd.ProcessState.ExitCode(),
				tail(s.stderr.String()))
		}
		if s.url == "" {
			if m := servesAt.FindStringSubmatch(s.stderr.String()); m != nil {
				s.url = m[1]
			}
		}
		return s.url != "" && s.status("/readyz") == http.StatusOK
	})
	return s
}

// start starts a server and waits until it answers.
func (in invocation) start(t testing.TB) *server {
	t.Helper()
	return in.launch(t).ready()
}

// serve starts a server with these variables.
func serve(t testing.TB, env ...string) *server {
	t.Helper()
	return invocation{env: env}.start(t)
}

func (s *server) hasEnded() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// signal sends a signal and waits for the end of the process; it returns the exit status, -1 for a killed one.
func (s *server) signal(sig syscall.Signal) int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	return s.wait()
}

func (s *server) wait() int {
	s.t.Helper()
	until(s.t, "the server's end", s.hasEnded)
	return s.cmd.ProcessState.ExitCode()
}

// stop ends the server as an operator does.
func (s *server) stop() {
	s.t.Helper()
	if code := s.signal(syscall.SIGTERM); code != 0 {
		s.t.Errorf("SIGTERM: exit status %d, want 0; standard error:\n%s", code, tail(s.stderr.String()))
	}
}

// client keeps enough connections that load does not consist of opening them.
var client = &http.Client{
	Timeout:   patience,
	Transport: &http.Transport{MaxIdleConnsPerHost: 128, ExpectContinueTimeout: patience},
}

// status returns the status of a GET, 0 if there was no answer.
func (s *server) status(path string) int {
	res, err := client.Get(s.url + path)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection is used again
	return res.StatusCode
}

// answer is what a GraphQL request got.
type answer struct {
	status int
	body   string
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Extensions struct {
			Code         string
			ArgumentPath []any
		}
	}
}

// code returns the code of the first error, "" when there is none.
func (a answer) code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	return a.Errors[0].Extensions.Code
}

// errMalformed is an answer that came whole and is no GraphQL response.
var errMalformed = errors.New("malformed answer")

// send posts a GraphQL request. It may be used from any goroutine.
// The error is errMalformed, or says that no whole answer came.
func (s *server) send(query string, variables any) (answer, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return answer{}, err
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+"/graphql",
		bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	return readAnswer(res)
}

func readAnswer(res *http.Response) (answer, error) {
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: res.StatusCode, body: string(text)}
	if err := json.Unmarshal(text, &a); err != nil || a.Data == nil && a.Errors == nil {
		return a, fmt.Errorf("%w: status %d: %.300s", errMalformed, a.status, text)
	}
	return a, nil
}

// ask sends a request that has to be answered.
func (s *server) ask(query string, variables any) answer {
	s.t.Helper()
	a, err := s.send(query, variables)
	if err != nil {
		s.t.Fatalf("%.200s: %v", query, err)
	}
	return a
}

// must sends a request that has to succeed, and decodes its data into to, unless that is nil.
func (s *server) must(query string, variables, to any) {
	s.t.Helper()
	a := s.ask(query, variables)
	if a.status != http.StatusOK || len(a.Errors) > 0 {
		s.t.Fatalf("%.200s: status %d: %.500s", query, a.status, a.body)
	}
	if to == nil {
		return
	}
	if err := json.Unmarshal(a.Data, to); err != nil {
		s.t.Fatalf("%.200s: %v: %.500s", query, err, a.body)
	}
}

// wantCode sends a request that has to fail with a code.
func (s *server) wantCode(query string, variables any, code string) {
	s.t.Helper()
	if a := s.ask(query, variables); a.code() != code {
		s.t.Errorf("%.200s: code %q, want %q: %.500s", query, a.code(), code, a.body)
	}
}

// The operations that most tests use.
const (
	saveThread = `mutation($thread: ThreadInput!) { saveThread(thread: $thread) { id updatedAt messages { id ` +
		`sequence } } }`
	addMessage = `mutation($id: ID!, $message: MessageInput!) { addMessage(threadId: $id, message: $message) { id ` +
		`sequence thread { updatedAt } } }`
	addMessages = `mutation($id: ID!, $messages: [MessageInput!]!) { addMessages(threadId: $id, messages: ` +
		`$messages) { id sequence thread { updatedAt } } }`
)

type object = map[string]any

// input is a message as a client sends it.
type input struct {
	ID      string `json:"id"`
	Role    string `json:"role"`
	Content string `json:"content"`
}

// storedThread is a thread as it is read.
type storedThread struct {
	ID           string
	Title        string
	UpdatedAt    time.Time
	MessageCount int
	Messages     []storedMessage
}

type storedMessage struct {
	ID, Role, Content string
	Sequence          int
}

// inputs returns the messages as they were sent, without their sequence.
func (t storedThread) inputs() []input {
	list := make([]input, len(t.Messages))
	for i, m := range t.Messages {
		list[i] = input{m.ID, m.Role, m.Content}
	}
	return list
}

// wantWhole fails unless the messages of the thread are complete: sequences 1, 2, 3, … in order, 0 for system messages
// before them, each id once, and as many as the thread counts.
func (t storedThread) wantWhole(tb testing.TB) {
	tb.Helper()
	seen := map[string]bool{}
	next := 1
	for i, m := range t.Messages {
		if seen[m.ID] {
			tb.Errorf("thread %s: message %s is there twice", t.ID, m.ID)
		}
		seen[m.ID] = true
		want := 0
		if m.Role != "SYSTEM" {
			want = next
			next++
		} else if next > 1 {
			tb.Errorf("thread %s: a system message at place %d", t.ID, i)
		}
		if m.Sequence != want {
			tb.Errorf("thread %s: message %d has the sequence %d, want %d", t.ID, i, m.Sequence, want)
		}
	}
	if t.MessageCount != len(t.Messages) {
		tb.Errorf("thread %s: messageCount is %d, and there are %d messages", t.ID, t.MessageCount, len(t.Messages))
	}
}

const storedFields = `{ id title updatedAt messageCount messages { id role content sequence } }`

// thread reads a thread whole; nil when there is none.
func (s *server) thread(id string) *storedThread {
	s.t.Helper()
	var data struct{ Thread *storedThread }
	s.must(`query($id: ID!) { thread(id: $id) `+storedFields+` }`, object{"id": id}, &data)
	return data.Thread
}

// threads reads all threads whole, by id. There must be fewer than a page holds.
func (s *server) threads() map[string]storedThread {
	s.t.Helper()
	var data struct{ Threads []storedThread }
	s.must(`{ threads(limit: 1000) `+storedFields+` }`, nil, &data)
	if len(data.Threads) == 1000 {
		s.t.Fatal("more threads than this test can read")
	}
	byID := map[string]storedThread{}
	for _, t := range data.Threads {
		byID[t.ID] = t
	}
	return byID
}

// makeThread saves an empty thread.
func (s *server) makeThread(id string) {
	s.t.Helper()
	s.must(saveThread, object{"thread": object{"id": id}}, nil)
}

// path returns the file of a SQLite URL.
func path(t testing.TB, url string) string {
	t.Helper()
	return options(t, url).Path
}

func options(t testing.TB, url string) db.Options {
	t.Helper()
	o, err := db.ParseOptions(map[string]string{"DATABASE_URL": url})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// updatedAts returns the times of a thread that the answer to one of the operations above holds.
func updatedAts(a answer) (times []time.Time) {
	type message struct{ Thread struct{ UpdatedAt time.Time } }
	var data struct {
		SaveThread  *struct{ UpdatedAt time.Time }
		AddMessage  *message
		AddMessages []message
	}
	if err := json.Unmarshal(a.Data, &data); err != nil {
		panic(fmt.Sprintf("%v: %.300s", err, a.body)) // it was read as JSON before
	}
	if data.SaveThread != nil {
		times = append(times, data.SaveThread.UpdatedAt)
	}
	if data.AddMessage != nil {
		times = append(times, data.AddMessage.Thread.UpdatedAt)
	}
	for _, m := range data.AddMessages {
		times = append(times, m.Thread.UpdatedAt)
	}
	return times
}

func decode(t testing.TB, data []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(data, to); err != nil {
		t.Errorf("%v: %.300s", err, data)
	}
}
