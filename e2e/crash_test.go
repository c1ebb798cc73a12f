package e2e_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

// kind is what a write does.
type kind int

const (
	appendOne  kind = iota // addMessage
	appendMany             // addMessages
	create                 // saveThread of a new thread
	replace                // saveThread with another list of messages
)

// write is one request of a writer.
type write struct {
	kind     kind
	thread   string
	title    string // of create and replace
	messages []input
}

func (w write) request() (query string, variables object) {
	switch w.kind {
	case appendOne:
		return addMessage, object{"id": w.thread, "message": w.messages[0]}
	case appendMany:
		return addMessages, object{"id": w.thread, "messages": w.messages}
	}
	return saveThread, object{"thread": object{"id": w.thread, "title": w.title, "messages": w.messages}}
}

// writer is one client, who remembers what it was told.
type writer struct {
	name  string
	kinds []kind // takes turns
	home  string // the thread it appends to, or the one whose list it replaces
	rand  *rand.Rand
	count int

	acked   []write
	unknown *write // sent, without an answer
	floor   map[string]time.Time
	err     error // what must not happen
}

func (w *writer) next() write {
	w.count++
	k := w.kinds[w.count%len(w.kinds)]
	message := func(i int) input {
		role := "USER"
		if k == appendOne && w.count%20 == 0 {
			role = "SYSTEM"
		}
		id := fmt.Sprintf("%s/%d/%d", w.name, w.count, i)
		return input{id, role, "says " + id + " " + strings.Repeat("é", w.rand.IntN(2000))}
	}
	n := map[kind]int{appendOne: 1, appendMany: 5, create: 4}[k]
	next := write{kind: k, thread: w.home}
	switch k {
	case create:
		next.thread = fmt.Sprintf("%s/%d", w.name, w.count)
		next.title = "created"
	case replace:
		next.title = fmt.Sprintf("version %d", w.count)
		// Half of the last list, changed and in another order, and some new ones.
		if i := w.lastReplace(); i >= 0 {
			next.messages = slices.Clone(w.acked[i].messages[:len(w.acked[i].messages)/2])
			slices.Reverse(next.messages)
			for i := range next.messages {
				next.messages[i].Content += "!"
			}
		}
		n = 6
	}
	for i := range n {
		next.messages = append(next.messages, message(i))
	}
	return next
}

// lastReplace returns the place of the last acknowledged replace, -1 if there is none.
func (w *writer) lastReplace() int {
	for i := len(w.acked) - 1; i >= 0; i-- {
		if w.acked[i].kind == replace {
			return i
		}
	}
	return -1
}

// do sends a write and reports whether it was acknowledged; if not, its outcome is unknown.
func (w *writer) do(s *server, next write) bool {
	w.unknown = &next
	query, variables := next.request()
	a, err := s.send(query, variables)
	if err != nil {
		return false
	}
	if len(a.Errors) > 0 {
		w.err = fmt.Errorf("%s: a killed server must not answer, this one did: %.300s", w.name, a.body)
		return false
	}
	w.unknown = nil
	w.acked = append(w.acked, next)
	for _, at := range updatedAts(a) {
		if at.After(w.floor[next.thread]) {
			w.floor[next.thread] = at
		}
	}
	return true
}

// acknowledged counts the messages that w was told are stored.
func (w *writer) acknowledged() (n int) {
	for _, a := range w.acked {
		n += len(a.messages)
	}
	return n
}

const (
	crashRounds  = 20
	crashWriters = 16
	// crashMessages are acknowledged in each round before the kill.
	crashMessages = 1000
)

