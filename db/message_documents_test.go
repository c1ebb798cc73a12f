package db

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db/jsontext"
)

func ptr[T any](v T) *T { return &v }

// checkDocument tests that v is encoded as want, that decoding want gives back
// back, and that Tyler's JSON of it is taken as it is.
func checkDocument[T any](t *testing.T, v, back T, want JSON, encode func(T) (JSON, error),
	decode func(JSON) (T, error), parse func(any) (JSON, error)) {
	t.Helper()
	t.Run("encode", func(t *testing.T) {
		t.Parallel()
		if j, err := encode(v); err != nil || j != want {
			t.Fatalf("encode(%+v) = %s, %v, want %s", v, short(j), err, short(want))
		}
	})
	t.Run("decode", func(t *testing.T) {
		t.Parallel()
		got, err := decode(want)
		if err != nil {
			t.Fatalf("decode(%s): %v", short(want), err)
		}
		if diff := cmp.Diff(back, got); diff != "" {
			t.Errorf("decode(%s) (-want +got):\n%s", short(want), diff)
		}
		if again, err := encode(got); err != nil || again != want {
			t.Errorf("encode of decode(%s) = %s, %v, want it as it was", short(want), short(again), err)
		}
	})
	t.Run("parse", func(t *testing.T) {
		t.Parallel()
		wanted := want
		if want == noParts { // of Tyler's, an empty list is none
			wanted = ""
		}
		if parsed, err := parse(decoded(t, string(want))); err != nil || parsed != wanted {
			t.Errorf("parse(%s) = %s, %v, want it as it is", short(want), short(parsed), err)
		}
	})
}

