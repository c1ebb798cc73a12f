package interchange

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
)

// recorder is a store that keeps what it is told to restore, and fails at the thread with the id failAt.
type recorder struct {
	patches []db.ThreadPatch
	updated []time.Time
	failAt  string
	err     error
}

func (r *recorder) Restore(_ context.Context, p db.ThreadPatch, updatedAt time.Time) (*db.Thread, error) {
	if *p.ID == r.failAt {
		return nil, r.err
	}
	r.patches = append(r.patches, p)
	r.updated = append(r.updated, updatedAt)
	return &db.Thread{ID: *p.ID}, nil
}

// RestoreAll restores all or none.
func (r *recorder) RestoreAll(ctx context.Context, list []db.Restored) error {
	for _, t := range list {
		if *t.ID == r.failAt {
			return r.err
		}
	}
	for _, t := range list {
		if _, err := r.Restore(ctx, t.ThreadPatch, t.UpdatedAt); err != nil {
			return err
		}
	}
	return nil
}

// ids are the ids of the threads restored, in order.
func (r *recorder) ids() []string {
	ids := []string{}
	for _, p := range r.patches {
		ids = append(ids, *p.ID)
	}
	return ids
}

// noProgress is for tests that are not about progress.
func noProgress(int, int) {}

// thread is the line of a thread with this id and these messages.
func thread(id string, messages ...string) string {
	return fmt.Sprintf(`{"id":%q,"created_at":"2024-05-15T15:00:00+00:00","messages":[%s]}`, id,
		strings.Join(messages, ","))
}

// short keeps a failure readable when a line is large.
func short(s string) string {
	if len(s) <= 400 {
		return s
	}
	return fmt.Sprintf("%s...%s (%d bytes)", s[:200], s[len(s)-100:], len(s))
}

// wantLineError fails the test unless err names the file and line, with a reason after them.
func wantLineError(t *testing.T, call string, err error, file string, line int) *LineError {
	t.Helper()
	e, ok := errors.AsType[*LineError](err)
	if !ok {
		t.Fatalf("%s: error %v (%T), want a LineError", call, err, err)
	}
	if e.File != file || e.Line != line {
		t.Errorf("%s: error of %s line %d, want %s line %d", call, e.File, e.Line, file, line)
	}
	prefix := fmt.Sprintf("%s:%d: ", file, line)
	if text := e.Error(); !strings.HasPrefix(text, prefix) || len(text) == len(prefix) ||
		strings.ContainsAny(text, "\r\n") {
		t.Errorf("%s: error %q, want one line of %q and a reason", call, text, prefix)
	}
	return e
}

func TestImportLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   string
		want []string // ids
	}{
		{"nothing", "", []string{}},
		{"an empty line", "\n", []string{}},
		{"one line", thread("a") + "\n", []string{"a"}},
		{"no newline at the end", thread("a") + "\n" + thread("b"), []string{"a", "b"}},
		{"a carriage return at the end", thread("a") + "\r", []string{"a"}},
		{"CRLF", thread("a") + "\r\n" + thread("b") + "\r\n", []string{"a", "b"}},
		{"CRLF, no newline at the end", thread("a") + "\r\n" + thread("b"), []string{"a", "b"}},
		{"mixed ends", thread("a") + "\n" + thread("b") + "\r\n" + thread("c"), []string{"a", "b", "c"}},
		{"blank lines", "\n\r\n  \t \n" + thread("a") + "\n\n\n" + thread("b") + "\n\n", []string{"a", "b"}},
		{"blank line at the end, no newline", thread("a") + "\n   ", []string{"a"}},
		{"space around", "  " + thread("a") + "\t\n", []string{"a"}},
		{"the same thread twice", thread("a") + "\n" + thread("a") + "\n", []string{"a", "a"}},
		{"a line longer than the buffer", thread("a", `{"role":"user","content":"`+strings.Repeat("x", 3<<20)+`"}`) +
			"\n" + thread("b"), []string{"a", "b"}},
		{"a line of the buffer's size", pad(thread("a"), 1<<20) + "\n" + thread("b"), []string{"a", "b"}},
		{"a line and its end of the buffer's size", pad(thread("a"), 1<<20-1) + "\n" + thread("b"), []string{"a", "b"}},
		{"CRLF across the buffer", pad(thread("a"), 1<<20-1) + "\r\n" + thread("b"), []string{"a", "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var store recorder
			var progress [][2]int
			err := Import(t.Context(), &store, "f.jsonl", strings.NewReader(c.in),
				func(threads, messages int) { progress = append(progress, [2]int{threads, messages}) })
			if err != nil {
				t.Fatalf("Import(%s): %v, want threads %v", short(c.in), err, c.want)
			}
			if diff := cmp.Diff(c.want, store.ids()); diff != "" {
				t.Errorf("Import(%s): threads (-want +got):\n%s", short(c.in), diff)
			}
			if len(progress) != len(c.want) {
				t.Errorf("Import(%s): progress was called %d times, want %d", short(c.in), len(progress), len(c.want))
			}
		})
	}
}

// pad returns line with spaces after it, size bytes in all.
func pad(line string, size int) string { return line + strings.Repeat(" ", size-len(line)) }

// Bytes come as the reader gives them.
func TestImportSmallReads(t *testing.T) {
	t.Parallel()
	var store recorder
	in := thread("a") + "\r\n\n" + thread("b")
	if err := Import(t.Context(), &store, "-", oneByte{strings.NewReader(in)}, noProgress); err != nil {
		t.Fatalf("Import of single bytes: %v", err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, store.ids()); diff != "" {
		t.Errorf("Import of single bytes: threads (-want +got):\n%s", diff)
	}
}

// oneByte reads one byte at a time.
type oneByte struct{ io.Reader }

func (r oneByte) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return r.Reader.Read(p[:1])
}

func TestImportProgress(t *testing.T) {
	t.Parallel()
	message := `{"role":"user","content":"x"}`
	in := thread("a", message, message) + "\n\n" + thread("b") + "\n" + thread("c", message) + "\n"
	var got [][2]int
	err := Import(t.Context(), &recorder{}, "-", strings.NewReader(in),
		func(threads, messages int) { got = append(got, [2]int{threads, messages}) })
	if err != nil {
		t.Fatalf("Import: %v", err)
	}
	if diff := cmp.Diff([][2]int{{1, 2}, {2, 2}, {3, 3}}, got); diff != "" {
		t.Errorf("Import: threads and messages so far (-want +got):\n%s", diff)
	}
}