// TestKill kills the server again and again while it writes, and looks each time whether it kept its word.
func TestKill(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, driver db.Driver) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		url := dbtest.URL(t, driver)
		run := func() *server { return serve(t, "DATABASE_URL="+url) }

		var writers []*writer
		for i := range crashWriters {
			w := &writer{name: fmt.Sprintf("w%d", i), rand: rand.New(rand.NewPCG(seed, uint64(i)+1)),
				floor: map[string]time.Time{}}
			switch {
			case i < 8:
				w.home, w.kinds = fmt.Sprintf("shared %d", i%3), []kind{appendOne}
			case i < 12:
				w.home, w.kinds = fmt.Sprintf("shared %d", i%3), []kind{appendMany, appendOne}
			default:
				w.home, w.kinds = "own "+w.name, []kind{replace, replace, replace, create}
			}
			writers = append(writers, w)
		}
		s := run()
		for i := range 3 {
			s.makeThread(fmt.Sprintf("shared %d", i))
		}
		floor := map[string]time.Time{} // the latest updatedAt that anybody was shown
		unknown, lost := 0, 0
		for round := range crashRounds {
			var acks atomic.Int64
			var group sync.WaitGroup
			for _, w := range writers {
				group.Go(func() {
					for range 1000 {
						next := w.next()
						if !w.do(s, next) {
							return
						}
						acks.Add(int64(len(next.messages)))
					}
				})
			}
			enough := int64(crashMessages + random.IntN(100))
			until(t, fmt.Sprintf("round %d: %d messages acknowledged", round, enough),
				func() bool { return acks.Load() >= enough })
			time.Sleep(time.Duration(random.IntN(5000)) * time.Microsecond) // anywhere within a write
			s.signal(syscall.SIGKILL)
			group.Wait()
			for _, w := range writers {
				if w.err != nil {
					t.Fatal(w.err)
				}
				for id, at := range w.floor {
					if at.After(floor[id]) {
						floor[id] = at
					}
				}
				if w.unknown != nil {
					unknown++
				}
			}

			s = run()
			lost += checkStore(t, s, writers, floor)
			for _, w := range writers { // whoever got no answer asks again
				if w.unknown != nil && !w.do(s, *w.unknown) {
					t.Fatalf("round %d: sending %+v again: %v", round, *w.unknown, w.err)
				}
			}
			checkStore(t, s, writers, floor)
			if driver == db.SQLite {
				checkIntegrity(t, url)
			}
			if t.Failed() {
				t.Fatalf("stopped after round %d", round)
			}
		}
		s.stop()
		total := 0
		for _, w := range writers {
			total += w.acknowledged()
		}
		t.Logf("%d rounds: %d messages acknowledged; %d writes without an answer, %d of them not stored", crashRounds,
			total, unknown, lost)
		if total < crashRounds*crashMessages {
			t.Errorf("%d messages were acknowledged, want %d or more for this test to mean something", total,
				crashRounds*crashMessages)
		}
	})
}

// checkStore compares what is stored with what the writers know: everything acknowledged is there once, with its
// content; a write without an answer is there whole or not at all; and nothing else is. It returns how many of
// the writes without an answer are not there, and raises floor to what it saw.
func checkStore(t *testing.T, s *server, writers []*writer, floor map[string]time.Time) (lost int) {
	t.Helper()
	stored := s.threads()
	everywhere := map[string]string{}
	for id, th := range stored {
		th.wantWhole(t)
		for _, m := range th.Messages {
			if other, ok := everywhere[m.ID]; ok {
				t.Errorf("message %s is in %s and in %s", m.ID, other, id)
			}
			everywhere[m.ID] = id
		}
		if th.UpdatedAt.Before(floor[id]) {
			t.Errorf("thread %s: updatedAt went back from %s to %s", id, floor[id], th.UpdatedAt)
		}
		floor[id] = th.UpdatedAt
	}
	appended := map[string]map[string]input{} // shared thread -> what has to be in it
	exact := map[string]write{}               // other thread -> the last save of it
	for _, w := range writers {
		all := w.acked
		if u := w.unknown; u != nil {
			if isStored(t, stored, *u) {
				all = append(slices.Clip(all), *u)
			} else {
				lost++
			}
		}
		for _, a := range all {
			if a.kind == create || a.kind == replace {
				exact[a.thread] = a
				continue
			}
			if appended[a.thread] == nil {
				appended[a.thread] = map[string]input{}
			}
			for _, m := range a.messages {
				appended[a.thread][m.ID] = m
			}
		}
	}
	for id, want := range appended {
		got := map[string]input{}
		place := map[string]int{}
		for i, m := range stored[id].inputs() {
			got[m.ID] = m
			place[m.ID] = i
		}
		if !maps.Equal(want, got) {
			t.Errorf("thread %s: got (+), want (-):\n%s", id, tail(cmp.Diff(want, got)))
		}
		for _, w := range writers { // a batch stays together
			for _, a := range w.acked {
				for i, m := range a.messages {
					if a.kind == appendMany && a.thread == id && place[m.ID] != place[a.messages[0].ID]+i {
						t.Errorf("thread %s: message %d of the batch of %s is at place %d, the first at %d", id, i,
							m.ID, place[m.ID], place[a.messages[0].ID])
					}
				}
			}
		}
	}
	for id, th := range stored {
		if want, ok := exact[id]; ok {
			if got := th.inputs(); !slices.Equal(want.messages, got) || th.Title != want.title {
				t.Errorf("thread %s, title %q, want %q: got (+), want (-):\n%s", id, th.Title, want.title,
					tail(cmp.Diff(want.messages, got)))
			}
		} else if appended[id] == nil && len(th.Messages) > 0 {
			t.Errorf("nobody saved thread %s", id)
		}
	}
	for id := range exact {
		if _, ok := stored[id]; !ok {
			t.Errorf("thread %s is not there", id)
		}
	}
	return lost
}

// isStored reports whether a write without an answer was done. One that was done by half is an error.
func isStored(t *testing.T, stored map[string]storedThread, w write) bool {
	t.Helper()
	th, ok := stored[w.thread]
	if w.kind == create || w.kind == replace {
		return ok && th.Title == w.title // its messages are compared with all the others
	}
	there := 0
	for _, m := range th.Messages {
		for _, sent := range w.messages {
			if m.ID == sent.ID {
				there++
			}
		}
	}
	if there != 0 && there != len(w.messages) {
		t.Errorf("thread %s: %d messages of the %d that %s sent together are there", w.thread, there, len(w.messages),
			w.messages[0].ID)
	}
	return there == len(w.messages)
}

