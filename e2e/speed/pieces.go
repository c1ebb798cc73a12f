package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"time"
)

// piece is a part of the work that must not become slower.
type piece struct {
	name string
	// run has a tree do the work n times, from the given time on, and returns what that cost.
	run func(ctx context.Context, t *tree, from, n int) (time.Duration, error)
	// answer, if there is one, asks for what both trees should answer alike.
	answer func(ctx context.Context, t *tree) ([]byte, error)
	warm   int          // how often it runs before it is measured
	done   int          // how often it has run, in each tree
	n      int          // how often in a turn
	cost   [2][]float64 // of one, in microseconds, for each turn of the base and of the present tree
	added  error        // why the base cannot do it
	note   string
}

const (
	recorded        = "db/dbtest/testdata/conversations.jsonl.gz"
	servedThreads   = 1000
	importedThreads = 50 // by one import
	// A turn lasts this long on the base: by its clock, as it is precise, or by ours, when it waits for a disk.
	turnWork, turnWall = 60 * time.Millisecond, 120 * time.Millisecond
)

const (
	readOne = `query($id: ID!) { thread(id: $id) { id title
		messages { id role sequence content toolCalls { callId type function { name arguments } } timestamp } } }`
	readMany = `{ threads(limit: 50) { id title updatedAt attributes messages(last: 10) { role content } } }`
	search   = `query($a: JSONObject!) { findThreadsByAttributes(attributes: $a) { id title updatedAt } }`
	add      = `mutation($id: ID!, $m: MessageInput!) { addMessage(threadId: $id, message: $m) { id sequence } }`
)

// pieces are what is measured.
func pieces(lines []conversation) []*piece {
	id := func(i int) string { return copyID("served", i%servedThreads) }
	message := map[string]any{"role": "USER", "content": "Could I speak to a supervisor about this?"}
	appends := request("an append", "identity", add, func(i int) any {
		return map[string]any{"id": id(i % 10), "m": message} // few threads, so that the newest 50 stay what they are
	})
	appends.answer = nil // the ids and times that the servers make
	return []*piece{
		request("a request without SQL", "identity", `{ __typename }`, func(int) any { return nil }),
		request("a recorded thread", "identity", readOne, func(i int) any { return map[string]any{"id": id(i)} }),
		request("50 threads, last 10 messages each", "identity", readMany, func(int) any { return nil }),
		request("the same in gzip", "gzip", readMany, func(int) any { return nil }),
		request("a search by attributes", "identity", search, func(i int) any {
			return map[string]any{"a": map[string]any{"customer": customer(i), "kind": "recorded"}}
		}),
		appends,
		{name: fmt.Sprintf("an import of %d threads", importedThreads), warm: 1,
			run: func(ctx context.Context, t *tree, from, _ int) (time.Duration, error) {
				text, err := copies(lines, fmt.Sprintf("import-%d", from), importedThreads)
				if err != nil {
					return 0, err
				}
				return t.load(ctx, t.imports, text)
			}},
	}
}

// request is a piece that is a request with other variables each time.
func request(name, encoding, query string, variables func(i int) any) *piece {
	body := func(i int) []byte {
		b, err := json.Marshal(map[string]any{"query": query, "variables": variables(i)})
		if err != nil {
			panic(err) // they are all above
		}
		return b
	}
	return &piece{name: name, warm: 25,
		run: func(ctx context.Context, t *tree, from, n int) (time.Duration, error) {
			before, err := t.clock()
			if err != nil {
				return 0, err
			}
			for i := range n {
				if _, err := t.post(ctx, body(from+i), encoding); err != nil {
					return 0, err
				}
			}
			after, err := t.clock()
			return after - before, err
		},
		answer: func(ctx context.Context, t *tree) ([]byte, error) { return t.post(ctx, body(0), "identity") }}
}