// texts are texts that a document must give back as they are.
var texts = map[string]string{"plain": "x", "empty": "", "quotes": `"'\`, "newlines": "a\nb\r\n",
	"letters of any script": "é😀\u2028\uFFFD", "markup": "<&>", "JSON": `{"a":"\u0000"}`}

// quoted returns s as a JSON string the way documents are written.
func quoted(s string) string { return string(must(jsontext.Document(s))) }

// short keeps a failure readable when the input is a megabyte.
func short[T ~string](text T) string {
	return fmt.Sprintf("%.200s (%d bytes)", string(text), len(text))
}

// decoded returns the value of JSON text that must be readable.
func decoded(t testing.TB, text string) any {
	t.Helper()
	v, err := jsontext.Decode([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", short(text), err)
	}
	return v
}

// nested returns an object of this many levels: of objects, or of lists within.
func nested(levels int, lists bool) string {
	open, shut := `{"a":`, `}`
	if lists {
		open, shut = `[`, `]`
	}
	return `{"a":` + strings.Repeat(open, levels-1) + `1` + strings.Repeat(shut, levels-1) + `}`
}

// wantInvalid fails the test unless err is an Invalid error with this path; nil is any path.
func wantInvalid(t *testing.T, call string, err error, path []any) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != Invalid {
		t.Fatalf("%s: error %v (%T), want one of code Invalid", call, err, err)
	}
	if path == nil || len(path) == 0 && len(e.Path) == 0 {
		return
	}
	if diff := cmp.Diff(path, e.Path); diff != "" {
		t.Errorf("%s: path of the error %v (-want +got):\n%s", call, err, diff)
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	type testCase struct {
		name string
		in   []Part
		want JSON
	}
	cases := []testCase{
		{"none", []Part{}, `[]`},
		{"text and image", []Part{TextPart{"a"}, ImagePart{"https://x/y.png"}, TextPart{"b"}},
			`[{"text":"a","type":"text"},{"image_url":{"url":"https://x/y.png"},"type":"image_url"},{"text":"b",` +
				`"type":"text"}]`},
		{"the same twice", []Part{TextPart{"a"}, TextPart{"a"}},
			`[{"text":"a","type":"text"},{"text":"a","type":"text"}]`},
	}
	for name, s := range texts {
		cases = append(cases, testCase{"text: " + name, []Part{TextPart{s}},
			JSON(`[{"text":` + quoted(s) + `,"type":"text"}]`)},
			testCase{"image: " + name, []Part{ImagePart{s}},
				JSON(`[{"image_url":{"url":` + quoted(s) + `},"type":"image_url"}]`)})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checkDocument(t, c.in, c.in, c.want, EncodeParts, decodeParts, ParseParts)
		})
	}
}

func TestJoinTexts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   []Part
		want *string
	}{
		{"none", nil, nil},
		{"images only", []Part{ImagePart{"u"}}, nil},
		{"one text", []Part{TextPart{"a"}}, ptr("a")},
		{"an empty text is text", []Part{ImagePart{"u"}, TextPart{""}}, ptr("")},
		{"texts around an image", []Part{TextPart{"a"}, ImagePart{"u"}, TextPart{"b"}}, ptr("a\nb")},
		{"empty texts", []Part{TextPart{""}, TextPart{""}}, ptr("\n")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, joinTexts(c.in)); diff != "" {
				t.Errorf("joinTexts(%v) (-want +got):\n%s", c.in, diff)
			}
		})
	}
}

func TestToolCalls(t *testing.T) {
	t.Parallel()
	type testCase struct {
		name string
		in   []ToolCall
		back []ToolCall
		want JSON
	}
	one := func(c ToolCall) []ToolCall { return []ToolCall{c} }
	cases := []testCase{
		{"none", nil, []ToolCall{}, ""},
		{"an empty list", []ToolCall{}, []ToolCall{}, ""},
		{"two", []ToolCall{{"c1", "function", ToolCallFunction{"f", `{"a":1}`}},
			{"c1", "function", ToolCallFunction{"g", ""}}}, nil,
			`[{"function":{"arguments":"{\"a\":1}","name":"f"},"id":"c1","type":"function"},` +
				`{"function":{"arguments":"","name":"g"},"id":"c1","type":"function"}]`},
		{"empty type and arguments", one(ToolCall{"c", "", ToolCallFunction{"f", ""}}), nil,
			`[{"function":{"arguments":"","name":"f"},"id":"c","type":""}]`},
	}
	for name, s := range texts {
		cases = append(cases, testCase{"arguments: " + name, one(ToolCall{"c", "function", ToolCallFunction{"f", s}}),
			nil,
			JSON(`[{"function":{"arguments":` + quoted(s) + `,"name":"f"},"id":"c","type":"function"}]`)})
		if s != "" {
			cases = append(cases, testCase{"id, type and name: " + name, one(ToolCall{s, s, ToolCallFunction{s, "{}"}}),
				nil,
				JSON(`[{"function":{"arguments":"{}","name":` + quoted(s) + `},"id":` + quoted(s) + `,"type":` +
					quoted(s) + `}]`)})
		}
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.back == nil {
				c.back = c.in
			}
			if c.want != "" {
				checkDocument(t, c.in, c.back, c.want, EncodeToolCalls, decodeToolCalls, ParseToolCalls)
			} else if j, err := EncodeToolCalls(c.in); err != nil || j != "" {
				t.Errorf("EncodeToolCalls(%v) = %q, %v, want none", c.in, j, err)
			}
		})
	}
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	const nulls = `"file_id":null,"filename":"f","mime_type":null,"status":"pending","storage_backend":null,` +
		`"storage_path":null`
	with := func(attributes string) ([]Attachment, JSON) {
		return []Attachment{{Filename: "f", Status: AttachmentPending, Attributes: JSON(attributes)}},
			JSON(`[{"attributes":` + attributes + `,` + nulls + `}]`)
	}
	type testCase struct {
		name string
		in   []Attachment
		want JSON
	}
	cases := []testCase{
		{"nothing but a name", []Attachment{{Filename: "f", Status: AttachmentPending}}, `[{` + nulls + `}]`},
		{"everything", []Attachment{{"f", ptr("text/plain"), ptr("id"), ptr("/p"), ptr("local"), AttachmentStored,
			`{"a":1}`}},
			`[{"attributes":{"a":1},"file_id":"id","filename":"f","mime_type":"text/plain","status":"stored",` +
				`"storage_backend":"local","storage_path":"/p"}]`},
		{"failed", []Attachment{{Filename: "f", Status: AttachmentFailed}},
			JSON(`[{` + strings.Replace(nulls, "pending", "failed", 1) + `}]`)},
		{"two of one name", []Attachment{{Filename: "f", Status: AttachmentPending},
			{Filename: "f", Status: AttachmentPending}}, `[{` + nulls + `},{` + nulls + `}]`},
		{"empty name", []Attachment{{Filename: "", Status: AttachmentPending}},
			JSON(`[{` + strings.Replace(nulls, `"f"`, `""`, 1) + `}]`)},
	}
	for name, attributes := range map[string]string{
		"empty attributes":              `{}`,
		"exact numbers":                 `{"a":9007199254740993,"b":0.1,"c":12345678901234567890,"d":1.50}`,
		"attributes of 64 levels":       nested(64, false),
		"attributes of lists, 64 too":   nested(64, true),
		"attributes of 1 MiB":           `{"a":"` + strings.Repeat("x", jsontext.MaxBytes-8) + `"}`,
		"attributes that look like one": `{"attributes":{"filename":null},"status":"x"}`,
	} {
		in, want := with(attributes)
		cases = append(cases, testCase{name, in, want})
	}
	for name, s := range texts {
		cases = append(cases, testCase{"texts: " + name, []Attachment{{s, &s, &s, &s, &s, AttachmentStored, ""}},
			JSON(strings.ReplaceAll(`[{"file_id":$,"filename":$,"mime_type":$,"status":"stored","storage_backend":$,`+
				`"storage_path":$}]`, "$", quoted(s)))})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checkDocument(t, c.in, c.in, c.want, EncodeAttachments, decodeAttachments, ParseAttachments)
		})
	}
	for name, none := range map[string][]Attachment{"none": nil, "an empty list": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if j, err := EncodeAttachments(none); err != nil || j != "" {
				t.Errorf("EncodeAttachments(%v) = %q, %v, want none", none, j, err)
			}
		})
	}
}

// metricsOf is the document of metrics with some of its parts.
func metricsOf(model, started, ended, latency, completion, prompt, total, id, url string) JSON {
	return JSON(fmt.Sprintf(`{"model":%s,"timing":{"ended_at":%s,"latency":%s,"started_at":%s},`+
		`"usage":{"completion_tokens":%s,"prompt_tokens":%s,"total_tokens":%s},"weave_call":{"id":%s,"ui_url":%s}}`,
		model, ended, latency, started, completion, prompt, total, id, url))
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	started, ended := time.Date(2024, 5, 15, 15, 0, 0, 0, time.UTC),
		time.Date(2024, 5, 15, 15, 0, 1, 500_000_000, time.UTC)
	type testCase struct {
		name string
		in   Metrics
		want JSON
	}
	usage := func(n int) Metrics { return Metrics{Usage: TokenUsage{n, n, n}} }
	latency := func(ms float64) Metrics { return Metrics{Timing: Timing{LatencyMS: ms}} }
	cases := []testCase{
		{"none, as Tyler has it", Metrics{}, metricsOf(`null`, `null`, `null`, `0`, `0`, `0`, `0`, `""`, `""`)},
		{"everything", Metrics{ptr("gpt-4o"), Timing{&started, &ended, 1500.25},
			TokenUsage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3}, &WeaveCall{"w", "https://w"}},
			metricsOf(`"gpt-4o"`, `"2024-05-15T15:00:00+00:00"`, `"2024-05-15T15:00:01.500000+00:00"`, `1500.25`, `2`,
				`1`, `3`, `"w"`, `"https://w"`)},
		{"a call without an address", Metrics{WeaveCall: &WeaveCall{"w", ""}},
			metricsOf(`null`, `null`, `null`, `0`, `0`, `0`, `0`, `"w"`, `""`)},
		{"a call without an id", Metrics{WeaveCall: &WeaveCall{"", "u"}},
			metricsOf(`null`, `null`, `null`, `0`, `0`, `0`, `0`, `""`, `"u"`)},
		{"empty model", Metrics{Model: ptr("")}, metricsOf(`""`, `null`, `null`, `0`, `0`, `0`, `0`, `""`, `""`)},
		{"largest usage", usage(math.MaxInt32),
			metricsOf(`null`, `null`, `null`, `0`, `2147483647`, `2147483647`, `2147483647`, `""`, `""`)},
		{"negative usage", usage(-1), metricsOf(`null`, `null`, `null`, `0`, `-1`, `-1`, `-1`, `""`, `""`)},
		// The schema's Int goes down to here, so a client can store it.
		{"smallest usage", usage(math.MinInt32),
			metricsOf(`null`, `null`, `null`, `0`, `-2147483648`, `-2147483648`, `-2147483648`, `""`, `""`)},
		{"latency that is no binary fraction", latency(0.1),
			metricsOf(`null`, `null`, `null`, `0.1`, `0`, `0`, `0`, `""`, `""`)},
		{"large latency", latency(1e21), metricsOf(`null`, `null`, `null`, `1000000000000000000000`, `0`, `0`, `0`,
			`""`, `""`)},
		{"largest latency", latency(math.MaxFloat64),
			metricsOf(`null`, `null`, `null`, `17976931348623157`+strings.Repeat("0", 292), `0`, `0`, `0`, `""`, `""`)},
		{"smallest latency", latency(math.SmallestNonzeroFloat64),
			metricsOf(`null`, `null`, `null`, `0.`+strings.Repeat("0", 323)+`5`, `0`, `0`, `0`, `""`, `""`)},
		{"negative latency", latency(-2.5), metricsOf(`null`, `null`, `null`, `-2.5`, `0`, `0`, `0`, `""`, `""`)},
	}
	for name, s := range texts {
		if s != "" {
			q := quoted(s)
			cases = append(cases, testCase{"texts: " + name, Metrics{Model: &s, WeaveCall: &WeaveCall{s, s}},
				metricsOf(q, `null`, `null`, `0`, `0`, `0`, `0`, q, q)})
		}
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checkDocument(t, c.in, c.in, c.want, EncodeMetrics, decodeMetrics, ParseMetrics)
		})
	}
	t.Run("an empty call is none", func(t *testing.T) {
		t.Parallel()
		checkDocument(t, Metrics{WeaveCall: &WeaveCall{}}, Metrics{}, emptyMetrics, EncodeMetrics, decodeMetrics,
			ParseMetrics)
	})
}

// What Encode... refuses, it names as the API does.
func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	const nul = "x\x00"
	call := func(change func(*ToolCall)) func() (JSON, error) {
		c := ToolCall{"c", "function", ToolCallFunction{"f", "{}"}}
		change(&c)
		return func() (JSON, error) {
			return EncodeToolCalls([]ToolCall{{"c", "function", ToolCallFunction{"f", "{}"}}, c})
		}
	}
	attachment := func(a Attachment) func() (JSON, error) {
		return func() (JSON, error) {
			return EncodeAttachments([]Attachment{{Filename: "f", Status: AttachmentPending}, a})
		}
	}
	metrics := func(m Metrics) func() (JSON, error) {
		return func() (JSON, error) { return EncodeMetrics(m) }
	}
	for _, c := range []struct {
		name   string
		encode func() (JSON, error)
		path   []any
	}{
		{"text part with NUL", func() (JSON, error) { return EncodeParts([]Part{TextPart{"a"}, TextPart{nul}}) },
			[]any{1, "text"}},
		{"image part with NUL", func() (JSON, error) { return EncodeParts([]Part{ImagePart{nul}}) },
			[]any{0, "imageUrl"}},
		{"tool call without an id", call(func(c *ToolCall) { c.CallID = "" }), []any{1, "callId"}},
		{"tool call without a name", call(func(c *ToolCall) { c.Function.Name = "" }), []any{1, "function", "name"}},
		{"tool call, NUL in the id", call(func(c *ToolCall) { c.CallID = nul }), []any{1, "callId"}},
		{"tool call, NUL in the type", call(func(c *ToolCall) { c.Type = nul }), []any{1, "type"}},
		{"tool call, NUL in the name", call(func(c *ToolCall) { c.Function.Name = nul }), []any{1, "function", "name"}},
		{"tool call, NUL in the arguments", call(func(c *ToolCall) { c.Function.Arguments = nul }),
			[]any{1, "function", "arguments"}},
		{"attachment, NUL in the name", attachment(Attachment{Filename: nul}), []any{1, "filename"}},
		{"attachment, NUL in the type", attachment(Attachment{MimeType: ptr(nul)}), []any{1, "mimeType"}},
		{"attachment, NUL in the file id", attachment(Attachment{FileID: ptr(nul)}), []any{1, "fileId"}},
		{"attachment, NUL in the path", attachment(Attachment{StoragePath: ptr(nul)}), []any{1, "storagePath"}},
		{"attachment, NUL in the backend", attachment(Attachment{StorageBackend: ptr(nul)}),
			[]any{1, "storageBackend"}},
		{"metrics, NUL in the model", metrics(Metrics{Model: ptr(nul)}), []any{"model"}},
		{"metrics, NUL in the call's id", metrics(Metrics{WeaveCall: &WeaveCall{nul, ""}}),
			[]any{"weaveCall", "callId"}},
		{"metrics, NUL in the call's address", metrics(Metrics{WeaveCall: &WeaveCall{"w", nul}}),
			[]any{"weaveCall", "uiUrl"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			j, err := c.encode()
			if j != "" {
				t.Errorf("%s: encoded as %s, want it isDomainError", c.name, j)
			}
			wantInvalid(t, c.name, err, c.path)
		})
	}
}

// Parse... of Tyler's JSON: what is taken, what it is stored as, what is refused and where.
func TestParseDocuments(t *testing.T) {
	t.Parallel()
	parsers := map[string]func(any) (JSON, error){"content": ParseParts, "tool_calls": ParseToolCalls,
		"attachments": ParseAttachments, "metrics": ParseMetrics}
	call := func(change string) string { // a tool call as the second of a list
		return `[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}},` + change + `]`
	}
	file := func(field string) string { return `[{"filename":"e"},{"filename":"f",` + field + `}]` }
	isDomainError := JSON("isDomainError")
	for _, c := range []struct {
		name     string
		document string
		in       string
		want     JSON
		path     []any // of the error, when one is owed
	}{
		{"null", "content", `null`, "", nil},
		{"empty list", "content", `[]`, "", nil},
		{"unknown keys stay", "content",
			`[{"type":"text","text":"a","cache":{"x":[1.50]}},{"type":"image_url","image_url":{"url":"u",` +
				`"detail":"low"}}]`,
			`[{"cache":{"x":[1.50]},"text":"a","type":"text"},{"image_url":{"detail":"low","url":"u"},` +
				`"type":"image_url"}]`, nil},
		{"an image beside the text is unknown", "content", `[{"type":"text","text":"a","image_url":null}]`,
			`[{"image_url":null,"text":"a","type":"text"}]`, nil},
		{"no list", "content", `{"type":"text","text":"a"}`, isDomainError, nil},
		{"a text", "content", `"a"`, isDomainError, nil},
		{"a list of texts", "content", `["a"]`, isDomainError, nil},
		{"a list of nulls", "content", `[{"type":"text","text":"a"},null]`, isDomainError, []any{1}},
		{"no type", "content", `[{"text":"a"}]`, isDomainError, []any{0}},
		{"unknown type", "content", `[{"type":"text","text":"a"},{"type":"audio","text":"a"}]`, isDomainError,
			[]any{1}},
		{"type in capitals", "content", `[{"type":"TEXT","text":"a"}]`, isDomainError, []any{0}},
		{"text part without text", "content", `[{"type":"text"}]`, isDomainError, []any{0}},
		{"text part with null", "content", `[{"type":"text","text":null}]`, isDomainError, []any{0}},
		{"text part with a number", "content", `[{"type":"text","text":5}]`, isDomainError, nil},
		{"image part without an image", "content", `[{"type":"image_url","text":"a"}]`, isDomainError, []any{0}},
		{"image part without a url", "content", `[{"type":"image_url","image_url":{}}]`, isDomainError, []any{0}},
		{"image part with a null url", "content", `[{"type":"image_url","image_url":{"url":null}}]`, isDomainError,
			[]any{0}},
		{"image part with a text", "content", `[{"type":"image_url","image_url":"u"}]`, isDomainError, nil},
		{"key in capitals is another key", "content", `[{"type":"text","TEXT":"a"}]`, isDomainError, []any{0}},
		{"NUL", "content", `[{"type":"text","text":"\u0000"}]`, isDomainError, nil},
		{"NUL in an unknown key", "content", `[{"type":"text","text":"a","\u0000":1}]`, isDomainError, nil},

		{"null", "tool_calls", `null`, "", nil},
		{"empty list", "tool_calls", `[]`, "", nil},
		{"unknown keys stay", "tool_calls",
			`[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}","strict":true}}]`,
			`[{"function":{"arguments":"{}","name":"f","strict":true},"id":"c","index":0,"type":"function"}]`, nil},
		{"empty type and arguments", "tool_calls", `[{"id":"c","type":"","function":{"name":"f","arguments":""}}]`,
			`[{"function":{"arguments":"","name":"f"},"id":"c","type":""}]`, nil},
		{"no list", "tool_calls", `{}`, isDomainError, nil},
		{"a list of texts", "tool_calls", `["a"]`, isDomainError, nil},
		{"null in the list", "tool_calls", call(`null`), isDomainError, []any{1}},
		{"empty object", "tool_calls", call(`{}`), isDomainError, []any{1}},
		{"no id", "tool_calls", call(`{"type":"function","function":{"name":"f","arguments":"{}"}}`), isDomainError,
			[]any{1}},
		{"null id", "tool_calls", call(`{"id":null,"type":"function","function":{"name":"f","arguments":"{}"}}`),
			isDomainError, []any{1}},
		{"empty id", "tool_calls", call(`{"id":"","type":"function","function":{"name":"f","arguments":"{}"}}`),
			isDomainError, []any{1, "callId"}},
		{"number as id", "tool_calls", call(`{"id":1,"type":"function","function":{"name":"f","arguments":"{}"}}`),
			isDomainError, nil},
		{"no type", "tool_calls", call(`{"id":"c","function":{"name":"f","arguments":"{}"}}`), isDomainError, []any{1}},
		{"null type", "tool_calls", call(`{"id":"c","type":null,"function":{"name":"f","arguments":"{}"}}`),
			isDomainError, []any{1}},
		{"no function", "tool_calls", call(`{"id":"c","type":"function"}`), isDomainError, []any{1}},
		{"null function", "tool_calls", call(`{"id":"c","type":"function","function":null}`), isDomainError, []any{1}},
		{"function by name", "tool_calls", call(`{"id":"c","type":"function","function":"f"}`), isDomainError, nil},
		{"no name", "tool_calls", call(`{"id":"c","type":"function","function":{"arguments":"{}"}}`), isDomainError,
			[]any{1}},
		{"empty name", "tool_calls", call(`{"id":"c","type":"function","function":{"name":"","arguments":"{}"}}`),
			isDomainError, []any{1, "function", "name"}},
		{"no arguments", "tool_calls", call(`{"id":"c","type":"function","function":{"name":"f"}}`), isDomainError,
			[]any{1}},
		{"null arguments", "tool_calls", call(`{"id":"c","type":"function","function":{"name":"f","arguments":null}}`),
			isDomainError, []any{1}},
		{"arguments that are no text", "tool_calls",
			call(`{"id":"c","type":"function","function":{"name":"f","arguments":{}}}`), isDomainError, nil},
		{"key in capitals is another key", "tool_calls",
			call(`{"ID":"c","type":"function","function":{"name":"f","arguments":"{}"}}`), isDomainError, []any{1}},
		{"NUL", "tool_calls", call(`{"id":"c","type":"function","function":{"name":"f","arguments":"\u0000"}}`),
			isDomainError, nil},

		{"null", "attachments", `null`, "", nil},
		{"empty list", "attachments", `[]`, "", nil},
		{"a name is enough, and nothing is added", "attachments", `[{"filename":"f"}]`, `[{"filename":"f"}]`, nil},
		{"unknown keys stay", "attachments", `[{"filename":"f","id":"x","content":null,"size":12345678901234567890}]`,
			`[{"content":null,"filename":"f","id":"x","size":12345678901234567890}]`, nil},
		{"null attributes", "attachments", `[{"filename":"f","attributes":null}]`,
			`[{"attributes":null,"filename":"f"}]`, nil},
		{"no list", "attachments", `{}`, isDomainError, nil},
		{"a list of names", "attachments", `["f"]`, isDomainError, nil},
		{"null in the list", "attachments", `[{"filename":"f"},null]`, isDomainError, []any{1}},
		{"no name", "attachments", `[{"mime_type":"text/plain"}]`, isDomainError, []any{0}},
		{"null name", "attachments", `[{"filename":null}]`, isDomainError, []any{0}},
		{"number as a name", "attachments", `[{"filename":1}]`, isDomainError, nil},
		{"number as a type", "attachments", file(`"mime_type":1`), isDomainError, nil},
		{"unknown status", "attachments", file(`"status":"lost"`), isDomainError, []any{1, "status"}},
		{"status in capitals", "attachments", file(`"status":"STORED"`), isDomainError, []any{1, "status"}},
		{"attributes: list", "attachments", file(`"attributes":[]`), isDomainError, []any{1, "attributes"}},
		{"attributes: text", "attachments", file(`"attributes":"x"`), isDomainError, []any{1, "attributes"}},
		{"attributes: number", "attachments", file(`"attributes":1`), isDomainError, []any{1, "attributes"}},
		{"attributes: false", "attachments", file(`"attributes":false`), isDomainError, []any{1, "attributes"}},
		{"attributes: 65 levels", "attachments", file(`"attributes":` + nested(65, false)), isDomainError, nil},
		{"attributes: 101 digits", "attachments", file(`"attributes":{"a":` + strings.Repeat("9", 101) + `}`),
			isDomainError, nil},
		{"attributes: over 1 MiB", "attachments",
			file(`"attributes":{"a":"` + strings.Repeat("x", jsontext.MaxBytes-7) + `"}`), isDomainError,
			[]any{1, "attributes"}},
		{"attributes: over 1 MiB with numbers written out", "attachments",
			file(`"attributes":{"a":[` + strings.Repeat("1e300,", 4000) + `1]}`), isDomainError,
			[]any{1, "attributes"}},
		{"attributes: NUL", "attachments", file(`"attributes":{"a":"\u0000"}`), isDomainError, nil},
		{"key in capitals is another key", "attachments", `[{"Filename":"f"}]`, isDomainError, []any{0}},
		{"NUL", "attachments", `[{"filename":"\u0000"}]`, isDomainError, nil},

		{"null", "metrics", `null`, "", nil},
		{"empty object", "metrics", `{}`, `{}`, nil},
		{"nulls", "metrics", `{"model":null,"timing":null,"usage":null,"weave_call":null}`,
			`{"model":null,"timing":null,"usage":null,"weave_call":null}`, nil},
		{"nulls within", "metrics",
			`{"timing":{"started_at":null,"ended_at":null,"latency":null},"usage":{"prompt_tokens":null},` +
				`"weave_call":{"id":null}}`,
			`{"timing":{"ended_at":null,"latency":null,"started_at":null},"usage":{"prompt_tokens":null},` +
				`"weave_call":{"id":null}}`, nil},
		{"unknown keys stay", "metrics", `{"cost":0.10,"usage":{"cached":5,"total_tokens":1},"timing":{"latency":1.0}}`,
			`{"cost":0.10,"timing":{"latency":1.0},"usage":{"cached":5,"total_tokens":1}}`, nil},
		{"whole numbers however they are written", "metrics", `{"usage":{"total_tokens":5.0,"prompt_tokens":5e0}}`,
			`{"usage":{"prompt_tokens":5,"total_tokens":5.0}}`, nil},
		{"times as Tyler writes them", "metrics",
			`{"timing":{"started_at":"2024-05-15T15:00:00","ended_at":"2024-05-15 15:00:00.5"}}`,
			`{"timing":{"ended_at":"2024-05-15 15:00:00.5","started_at":"2024-05-15T15:00:00"}}`, nil},
		{"smallest usage", "metrics", `{"usage":{"total_tokens":-2147483648}}`,
			`{"usage":{"total_tokens":-2147483648}}`, nil},
		{"list", "metrics", `[1]`, isDomainError, nil},
		{"text", "metrics", `"gpt-4o"`, isDomainError, nil},
		{"number as the model", "metrics", `{"model":4}`, isDomainError, nil},
		{"timing: text", "metrics", `{"timing":"1s"}`, isDomainError, nil},
		{"timing: no time", "metrics", `{"timing":{"started_at":"yesterday"}}`, isDomainError, nil},
		{"timing: number", "metrics", `{"timing":{"ended_at":1715785200}}`, isDomainError, nil},
		{"timing: empty time", "metrics", `{"timing":{"ended_at":""}}`, isDomainError, nil},
		{"latency: text", "metrics", `{"timing":{"latency":"fast"}}`, isDomainError, nil},
		{"latency: a number as text", "metrics", `{"timing":{"latency":"5"}}`, isDomainError, nil},
		{"latency: true", "metrics", `{"timing":{"latency":true}}`, isDomainError, nil},
		{"usage: a number as text", "metrics", `{"usage":{"total_tokens":"5"}}`, isDomainError, nil},
		{"usage: object", "metrics", `{"usage":{"total_tokens":{}}}`, isDomainError, nil},
		{"latency: no double", "metrics", `{"timing":{"latency":1.8e308}}`, isDomainError, nil},
		{"usage: text", "metrics", `{"usage":"5"}`, isDomainError, nil},
		{"usage: a fraction", "metrics", `{"usage":{"prompt_tokens":1.5}}`, isDomainError, nil},
		{"usage: above 32 bits", "metrics", `{"usage":{"completion_tokens":2147483648}}`, isDomainError, nil},
		{"usage: below 32 bits", "metrics", `{"usage":{"total_tokens":-2147483649}}`, isDomainError, nil},
		{"usage: far above 32 bits", "metrics", `{"usage":{"total_tokens":1e300}}`, isDomainError, nil},
		{"call: text", "metrics", `{"weave_call":"w"}`, isDomainError, nil},
		{"call: number as id", "metrics", `{"weave_call":{"id":1}}`, isDomainError, nil},
		{"NUL", "metrics", `{"model":"\u0000"}`, isDomainError, nil},
		{"67 levels", "metrics", nested(67, false), isDomainError, nil},
	} {
		t.Run(c.document+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			got, err := parsers[c.document](decoded(t, c.in))
			call := fmt.Sprintf("Parse %s (%s)", c.document, short(c.in))
			if c.want == isDomainError {
				if err == nil {
					t.Fatalf("%s = %s, want it isDomainError", call, short(got))
				}
				wantInvalid(t, call, err, c.path)
			} else if err != nil || got != c.want {
				t.Errorf("%s = %s, %v, want %s", call, short(got), err, c.want)
			}
		})
	}
}