func checkIntegrity(t *testing.T, url string) {
	t.Helper()
	raw := dbtest.Raw(t, options(t, url))
	defer raw.Close()
	for _, pragma := range []string{"integrity_check", "foreign_key_check"} {
		rows, err := raw.Query("PRAGMA " + pragma)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			columns, _ := rows.Columns()
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			if first := *values[0].(*any); first != "ok" {
				t.Errorf("PRAGMA %s: %v", pragma, first)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
}

// TestPostgresCrash crashes the database under a server that goes on running.
func TestPostgresCrash(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := serve(t, "DATABASE_URL="+c.url("postgres", "postgres"))
	const threads = 3
	for i := range threads {
		s.makeThread(fmt.Sprint(i))
	}

	var acks, refusals atomic.Int64
	var stopped atomic.Bool
	var group sync.WaitGroup
	type result struct {
		acked   map[string]string // id -> content
		longest time.Duration
		err     error
	}
	results := make([]result, crashWriters)
	for i := range results {
		r := &results[i]
		r.acked = map[string]string{}
		group.Go(func() {
			for n := 0; !stopped.Load() && n < 100_000; n++ {
				batch := make([]input, 1+n%2*3)
				for j := range batch {
					id := fmt.Sprintf("%d/%d/%d", i, n, j)
					batch[j] = input{id, "USER", "says " + id}
				}
				w := write{kind: appendMany, thread: fmt.Sprint(i % threads), messages: batch}
				if len(batch) == 1 {
					w.kind = appendOne
				}
				// Sent again until it is acknowledged: the outcome of a refused one is unknown.
				for {
					query, variables := w.request()
					start := time.Now()
					a, err := s.send(query, variables)
					r.longest = max(r.longest, time.Since(start))
					if err != nil {
						r.err = fmt.Errorf("%d/%d: no answer: %w", i, n, err)
						return
					}
					if a.code() == "" {
						break
					}
					if a.code() != "SERVICE_UNAVAILABLE" {
						r.err = fmt.Errorf("%d/%d: %.500s", i, n, a.body)
						return
					}
					refusals.Add(1)
					if stopped.Load() {
						return
					}
					time.Sleep(5 * time.Millisecond) // a client that does not take the machine from the recovery
				}
				for _, m := range batch {
					r.acked[m.ID] = m.Content
				}
				acks.Add(1)
			}
		})
	}
	stop := sync.OnceFunc(func() { stopped.Store(true); group.Wait() })
	defer stop() // before the server ends, whatever happens
	progress := func(when string) {
		t.Helper()
		enough := acks.Load() + 100
		until(t, "100 more acknowledgements "+when, func() bool { return acks.Load() >= enough })
	}

	progress("at first")
	for i := range 3 {
		c.ctl("restart", "-m", "immediate")
		progress(fmt.Sprintf("after crash %d", i))
	}
	if got := s.status("/readyz"); got != 200 {
		t.Errorf("/readyz after the crashes: %d, want 200", got)
	}

	c.ctl("stop", "-m", "immediate")
	before := refusals.Load()
	until(t, "/readyz 503 without a database", func() bool { return s.status("/readyz") == 503 })
	until(t, "refusals", func() bool { return refusals.Load() >= before+100 })
	if got := s.status("/healthz"); got != 200 {
		t.Errorf("/healthz without a database: %d, want 200", got)
	}
	c.ctl("start")
	back := time.Now()
	until(t, "/readyz 200 again", func() bool { return s.status("/readyz") == 200 })
	t.Logf("/readyz was 200 again %s after the database", time.Since(back).Round(time.Millisecond))
	progress("after the outage")
	stop()

	acked, longest := map[string]string{}, time.Duration(0)
	for _, r := range results {
		if r.err != nil {
			t.Error(r.err)
		}
		for id, content := range r.acked {
			acked[id] = content
		}
		longest = max(longest, r.longest)
	}
	got := map[string]string{}
	for _, th := range s.threads() {
		th.wantWhole(t)
		for _, m := range th.Messages {
			if _, ok := got[m.ID]; ok {
				t.Errorf("message %s is there twice", m.ID)
			}
			got[m.ID] = m.Content
		}
	}
	for id, content := range acked {
		if got[id] != content {
			t.Errorf("acknowledged message %s is %q, want %q", id, got[id], content)
		}
	}
	t.Logf("%d messages acknowledged, %d requests refused, longest request %s", len(acked), refusals.Load(),
		longest.Round(time.Millisecond))
	if refusals.Load() == 0 {
		t.Error("no request was refused: the crashes hit nothing")
	}
	if longest > 20*time.Second {
		t.Errorf("the longest request took %s", longest)
	}
}
