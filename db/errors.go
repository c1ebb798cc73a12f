package db

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what a caller can do about an [*Error].
type Code int

const (
	// Invalid: the input breaks a rule; Path names the field.
	Invalid Code = iota + 1
	// NotFound: what the call needs does not exist.
	NotFound
	// Conflict: the input is fine but the stored state forbids it.
	Conflict
	// Unavailable: the database cannot take the request now; the same request may succeed later.
	Unavailable
	// Timeout: the deadline of the caller's context passed, or its client went away.
	Timeout
)

// Error is an error that may be shown to a client: Reason never holds SQL,
// driver text or stored data.
type Error struct {
	Code   Code
	Path   []any // Invalid only: field names (string) and list positions (int), outermost first
	Reason string
	Err    error // the cause, for the log; may be nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Reason + ": " + e.Err.Error()
	}
	return e.Reason
}

func (e *Error) Unwrap() error { return e.Err }

// Field is the path as text: thread.messages[3].toolCallId.
func (e *Error) Field() string {
	var b strings.Builder
	for _, p := range e.Path {
		if i, ok := p.(int); ok {
			fmt.Fprintf(&b, "[%d]", i)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		fmt.Fprint(&b, p)
	}
	return b.String()
}

// Is reports whether err is an [*Error] of this code.
func (c Code) Is(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == c
}

// Invalidf returns an Invalid error for the field at path.
func Invalidf(path []any, format string, args ...any) *Error {
	return &Error{Code: Invalid, Path: path, Reason: fmt.Sprintf(format, args...)}
}

// At returns err with prefix put before its path, if it is an Invalid error.
func At(err error, prefix ...any) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code == Invalid {
		moved := *e
		moved.Path = append(append([]any{}, prefix...), e.Path...)
		return &moved
	}
	return err
}

// tooBusy is the error of who has waited for others as long as a request may.
func tooBusy(cause error) *Error {
	return &Error{Code: Unavailable, Reason: "the database is too busy; try again", Err: cause}
}

func conflictf(format string, args ...any) error {
	return &Error{Code: Conflict, Reason: fmt.Sprintf(format, args...)}
}
