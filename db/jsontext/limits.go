package jsontext

import "fmt"

// Limits of every JSON value a client may store or search for. They are the
// same on both databases and keep a few bytes of input from becoming megabytes
// of jsonb (1e131071 is eight characters in and 131,072 out).
const (
	// MaxDepth is how deep objects and lists may nest; the outermost is level 1.
	MaxDepth = 64
	// MaxBytes is the largest JSON object: bytes of UTF-8, numbers written out.
	MaxBytes = 1 << 20
	// MaxDigits is how many significant digits a number may have.
	MaxDigits = 100
)

// LimitError is a value beyond one of the limits. Reason begins with "must" and holds nothing of the value.
type LimitError struct{ Reason string }

func (e *LimitError) Error() string { return e.Reason }

func limitf(format string, args ...any) error {
	return &LimitError{fmt.Sprintf(format, args...)}
}
