package db

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/threadstore/threadstore/db/jsontext"
)

// This file holds the documents a message keeps in JSON columns. Their keys are
// Tyler's. Encode... makes a document from typed input; Parse... checks one
// that comes as JSON (Tyler's interchange) and keeps the keys it does not know.

// Part is a piece of a message's content: [TextPart] or [ImagePart].
type Part interface{ IsContentPart() }

// TextPart is text.
type TextPart struct{ Text string }

// ImagePart is an image, by URL or data URL.
type ImagePart struct{ URL string }

func (TextPart) IsContentPart() {}

func (ImagePart) IsContentPart() {}

// ToolCall is a call of a tool that an assistant asks for.
type ToolCall struct {
	CallID   string
	Type     string
	Function ToolCallFunction
}

// ToolCallFunction is the tool to call. Arguments is JSON text as the model wrote it.
type ToolCallFunction struct {
	Name      string
	Arguments string
}

// AttachmentStatus says where the file of an attachment is. The value is what the column holds.
type AttachmentStatus string

const (
	AttachmentPending AttachmentStatus = "pending"
	AttachmentStored  AttachmentStatus = "stored"
	AttachmentFailed  AttachmentStatus = "failed"
)

// Attachment is a file that belongs to a message; its bytes are elsewhere.
type Attachment struct {
	Filename       string
	MimeType       *string
	FileID         *string
	StoragePath    *string
	StorageBackend *string
	Status         AttachmentStatus
	Attributes     JSON // an object, "" for none
}

// Metrics is what producing a message took.
type Metrics struct {
	Model     *string
	Timing    Timing
	Usage     TokenUsage
	WeaveCall *WeaveCall
}

// Timing is when a model's answer began and ended, and how long it took.
type Timing struct {
	StartedAt *time.Time
	EndedAt   *time.Time
	LatencyMS float64 // milliseconds
}

// TokenUsage is the tokens a model's answer cost.
type TokenUsage struct {
	PromptTokens     int
	CompletionTokens int
	TotalTokens      int
}

// WeaveCall is the trace of the call in W&B Weave.
type WeaveCall struct {
	CallID string
	UIURL  string
}

// fields are the members of a document's object. encoding/json into a struct
// would take "Status" for "status".
type fields map[string]json.RawMessage

// object returns a member that is an object, empty when it is absent or null.
func (f fields) object(key string) (inner fields, err error) {
	return inner, f.into(key, &inner)
}

// into decodes a member into v, which stays as it is when the member is absent or null.
func (f fields) into(key string, v any) error {
	text, ok := f[key]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(text, v); err != nil {
		want := "a string or null"
		if _, ok := v.(*fields); ok {
			want = "an object or null"
		}
		return Invalidf([]any{key}, "must be %s", want)
	}
	return nil
}

// number returns a member that is a number, 0 when it is absent or null.
func (f fields) number(key string) (float64, error) {
	text := string(f[key])
	if text == "" || text == "null" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(text, 64) // a JSON number, or a quote or a brace that is none
	if err != nil {
		return 0, Invalidf([]any{key}, "must be a number")
	}
	return n, nil
}

// emptyMetrics is the document of the zero [Metrics].
var emptyMetrics = must(EncodeMetrics(Metrics{}))

func must(j JSON, err error) JSON {
	if err != nil {
		panic(err)
	}
	return j
}

// noParts is the document of an empty list, which leaves a message without content.
const noParts JSON = "[]"

// EncodeParts returns the document of parts.
func EncodeParts(parts []Part) (JSON, error) {
	list := make([]any, len(parts))
	for i, p := range parts {
		switch p := p.(type) {
		case TextPart:
			if err := checkText(&p.Text); err != nil {
				return "", At(err, i, "text")
			}
			list[i] = map[string]any{"type": "text", "text": p.Text}
		case ImagePart:
			if err := checkText(&p.URL); err != nil {
				return "", At(err, i, "imageUrl")
			}
			list[i] = map[string]any{"type": "image_url", "image_url": map[string]any{"url": p.URL}}
		}
	}
	return newDocument(list)
}

