package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db/dbtest"
)

// BenchmarkLongThread reads a thread of 100,000 messages from a running server, and reports
//
//	last-page-of-short  how long its last page takes beside that of a thread of ten messages
//	peak-of-answer      how much more memory the process has had (VmHWM) after reading all of it, in sizes of the answer
//
// It needs Linux: .ci/with-postgres go test ./e2e -run - -bench LongThread -benchtime 1x
func BenchmarkLongThread(b *testing.B) {
	line := func(id string, n int) string {
		var messages []string
		for i := range n {
			messages = append(messages, fmt.Sprintf(`{"id":"%s-%d","role":"%s","content":"This is message %d of a `+
				`conversation. %s"}`, id, i, []string{"user", "assistant"}[i%2], i,
				strings.Repeat("Some more words. ", 10)))
		}
		return fmt.Sprintf(`{"id":"%s","created_at":"2026-01-01T00:00:00+00:00","messages":[%s]}`+"\n", id,
			strings.Join(messages, ","))
	}
	for _, driver := range dbtest.Drivers {
		b.Run(string(driver), func(b *testing.B) {
			env := []string{"DATABASE_URL=" + dbtest.URL(b, driver)}
			invocation{env: env, args: []string{"import", "-"},
				stdin: strings.NewReader(line("long", 100_000) + line("short", 10))}.must(b)
			s := serve(b, env...)
			last := map[string][]time.Duration{}
			for range 500 {
				for _, id := range []string{"long", "short"} {
					start := time.Now()
					s.must(`query($id: ID!) { thread(id: $id) { messages(last: 10) { id role sequence content } } }`,
						map[string]any{"id": id}, nil)
					last[id] = append(last[id], time.Since(start))
				}
			}
			middle := func(id string) float64 {
				slices.Sort(last[id])
				return last[id][len(last[id])/2].Seconds()
			}
			b.ReportMetric(middle("long")/middle("short"), "last-page-of-short")
			before := s.peak()
			res, err := http.Post(s.url+"/graphql", "application/json",
				strings.NewReader(`{"query":"{ thread(id: \"long\") { id messages { id role sequence content `+
					`timestamp } } }"}`))
			if err != nil {
				b.Fatal(err)
			}
			defer res.Body.Close()
			size, err := io.Copy(io.Discard, res.Body)
			if err != nil || size < 20<<20 {
				b.Fatalf("an answer of %d bytes, %v", size, err)
			}
			b.ReportMetric(float64(s.peak()-before)/float64(size), "peak-of-answer")
			b.ReportMetric(0, "ns/op")
		})
	}
}

var hwm = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak returns the most memory that the process has had, in bytes.
func (s *server) peak() int64 {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	m := hwm.FindSubmatch(status)
	if m == nil {
		s.t.Fatalf("no VmHWM in\n%s", status)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n << 10
}
