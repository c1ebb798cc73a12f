package interchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/jsontext"
)

// line is a thread of the file, in the keys that Tyler writes. It and messageLine define the format: encode fills them
// for Export; decode and decodeMessage read the same keys for Import, one by one, since they refuse what has another
// type and tell a key that is absent from null.
type line struct {
	ID         string          `json:"id"`
	Title      *string         `json:"title"`
	Messages   []messageLine   `json:"messages"`
	CreatedAt  string          `json:"created_at"`
	UpdatedAt  string          `json:"updated_at"`
	Attributes json.RawMessage `json:"attributes"`
	Source     json.RawMessage `json:"source"`
}

// messageLine is a message of the line: what Tyler leaves out when it is empty is at the end.
type messageLine struct {
	ID          string          `json:"id"`
	Role        db.Role         `json:"role"`
	Sequence    int             `json:"sequence"` // not read: the order of the list counts
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

// encode makes a thread and its messages a line.
func encode(t *db.Thread, messages []*db.Message) line {
	l := line{ID: t.ID, Title: t.Title, CreatedAt: db.FormatTime(t.CreatedAt), UpdatedAt: db.FormatTime(t.UpdatedAt),
		Attributes: raw(t.Attributes), Source: raw(t.Source), Messages: make([]messageLine, len(messages))}
	for i, m := range messages {
		d := m.Documents()
		ml := messageLine{
			ID:          m.ID,
			Role:        m.Role,
			Sequence:    m.Sequence,
			Content:     m.Content,
			Timestamp:   db.FormatTime(m.Timestamp),
			Source:      raw(m.Source),
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

// decode reads a line.
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
		if messages[i], err = decodeMessage(v, *p.ID, i, *p.CreatedAt); err != nil {
			return p, updatedAt, db.At(err, "messages", i)
		}
	}
	p.Messages = &messages
	return p, updatedAt, nil
}

// decodeMessage reads a message of a line.
func decodeMessage(v any, threadID string, index int, created time.Time) (p db.MessagePatch, err error) {
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
	"createdAt": "created_at", "updatedAt": "updated_at", "toolCallId": "tool_call_id", "toolCalls": "tool_calls",
	"callId": "id", "parts": "content", "imageUrl": "image_url",
}