func TestImportBadLine(t *testing.T) {
	t.Parallel()
	// with is a thread whose field is this, or with another field.
	with := func(key, value string) string {
		fields := []string{`"id":"x"`, `"created_at":"2024-05-15T15:00:00Z"`}
		for i, f := range fields {
			if strings.HasPrefix(f, `"`+key+`":`) {
				fields = append(fields[:i], fields[i+1:]...)
				break
			}
		}
		return `{` + strings.Join(append(fields, `"`+key+`":`+value), ",") + `}`
	}
	second := func(message string) string { return thread("x", `{"role":"user"}`, message) }
	for _, c := range []struct {
		name string
		line string
		path []any // of the *db.Error, nil when the line as a whole is bad
	}{
		{"words", `hello`, nil},
		{"cut short", `{"id":"x"`, nil},
		{"Python's repr", `{'id': 'x'}`, nil},
		{"NaN", with("attributes", `{"a":NaN}`), nil},
		{"two threads", thread("x") + thread("y"), nil},
		{"a thread and more", thread("x") + ` x`, nil},
		{"list", `[` + thread("x") + `]`, nil},
		{"text", `"x"`, nil},
		{"null", `null`, nil},
		{"number", `5`, nil},
		{"no UTF-8", "{\"id\":\"\xff\"}", nil},
		{"no UTF-8 in a message", thread("x", "{\"role\":\"user\",\"content\":\"caf\xe9\"}"), nil},
		{"lone surrogate", with("title", `"\ud83d"`), nil},
		{"lone surrogate in a message", thread("x", `{"role":"user","content":"\ude00\ud83d"}`), nil},
		{"NUL byte", thread("x") + "\x00", nil},
		{"byte order mark", "\uFEFF" + thread("x"), nil},
		{"a million brackets", strings.Repeat("[", 1_000_000), nil},

		{"no id", `{"created_at":"2024-05-15T15:00:00Z"}`, []any{"id"}},
		{"null id", with("id", `null`), []any{"id"}},
		{"number as id", with("id", `5`), []any{"id"}},
		{"id in capitals", `{"ID":"x","created_at":"2024-05-15T15:00:00Z"}`, []any{"id"}},
		{"number as title", with("title", `5`), []any{"title"}},
		{"no time at all", `{"id":"x"}`, []any{"updated_at"}},
		{"null times", `{"id":"x","created_at":null,"updated_at":null}`, []any{"updated_at"}},
		{"created_at is no time", with("created_at", `"yesterday"`), []any{"created_at"}},
		{"created_at is empty", with("created_at", `""`), []any{"created_at"}},
		{"created_at is a number", with("created_at", `1715785200`), []any{"created_at"}},
		{"created_at in year 0", with("created_at", `"0000-01-01T00:00:00Z"`), []any{"created_at"}},
		{"updated_at is no time", with("updated_at", `"2024-13-01T00:00:00Z"`), []any{"updated_at"}},
		{"updated_at in year 10000", with("updated_at", `"9999-12-31T23:59:59-01:00"`), []any{"updated_at"}},
		{"attributes: text", with("attributes", `"x"`), []any{"attributes"}},
		{"attributes: list", with("attributes", `[]`), []any{"attributes"}},
		{"attributes: NUL", with("attributes", `{"a":"\u0000"}`), []any{"attributes"}},
		{"attributes: 101 digits", with("attributes", `{"a":`+strings.Repeat("9", 101)+`}`), []any{"attributes"}},
		{"attributes: 1e131071", with("attributes", `{"a":1e131071}`), []any{"attributes"}},
		{"attributes: 65 levels", with("attributes", strings.Repeat(`{"a":`, 65)+"1"+strings.Repeat("}", 65)),
			[]any{"attributes"}},
		{"attributes: over 1 MiB", with("attributes", `{"a":"`+strings.Repeat("x", 1<<20)+`"}`), []any{"attributes"}},
		{"source: text", with("source", `"slack"`), []any{"source"}},
		{"source: list", with("source", `[]`), []any{"source"}},
		{"source: over 1 MiB", with("source", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`), []any{"source"}},
		{"messages: object", with("messages", `{}`), []any{"messages"}},
		{"messages: text", with("messages", `"x"`), []any{"messages"}},
		{"messages: false", with("messages", `false`), []any{"messages"}},

		{"message: null", second(`null`), []any{"messages", 1}},
		{"message: text", second(`"x"`), []any{"messages", 1}},
		{"message: list", second(`[]`), []any{"messages", 1}},
		{"message: number as id", second(`{"role":"user","id":5}`), []any{"messages", 1, "id"}},
		{"message: number as role", second(`{"role":5}`), []any{"messages", 1, "role"}},
		{"message: list as role", second(`{"role":["user"]}`), []any{"messages", 1, "role"}},
		{"message: number as content", second(`{"role":"user","content":5}`), []any{"messages", 1, "content"}},
		{"message: object as content", second(`{"role":"user","content":{}}`), []any{"messages", 1, "content"}},
		{"message: true as content", second(`{"role":"user","content":true}`), []any{"messages", 1, "content"}},
		{"message: a bad part", second(`{"role":"user","content":[{"type":"text","text":"a"},{"type":"audio"}]}`),
			[]any{"messages", 1, "content", 1}},
		{"message: texts as parts", second(`{"role":"user","content":["a"]}`), []any{"messages", 1, "content"}},
		{"message: number as name", second(`{"role":"user","name":5}`), []any{"messages", 1, "name"}},
		{"message: number as tool_call_id", second(`{"role":"user","tool_call_id":5}`),
			[]any{"messages", 1, "tool_call_id"}},
		{"message: object as tool_calls", second(`{"role":"user","tool_calls":{}}`),
			[]any{"messages", 1, "tool_calls"}},
		{"message: text as tool_calls", second(`{"role":"user","tool_calls":""}`), []any{"messages", 1, "tool_calls"}},
		{"message: a tool call without a function",
			second(`{"role":"user","tool_calls":[{"id":"c","type":"function"}]}`),
			[]any{"messages", 1, "tool_calls", 0}},
		{"message: list as attributes", second(`{"role":"user","attributes":[]}`), []any{"messages", 1, "attributes"}},
		{"message: attributes over 1 MiB", second(`{"role":"user","attributes":{"a":"` + strings.Repeat("x", 1<<20) +
			`"}}`), []any{"messages", 1, "attributes"}},
		{"message: text as source", second(`{"role":"user","source":"x"}`), []any{"messages", 1, "source"}},
		{"message: NUL in source", second(`{"role":"user","source":{"\u0000":1}}`), []any{"messages", 1, "source"}},
		{"message: object as attachments", second(`{"role":"user","attachments":{}}`),
			[]any{"messages", 1, "attachments"}},
		{"message: an attachment without a name", second(`{"role":"user","attachments":[{"filename":"a"},{}]}`),
			[]any{"messages", 1, "attachments", 1}},
		{"message: text as metrics", second(`{"role":"user","metrics":"x"}`), []any{"messages", 1, "metrics"}},
		{"message: number as timestamp", second(`{"role":"user","timestamp":5}`), []any{"messages", 1, "timestamp"}},
		{"message: timestamp is no time", second(`{"role":"user","timestamp":"now"}`),
			[]any{"messages", 1, "timestamp"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var store recorder
			threads := 0
			in := thread("a") + "\n\n" + thread("b") + "\n" + c.line + "\n" + thread("c") + "\n"
			err := Import(t.Context(), &store, "dir/f.jsonl", strings.NewReader(in), func(n, _ int) { threads = n })
			call := fmt.Sprintf("Import(%s)", short(c.line))
			e := wantLineError(t, call, err, "dir/f.jsonl", 4)
			d, ok := errors.AsType[*db.Error](err)
			switch {
			case c.path == nil && ok:
				t.Errorf("%s: error of the field %v, want one of the line", call, d.Path)
			case c.path != nil && (!ok || d.Code != db.Invalid):
				t.Errorf("%s: error %v, want one of code Invalid", call, err)
			case c.path != nil:
				if diff := cmp.Diff(c.path, d.Path); diff != "" {
					t.Errorf("%s: path of the error %q (-want +got):\n%s", call, e, diff)
				}
			}
			if diff := cmp.Diff([]string{"a", "b"}, store.ids()); diff != "" || threads != 2 {
				t.Errorf("%s: threads kept, %d of them (-want +got):\n%s", call, threads, diff)
			}
		})
	}
}

// The first bad line may also be the first or the last, with or without its newline.
func TestImportBadLineNumber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   string
		line int
		kept []string
	}{
		{"first", "x\n" + thread("a") + "\n", 1, []string{}},
		{"only one, no newline", "x", 1, []string{}},
		{"last, no newline", thread("a") + "\nx", 2, []string{"a"}},
		{"after blank lines", "\n \n\r\n" + thread("a") + "\r\n\r\nx\r\n", 6, []string{"a"}},
		{"after a line longer than the buffer", pad(thread("a"), 3<<20) + "\nx", 2, []string{"a"}},
		{"the first of two", "x\ny\n", 1, []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var store recorder
			err := Import(t.Context(), &store, "-", strings.NewReader(c.in), noProgress)
			wantLineError(t, fmt.Sprintf("Import(%q)", short(c.in)), err, "-", c.line)
			if diff := cmp.Diff(c.kept, store.ids()); diff != "" {
				t.Errorf("Import(%q): threads kept (-want +got):\n%s", short(c.in), diff)
			}
		})
	}
}