// ParseParts checks a content list in Tyler's JSON and returns it as a document.
func ParseParts(list any) (JSON, error) {
	return parse(list, decodeParts)
}

func decodeParts(j JSON) ([]Part, error) {
	return decodeList(j, func(f fields) (Part, error) {
		var kind string
		var text, url *string
		image, err := f.object("image_url")
		for _, err := range []error{err, f.into("type", &kind), f.into("text", &text), image.into("url", &url)} {
			if err != nil {
				return nil, err
			}
		}
		switch {
		case kind == "text" && text != nil:
			return TextPart{Text: *text}, nil
		case kind == "image_url" && url != nil:
			return ImagePart{URL: *url}, nil
		}
		return nil, Invalidf(nil, "must be a text part with text or an image_url part with a url")
	})
}

// joinTexts returns the texts of parts joined by newlines, nil when there are none.
func joinTexts(parts []Part) *string {
	var texts []string
	for _, p := range parts {
		if t, ok := p.(TextPart); ok {
			texts = append(texts, t.Text)
		}
	}
	if texts == nil {
		return nil
	}
	joined := strings.Join(texts, "\n")
	return &joined
}

// EncodeToolCalls returns the document of calls, "" for none.
func EncodeToolCalls(calls []ToolCall) (JSON, error) {
	if len(calls) == 0 {
		return "", nil
	}
	list := make([]any, len(calls))
	for i, c := range calls {
		if err := c.check(); err != nil {
			return "", At(err, i)
		}
		list[i] = map[string]any{"id": c.CallID, "type": c.Type,
			"function": map[string]any{"name": c.Function.Name, "arguments": c.Function.Arguments}}
	}
	return newDocument(list)
}

func (c ToolCall) check() error {
	for _, f := range []struct {
		path     []any
		text     string
		required bool
	}{
		{[]any{"callId"}, c.CallID, true},
		{[]any{"type"}, c.Type, false},
		{[]any{"function", "name"}, c.Function.Name, true},
		{[]any{"function", "arguments"}, c.Function.Arguments, false},
	} {
		if f.required && f.text == "" {
			return Invalidf(f.path, "must not be empty")
		}
		if err := checkText(&f.text); err != nil {
			return At(err, f.path...)
		}
	}
	return nil
}

// ParseToolCalls checks tool calls in Tyler's JSON and returns them as a document, "" for none.
func ParseToolCalls(list any) (JSON, error) {
	return parse(list, func(j JSON) ([]ToolCall, error) {
		calls, err := decodeToolCalls(j)
		for i, c := range calls {
			if err := c.check(); err != nil {
				return nil, At(err, i)
			}
		}
		return calls, err
	})
}

func decodeToolCalls(j JSON) ([]ToolCall, error) {
	if calls, ok := plainToolCalls(string(j)); ok {
		return calls, nil
	}
	return anyToolCalls(j)
}

func anyToolCalls(j JSON) ([]ToolCall, error) {
	return decodeList(j, func(f fields) (ToolCall, error) {
		var id, kind, name, arguments *string
		function, err := f.object("function")
		for _, err := range []error{err, f.into("id", &id), f.into("type", &kind), function.into("name", &name),
			function.into("arguments", &arguments)} {
			if err != nil {
				return ToolCall{}, err
			}
		}
		if id == nil || kind == nil || name == nil || arguments == nil {
			return ToolCall{}, Invalidf(nil, "must have id, type, and function with name and arguments")
		}
		return ToolCall{*id, *kind, ToolCallFunction{*name, *arguments}}, nil
	})
}

