package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"syscall"
	"time"
)

// server is a running process of a tree's program, with one connection to it.
type server struct {
	process *exec.Cmd
	url     string
	client  *http.Client
}

// patience is how long a server may take to start, a request to be answered, and a process to end when told to.
const patience = time.Minute

var served = regexp.MustCompile(`url=(http://[^/ ]+)/`)

// command is the tree's program on a database; it knows no other setting.
func (t *tree) command(ctx context.Context, database string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.program, args...)
	cmd.Dir = t.dir
	// With one processor Go's scheduler does not spin in search of work, which would be part of what is measured.
	cmd.Env = []string{"HOME=" + t.dir, "DATABASE_URL=" + database, "THREADSTORE_ADDR=127.0.0.1:0", "GOMAXPROCS=1"}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	return cmd
}

// serve starts the tree's server.
func (t *tree) serve(ctx context.Context) error {
	cmd := t.command(ctx, t.database)
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableCompression: true}}
	t.server = &server{process: cmd, client: client}
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	var seen bytes.Buffer
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if found := served.FindSubmatch(lines.Bytes()); found != nil {
			t.url = string(found[1]) + "/graphql"
			go io.Copy(io.Discard, log)
			return nil
		}
		fmt.Fprintf(&seen, "%s\n", lines.Bytes())
	}
	return fmt.Errorf("the server does not say where it serves:\n%s", &seen)
}

// stop ends the server, if there is one.
func (t *tree) stop() {
	if t.server == nil {
		return
	}
	t.client.CloseIdleConnections()
	t.process.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(patience, func() { t.process.Process.Kill() })
	t.process.Wait()
	late.Stop()
	t.server = nil
}

// clock is the process's.
func (s *server) clock() (time.Duration, error) { return processClock(s.process.Process.Pid) }

// refused is an answer that is not what was asked for.
type refused struct{ answer string }

func (r refused) Error() string { return r.answer }

// post sends one request and returns the answer.
func (s *server) post(ctx context.Context, body []byte, encoding string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-Encoding", encoding)
	response, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	// Quotes in a text are escaped, so these are a key's.
	if response.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"errors":`)) {
		return nil, refused{fmt.Sprintf("%s: %.200q", response.Status, answer)}
	}
	return answer, nil
}
