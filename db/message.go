package db

import (
	"fmt"
	"time"

	"github.com/threadstore/threadstore/db/jsontext"
)

// Message is one message of a thread. Its documents (parts, tool calls,
// attachments, metrics) are kept as the JSON text of their column and decoded
// by the methods, so that keys this program does not know survive, and reading
// a list costs only what is asked for.
type Message struct {
	ID         string
	ThreadID   string
	Role       Role
	Sequence   int     // 0 for system messages, 1..n for the others
	Content    *string // plain text, or the texts of the parts joined by newlines
	Name       *string
	ToolCallID *string
	Attributes JSON // an object, never ""
	Timestamp  time.Time
	Source     JSON // an object, "" for none

	position    int  // among the system messages, from 1; 0 for the others
	parts       JSON // "" for plain text
	toolCalls   JSON // "" for none
	attachments JSON // "" for none
	metrics     JSON
}

// assignSequence puts the message where it is the n-th (from 1) of the thread's system
// messages, or of its others.
func (m *Message) assignSequence(n int) {
	if m.Role == RoleSystem {
		m.Sequence, m.position = 0, n
	} else {
		m.Sequence, m.position = n, 0
	}
}

// MessagePatch is a message as it was given: omitted fields take their default
// on insert and keep their stored value on update. The documents come from
// Encode... or Parse... of this package, which check them.
type MessagePatch struct {
	ID          *string // nil: the server makes one
	Role        Role
	Content     Opt[*string]
	Parts       Opt[JSON] // not together with Content, null aside
	Name        Opt[*string]
	ToolCallID  Opt[*string]
	ToolCalls   Opt[JSON]
	Attributes  Opt[JSON]
	Timestamp   Opt[*time.Time] // nil: now
	Source      Opt[JSON]
	Attachments Opt[JSON]
	Metrics     Opt[JSON]
}

// newMessage returns a message of all defaults.
func newMessage(threadID string, now time.Time) Message {
	return Message{ThreadID: threadID, Attributes: EmptyObject, Timestamp: now, metrics: emptyMetrics}
}

// apply puts the given fields of p into m. now is the default of the timestamp.
// The error is that of a document which did not come from this package.
func (m *Message) apply(p MessagePatch, now time.Time) error {
	m.Role = p.Role
	switch {
	case p.Parts.Value != "" && p.Parts.Value != noParts:
		parts, err := decodeParts(p.Parts.Value)
		if err != nil {
			return err
		}
		m.Content, m.parts = joinTexts(parts), p.Parts.Value
	case p.Content.Value != nil:
		m.Content, m.parts = p.Content.Value, ""
	case p.Parts.Set, p.Content.Set: // null, or no parts
		m.Content, m.parts = nil, ""
	}
	for _, t := range messageTexts {
		if t.given != nil {
			set(t.stored(m), *t.given(&p))
		}
	}
	set(&m.toolCalls, p.ToolCalls)
	set(&m.Source, p.Source)
	set(&m.attachments, p.Attachments)
	if set(&m.Attributes, p.Attributes); m.Attributes == "" {
		m.Attributes = EmptyObject
	}
	if set(&m.metrics, p.Metrics); m.metrics == "" {
		m.metrics = emptyMetrics
	}
	if p.Timestamp.Set {
		m.Timestamp = now
		if p.Timestamp.Value != nil {
			m.Timestamp = *p.Timestamp.Value
		}
	}
	return nil
}

// validate checks what holds for the message whatever is stored.
func (p MessagePatch) validate() error {
	if p.ID != nil {
		if err := checkID(*p.ID); err != nil {
			return At(err, "id")
		}
	}
	if !p.Role.valid() {
		return Invalidf([]any{"role"}, "must be a role")
	}
	if p.Content.Value != nil && p.Parts.Value != "" {
		return Invalidf([]any{"parts"}, "must not be given together with content")
	}
	if err := checkText(p.Content.Value); err != nil {
		return At(err, "content")
	}
	for _, t := range messageTexts {
		if t.given == nil {
			continue
		}
		if err := checkText(t.given(&p).Value); err != nil {
			return At(err, t.field)
		}
	}
	return nil
}