// What the store refuses is a bad line too, and what it says stays in the error.
func TestImportStoreError(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for _, c := range []struct {
		name string
		err  error
		text string
	}{
		{"a field", db.Invalidf([]any{"messages", 3, "toolCallId"}, "must be given"),
			"f:2: messages[3].tool_call_id: must be given"},
		{"a field with a Tyler's name of two words", db.Invalidf([]any{"createdAt"}, "must be given"),
			"f:2: created_at: must be given"},
		{"a part", db.Invalidf([]any{"messages", 0, "parts", 1, "imageUrl"}, "must be given"),
			"f:2: messages[0].content[1].image_url: must be given"},
		{"a tool call", db.Invalidf([]any{"messages", 0, "toolCalls", 1, "callId"}, "must be given"),
			"f:2: messages[0].tool_calls[1].id: must be given"},
		{"a field of a list in a list", db.Invalidf([]any{"messages", 0, "tool_calls", 12, "function", "name"},
			"must not be empty"), "f:2: messages[0].tool_calls[12].function.name: must not be empty"},
		{"no field", &db.Error{Code: db.Conflict, Reason: "a message id belongs to another thread"},
			"f:2: a message id belongs to another thread"},
		{"another error", cause, "f:2: cause"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store := recorder{failAt: "b", err: c.err}
			err := Import(t.Context(), &store, "f",
				strings.NewReader(thread("a")+"\n"+thread("b")+"\n"+thread("c")), noProgress)
			e := wantLineError(t, "Import", err, "f", 2)
			if !errors.Is(err, c.err) {
				t.Errorf("Import: error %v, want it to wrap %v", err, c.err)
			}
			if e.Error() != c.text { // the text is what the operator reads: file, line, reason
				t.Errorf("Import: error %q, want %q", e, c.text)
			}
			if diff := cmp.Diff([]string{"a"}, store.ids()); diff != "" {
				t.Errorf("Import: threads kept (-want +got):\n%s", diff)
			}
		})
	}
}