// The error of metrics names the field by its whole path.
func TestParseMetricsPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		path []any
	}{
		{`{"timing":{"started_at":"yesterday"}}`, []any{"timing", "started_at"}},
		{`{"timing":{"ended_at":"yesterday"}}`, []any{"timing", "ended_at"}},
		{`{"timing":{"latency":1.8e308}}`, []any{"timing", "latency"}},
		{`{"usage":{"prompt_tokens":1.5}}`, []any{"usage", "prompt_tokens"}},
		{`{"usage":{"completion_tokens":2147483648}}`, []any{"usage", "completion_tokens"}},
		{`{"usage":{"total_tokens":-2147483649}}`, []any{"usage", "total_tokens"}},
	} {
		t.Run(c.in, func(t *testing.T) {
			t.Parallel()
			_, err := ParseMetrics(decoded(t, c.in))
			wantInvalid(t, "ParseMetrics("+c.in+")", err, c.path)
		})
	}
}

// What is read from documents that lack what Encode... always writes, as Tyler's do.
func TestDecodeDocuments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		decode func() (any, error)
		want   any
	}{
		{"no parts", func() (any, error) { return decodeParts("") }, []Part{}},
		{"no tool calls", func() (any, error) { return decodeToolCalls("") }, []ToolCall{}},
		{"tool calls null", func() (any, error) { return decodeToolCalls("null") }, []ToolCall{}},
		{"no attachments", func() (any, error) { return decodeAttachments("") }, []Attachment{}},
		{"no metrics", func() (any, error) { return decodeMetrics("") }, Metrics{}},
		{"metrics of no keys", func() (any, error) { return decodeMetrics("{}") }, Metrics{}},
		{"metrics of nulls", func() (any, error) {
			return decodeMetrics(`{"model":null,"timing":{"latency":null},"usage":null,"weave_call":null}`)
		}, Metrics{}},
		{"metrics in jsonb's order", func() (any, error) {
			return decodeMetrics(`{"usage": {"total_tokens": 7}, "timing": {"latency": 2.5}}`)
		},
			Metrics{Timing: Timing{LatencyMS: 2.5}, Usage: TokenUsage{TotalTokens: 7}}},
		{"metrics with a key in capitals, which is another key",
			func() (any, error) { return decodeMetrics(`{"Model":"x"}`) }, Metrics{}},
		{"attachment without a status is pending",
			func() (any, error) { return decodeAttachments(`[{"filename":"f"}]`) },
			[]Attachment{{Filename: "f", Status: AttachmentPending}}},
		{"attachment with a null status is pending",
			func() (any, error) { return decodeAttachments(`[{"filename":"f","status":null}]`) },
			[]Attachment{{Filename: "f", Status: AttachmentPending}}},
		{"attachment with null attributes has none",
			func() (any, error) { return decodeAttachments(`[{"filename":"f","attributes":null}]`) },
			[]Attachment{{Filename: "f", Status: AttachmentPending}}},
		{"attachment with attributes in jsonb's text",
			func() (any, error) { return decodeAttachments(`[{"filename": "f", "attributes": {"a": 1.50}}]`) },
			[]Attachment{{Filename: "f", Status: AttachmentPending, Attributes: `{"a": 1.50}`}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := c.decode()
			if err != nil {
				t.Fatalf("decode: %v, want %v", err, c.want)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("decode (-want +got):\n%s", diff)
			}
		})
	}
}