// validate checks what a message must be once the patch is applied.
func (m *Message) validate() error {
	if m.Role == RoleTool && (m.ToolCallID == nil || *m.ToolCallID == "") {
		return Invalidf([]any{"toolCallId"}, "must be given for a message of role TOOL, and not be empty")
	}
	return nil
}

// same reports whether the stored message is what inserting p would make, its
// sequence, position and (unless given) timestamp aside: then p is a retry.
func (m *Message) same(p MessagePatch) (bool, error) {
	want := newMessage(m.ThreadID, m.Timestamp)
	if err := want.apply(p, m.Timestamp); err != nil {
		return false, err
	}
	if m.Role != want.Role || !m.Timestamp.Equal(want.Timestamp) {
		return false, nil
	}
	for _, t := range messageTexts {
		if !equal(*t.stored(m), *t.stored(&want)) {
			return false, nil
		}
	}
	for _, pair := range []struct {
		a, b      JSON
		normalise func(JSON) (JSON, error)
	}{
		{m.Attributes, want.Attributes, nil},
		{m.Source, want.Source, nil},
		{m.parts, want.parts, normaliseParts},
		{m.toolCalls, want.toolCalls, normaliseToolCalls},
		{m.attachments, want.attachments, normaliseAttachments},
		{m.metrics, want.metrics, normaliseMetrics},
	} {
		if n := pair.normalise; n != nil {
			var err error
			if pair.a, err = n(pair.a); err != nil {
				return false, err
			}
			if pair.b, err = n(pair.b); err != nil {
				return false, err
			}
		}
		if ok, err := jsontext.Equal(pair.a, pair.b); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func equal[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// brokenMessage says which stored message cannot be read. The cause is not
// wrapped: what would be the client's mistake in an input is ours in the store.
type brokenMessage struct {
	id, column string
	cause      error
}

func (e *brokenMessage) Error() string {
	return fmt.Sprintf("message %q: stored %s: %v", e.id, e.column, e.cause)
}

func (m *Message) broken(column string, err error) error {
	return &brokenMessage{m.ID, column, err}
}

// Parts returns the content as parts: one TextPart for plain text, none when
// there is no content.
func (m *Message) Parts() ([]Part, error) {
	if m.parts != "" {
		parts, err := decodeParts(m.parts)
		if err != nil {
			return nil, m.broken("parts", err)
		}
		return parts, nil
	}
	if m.Content == nil {
		return nil, nil
	}
	return []Part{TextPart{Text: *m.Content}}, nil
}

// ToolCalls returns the calls the message asks for.
func (m *Message) ToolCalls() ([]ToolCall, error) {
	calls, err := decodeToolCalls(m.toolCalls)
	if err != nil {
		return nil, m.broken("tool_calls", err)
	}
	return calls, nil
}

// Attachments returns the files of the message.
func (m *Message) Attachments() ([]Attachment, error) {
	attachments, err := decodeAttachments(m.attachments)
	if err != nil {
		return nil, m.broken("attachments", err)
	}
	return attachments, nil
}

// Metrics returns what the model's answer cost; zeros where nothing is recorded.
func (m *Message) Metrics() (Metrics, error) {
	metrics, err := decodeMetrics(m.metrics)
	if err != nil {
		return Metrics{}, m.broken("metrics", err)
	}
	return metrics, nil
}

// Documents are the JSON texts of a message's documents as they are stored,
// with the keys this program does not know; "" for none.
type Documents struct{ Parts, ToolCalls, Attachments, Metrics JSON }

// Documents returns the stored documents. An empty list, as Tyler may have stored it, is none.
func (m *Message) Documents() Documents {
	filled := func(j JSON) JSON {
		if j == "[]" {
			return ""
		}
		return j
	}
	return Documents{filled(m.parts), filled(m.toolCalls), filled(m.attachments), m.metrics}
}