// EncodeAttachments returns the document of attachments, "" for none.
func EncodeAttachments(attachments []Attachment) (JSON, error) {
	if len(attachments) == 0 {
		return "", nil
	}
	list := make([]any, len(attachments))
	for i, a := range attachments {
		d := map[string]any{"status": string(a.Status)}
		for _, f := range []struct {
			name, key string
			text      *string
		}{
			{"filename", "filename", &a.Filename},
			{"mimeType", "mime_type", a.MimeType},
			{"fileId", "file_id", a.FileID},
			{"storagePath", "storage_path", a.StoragePath},
			{"storageBackend", "storage_backend", a.StorageBackend},
		} {
			if err := checkText(f.text); err != nil {
				return "", At(err, i, f.name)
			}
			d[f.key] = nil
			if f.text != nil {
				d[f.key] = *f.text
			}
		}
		if a.Attributes != "" {
			v, err := a.Attributes.Decode()
			if err != nil {
				return "", err
			}
			d["attributes"] = v
		}
		list[i] = d
	}
	return newDocument(list)
}

// ParseAttachments checks attachments in Tyler's JSON and returns them as a document, "" for none.
func ParseAttachments(list any) (JSON, error) {
	return parse(list, func(j JSON) ([]Attachment, error) {
		attachments, err := decodeAttachments(j)
		for i, a := range attachments {
			if len(a.Attributes) > jsontext.MaxBytes {
				return nil, Invalidf([]any{i, "attributes"}, "must not be larger than %d bytes, numbers written out",
					jsontext.MaxBytes)
			}
		}
		return attachments, err
	})
}

func decodeAttachments(j JSON) ([]Attachment, error) {
	return decodeList(j, func(f fields) (Attachment, error) {
		var a Attachment
		var filename *string
		for _, err := range []error{f.into("filename", &filename), f.into("mime_type", &a.MimeType),
			f.into("file_id", &a.FileID), f.into("storage_path", &a.StoragePath),
			f.into("storage_backend", &a.StorageBackend),
			f.into("status", &a.Status)} {
			if err != nil {
				return a, err
			}
		}
		if filename == nil {
			return a, Invalidf(nil, "must have a filename")
		}
		a.Filename = *filename
		switch a.Status {
		case AttachmentPending, AttachmentStored, AttachmentFailed:
		case "":
			a.Status = AttachmentPending
		default:
			return a, Invalidf([]any{"status"}, "must be pending, stored or failed")
		}
		if attributes := JSON(f["attributes"]); attributes != "" && attributes != "null" {
			if err := attributes.CheckObject(); err != nil {
				return a, Invalidf([]any{"attributes"}, "must be an object")
			}
			a.Attributes = attributes
		}
		return a, nil
	})
}

// EncodeMetrics returns the document of m.
func EncodeMetrics(m Metrics) (JSON, error) {
	d := map[string]any{
		"timing": map[string]any{"started_at": isoTime(m.Timing.StartedAt), "ended_at": isoTime(m.Timing.EndedAt),
			"latency": m.Timing.LatencyMS},
		"usage": map[string]any{"prompt_tokens": m.Usage.PromptTokens, "completion_tokens": m.Usage.CompletionTokens,
			"total_tokens": m.Usage.TotalTokens},
		"model": nil,
	}
	if m.Model != nil {
		if err := checkText(m.Model); err != nil {
			return "", At(err, "model")
		}
		d["model"] = *m.Model
	}
	call := WeaveCall{}
	if m.WeaveCall != nil {
		call = *m.WeaveCall
		for _, f := range []struct{ name, text string }{{"callId", call.CallID}, {"uiUrl", call.UIURL}} {
			if err := checkText(&f.text); err != nil {
				return "", At(err, "weaveCall", f.name)
			}
		}
	}
	d["weave_call"] = map[string]any{"id": call.CallID, "ui_url": call.UIURL}
	return newDocument(d)
}

// ParseMetrics checks metrics in Tyler's JSON and returns them as a document.
func ParseMetrics(v any) (JSON, error) {
	return parse(v, decodeMetrics)
}

