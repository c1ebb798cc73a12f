package jsontext

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// Object writes v out as JSON text within the limits (limits.go). The values of v
// are those of encoding/json with UseNumber, besides int64 and float64 (GraphQL
// literals). A nil map is no object: the result is "".
// What breaks a limit is a [*LimitError].
func Object(v map[string]any) (Text, error) {
	if v == nil {
		return "", nil
	}
	w := writer{limit: MaxBytes}
	if err := w.value(v, 1); err != nil {
		return "", err
	}
	return Text(w.buf), nil
}

// documentLevels are the levels of a document that are its own: a list of
// objects. What an application keeps inside may nest as deep as anywhere else.
const documentLevels = 2

// Document writes any JSON value out within the limits of depth and numbers,
// without one of size: it is for the documents Tyler keeps in a column, whose
// size the request or the line bounds.
func Document(v any) (Text, error) {
	var w writer
	if err := w.value(v, 1-documentLevels); err != nil {
		return "", err
	}
	return Text(w.buf), nil
}

// Canonical returns the one text that all JSON texts of v's value share. It
// checks no limits: those are checked when a value comes in.
func Canonical(v any) (string, error) {
	w := writer{canonical: true}
	if err := w.value(v, 1); err != nil {
		return "", err
	}
	return string(w.buf), nil
}

// writer writes JSON as it is stored: keys sorted by bytes, numbers written
// out without an exponent, as jsonb does.
type writer struct {
	buf       []byte
	limit     int  // bytes; 0 is none
	canonical bool // numbers in the one form each value has; of stored values, so without limits
}

// value writes any value; depth is the level at which it nests.
func (w *writer) value(v any, depth int) (err error) {
	switch v := v.(type) {
	case nil:
		w.buf = append(w.buf, "null"...)
	case bool:
		w.buf = strconv.AppendBool(w.buf, v)
	case string:
		if !w.canonical && strings.IndexByte(v, 0) >= 0 {
			return limitf("must not hold U+0000")
		}
		w.buf = appendString(w.buf, v)
	case json.Number:
		err = w.number(v.String())
	case int64:
		err = w.number(strconv.FormatInt(v, 10))
	case int:
		err = w.number(strconv.Itoa(v))
	case float64:
		err = w.number(strconv.FormatFloat(v, 'g', -1, 64))
	case map[string]any:
		err = w.object(v, depth)
	case []any:
		err = w.list(v, depth)
	default:
		err = fmt.Errorf("no JSON value: %T", v)
	}
	if err == nil && w.limit > 0 && len(w.buf) > w.limit {
		err = limitf("must not be larger than %d bytes, numbers written out", w.limit)
	}
	return err
}

func (w *writer) object(object map[string]any, depth int) error {
	if err := w.checkDepth(depth); err != nil {
		return err
	}
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	w.buf = append(w.buf, '{')
	for i, k := range keys {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		if err := w.value(k, depth); err != nil {
			return err
		}
		w.buf = append(w.buf, ':')
		if err := w.value(object[k], depth+1); err != nil {
			return err
		}
	}
	w.buf = append(w.buf, '}')
	return nil
}

func (w *writer) list(list []any, depth int) error {
	if err := w.checkDepth(depth); err != nil {
		return err
	}
	w.buf = append(w.buf, '[')
	for i, e := range list {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		if err := w.value(e, depth+1); err != nil {
			return err
		}
	}
	w.buf = append(w.buf, ']')
	return nil
}

func (w *writer) checkDepth(depth int) error {
	if !w.canonical && depth > MaxDepth {
		return limitf("must not nest deeper than %d levels", MaxDepth)
	}
	return nil
}

// appendString appends s as a JSON string, escaping only what must be.
func appendString(buf []byte, s string) []byte {
	const hex = "0123456789abcdef"
	buf = append(buf, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		buf = append(buf, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			buf = append(buf, '\\', c)
		case '\n':
			buf = append(buf, '\\', 'n')
		case '\r':
			buf = append(buf, '\\', 'r')
		case '\t':
			buf = append(buf, '\\', 't')
		default:
			buf = append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(buf, s[start:]...), '"')
}