// warmUp runs the piece on both trees for the first time, and finds out how often it fits into a turn.
func (p *piece) warmUp(ctx context.Context, trees [2]*tree) error {
	p.cost = [2][]float64{}
	var answers [2][]byte
	var work, wall time.Duration
	for i, t := range []*tree{trees[1], trees[0]} { // last the base, whose times are kept
		err := error(nil)
		if p.answer != nil {
			answers[i], err = p.answer(ctx, t)
		}
		for from := 0; from < 2 && err == nil; from++ {
			start := time.Now()
			work, err = p.run(ctx, t, p.done+from*p.warm, p.warm)
			wall = time.Since(start)
		}
		if r := (refused{}); errors.As(err, &r) && t == trees[0] {
			p.added = err
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %s: %w", t.name, p.name, err)
		}
	}
	p.n = p.fits(work, wall)
	if p.done == 0 && !bytes.Equal(answers[0], answers[1]) { // later they have what was appended at other times
		p.note = fmt.Sprintf("(the answers differ: %d bytes, were %d)", len(answers[0]), len(answers[1]))
	}
	p.done += 2 * p.warm
	return nil
}

// fits is how often a piece fits into a turn, if it takes this long each time that it is warmed up.
func (p *piece) fits(work, wall time.Duration) int {
	turns := min(float64(turnWork)/float64(max(work, 1)), float64(turnWall)/float64(max(wall, 1)))
	return max(1, int(math.Round(turns*float64(p.warm))))
}

// pair is a turn of each tree, one right after the other.
func (p *piece) pair(ctx context.Context, trees [2]*tree, first int) error {
	if p.added != nil {
		return nil
	}
	for _, i := range []int{first, 1 - first} {
		d, err := p.run(ctx, trees[i], p.done, p.n)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", trees[i].name, p.name, err)
		}
		p.cost[i] = append(p.cost[i], micros(d)/float64(p.n))
	}
	p.done += p.n
	return nil
}

// ratios are the present tree's costs by the base's, for each pair.
func (p *piece) ratios() []float64 {
	var all []float64
	for i, base := range p.cost[0] {
		all = append(all, p.cost[1][i]/base)
	}
	return all
}

// load imports threads by a process of its own, and returns the processor time it took.
func (t *tree) load(ctx context.Context, database string, text []byte) (time.Duration, error) {
	cmd := t.command(ctx, database, "import", "-")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("import: %w\n%s", err, out)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// conversation is a line of Tyler's JSON.
type conversation map[string]any

func readConversations() ([]conversation, error) {
	f, err := os.Open(recorded)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", recorded, err)
	}
	var all []conversation
	for d := json.NewDecoder(text); ; {
		var c conversation
		if err := d.Decode(&c); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", recorded, err)
		}
		all = append(all, c)
	}
}

// copyID is the id of the i-th of copies.
func copyID(set string, i int) string { return fmt.Sprintf("%s-%05d", set, i) }

// customer is an attribute that one in a hundred threads has.
func customer(i int) string { return fmt.Sprint("c", i%100) }

// copies makes n threads of the recorded ones, as import reads them: with ids of their own, each updated a minute after
// the one before it, and with attributes to be found by.
func copies(lines []conversation, set string, n int) ([]byte, error) {
	var text bytes.Buffer
	w := json.NewEncoder(&text)
	for i := range n {
		c := maps.Clone(lines[i%len(lines)])
		id, moment := copyID(set, i), time.Date(2024, 6, 1, 0, i, 0, 0, time.UTC)
		c["id"], c["created_at"], c["updated_at"] = id, moment, moment
		c["attributes"] = map[string]any{"customer": customer(i), "kind": "recorded", "number": i}
		messages := slices.Clone(c["messages"].([]any))
		for j, m := range messages {
			message := maps.Clone(m.(map[string]any))
			message["id"] = fmt.Sprintf("%s-%d", id, j)
			messages[j] = message
		}
		c["messages"] = messages
		if err := w.Encode(c); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}