func decodeMetrics(j JSON) (m Metrics, err error) {
	var f fields
	if err := decodeInto(j, &f); err != nil {
		return m, err
	}
	timing, err1 := f.object("timing")
	usage, err2 := f.object("usage")
	call, err3 := f.object("weave_call")
	var started, ended, id, url *string
	for _, err := range []error{err1, err2, err3, f.into("model", &m.Model), timing.into("started_at", &started),
		timing.into("ended_at", &ended),
		call.into("id", &id), call.into("ui_url", &url)} {
		if err != nil {
			return m, err
		}
	}
	if w := (WeaveCall{orEmpty(id), orEmpty(url)}); w != (WeaveCall{}) {
		m.WeaveCall = &w
	}
	for _, t := range []struct {
		key  string
		text *string
		to   **time.Time
	}{{"started_at", started, &m.Timing.StartedAt}, {"ended_at", ended, &m.Timing.EndedAt}} {
		if t.text == nil {
			continue
		}
		at, err := ParseTime(*t.text)
		if err != nil {
			return m, Invalidf([]any{"timing", t.key}, "must be a time")
		}
		*t.to = &at
	}
	for key, to := range map[string]*int{"prompt_tokens": &m.Usage.PromptTokens,
		"completion_tokens": &m.Usage.CompletionTokens, "total_tokens": &m.Usage.TotalTokens} {
		n, err := usage.number(key)
		if err != nil || n != math.Trunc(n) || n < math.MinInt32 || n > math.MaxInt32 {
			return m, Invalidf([]any{"usage", key}, "must be a whole number of 32 bits")
		}
		*to = int(n)
	}
	if m.Timing.LatencyMS, err = timing.number("latency"); err != nil {
		return m, At(err, "timing")
	}
	return m, nil
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// decodeList decodes a document that is a list of objects.
func decodeList[T any](j JSON, decode func(fields) (T, error)) ([]T, error) {
	var list []fields
	if err := decodeInto(j, &list); err != nil {
		return nil, err
	}
	out := make([]T, len(list))
	for i, f := range list {
		var err error
		if out[i], err = decode(f); err != nil {
			return nil, At(err, i)
		}
	}
	return out, nil
}

func isoTime(t *time.Time) any {
	if t == nil {
		return nil
	}
	return FormatTime(*t)
}

// decodeInto decodes a document; "" and null leave v as it is.
func decodeInto(j JSON, v any) error {
	if j == "" {
		return nil
	}
	return json.Unmarshal([]byte(j), v)
}

// parse writes the JSON value v out as a document and checks it by decoding it.
func parse[T any](v any, decode func(JSON) (T, error)) (JSON, error) {
	if v == nil {
		return "", nil
	}
	if list, ok := v.([]any); ok && len(list) == 0 {
		return "", nil
	}
	j, err := newDocument(v)
	if err != nil {
		return "", err
	}
	if _, err := decode(j); err != nil {
		if Invalid.Is(err) {
			return "", err
		}
		return "", Invalidf(nil, "must have the shape that Tyler writes")
	}
	return j, nil
}

// normalise returns a function that decodes a document and encodes it again,
// which makes two spellings of the same typed value equal as JSON.
func normalise[T any](decode func(JSON) (T, error), encode func(T) (JSON, error)) func(JSON) (JSON, error) {
	return func(j JSON) (JSON, error) {
		v, err := decode(j)
		if err != nil {
			return "", fmt.Errorf("stored document: %v", err)
		}
		return encode(v)
	}
}

var (
	normaliseParts       = normalise(decodeParts, EncodeParts)
	normaliseToolCalls   = normalise(decodeToolCalls, EncodeToolCalls)
	normaliseAttachments = normalise(decodeAttachments, EncodeAttachments)
	normaliseMetrics     = normalise(decodeMetrics, EncodeMetrics)
)
