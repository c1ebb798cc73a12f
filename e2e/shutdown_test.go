package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

// gate is a body that is sent when the gate opens.
type gate struct {
	open <-chan struct{}
	body io.Reader
}

func (g gate) Read(p []byte) (int, error) {
	<-g.open
	return g.body.Read(p)
}

// TestStopUnderLoad stops a server that has taken on large requests: 20 reads and 20 writes whose bodies are still to
// come, and 10 large answers that their clients have only begun to read.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		url := dbtest.URL(t, driver)
		invocation{args: []string{"import", dbtest.ConversationsFile(t)}, env: []string{"DATABASE_URL=" + url}}.must(t)
		s := serve(t, "DATABASE_URL="+url)
		// What is half read has to be more than the network's buffers hold.
		read := func(limit int) object {
			return object{"query": fmt.Sprintf(`{ threads(limit: %d) { id messages { id content attributes } } }`,
				limit)}
		}
		const reads, writes, halfRead = 20, 20, 10
		content := strings.Repeat("large ", 100_000)

		open := make(chan struct{})
		openGates := sync.OnceFunc(func() { close(open) })
		defer openGates()
		var taken, ended sync.WaitGroup // requests that the server has begun with; those that are over
		type result struct {
			a   answer
			err error
		}
		results := make([]result, reads+writes+halfRead)
		for i := range results {
			request := read(30)
			switch {
			case i >= reads+writes:
				request = read(100)
			case i >= reads:
				thread := object{"id": fmt.Sprint("saved ", i),
					"messages": []input{{fmt.Sprint("message ", i), "USER", content}}}
				request = object{"query": saveThread, "variables": object{"thread": thread}}
			}
			body, err := json.Marshal(request)
			if err != nil {
				t.Fatal(err)
			}
			taken.Add(1)
			took := sync.OnceFunc(taken.Done)
			// the server asks for the body when it handles the request
			trace := &httptrace.ClientTrace{Got100Continue: took}
			req, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace),
				http.MethodPost, s.url+"/graphql", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.ContentLength = int64(len(body))
			if i < reads+writes {
				req.Header.Set("Expect", "100-continue")
				req.Body = io.NopCloser(gate{open, bytes.NewReader(body)})
			} else {
				req.Body = io.NopCloser(bytes.NewReader(body))
			}
			ended.Go(func() {
				defer took() // a request that fails early is not waited for
				res, err := client.Do(req)
				if err != nil {
					results[i].err = err
					return
				}
				if i >= reads+writes {
					took()
					<-open
				}
				results[i].a, results[i].err = readAnswer(res)
			})
		}
		taken.Wait()

		told := time.Now()
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		until(t, "new connections are refused", func() bool {
			conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.url, "http://"), time.Second)
			if err == nil {
				conn.Close()
			}
			return err != nil
		})
		if s.hasEnded() {
			t.Error("the server ended before its requests")
		}
		openGates()
		ended.Wait()
		code := s.wait()
		took := time.Since(told)
		t.Logf("%d requests were finished and the server ended %s after SIGTERM", len(results),
			took.Round(time.Millisecond))
		if code != 0 || took > 25*time.Second {
			t.Errorf("exit status %d after %s, want 0 within 25 s", code, took)
		}
		for i, r := range results {
			if r.err != nil || r.a.status != http.StatusOK || len(r.a.Errors) > 0 {
				t.Errorf("request %d: %v, status %d: %.300s", i, r.err, r.a.status, r.a.body)
				continue
			}
			var data struct {
				Threads []struct{ Messages []struct{ ID string } }
			}
			want := map[bool]int{true: 30, false: 100}[i < reads]
			if i < reads || i >= reads+writes {
				if decode(t, r.a.Data, &data); len(data.Threads) != want {
					t.Errorf("request %d: %d threads, want %d", i, len(data.Threads), want)
				}
			}
		}
		if driver == db.SQLite {
			wantOneFile(t, path(t, url))
		}
		again := serve(t, "DATABASE_URL="+url)
		for i := reads; i < reads+writes; i++ {
			if th := again.thread(fmt.Sprint("saved ", i)); th == nil || len(th.Messages) != 1 ||
				th.Messages[0].Content != content {
				t.Errorf("the answered save %d is not there, or not whole", i)
			}
		}
	})
}

// TestStopIdle stops a server that has nothing to do, but connections that are kept open.
func TestStopIdle(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			url := dbtest.URL(t, driver)
			s := serve(t, "DATABASE_URL="+url)
			s.makeThread("t")
			start := time.Now()
			if code := s.signal(sig); code != 0 {
				t.Errorf("%s: exit status %d, want 0", sig, code)
			}
			if d := time.Since(start); d > 15*time.Second { // waiting for idle connections takes 25 s
				t.Errorf("%s: the end took %s", sig, d)
			}
			if driver == db.SQLite {
				wantOneFile(t, path(t, url))
			}
		}
	})
}

// wantOneFile fails unless the SQLite file stands alone, so that it can be copied as it is.
func wantOneFile(t *testing.T, file string) {
	t.Helper()
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if _, err := os.Stat(file + suffix); err == nil {
			t.Errorf("%s%s was left", file, suffix)
		}
	}
}
