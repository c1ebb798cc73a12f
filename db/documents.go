package db

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
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

func (TextPart) IsContentPart()  {}
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

type partDocument struct {
	Type     string         `json:"type"`
	Text     *string        `json:"text,omitempty"`
	ImageURL *imageDocument `json:"image_url,omitempty"`
}

type imageDocument struct {
	URL *string `json:"url"`
}

type toolCallDocument struct {
	ID       *string `json:"id"`
	Type     *string `json:"type"`
	Function *struct {
		Name      *string `json:"name"`
		Arguments *string `json:"arguments"`
	} `json:"function"`
}

type attachmentDocument struct {
	Filename       *string          `json:"filename"`
	MimeType       *string          `json:"mime_type"`
	FileID         *string          `json:"file_id"`
	StoragePath    *string          `json:"storage_path"`
	StorageBackend *string          `json:"storage_backend"`
	Status         AttachmentStatus `json:"status"`
	Attributes     json.RawMessage  `json:"attributes,omitempty"`
}

type metricsDocument struct {
	Model  *string `json:"model"`
	Timing struct {
		StartedAt *string     `json:"started_at"`
		EndedAt   *string     `json:"ended_at"`
		Latency   json.Number `json:"latency"`
	} `json:"timing"`
	Usage struct {
		CompletionTokens json.Number `json:"completion_tokens"`
		PromptTokens     json.Number `json:"prompt_tokens"`
		TotalTokens      json.Number `json:"total_tokens"`
	} `json:"usage"`
	WeaveCall struct {
		ID    string `json:"id"`
		UIURL string `json:"ui_url"`
	} `json:"weave_call"`
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
	var list []partDocument
	if err := decodeInto(j, &list); err != nil {
		return nil, err
	}
	parts := make([]Part, len(list))
	for i, d := range list {
		switch {
		case d.Type == "text" && d.Text != nil:
			parts[i] = TextPart{Text: *d.Text}
		case d.Type == "image_url" && d.ImageURL != nil && d.ImageURL.URL != nil:
			parts[i] = ImagePart{URL: *d.ImageURL.URL}
		default:
			return nil, Invalidf([]any{i}, "must be a text part with text or an image_url part with a url")
		}
	}
	return parts, nil
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
	var list []toolCallDocument
	if err := decodeInto(j, &list); err != nil {
		return nil, err
	}
	calls := make([]ToolCall, len(list))
	for i, d := range list {
		if d.ID == nil || d.Type == nil || d.Function == nil || d.Function.Name == nil || d.Function.Arguments == nil {
			return nil, Invalidf([]any{i}, "must have id, type, and function with name and arguments")
		}
		calls[i] = ToolCall{*d.ID, *d.Type, ToolCallFunction{*d.Function.Name, *d.Function.Arguments}}
	}
	return calls, nil
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
			v, err := a.Attributes.decode()
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
			if len(a.Attributes) > MaxJSONBytes {
				return nil, Invalidf([]any{i, "attributes"}, "must not be larger than %d bytes, numbers written out", MaxJSONBytes)
			}
		}
		return attachments, err
	})
}

func decodeAttachments(j JSON) ([]Attachment, error) {
	var list []attachmentDocument
	if err := decodeInto(j, &list); err != nil {
		return nil, err
	}
	attachments := make([]Attachment, len(list))
	for i, d := range list {
		if d.Filename == nil {
			return nil, Invalidf([]any{i}, "must have a filename")
		}
		a := Attachment{Filename: *d.Filename, MimeType: d.MimeType, FileID: d.FileID,
			StoragePath: d.StoragePath, StorageBackend: d.StorageBackend, Status: d.Status}
		switch d.Status {
		case AttachmentPending, AttachmentStored, AttachmentFailed:
		case "":
			a.Status = AttachmentPending
		default:
			return nil, Invalidf([]any{i}, "must have the status pending, stored or failed")
		}
		if attributes := JSON(d.Attributes); attributes != "" && attributes != "null" {
			if err := attributes.object(); err != nil {
				return nil, Invalidf([]any{i}, "must have an object as attributes")
			}
			a.Attributes = attributes
		}
		attachments[i] = a
	}
	return attachments, nil
}

// EncodeMetrics returns the document of m.
func EncodeMetrics(m Metrics) (JSON, error) {
	d := map[string]any{
		"timing": map[string]any{"started_at": isoTime(m.Timing.StartedAt), "ended_at": isoTime(m.Timing.EndedAt), "latency": m.Timing.LatencyMS},
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

func decodeMetrics(j JSON) (Metrics, error) {
	var d metricsDocument
	if err := decodeInto(j, &d); err != nil {
		return Metrics{}, err
	}
	m := Metrics{Model: d.Model}
	if d.WeaveCall.ID != "" || d.WeaveCall.UIURL != "" {
		m.WeaveCall = &WeaveCall{CallID: d.WeaveCall.ID, UIURL: d.WeaveCall.UIURL}
	}
	for _, f := range []struct {
		name string
		text *string
		to   **time.Time
	}{{"started_at", d.Timing.StartedAt, &m.Timing.StartedAt}, {"ended_at", d.Timing.EndedAt, &m.Timing.EndedAt}} {
		if f.text == nil {
			continue
		}
		t, err := ParseTime(*f.text)
		if err != nil {
			return Metrics{}, Invalidf([]any{f.name}, "must be a time")
		}
		*f.to = &t
	}
	for _, f := range []struct {
		name string
		text json.Number
		to   *int
	}{
		{"prompt_tokens", d.Usage.PromptTokens, &m.Usage.PromptTokens},
		{"completion_tokens", d.Usage.CompletionTokens, &m.Usage.CompletionTokens},
		{"total_tokens", d.Usage.TotalTokens, &m.Usage.TotalTokens},
	} {
		n, err := finite(f.text)
		if err != nil || n != math.Trunc(n) || math.Abs(n) > math.MaxInt32 {
			return Metrics{}, Invalidf([]any{f.name}, "must be a whole number of 32 bits")
		}
		*f.to = int(n)
	}
	var err error
	if m.Timing.LatencyMS, err = finite(d.Timing.Latency); err != nil {
		return Metrics{}, Invalidf([]any{"latency"}, "must be a number")
	}
	return m, nil
}

// finite returns the number, 0 for an absent one.
func finite(n json.Number) (float64, error) {
	if n == "" {
		return 0, nil
	}
	return n.Float64()
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