// A retry is told by what a document means, not by how it is written.
func TestNormalise(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		normalise func(JSON) (JSON, error)
		a, b      JSON
		same      bool
	}{
		{"parts: unknown keys", normaliseParts, `[{"type":"text","text":"a","x":1}]`,
			`[{"text":"a","type":"text"}]`, true},
		{"parts: text", normaliseParts, `[{"type":"text","text":"a"}]`, `[{"type":"text","text":"b"}]`, false},
		{"parts: order", normaliseParts, `[{"type":"text","text":"a"},{"type":"text","text":"b"}]`,
			`[{"type":"text","text":"b"},{"type":"text","text":"a"}]`, false},
		{"parts: kind", normaliseParts, `[{"type":"text","text":"a"}]`,
			`[{"type":"image_url","image_url":{"url":"a"}}]`, false},
		{"tool calls: unknown keys", normaliseToolCalls,
			`[{"index":0,"id":"c","type":"t","function":{"name":"f","arguments":""}}]`,
			`[{"id":"c","type":"t","function":{"name":"f","arguments":""}}]`, true},
		{"tool calls: arguments are text", normaliseToolCalls,
			`[{"id":"c","type":"t","function":{"name":"f","arguments":"{ }"}}]`,
			`[{"id":"c","type":"t","function":{"name":"f","arguments":"{}"}}]`, false},
		{"tool calls: none and an empty list", normaliseToolCalls, ``, `[]`, true},
		{"attachments: nulls", normaliseAttachments, `[{"filename":"f"}]`,
			`[{"filename":"f","mime_type":null,"status":"pending","attributes":null}]`, true},
		{"attachments: status", normaliseAttachments, `[{"filename":"f"}]`,
			`[{"filename":"f","status":"stored"}]`, false},
		{"attachments: attributes", normaliseAttachments, `[{"filename":"f","attributes":{}}]`,
			`[{"filename":"f"}]`, false},
		{"attachments: none and an empty list", normaliseAttachments, ``, `[]`, true},
		{"metrics: nothing and zeros", normaliseMetrics, `{}`, emptyMetrics, true},
		{"metrics: unknown keys", normaliseMetrics, `{"x":1}`, `{}`, true},
		{"metrics: numbers by value", normaliseMetrics, `{"timing":{"latency":1.50}}`,
			`{"timing":{"latency":15e-1}}`, true},
		{"metrics: times by value", normaliseMetrics, `{"timing":{"started_at":"2024-05-15T15:00:00"}}`,
			`{"timing":{"started_at":"2024-05-15T17:00:00.0000000+02:00"}}`, true},
		{"metrics: model", normaliseMetrics, `{"model":"a"}`, `{"model":null}`, false},
		{"metrics: usage", normaliseMetrics, `{"usage":{"prompt_tokens":1}}`, `{"usage":{"total_tokens":1}}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, err := c.normalise(c.a)
			if err != nil {
				t.Fatalf("normalise(%s): %v", c.a, err)
			}
			b, err := c.normalise(c.b)
			if err != nil {
				t.Fatalf("normalise(%s): %v", c.b, err)
			}
			if got, err := jsontext.Equal(a, b); err != nil || got != c.same {
				t.Errorf("normalise(%s) = %s and normalise(%s) = %s are equal: %t, %v, want %t", c.a, a, c.b, b, got,
					err, c.same)
			}
		})
	}
}

// A document that was edited by hand is the store's fault, not the client's.
func TestNormaliseBroken(t *testing.T) {
	t.Parallel()
	for name, normalise := range map[string]func(JSON) (JSON, error){"parts": normaliseParts,
		"tool calls":  normaliseToolCalls,
		"attachments": normaliseAttachments, "metrics": normaliseMetrics} {
		for _, broken := range []JSON{`{`, `"x"`, `[{"type":"x","filename":null}]`} {
			t.Run(name+"/"+string(broken), func(t *testing.T) {
				t.Parallel()
				if j, err := normalise(broken); err == nil || Invalid.Is(err) {
					t.Errorf("normalise(%s) = %s, %v, want an error that is not Invalid", broken, j, err)
				}
			})
		}
	}
}

// The document of no metrics is the one that Tyler writes (its key order aside).
func TestEmptyMetrics(t *testing.T) {
	t.Parallel()
	tylers := `{"model": null, "timing": {"started_at": null, "ended_at": null, "latency": 0}, "usage": ` +
		`{"completion_tokens": 0, "prompt_tokens": 0, "total_tokens": 0}, "weave_call": {"id": "", "ui_url": ""}}`
	if !json.Valid([]byte(emptyMetrics)) {
		t.Fatalf("emptyMetrics = %s, want JSON", emptyMetrics)
	}
	if same, err := jsontext.Equal(emptyMetrics, JSON(tylers)); err != nil || !same {
		t.Errorf("emptyMetrics = %s, %v, want %s", emptyMetrics, err, tylers)
	}
}

// FuzzPlainToolCalls holds the quick way to decode tool calls against the general one.
func FuzzPlainToolCalls(f *testing.F) {
	const call = `{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}`
	for _, text := range []string{`[]`, ` [ ] `, `[` + call + `]`, `[` + call + `, ` + call + "]\n", `[` + call + `,]`,
		`[` + call, `null`, ``, `{}`, `[[]]`,
		`[{"id":"","type":"","function":{"name":"","arguments":""}}]`,
		`[{"id":"","id":"c","function":{"name":"f","arguments":""}}]`,
		`[{"id":"a","id":"b","type":"","function":{"name":"f","arguments":""}}]`,
		`[{"id":"a","type":"","function":{"name":"f"},"function":{"arguments":"x"}}]`,
		`[{"id":null,"type":"","function":{"name":"f","arguments":""}}]`,
		`[{"id":"\u00e9\ud83d\ude00\/\b\f\n\r\t\\","type":"","function":{"name":"f","arguments":"é"}}]`,
		`[{"id":"a","type":"t","function":{"name":"f","arguments":"x"},"index":0}]`,
		"[{\"id\":\"a\n\",\"type\":\"\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]",
		`[{"type":"t","function":{"arguments":"x","name":"f"},"id":"a"}]`,
		`[{"id":"a","function":{"name":"f","arguments":"x"}}]`,
		`[{"ID":"a","type":"t","function":{"name":"f","arguments":"x"}}]`, `[{}]`, `[{"id":"\`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := plainToolCalls(text)
		if !ok {
			return
		}
		want, err := anyToolCalls(JSON(text))
		if err != nil || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, and by the general way %+v, %v", text, got, want, err)
		}
	})
}

func TestPlainToolCalls(t *testing.T) {
	t.Parallel()
	j, err := EncodeToolCalls([]ToolCall{{"c", "function", ToolCallFunction{"f", "{\"a\": \"\\n\"}"}},
		{"d", "", ToolCallFunction{"g", ""}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := plainToolCalls(string(j)); !ok {
		t.Errorf("what we write is left to the general way: %s", j)
	}
}