// A reader that fails is told with the line that could not be read.
func TestImportReadError(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk")
	var store recorder
	r := io.MultiReader(strings.NewReader(thread("a")+"\n"+thread("b")), failing{cause})
	err := Import(t.Context(), &store, "f", r, noProgress)
	wantLineError(t, "Import", err, "f", 2)
	if !errors.Is(err, cause) {
		t.Errorf("Import: error %v, want it to wrap %v", err, cause)
	}
	if diff := cmp.Diff([]string{"a"}, store.ids()); diff != "" {
		t.Errorf("Import: threads kept (-want +got):\n%s", diff)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

// spaces is an endless line, which costs no memory. It counts what was read of it.
type spaces struct{ read int }

var blank = bytes.Repeat([]byte(" "), 1<<20)

func (s *spaces) Read(p []byte) (int, error) {
	n := copy(p, blank)
	s.read += n
	return n, nil
}

func TestMaxLine(t *testing.T) {
	t.Parallel()
	if MaxLine != 64*1024*1024 {
		t.Errorf("MaxLine = %d, want 64 MiB", MaxLine)
	}
}

// The cases run one after the other: each holds a line of 64 MiB. The lines are
// blank, which is as long and, under the race detector, ten times faster to read.
func TestImportLineLength(t *testing.T) {
	for _, c := range []struct {
		name  string
		start string // of the line, spaces follow
		size  int    // of the line without its end
		end   string // of the line
		want  []string
		ok    bool
	}{
		{"64 MiB", "", MaxLine, "\n", []string{"a", "c"}, true},
		{"64 MiB, CRLF", "", MaxLine, "\r\n", []string{"a", "c"}, true}, // the end is not of the line
		{"64 MiB, no newline", "", MaxLine, "", []string{"a"}, true},
		{"a byte more", "", MaxLine + 1, "\n", []string{"a"}, false},
		{"a byte more, CRLF", "", MaxLine + 1, "\r\n", []string{"a"}, false},
		{"a byte more, no newline", "", MaxLine + 1, "", []string{"a"}, false},
		{"a thread and a byte more", thread("long"), MaxLine + 1, "\n", []string{"a"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var store recorder
			after := thread("c")
			if c.end == "" {
				after = ""
			}
			in := io.MultiReader(strings.NewReader(thread("a")+"\n"+c.start),
				io.LimitReader(&spaces{}, int64(c.size-len(c.start))), strings.NewReader(c.end+after))
			err := Import(t.Context(), &store, "f", in, noProgress)
			call := fmt.Sprintf("Import of a line of %d bytes and the end %q", c.size, c.end)
			if !c.ok {
				wantLineError(t, call, err, "f", 2)
			} else if err != nil {
				t.Errorf("%s: %v, want it read", call, err)
			}
			if diff := cmp.Diff(c.want, store.ids()); diff != "" {
				t.Errorf("%s: threads (-want +got):\n%s", call, diff)
			}
		})
	}
	t.Run("far more", func(t *testing.T) {
		var store recorder
		line := &spaces{}
		err := Import(t.Context(), &store, "f",
			io.MultiReader(strings.NewReader(thread("a")+"\n"), io.LimitReader(line, 4*MaxLine)), noProgress)
		wantLineError(t, "Import of a very long line", err, "f", 2)
		if most := MaxLine + 4<<20; line.read > most {
			t.Errorf("Import of a very long line: %d bytes read, want at most %d", line.read, most)
		}
		if diff := cmp.Diff([]string{"a"}, store.ids()); diff != "" {
			t.Errorf("Import of a very long line: threads kept (-want +got):\n%s", diff)
		}
	})
}

func ptr[T any](v T) *T { return &v }

// What a line says, as the store is told.
func TestDecode(t *testing.T) {
	t.Parallel()
	created, updated := time.Date(2024, 5, 15, 15, 0, 0, 0, time.UTC),
		time.Date(2024, 5, 16, 13, 0, 0, 123_456_000, time.UTC)
	none := db.Some[*string](nil)
	nothing := db.Some(db.JSON(""))
	// message is what a message says that has only an id and a role.
	message := func(change func(*db.MessagePatch)) []db.MessagePatch {
		p := db.MessagePatch{ID: ptr("m"), Role: db.RoleUser, Name: none, ToolCallID: none, ToolCalls: nothing,
			Attributes: nothing,
			Source:     nothing, Attachments: nothing, Metrics: nothing, Timestamp: db.Some(&created)}
		change(&p)
		return []db.MessagePatch{p}
	}
	type want struct {
		Patch   db.ThreadPatch
		Updated time.Time
	}
	plain := func(change func(*want)) want {
		w := want{db.ThreadPatch{ID: ptr("x"), Attributes: nothing, Source: nothing, CreatedAt: &created,
			Messages: &[]db.MessagePatch{}}, created}
		change(&w)
		return w
	}
	of := func(messages []db.MessagePatch) want { return plain(func(w *want) { w.Patch.Messages = &messages }) }
	for _, c := range []struct {
		name string
		in   string
		want want
	}{
		{"nothing but an id and a time", `{"id":"x","created_at":"2024-05-15T15:00:00+00:00"}`, plain(func(*want) {})},
		{"nulls",
			`{"id":"x","created_at":"2024-05-15T15:00:00+00:00","updated_at":null,"attributes":null,"source":null,` +
				`"messages":null}`, plain(func(*want) {})},
		{"null title is a title", `{"id":"x","created_at":"2024-05-15T15:00:00Z","title":null}`,
			plain(func(w *want) { w.Patch.Title = none })},
		{"empty title is a title", `{"id":"x","created_at":"2024-05-15T15:00:00Z","title":""}`,
			plain(func(w *want) { w.Patch.Title = db.Some(ptr("")) })},
		{"both times", `{"id":"x","created_at":"2024-05-15T15:00:00","updated_at":"2024-05-16T15:00:00.1234569+02:00"}`,
			plain(func(w *want) { w.Updated = updated })},
		{"updated_at alone", `{"id":"x","updated_at":"2024-05-15T15:00:00Z"}`, plain(func(*want) {})},
		{"everything of a thread",
			`{"unknown":1,"id":"x","title":"T","created_at":"2024-05-15 15:00:00",` +
				`"updated_at":"2024-05-15T15:00:00Z","attributes":{"b":1.50,"a":9007199254740993},` +
				`"source":{"name":"s","é":null}}`,
			plain(func(w *want) {
				w.Patch.Title = db.Some(ptr("T"))
				w.Patch.Attributes = db.Some(db.JSON(`{"a":9007199254740993,"b":1.50}`))
				w.Patch.Source = db.Some(db.JSON(`{"name":"s","é":null}`))
			})},
		{"empty objects", `{"id":"x","created_at":"2024-05-15T15:00:00Z","attributes":{},"source":{}}`,
			plain(func(w *want) {
				w.Patch.Attributes, w.Patch.Source = db.Some(db.EmptyObject), db.Some(db.EmptyObject)
			})},

		{"a message of nothing", thread("x", `{"id":"m","role":"user"}`), of(message(func(*db.MessagePatch) {}))},
		{"a message of nulls and empties", thread("x",
			`{"id":"m","role":"user","content":null,"name":null,"tool_call_id":"","tool_calls":[],"attributes":null,`+
				`"source":null,"attachments":[],"metrics":null,"timestamp":null}`),
			of(message(func(*db.MessagePatch) {}))},
		{"the file's sequence is not read", thread("x", `{"id":"m","role":"user","sequence":"seven"}`),
			of(message(func(*db.MessagePatch) {}))},
		{"empty name is none", thread("x", `{"id":"m","role":"user","name":""}`),
			of(message(func(*db.MessagePatch) {}))},
		{"roles", thread("x", `{"id":"m","role":"system"}`),
			of(message(func(p *db.MessagePatch) { p.Role = db.RoleSystem }))},
		{"text", thread("x", `{"id":"m","role":"user","content":"é\n"}`),
			of(message(func(p *db.MessagePatch) { p.Content = db.Some(ptr("é\n")) }))},
		{"empty text is text", thread("x", `{"id":"m","role":"user","content":""}`),
			of(message(func(p *db.MessagePatch) { p.Content = db.Some(ptr("")) }))},
		{"parts", thread("x", `{"id":"m","role":"user","content":[{"type":"text","text":"a","x":1}]}`),
			of(message(func(p *db.MessagePatch) { p.Parts = db.Some(db.JSON(`[{"text":"a","type":"text","x":1}]`)) }))},
		{"no parts", thread("x", `{"id":"m","role":"user","content":[]}`),
			of(message(func(p *db.MessagePatch) { p.Parts = nothing }))},
		{"everything of a message", thread("x",
			`{"id":"m","role":"tool","content":"c","name":"n","tool_call_id":"t","tool_calls":[{"id":"c",`+
				`"type":"function","function":{"name":"f","arguments":"{}"}}],`+
				`"attributes":{"a":1e2},"source":{"id":"u"},"attachments":[{"filename":"f"}],`+
				`"metrics":{"model":"g"},"timestamp":"2024-05-16T15:00:00.123456+02:00","turn":3,"reactions":{}}`),
			of(message(func(p *db.MessagePatch) {
				p.Role, p.Content, p.Name, p.ToolCallID = db.RoleTool, db.Some(ptr("c")), db.Some(ptr("n")),
					db.Some(ptr("t"))
				p.ToolCalls = db.Some(db.JSON(`[{"function":{"arguments":"{}","name":"f"},"id":"c",` +
					`"type":"function"}]`))
				p.Attributes, p.Source = db.Some(db.JSON(`{"a":100}`)), db.Some(db.JSON(`{"id":"u"}`))
				p.Attachments, p.Metrics = db.Some(db.JSON(`[{"filename":"f"}]`)), db.Some(db.JSON(`{"model":"g"}`))
				p.Timestamp = db.Some(&updated)
			}))},
		{"order is the file's", thread("x", `{"id":"m","role":"user","sequence":2}`,
			`{"id":"l","role":"user","sequence":1}`),
			of(append(message(func(*db.MessagePatch) {}), message(func(p *db.MessagePatch) { p.ID = ptr("l") })...))},
		{"unknown role goes to the store", thread("x", `{"id":"m","role":"robot"}`),
			of(message(func(p *db.MessagePatch) { p.Role = "robot" }))},
		{"no role goes to the store", thread("x", `{"id":"m"}`), of(message(func(p *db.MessagePatch) { p.Role = "" }))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			patch, updated, err := decode([]byte(c.in))
			if err != nil {
				t.Fatalf("decode(%s): %v", c.in, err)
			}
			if diff := cmp.Diff(c.want, want{patch, updated}); diff != "" {
				t.Errorf("decode(%s) (-want +got):\n%s", c.in, diff)
			}
		})
	}
}

// A message without an id gets the same one each time, another one at another
// place and in another thread.
func TestDecodeMessageID(t *testing.T) {
	t.Parallel()
	ids := func(line string) []string {
		p, _, err := decode([]byte(line))
		if err != nil {
			t.Fatalf("decode(%s): %v", line, err)
		}
		var ids []string
		for _, m := range *p.Messages {
			ids = append(ids, *m.ID)
		}
		return ids
	}
	one := ids(thread("x", `{"role":"user"}`, `{"role":"user"}`, `{"id":null,"role":"user"}`))
	if diff := cmp.Diff(one, ids(thread("x", `{"role":"user","content":"edited"}`, `{"role":"user"}`,
		`{"role":"user"}`))); diff != "" {
		t.Errorf("ids of messages without one, read twice (-first +second):\n%s", diff)
	}
	seen := map[string]bool{}
	for _, id := range append(one, ids(thread("y", `{"role":"user"}`, `{"role":"user"}`))...) {
		if id == "" || seen[id] {
			t.Errorf("ids of messages without one: %q is empty or not unique", id)
		}
		seen[id] = true
	}
}

// open returns the threads of a new SQLite database, in memory or at path.
func open(t testing.TB, path string) *db.Threads {
	t.Helper()
	database, err := db.Open(db.Options{Driver: db.SQLite, Path: path, PoolSize: 1, PoolTimeout: 30 * time.Second},
		db.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := database.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := database.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return database.Scope("").Threads()
}

func exported(t testing.TB, from Walker) string {
	t.Helper()
	var out strings.Builder
	if _, err := Export(t.Context(), from, &out); err != nil {
		t.Fatalf("Export: %v", err)
	}
	return out.String()
}

// Only a database makes a message with documents, so what is written of one is
// tested on a real one: the line that goes in, and the line that comes out.
func TestExport(t *testing.T) {
	t.Parallel()
	const (
		head = `{"id":"x","title":"Untitled Thread","messages":[`
		tail = `],"created_at":"2024-05-15T15:00:00+00:00","updated_at":"2024-05-15T15:00:00+00:00",` +
			`"attributes":{},"source":null}`
		metrics = `"metrics":{"model":null,"timing":{"ended_at":null,"latency":0,"started_at":null},` +
			`"usage":{"completion_tokens":0,"prompt_tokens":0,"total_tokens":0},"weave_call":{"id":"","ui_url":""}}`
		stamp = `"timestamp":"2024-05-15T15:00:00+00:00"`
	)
	// message is a message with this content, and what follows its metrics.
	message := func(id, role string, sequence int, content, more string) string {
		return fmt.Sprintf(`{"id":%q,"role":%q,"sequence":%d,"content":%s,%s,"source":null,%s%s}`, id, role, sequence,
			content, stamp, metrics, more)
	}
	for _, c := range []struct {
		name, in, want string
	}{
		{"nothing", thread("x"), head + tail},
		{"everything of a thread",
			`{"source":{"name":"s","id":1},"attributes":{"b":1.50,"a":[9007199254740993,0.1,12345678901234567890,` +
				`{"z":null}]},"messages":[],"title":"T","id":"x","updated_at":"2024-05-16T15:00:00.5+02:00",` +
				`"created_at":"2024-05-15T15:00:00.000001Z"}`,
			`{"id":"x","title":"T","messages":[],"created_at":"2024-05-15T15:00:00.000001+00:00",` +
				`"updated_at":"2024-05-16T13:00:00.500000+00:00","attributes":{"a":[9007199254740993,0.1,` +
				`12345678901234567890,{"z":null}],"b":1.50},"source":{"id":1,"name":"s"}}`},
		{"null and empty of a thread",
			`{"id":"x","title":null,"created_at":"2024-05-15T15:00:00Z","attributes":{},"source":{}}`,
			`{"id":"x","title":null,"messages":[],"created_at":"2024-05-15T15:00:00+00:00",` +
				`"updated_at":"2024-05-15T15:00:00+00:00","attributes":{},"source":{}}`},
		{"empty title", `{"id":"x","title":"","created_at":"2024-05-15T15:00:00Z"}`,
			strings.Replace(head+tail, "Untitled Thread", "", 1)},
		{"first and last moment",
			`{"id":"x","created_at":"0001-01-01T00:00:00Z","updated_at":"9998-12-31T23:59:59.999999Z"}`,
			`{"id":"x","title":"Untitled Thread","messages":[],"created_at":"0001-01-01T00:00:00+00:00",` +
				`"updated_at":"9998-12-31T23:59:59.999999+00:00","attributes":{},"source":null}`},
		{"nothing is escaped that need not be",
			`{"id":"x","title":"<a href='é'>&😀\u007f\"\\","created_at":"2024-05-15T15:00:00Z",` +
				`"attributes":{"<&>":"<é>"}}`,
			strings.Replace(strings.Replace(head+tail, `"Untitled Thread"`, `"<a href='é'>&😀`+"\x7f"+`\"\\"`, 1),
				`"attributes":{}`, `"attributes":{"<&>":"<é>"}`, 1)},

		{"a message leaves out what is empty",
			thread("x",
				`{"id":"m","role":"user","name":"","tool_call_id":"","tool_calls":[],"attributes":{},`+
					`"attachments":[]}`), head + message("m", "user", 1, "null", "") + tail},
		{"a message leaves out what is null",
			thread("x",
				`{"id":"m","role":"user","name":null,"tool_call_id":null,"tool_calls":null,"attributes":null,`+
					`"attachments":null,"source":null,"metrics":null}`),
			head + message("m", "user", 1, "null", "") + tail},
		{"text", thread("x", `{"id":"m","role":"assistant","content":"a\nb"}`),
			head + message("m", "assistant", 1, `"a\nb"`, "") + tail},
		{"empty text", thread("x", `{"id":"m","role":"assistant","content":""}`),
			head + message("m", "assistant", 1, `""`, "") + tail},
		{"text that is JSON", thread("x", `{"id":"m","role":"user","content":"[{\"type\":\"text\"}]"}`),
			head + message("m", "user", 1, `"[{\"type\":\"text\"}]"`, "") + tail},
		{"parts",
			thread("x",
				`{"id":"m","role":"user","content":[{"type":"text","text":"a"},{"type":"image_url",`+
					`"image_url":{"url":"u","detail":"low"}},{"type":"text","text":"b"}]}`),
			head +
				message("m", "user", 1,
					`[{"text":"a","type":"text"},{"image_url":{"detail":"low","url":"u"},"type":"image_url"},`+
						`{"text":"b","type":"text"}]`, "") + tail},
		{"one part", thread("x", `{"id":"m","role":"user","content":[{"type":"text","text":"a"}]}`),
			head + message("m", "user", 1, `[{"text":"a","type":"text"}]`, "") + tail},
		{"no parts", thread("x", `{"id":"m","role":"user","content":[]}`),
			head + message("m", "user", 1, `null`, "") + tail},
		{"name", thread("x", `{"id":"m","role":"user","name":"n"}`),
			head + message("m", "user", 1, `null`, `,"name":"n"`) + tail},
		{"tool_call_id", thread("x", `{"id":"m","role":"tool","tool_call_id":"t"}`),
			head + message("m", "tool", 1, `null`, `,"tool_call_id":"t"`) + tail},
		{"tool_calls",
			thread("x",
				`{"id":"m","role":"assistant","tool_calls":[{"index":0,"id":"c","type":"function",`+
					`"function":{"name":"f","arguments":"{\"a\": 1}"}}]}`),
			head + message("m", "assistant", 1, `null`,
				`,"tool_calls":[{"function":{"arguments":"{\"a\": 1}","name":"f"},"id":"c","index":0,`+
					`"type":"function"}]`) + tail},
		{"attributes", thread("x", `{"id":"m","role":"user","attributes":{"b":1e2,"a":null}}`),
			head + message("m", "user", 1, `null`, `,"attributes":{"a":null,"b":100}`) + tail},
		{"attachments",
			thread("x",
				`{"id":"m","role":"user","attachments":[{"filename":"f","status":"stored","attributes":{"n":0.10},`+
					`"id":"i"}]}`),
			head + message("m", "user", 1, `null`,
				`,"attachments":[{"attributes":{"n":0.10},"filename":"f","id":"i","status":"stored"}]`) + tail},
		{"source", thread("x", `{"id":"m","role":"user","source":{"type":"user","id":"u"}}`),
			head + strings.Replace(message("m", "user", 1, `null`, ""), `"source":null`,
				`"source":{"id":"u","type":"user"}`, 1) + tail},
		{"empty source", thread("x", `{"id":"m","role":"user","source":{}}`),
			head + strings.Replace(message("m", "user", 1, `null`, ""), `"source":null`, `"source":{}`, 1) + tail},
		{"metrics",
			thread("x",
				`{"id":"m","role":"user","metrics":{"model":"g","cost":0.10,`+
					`"timing":{"started_at":"2024-05-15T15:00:00","latency":1.50}}}`),
			head + strings.Replace(message("m", "user", 1, `null`, ""), metrics,
				`"metrics":{"cost":0.10,"model":"g","timing":{"latency":1.50,"started_at":"2024-05-15T15:00:00"}}`, 1) +
				tail},
		{"timestamp", thread("x", `{"id":"m","role":"user","timestamp":"2024-05-15T16:00:00.000001+01:00"}`),
			head + strings.Replace(message("m", "user", 1, `null`, ""), "15:00:00+00:00", "15:00:00.000001+00:00", 1) +
				tail},
		{"everything of a message, in Tyler's order",
			thread("x",
				`{"attachments":[{"filename":"f"}],"attributes":{"a":1},"tool_calls":[{"id":"c","type":"function",`+
					`"function":{"name":"f","arguments":""}}],"tool_call_id":"t","name":"n","role":"tool","id":"m",`+
					`"content":"c"}`),
			head + message("m", "tool", 1, `"c"`,
				`,"name":"n","tool_call_id":"t","tool_calls":[{"function":{"arguments":"","name":"f"},"id":"c",`+
					`"type":"function"}],"attributes":{"a":1},"attachments":[{"filename":"f"}]`) + tail},
		{"sequences: by index, system messages first",
			thread("x", `{"id":"a","role":"user","sequence":9}`, `{"id":"b","role":"system","sequence":9}`,
				`{"id":"c","role":"assistant"}`, `{"id":"d","role":"system"}`),
			head + strings.Join([]string{message("b", "system", 0, "null", ""), message("d", "system", 0, "null", ""),
				message("a", "user", 1, "null", ""), message("c", "assistant", 2, "null", "")}, ",") + tail},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store := open(t, db.Memory)
			if err := Import(t.Context(), store, "-", strings.NewReader(c.in), noProgress); err != nil {
				t.Fatalf("Import(%s): %v", c.in, err)
			}
			got := exported(t, store)
			if diff := cmp.Diff(c.want+"\n", got); diff != "" {
				t.Errorf("Export after Import(%s) (-want +got):\n%s", c.in, diff)
			}
			for name, other := range map[string]*db.Threads{"the same database": store,
				"another database": open(t, db.Memory)} {
				if err := Import(t.Context(), other, "-", strings.NewReader(got), noProgress); err != nil {
					t.Errorf("Import(%s) into %s: %v, want what Export wrote to be read", got, name, err)
				}
				if diff := cmp.Diff(got, exported(t, other)); diff != "" {
					t.Errorf("Export after Import of what Export wrote into %s (-first +second):\n%s", name, diff)
				}
			}
		})
	}
}

