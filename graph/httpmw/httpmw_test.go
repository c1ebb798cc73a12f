package httpmw_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/graph/codes"
	"github.com/threadstore/threadstore/graph/httpmw"
)

// lists are the lists of middleware that the server has.
var lists = map[string]func(httpmw.Options, http.Handler) http.Handler{"API": httpmw.API, "Plain": httpmw.Plain}

// TestRecover lets handlers panic before and in the middle of an answer.
func TestRecover(t *testing.T) {
	t.Parallel()
	for name, list := range lists {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log dbtest.Output
			mux := http.NewServeMux()
			mux.HandleFunc("/early", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "7")
				w.Header().Set("ETag", `"x"`)
				panic("secret of the panic")
			})
			mux.HandleFunc("/late", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, strings.Repeat("half an answer ", 1000))
				_ = http.NewResponseController(w).Flush()
				panic("secret of the panic")
			})
			mux.HandleFunc("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			options := httpmw.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}
			server := httptest.NewUnstartedServer(list(options, mux))
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			server.Start()
			defer server.Close()

			res, err := http.Get(server.URL + "/early")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			var answer struct {
				Errors []struct{ Extensions map[string]string }
			}
			err = json.Unmarshal(body, &answer)
			if err != nil || len(answer.Errors) != 1 || strings.Contains(string(body), "secret") {
				t.Fatalf("the answer is %s (%v)", body, err)
			}
			id := res.Header.Get("X-Request-Id")
			got := answer.Errors[0].Extensions
			if res.StatusCode != 500 || got["code"] != codes.InternalServerError || got["requestId"] != id || id == "" {
				t.Errorf("status %d, %v of the request %q: %s", res.StatusCode, res.Header, id, body)
			}
			if res.Header.Get("ETag") != "" || res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("the headers are %v", res.Header)
			}
			if l := log.String(); !strings.Contains(l, "secret of the panic") || !strings.Contains(l, id) ||
				!strings.Contains(l, "httpmw_test.go") {
				t.Errorf("the log lacks the cause, the request id or the stack: %s", l)
			}

			if res, err := http.Get(server.URL + "/late"); err == nil {
				if _, err := io.ReadAll(res.Body); err == nil {
					t.Error("half an answer came as a whole one")
				}
				res.Body.Close()
			}
			before := log.String()
			if res, err := http.Get(server.URL + "/abort"); err == nil {
				t.Errorf("a handler that aborts is answered %d", res.StatusCode)
				res.Body.Close()
			}
			if log.String() != before {
				t.Errorf("a handler that aborts is logged: %s", log.String()[len(before):])
			}
		})
	}
}

// TestFlush sends an event in gzip while the handler goes on: it must come at once.
func TestFlush(t *testing.T) {
	t.Parallel()
	const event = "data: 1\n\n" // too short to be compressed, if it were all
	goOn := make(chan struct{})
	server := httptest.NewServer(httpmw.API(httpmw.Options{},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for range 2 {
				_, _ = io.WriteString(w, event)
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
				select {
				case <-goOn:
				case <-r.Context().Done():
				}
			}
		})))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("the headers are %v", res.Header)
	}
	text, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got := make([]byte, len(event))
		if _, err := io.ReadFull(text, got); err != nil || string(got) != event {
			t.Fatalf("got %q, %v", got, err)
		}
		goOn <- struct{}{}
	}
	if rest, err := io.ReadAll(text); err != nil || len(bytes.TrimSpace(rest)) > 0 {
		t.Errorf("got %q, %v at the end", rest, err)
	}
}

// TestHijack takes over the connection, as a websocket does, behind every list.
func TestHijack(t *testing.T) {
	t.Parallel()
	for name, list := range lists {
		server := httptest.NewServer(list(httpmw.Options{},
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				defer conn.Close()
				_, _ = io.WriteString(conn, "HTTP/1.1 204 Mine\r\n\r\n")
			})))
		res, err := http.Get(server.URL)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if res.Body.Close(); res.Status != "204 Mine" {
			t.Errorf("%s: %s", name, res.Status)
		}
		server.Close()
	}
}
