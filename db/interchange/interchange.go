// Package interchange reads and writes threads as JSON Lines in Tyler's own
// Thread JSON: one thread a line, with its messages.
package interchange

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/threadstore/threadstore/db"
)

// MaxLine is the longest line that is read, in bytes.
const MaxLine = 64 << 20

// LineError is a line that could not be imported; those before it are.
type LineError struct {
	File string
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, reason(e.Err)) }
func (e *LineError) Unwrap() error { return e.Err }

// Store is what Import writes to.
type Store interface {
	// RestoreAll restores all or none; its error may be of them together only.
	RestoreAll(ctx context.Context, list []db.Restored) error
	Restore(ctx context.Context, p db.ThreadPatch, updatedAt time.Time) (*db.Thread, error)
}

// Import makes each thread of r what its line says, and calls progress with the
// number of threads and messages so far. A line is the thread's whole new
// state, so importing twice changes nothing. It stops at the first bad line with
// a [*LineError] that names file; every earlier thread is kept whole.
//
// It reads ahead of what it writes: what was read meanwhile is one transaction.
// When it returns early, a read that is under way is still finished.
func Import(ctx context.Context, store Store, file string, r io.Reader, progress func(threads, messages int)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan batch)
	var failed error // of reading, once batches is closed
	go func() {
		defer close(batches)
		failed = read(ctx, file, r, batches)
	}()
	var threads, messages int
	for b := range batches {
		err := store.RestoreAll(ctx, b.threads)
		for i, t := range b.threads {
			if err != nil { // one by one, those before the bad one are kept, and it is found
				if _, err := store.Restore(ctx, t.ThreadPatch, t.UpdatedAt); err != nil {
					if ctx.Err() != nil {
						return ctx.Err() // the line is not to blame
					}
					return &LineError{file, b.lines[i], err}
				}
			}
			threads++
			messages += len(*t.Messages)
			progress(threads, messages)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return failed
}

// batch is what is written in one transaction.
type batch struct {
	threads []db.Restored
	lines   []int // where they stand, from 1
	size    int   // bytes of these lines
}

// Bounds of a batch. Larger ones are no faster, and take memory: a line takes ten times its size while it is written.
const (
	maxBatch     = 500     // threads
	maxBatchSize = 1 << 20 // bytes, unless one line is longer
)

// read sends the threads of r in batches, each as soon as somebody takes it.
func read(ctx context.Context, file string, r io.Reader, to chan<- batch) error {
	var next batch
	send := func() error {
		if len(next.threads) == 0 {
			return nil
		}
		select {
		case to <- next:
			next = batch{}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	lines := bufio.NewReaderSize(r, 1<<20)
	for number := 1; ; number++ {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			return send()
		}
		var t db.Restored
		if err == nil {
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			t.ThreadPatch, t.UpdatedAt, err = decode(line)
		}
		if err != nil {
			return cmp.Or(send(), error(&LineError{file, number, err}))
		}
		next.threads, next.lines, next.size = append(next.threads, t), append(next.lines, number), next.size+len(line)
		if len(next.threads) >= maxBatch || next.size >= maxBatchSize {
			if err := send(); err != nil {
				return err
			}
			continue
		}
		select {
		case to <- next:
			next = batch{}
		default:
		}
	}
}

// readLine returns the next line without its end, io.EOF after the last.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		chunk, err := r.ReadSlice('\n')
		line = append(line, chunk...)
		ended := err == nil || errors.Is(err, io.EOF) && len(line) > 0
		if ended {
			line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		}
		switch {
		case len(line) > MaxLine+1 || ended && len(line) > MaxLine: // + 1 for a \r whose \n is still to come
			return nil, fmt.Errorf("the line is longer than %d bytes", MaxLine)
		case ended:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// Walker is what Export reads from.
type Walker interface {
	// Walk calls fn for every thread with its messages, all of one state of the store.
	Walk(ctx context.Context, fn func(*db.Thread, []*db.Message) error) error
}

// Export writes every thread to w as what Import reads, and returns how many there are.
func Export(ctx context.Context, from Walker, w io.Writer) (threads int, err error) {
	out := bufio.NewWriterSize(w, 1<<20)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := from.Walk(ctx, func(t *db.Thread, messages []*db.Message) error {
		threads++
		return encoder.Encode(encode(t, messages))
	}); err != nil {
		return threads, err
	}
	return threads, out.Flush()
}