// A line is the thread's whole new state: what it does not say is not kept.
func TestImportReplaces(t *testing.T) {
	t.Parallel()
	store := open(t, db.Memory)
	full := `{"id":"x","title":"T","created_at":"2024-05-15T15:00:00Z","updated_at":"2024-05-17T15:00:00Z",` +
		`"attributes":{"a":1},"source":{"name":"s"},"messages":[` +
		`{"id":"m","role":"tool","content":[{"type":"text","text":"a"}],"name":"n","tool_call_id":"t",` +
		`"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":""}}],` +
		`"attributes":{"a":1},"source":{"id":"u"},"attachments":[{"filename":"f"}],"metrics":{"model":"g"},` +
		`"timestamp":"2024-05-16T15:00:00Z"},{"id":"gone","role":"user"}]}`
	for _, line := range []string{thread("x", `{"id":"m","role":"user"}`),
		thread("x", `{"id":"m","role":"user","content":null}`), thread("x")} {
		fresh := open(t, db.Memory)
		for _, in := range []struct {
			store Store
			lines string
		}{{store, full + "\n" + line}, {fresh, line}} {
			if err := Import(t.Context(), in.store, "-", strings.NewReader(in.lines), noProgress); err != nil {
				t.Fatalf("Import(%s): %v", in.lines, err)
			}
		}
		if diff := cmp.Diff(exported(t, fresh), exported(t, store)); diff != "" {
			t.Errorf("Import(%s) over another state of the thread (-into an empty database +over it):\n%s", line, diff)
		}
	}
}

