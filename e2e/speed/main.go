// Command speed tells whether this tree has become slower than another commit.
//
// Times are compared, never remembered: both trees are built, a server of each
// runs on its own copy of the same threads, and the same requests go to one and
// the other in short turns of one run. What counts is the median of the ratios
// of neighbouring turns, so that a machine that is busy, or another machine,
// changes the times and not the verdict. All goes through commands, settings
// and requests, so that any commit can be the base. A server has one client and
// one processor: what many at once cost each other is not measured.
//
// It runs in the root of the repository. On PostgreSQL, too, if
// THREADSTORE_TEST_POSTGRES has the URL of a server.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// bound is the largest median of the ratios that passes.
const bound = 1.15

type options struct {
	base  string
	turns int
}

func main() {
	var o options
	flag.StringVar(&o.base, "base", "", "the `commit` to compare with (default: the last tag v*, else HEAD~1)")
	flag.IntVar(&o.turns, "turns", 30, "turns of each tree for each piece")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	slower, err := run(ctx, o, os.Stdout)
	stop()
	switch {
	case err != nil:
		fmt.Fprintf(os.Stderr, "speed: %v\n", err)
		os.Exit(1)
	case len(slower) > 0:
		fmt.Printf("slower: %s\n", strings.Join(slower, "; "))
		os.Exit(1)
	}
	fmt.Println("no piece is slower")
}

// run returns the pieces that have become slower.
func run(ctx context.Context, o options, out io.Writer) ([]string, error) {
	if o.turns < 1 {
		return nil, fmt.Errorf("-turns must be 1 or more, not %d", o.turns)
	}
	dir, err := os.MkdirTemp("", "threadstore-speed-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	lines, err := readConversations()
	if err != nil {
		return nil, err
	}
	trees, err := buildTrees(ctx, dir, o.base, out)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "%s of each; a piece fails when the median of present/base is above %.2f, twice\n", clockName,
		bound)
	var slower []string
	c := comparison{trees: trees, lines: lines, turns: o.turns, out: out}
	for _, e := range engines() {
		found, err := c.on(ctx, e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		for _, name := range found {
			slower = append(slower, name+" on "+e.name)
		}
	}
	return slower, nil
}

// comparison is what a run does on each database.
type comparison struct {
	trees [2]*tree // the base and the present one
	lines []conversation
	turns int
	out   io.Writer
}

// on returns the names of the pieces that are slower on one database.
func (c comparison) on(ctx context.Context, e engine) (names []string, err error) {
	for _, t := range c.trees {
		defer e.drop(t)
		if err := e.fill(ctx, t, c.lines); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	fmt.Fprintf(c.out, "\n%s\n", e.name)
	found, err := c.measure(ctx, pieces(c.lines))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	// One process can be unlucky for all its life, with where its memory lies: ask new ones before blaming.
	fmt.Fprintf(c.out, "%s, again, with new servers\n", e.name)
	found, err = c.measure(ctx, found)
	for _, p := range found {
		names = append(names, p.name)
	}
	return names, err
}

// measure starts a server of each tree, measures the pieces, and returns those above the bound.
func (c comparison) measure(ctx context.Context, pieces []*piece) ([]*piece, error) {
	for _, t := range c.trees {
		defer t.stop()
		if err := t.serve(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	for _, p := range pieces {
		if err := p.warmUp(ctx, c.trees); err != nil {
			return nil, err
		}
	}
	for turn := range c.turns { // all pieces in each, so that none has a quiet minute of the machine alone
		for _, p := range pieces {
			if err := p.pair(ctx, c.trees, turn%2); err != nil {
				return nil, err
			}
		}
	}
	return report(c.out, pieces), nil
}

// report writes a table of the pieces, and returns those above the bound.
func report(out io.Writer, pieces []*piece) (slower []*piece) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "piece\tbase µs\tpresent µs\tratio\tquartiles\trange\t")
	for _, p := range pieces {
		if p.added != nil {
			fmt.Fprintf(w, "%s\tnew: the base answers with %v\n", p.name, p.added)
			continue
		}
		base, present, r := spreadOf(p.cost[0]), spreadOf(p.cost[1]), spreadOf(p.ratios())
		note := p.note
		if r.median > bound {
			slower = append(slower, p)
			note = "SLOWER " + note
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.3f\t%.3f–%.3f\t%.3f–%.3f\t%s\n", p.name, base.median, present.median,
			r.median, r.lower, r.upper, r.least, r.most, note)
	}
	w.Flush()
	return slower
}

// micros is d in microseconds.
func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
