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
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/jsontext"
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

// reason says what is wrong in terms of the line.
func reason(err error) string {
	e, ok := errors.AsType[*db.Error](err)
	if !ok || len(e.Path) == 0 {
		return err.Error()
	}
	tylers := *e
	tylers.Path = slices.Clone(e.Path)
	for i, p := range tylers.Path {
		if name, ok := p.(string); ok && tylersNames[name] != "" {
			tylers.Path[i] = tylersNames[name]
		}
	}
	return tylers.Field() + ": " + e.Reason
}

// tylersNames are the keys of the line for the API's names of fields, where they differ.
var tylersNames = map[string]string{
	"createdAt": "created_at", "updatedAt": "updated_at", "toolCallId": "tool_call_id", "toolCalls": "tool_calls", "callId": "id", "parts": "content", "imageUrl": "image_url",
}

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

// object is a JSON object of a line, with what was wrong with its fields so far.
type object struct {
	fields map[string]any
	err    error
}

func (o *object) bad(key, want string) {
	if o.err == nil {
		o.err = db.Invalidf([]any{key}, "must be %s", want)
	}
}

// text returns a string, nil when it is absent or null.
func (o *object) text(key string) *string {
	switch v := o.fields[key].(type) {
	case nil:
	case string:
		return &v
	default:
		o.bad(key, "a string or null")
	}
	return nil
}

// nonEmpty returns a string as Tyler means it: an empty one is none.
func (o *object) nonEmpty(key string) *string {
	if s := o.text(key); s != nil && *s != "" {
		return s
	}
	return nil
}

// time returns a time, nil when it is absent or null.
func (o *object) time(key string) *time.Time {
	s := o.text(key)
	if s == nil {
		return nil
	}
	t, err := db.ParseTime(*s)
	if err != nil {
		o.bad(key, "a time such as 2024-05-15T15:00:00+00:00")
		return nil
	}
	return &t
}

// object returns an object, "" when it is absent or null.
func (o *object) object(key string) db.JSON {
	switch v := o.fields[key].(type) {
	case nil:
	case map[string]any:
		j, err := db.NewObject(v)
		if err != nil && o.err == nil {
			o.err = db.At(err, key)
		}
		return j
	default:
		o.bad(key, "an object or null")
	}
	return ""
}

// document returns a document of Tyler's, "" when it is absent, null or an empty list.
func (o *object) document(key string, parse func(any) (db.JSON, error)) db.JSON {
	j, err := parse(o.fields[key])
	if err != nil && o.err == nil {
		o.err = db.At(err, key)
	}
	return j
}

func decode(line []byte) (p db.ThreadPatch, updatedAt time.Time, err error) {
	v, err := jsontext.Decode(line)
	if err != nil {
		return p, updatedAt, fmt.Errorf("no JSON: %w", err)
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return p, updatedAt, errors.New("no JSON object")
	}
	o := &object{fields: fields}
	p.ID = o.text("id")
	if p.ID == nil {
		o.bad("id", "given: without it, importing twice would make two threads")
	}
	if _, ok := fields["title"]; ok {
		p.Title = db.Some(o.text("title"))
	}
	p.Attributes = db.Some(o.object("attributes"))
	p.Source = db.Some(o.object("source"))
	p.CreatedAt = o.time("created_at")
	switch updated := o.time("updated_at"); {
	case updated != nil:
		updatedAt = *updated
	case p.CreatedAt != nil:
		updatedAt = *p.CreatedAt
	default:
		o.bad("updated_at", "given, or created_at")
	}
	if p.CreatedAt == nil {
		p.CreatedAt = &updatedAt
	}
	list, ok := fields["messages"].([]any)
	if !ok && fields["messages"] != nil {
		o.bad("messages", "a list")
	}
	if o.err != nil {
		return p, updatedAt, o.err
	}
	messages := make([]db.MessagePatch, len(list))
	for i, v := range list {
		if messages[i], err = message(v, *p.ID, i, *p.CreatedAt); err != nil {
			return p, updatedAt, db.At(err, "messages", i)
		}
	}
	p.Messages = &messages
	return p, updatedAt, nil
}