// What the API takes, export writes; and import must read all that.
func TestExportIsRead(t *testing.T) {
	t.Parallel()
	deep := db.JSON(strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64))
	large := db.JSON(`{"a":"` + strings.Repeat("x", 1<<20-8) + `"}`)
	some := func(j db.JSON, err error) db.Opt[db.JSON] {
		if err != nil {
			t.Fatal(err)
		}
		return db.Some(j)
	}
	attachment := func(attributes db.JSON) db.Opt[db.JSON] {
		return some(db.EncodeAttachments([]db.Attachment{{Filename: "f", Status: db.AttachmentStored,
			Attributes: attributes}}))
	}
	for _, c := range []struct {
		name  string
		patch db.ThreadPatch
	}{
		{"deepest attributes of a thread", db.ThreadPatch{Attributes: db.Some(deep), Source: db.Some(deep)}},
		{"largest attributes of a thread", db.ThreadPatch{Attributes: db.Some(large), Source: db.Some(large)}},
		{"deepest attributes of a message", db.ThreadPatch{Messages: &[]db.MessagePatch{{Role: db.RoleUser,
			Attributes: db.Some(deep), Source: db.Some(deep)}}}},
		{"deepest attributes of an attachment",
			db.ThreadPatch{Messages: &[]db.MessagePatch{{Role: db.RoleUser, Attachments: attachment(deep)}}}},
		{"largest attributes of an attachment",
			db.ThreadPatch{Messages: &[]db.MessagePatch{{Role: db.RoleUser, Attachments: attachment(large)}}}},
		{"smallest counts of tokens", db.ThreadPatch{Messages: &[]db.MessagePatch{{Role: db.RoleUser,
			Metrics: some(db.EncodeMetrics(db.Metrics{
				Usage: db.TokenUsage{PromptTokens: -1 << 31, CompletionTokens: -1 << 31, TotalTokens: -1 << 31}}))}}}},
		{"largest counts of tokens", db.ThreadPatch{Messages: &[]db.MessagePatch{{Role: db.RoleUser,
			Metrics: some(db.EncodeMetrics(db.Metrics{
				Usage: db.TokenUsage{PromptTokens: 1<<31 - 1, CompletionTokens: 1<<31 - 1,
					TotalTokens: 1<<31 - 1}}))}}}},
		{"empty texts", db.ThreadPatch{Title: db.Some(ptr("")),
			Messages: &[]db.MessagePatch{{Role: db.RoleUser, Content: db.Some(ptr(""))}}}},
		{"longest ids", db.ThreadPatch{ID: ptr(strings.Repeat("é", 255)),
			Messages: &[]db.MessagePatch{{ID: ptr(strings.Repeat("😀", 255)), Role: db.RoleUser}}}},
		{"separators of lines", db.ThreadPatch{Title: db.Some(ptr("a\u2028b\u2029c\u0085d\r\ne"))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store := open(t, db.Memory)
			if _, err := store.Save(t.Context(), c.patch); err != nil {
				t.Fatalf("Save: %v", err)
			}
			first := exported(t, store)
			if n := strings.Count(first, "\n"); n != 1 {
				t.Errorf("Export of one thread = %s, %d lines, want one", short(first), n)
			}
			other := open(t, db.Memory)
			if err := Import(t.Context(), other, "-", strings.NewReader(first), noProgress); err != nil {
				t.Fatalf("Import(%s): %v, want what Export wrote to be read", short(first), err)
			}
			if second := exported(t, other); second != first {
				t.Errorf("Export after Import of what Export wrote = %s, want %s", short(second), short(first))
			}
		})
	}
}

