package db

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxIDLength is how long an id may be, in code points.
const MaxIDLength = 255

// DefaultTitle is the title of a thread created without one.
const DefaultTitle = "Untitled Thread"

// Thread is a conversation without its messages.
type Thread struct {
	ID         string
	Title      *string // nil when it was set to null
	Attributes JSON    // an object, never ""
	Source     JSON    // an object, "" for none
	CreatedAt  time.Time
	UpdatedAt  time.Time // strictly increases with every change of the thread or its messages
}

// newThread returns a thread of all defaults, but for its id and when it was created.
func newThread(id string, p ThreadPatch, now time.Time) Thread {
	title := DefaultTitle
	t := Thread{ID: id, Title: &title, Attributes: EmptyObject, CreatedAt: now, UpdatedAt: now}
	if p.CreatedAt != nil {
		t.CreatedAt = *p.CreatedAt
	}
	return t
}

// apply puts the given fields of p into t.
func (t *Thread) apply(p ThreadPatch) {
	if p.Title.Set {
		t.Title = p.Title.Value
	}
	if p.Attributes.Set {
		t.Attributes = p.Attributes.Value
		if t.Attributes == "" {
			t.Attributes = EmptyObject
		}
	}
	if p.Source.Set {
		t.Source = p.Source.Value
	}
}

// ThreadPatch is what saveThread was given: omitted fields keep their stored
// value on update and take their default on create.
type ThreadPatch struct {
	ID         *string // nil: the server makes one
	Title      Opt[*string]
	Attributes Opt[JSON]
	Source     Opt[JSON]
	CreatedAt  *time.Time // counts on create only; nil: now
	// Messages, when not nil, is the exact new list.
	Messages *[]MessagePatch
	// IfUnmodifiedSince, when not nil, makes the save fail with Conflict unless
	// the thread exists and was not updated after that time.
	IfUnmodifiedSince *time.Time
}

// validate checks what holds for a thread's own fields whatever is stored.
func (p ThreadPatch) validate() error {
	if p.ID != nil {
		if err := checkID(*p.ID); err != nil {
			return At(err, "id")
		}
	}
	if err := checkText(p.Title.Value); err != nil {
		return At(err, "title")
	}
	return nil
}

// check checks what holds for a save, or for what is restored as of a time, whatever is stored.
func (p ThreadPatch) check(restored *time.Time) error {
	if restored != nil && restored.Year() >= maxRestoreYear {
		return Invalidf([]any{"updatedAt"}, "must be before the year %d", maxRestoreYear)
	}
	if err := p.validate(); err != nil {
		return err
	}
	if p.Messages != nil {
		return At(validateList(*p.Messages), "messages")
	}
	return nil
}

// validateList checks what holds for a list of messages whatever is stored.
func validateList(list []MessagePatch) error {
	seen := map[string]bool{}
	for i, p := range list {
		if err := p.validate(); err != nil {
			return At(err, i)
		}
		if p.ID == nil {
			continue
		}
		if seen[*p.ID] {
			return Invalidf([]any{i, "id"}, "must not stand in the list twice")
		}
		seen[*p.ID] = true
	}
	return nil
}

// isValidID reports whether id could be stored: reads answer "unknown" for any other.
func isValidID(id string) bool { return checkID(id) == nil }

// validIDs returns those of the ids that could be stored.
func validIDs(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !isValidID(id) })
}

func checkID(id string) error {
	if n := utf8.RuneCountInString(id); n < 1 || n > MaxIDLength {
		return Invalidf(nil, "must have 1 to %d code points, not %d", MaxIDLength, n)
	}
	return checkText(&id)
}

func checkText(s *string) error {
	if s != nil && strings.IndexByte(*s, 0) >= 0 {
		return Invalidf(nil, "must not hold U+0000")
	}
	return nil
}