func message(v any, threadID string, index int, created time.Time) (p db.MessagePatch, err error) {
	fields, ok := v.(map[string]any)
	if !ok {
		return p, db.Invalidf(nil, "must be an object")
	}
	o := &object{fields: fields}
	if p.ID = o.text("id"); p.ID == nil {
		// Tyler gives every message an id. One without gets the same each time it is imported.
		id := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s/%d", threadID, index)).String()
		p.ID = &id
	}
	if role := o.text("role"); role != nil {
		p.Role = db.Role(*role)
	}
	switch content := fields["content"].(type) {
	case []any:
		p.Parts = db.Some(o.document("content", db.ParseParts))
	case string:
		p.Content = db.Some(&content)
	case nil:
	default:
		o.bad("content", "a string, a list of parts or null")
	}
	p.Name = db.Some(o.nonEmpty("name"))
	p.ToolCallID = db.Some(o.nonEmpty("tool_call_id"))
	p.ToolCalls = db.Some(o.document("tool_calls", db.ParseToolCalls))
	p.Attributes = db.Some(o.object("attributes"))
	p.Source = db.Some(o.object("source"))
	p.Attachments = db.Some(o.document("attachments", db.ParseAttachments))
	p.Metrics = db.Some(o.document("metrics", db.ParseMetrics))
	timestamp := o.time("timestamp")
	if timestamp == nil {
		timestamp = &created
	}
	p.Timestamp = db.Some(timestamp)
	return p, o.err
}

// Walker is what Export reads from.
type Walker interface {
	// Walk calls fn for every thread with its messages, all of one state of the store.
	Walk(ctx context.Context, fn func(*db.Thread, []*db.Message) error) error
}

// line is a thread as Tyler writes it.
type line struct {
	ID         string          `json:"id"`
	Title      *string         `json:"title"`
	Messages   []messageLine   `json:"messages"`
	CreatedAt  string          `json:"created_at"`
	UpdatedAt  string          `json:"updated_at"`
	Attributes json.RawMessage `json:"attributes"`
	Source     json.RawMessage `json:"source"`
}

// messageLine is a message as Tyler writes it: what it leaves out when empty is at the end.
type messageLine struct {
	ID          string          `json:"id"`
	Role        db.Role         `json:"role"`
	Sequence    int             `json:"sequence"`
	Content     any             `json:"content"`
	Timestamp   string          `json:"timestamp"`
	Source      json.RawMessage `json:"source"`
	Metrics     json.RawMessage `json:"metrics"`
	Name        string          `json:"name,omitempty"`
	ToolCallID  string          `json:"tool_call_id,omitempty"`
	ToolCalls   json.RawMessage `json:"tool_calls,omitempty"`
	Attributes  json.RawMessage `json:"attributes,omitempty"`
	Attachments json.RawMessage `json:"attachments,omitempty"`
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

func encode(t *db.Thread, messages []*db.Message) line {
	l := line{ID: t.ID, Title: t.Title, CreatedAt: db.FormatTime(t.CreatedAt), UpdatedAt: db.FormatTime(t.UpdatedAt),
		Attributes: raw(t.Attributes), Source: raw(t.Source), Messages: make([]messageLine, len(messages))}
	for i, m := range messages {
		d := m.Documents()
		ml := messageLine{
			ID:        m.ID,
			Role:      m.Role,
			Sequence:  m.Sequence,
			Content:   m.Content,
			Timestamp: db.FormatTime(m.Timestamp),
			Source: raw(
				m.Source,
			),
			Metrics:     raw(d.Metrics),
			ToolCalls:   json.RawMessage(d.ToolCalls),
			Attachments: json.RawMessage(d.Attachments),
		}
		if d.Parts != "" {
			ml.Content = json.RawMessage(d.Parts)
		}
		if m.Name != nil {
			ml.Name = *m.Name
		}
		if m.ToolCallID != nil {
			ml.ToolCallID = *m.ToolCallID
		}
		if m.Attributes != db.EmptyObject {
			ml.Attributes = json.RawMessage(m.Attributes)
		}
		l.Messages[i] = ml
	}
	return l
}

// raw is the JSON text as a value that is always written, null for none.
func raw(j db.JSON) json.RawMessage {
	if j == "" {
		return json.RawMessage("null")
	}
	return json.RawMessage(j)
}