// Empty name and tool_call_id, which the API takes, are left out, as Tyler does;
// a row may also hold an empty list where ours have NULL.
func TestExportLeavesOutEmpty(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, set, key string }{
		{"name", `name = ''`, "name"},
		{"tool_call_id", `tool_call_id = ''`, "tool_call_id"},
		{"tool_calls", `tool_calls = '[]'`, "tool_calls"},
		{"tool_calls null", `tool_calls = 'null'`, "tool_calls"},
		{"attachments", `attachments = '[]'`, "attachments"},
		{"attachments null", `attachments = 'null'`, "attachments"},
		{"attributes", `attributes = '{}'`, "attributes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "threads.db")
			store := open(t, path)
			if err := Import(t.Context(), store, "-",
				strings.NewReader(thread("x", `{"id":"m","role":"user"}`)), noProgress); err != nil {
				t.Fatalf("Import: %v", err)
			}
			edit, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer edit.Close()
			if _, err := edit.ExecContext(t.Context(), `UPDATE messages SET `+c.set); err != nil {
				t.Fatal(err)
			}
			line := exported(t, store)
			var got struct{ Messages []map[string]json.RawMessage }
			if err := json.Unmarshal([]byte(line), &got); err != nil || len(got.Messages) != 1 {
				t.Fatalf("Export = %s, %v, want one message", line, err)
			}
			if v, ok := got.Messages[0][c.key]; ok {
				t.Errorf("Export of a message with %s: %s = %s, want it left out", c.set, c.key, v)
			}
		})
	}
}

// walker gives these threads, and then fails.
type walker struct {
	threads []*db.Thread
	err     error
}

func (w walker) Walk(_ context.Context, fn func(*db.Thread, []*db.Message) error) error {
	for _, t := range w.threads {
		if err := fn(t, nil); err != nil {
			return err
		}
	}
	return w.err
}

func TestExportLines(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 5, 15, 17, 0, 0, 999, time.FixedZone("", 7200))
	one := func(id string) *db.Thread {
		return &db.Thread{ID: id, Attributes: db.EmptyObject, CreatedAt: at, UpdatedAt: at}
	}
	line := func(id string) string {
		return `{"id":"` + id +
			`","title":null,"messages":[],"created_at":"2024-05-15T15:00:00+00:00",` +
			`"updated_at":"2024-05-15T15:00:00+00:00","attributes":{},"source":null}` + "\n"
	}
	for _, c := range []struct {
		name string
		in   []*db.Thread
		want string
	}{
		{"nothing", nil, ""},
		{"one", []*db.Thread{one("a")}, line("a")},
		{"two, in the order of the walk", []*db.Thread{one("b"), one("a")}, line("b") + line("a")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, exported(t, walker{threads: c.in})); diff != "" {
				t.Errorf("Export (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExportErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	many := make([]*db.Thread, 20_000) // more than a buffer holds
	for i := range many {
		many[i] = &db.Thread{ID: fmt.Sprint(i), Attributes: db.EmptyObject}
	}
	for _, c := range []struct {
		name string
		from Walker
		to   io.Writer
	}{
		{"the walk fails", walker{err: cause}, io.Discard},
		{"the walk fails after a thread", walker{threads: many[:1], err: cause}, io.Discard},
		{"writing fails at the end", walker{threads: many[:1]}, failing{cause}},
		{"writing fails on the way", walker{threads: many}, failing{cause}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Export(t.Context(), c.from, c.to); !errors.Is(err, cause) {
				t.Errorf("Export: %v, want it to wrap %v", err, cause)
			}
		})
	}
}

// FuzzImportLine: a line is refused with its place or read; what was read and
// is stored is exported as a line that is read to the same state.
func FuzzImportLine(f *testing.F) {
	for _, seed := range []string{
		thread("x"),
		thread("x", `{"id":"m","role":"user","content":"a"}`,
			`{"role":"system","content":[{"type":"text","text":"b"},{"type":"image_url","image_url":{"url":"u"}}]}`),
		thread("x",
			`{"id":"m","role":"tool","tool_call_id":"t","name":"n","tool_calls":[{"id":"c","type":"function",`+
				`"function":{"name":"f","arguments":"{}"}}]}`),
		thread("x",
			`{"role":"user","attachments":[{"filename":"f","status":"stored","attributes":{"a":1e3}}],`+
				`"metrics":{"timing":{"started_at":"2024-05-15 15:00:00","latency":1.5},`+
				`"usage":{"total_tokens":5.0},"weave_call":null}}`),
		`{"id":"x","title":null,"created_at":"0001-01-01T00:00:00Z","updated_at":"9999-12-31T23:59:59.9999999Z",` +
			`"attributes":{"a":[-0.0,1.50,null]},"source":{"name":"\ud83d\ude00"}}`,
		thread("", `{"role":"robot"}`), thread("x", `{"id":"m","role":"user"}`, `{"id":"m","role":"user"}`),
		`{"id":"x"}`, `{}`, `[]`, `null`, ``, ` `, `{"id":"\u0000","created_at":"2024-05-15T15:00:00Z"}`, "\xff",
		`{"id":"\ud800"}`, "{}\n{}",
	} {
		f.Add([]byte(seed))
	}
	a, b := open(f, db.Memory), open(f, db.Memory)
	f.Fuzz(func(t *testing.T, line []byte) {
		line = bytes.ReplaceAll(line, []byte("\n"), []byte(" "))
		if patch, _, err := decode(line); err == nil &&
			(patch.ID == nil || patch.Messages == nil || patch.CreatedAt == nil) {
			t.Fatalf("decode(%s) = %+v, want an id, messages and createdAt", line, patch)
		}
		for _, s := range []*db.Threads{a, b} {
			if err := s.Walk(t.Context(),
				func(*db.Thread, []*db.Message) error { return errors.New("left over") }); err != nil {
				t.Fatalf("before Import(%s): %v", line, err)
			}
		}
		defer func() {
			for _, s := range []*db.Threads{a, b} {
				var ids []string
				_ = s.Walk(context.Background(),
					func(t *db.Thread, _ []*db.Message) error { ids = append(ids, t.ID); return nil })
				for _, id := range ids {
					_, _ = s.Delete(context.Background(), id)
				}
			}
		}()
		if err := Import(t.Context(), a, "f", bytes.NewReader(line), noProgress); err != nil {
			wantLineError(t, fmt.Sprintf("Import(%q)", line), err, "f", 1)
			if d, ok := errors.AsType[*db.Error](err); ok && d.Code != db.Invalid {
				t.Fatalf("Import(%q): %v, want the code Invalid", line, err)
			}
			if _, _, bad := decode(line); bad == nil && !db.Invalid.Is(err) {
				t.Fatalf("Import(%q): %v, want a line that decode takes to be stored or Invalid", line, err)
			}
			return
		}
		first := exported(t, a)
		for name, s := range map[string]*db.Threads{"the same database": a, "another database": b} {
			if err := Import(t.Context(), s, "f", strings.NewReader(first), noProgress); err != nil {
				t.Fatalf("Import(%s) into %s: %v, want what Export wrote to be read; the first line was %q", first,
					name, err, line)
			}
			if second := exported(t, s); second != first {
				t.Fatalf("Export after Import of what Export wrote into %s = %s, want %s; the first line was %q", name,
					second, first, line)
			}
		}
	})
}
