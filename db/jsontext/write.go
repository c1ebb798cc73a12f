package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

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

// Text is the text of a JSON value; "" stands for none (SQL NULL).
type Text string

// EmptyObject is the default of attributes.
const EmptyObject Text = "{}"

// Object writes v out as JSON text within the limits above. The values of v
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

// LimitError is a value beyond one of the limits. Reason begins with "must" and holds nothing of the value.
type LimitError struct{ Reason string }

func (e *LimitError) Error() string { return e.Reason }

func limitf(format string, args ...any) error {
	return &LimitError{fmt.Sprintf(format, args...)}
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

// Decode returns the value of j, numbers as json.Number.
func (j Text) Decode() (any, error) { return Decode([]byte(j)) }

// Decode decodes one JSON value and nothing after it; numbers become
// json.Number. It refuses text that is not UTF-8 and escaped surrogates without
// their other half, which encoding/json would silently replace.
func Decode(text []byte) (any, error) {
	if err := CheckText(text); err != nil {
		return nil, err
	}
	if v, ok := parse(string(text)); ok {
		return v, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more text after the JSON value")
	}
	return v, nil
}

// CheckText reports whether JSON text is UTF-8 without escaped lone surrogates.
func CheckText(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("not UTF-8")
	}
	for i := 0; i < len(text); i++ {
		next := bytes.IndexByte(text[i:], '\\')
		if next < 0 {
			break
		}
		i += next + 1 // the escaped character; a backslash stands in JSON only inside a string
		high, ok := surrogate(text, i)
		if !ok {
			continue
		}
		low, ok := surrogate(text, i+6)
		if !high || !ok || low || text[i+5] != '\\' {
			return errors.New("an escaped surrogate without its other half")
		}
		i += 10
	}
	return nil
}

// surrogate reports whether uXXXX at text[i] is a surrogate, and whether it is the high half.
func surrogate(text []byte, i int) (high, ok bool) {
	if i+5 > len(text) || text[i] != 'u' {
		return false, false
	}
	n, err := strconv.ParseUint(string(text[i+1:i+5]), 16, 16)
	if err != nil || n < 0xD800 || n > 0xDFFF {
		return false, false
	}
	return n < 0xDC00, true
}

// writer writes JSON as it is stored: keys sorted by bytes, numbers written
// out without an exponent, as jsonb does.
type writer struct {
	buf       []byte
	limit     int  // bytes; 0 is none
	canonical bool // numbers in the one form each value has; of stored values, so without limits
}

func (w *writer) value(v any, depth int) error {
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
		return w.number(v.String())
	case int64:
		return w.number(strconv.FormatInt(v, 10))
	case int:
		return w.number(strconv.Itoa(v))
	case float64:
		return w.number(strconv.FormatFloat(v, 'g', -1, 64))
	case map[string]any:
		if !w.canonical && depth > MaxDepth {
			return limitf("must not nest deeper than %d levels", MaxDepth)
		}
		keys := make([]string, 0, len(v))
		for k := range v {
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
			if err := w.value(v[k], depth+1); err != nil {
				return err
			}
		}
		w.buf = append(w.buf, '}')
	case []any:
		if !w.canonical && depth > MaxDepth {
			return limitf("must not nest deeper than %d levels", MaxDepth)
		}
		w.buf = append(w.buf, '[')
		for i, e := range v {
			if i > 0 {
				w.buf = append(w.buf, ',')
			}
			if err := w.value(e, depth+1); err != nil {
				return err
			}
		}
		w.buf = append(w.buf, ']')
	default:
		return fmt.Errorf("no JSON value: %T", v)
	}
	if w.limit > 0 && len(w.buf) > w.limit {
		return limitf("must not be larger than %d bytes, numbers written out", w.limit)
	}
	return nil
}

func (w *writer) number(literal string) error {
	n, err := parseNumber(literal)
	if err != nil {
		return err
	}
	if w.canonical {
		w.buf = n.appendCanonical(w.buf)
		return nil
	}
	if err := n.check(); err != nil {
		return err
	}
	w.buf = n.appendPlain(w.buf)
	if w.limit > 0 && len(w.buf) > w.limit {
		return limitf("must not be larger than %d bytes, numbers written out", w.limit)
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

// number is a decimal number: ± 0.DIGITS × 10^exponent, digits without leading
// and trailing zeros; none for zero.
type number struct {
	negative bool
	digits   string
	exponent int
	literal  string // as given, when it has no exponent and is short; else ""
}

// The magnitudes a double can have, zero aside: 5e-324 to 1.8e308, as digits and exponent.
const (
	minExponent, minDigits = -323, "5"
	maxExponent, maxDigits = 309, "18"
)

// maxLiteral is how long a number may be and still be stored as it was typed
// (1.50 stays 1.50). A longer one is stored without superfluous zeros: jsonb
// takes 16,383 digits after the point and no more.
const maxLiteral = 500

// parseNumber reads the text of a JSON number.
func parseNumber(literal string) (number, error) {
	n := number{}
	rest := literal
	rest, n.negative = strings.CutPrefix(rest, "-")
	exponent := 0
	mantissa := rest
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		mantissa = rest[:i]
		var err error
		if exponent, err = strconv.Atoi(rest[i+1:]); err != nil {
			// More digits than an int holds: out of every range, unless the number is zero.
			exponent = 1 << 40
			if strings.HasPrefix(rest[i+1:], "-") {
				exponent = -exponent
			}
		}
	} else if len(literal) <= maxLiteral {
		n.literal = literal
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	n.exponent = exponent + len(whole)
	all := whole + fraction
	if strings.Trim(all, "0123456789") != "" || all == "" {
		return number{}, fmt.Errorf("no number: %.40q", literal)
	}
	stripped := strings.TrimLeft(all, "0")
	n.exponent -= len(all) - len(stripped)
	n.digits = strings.TrimRight(stripped, "0")
	if n.digits == "" {
		n.exponent = 0
		if n.negative { // jsonb has no negative zero
			n.negative = false
			n.literal = strings.TrimPrefix(n.literal, "-")
		}
		return n, nil
	}
	return n, nil
}

// check reports whether the number is within the limits.
func (n number) check() error {
	if len(n.digits) > MaxDigits {
		return limitf("must not hold a number of more than %d significant digits", MaxDigits)
	}
	if n.digits != "" && (n.exponent < minExponent || n.exponent == minExponent && n.digits < minDigits ||
		n.exponent > maxExponent || n.exponent == maxExponent && n.digits > maxDigits) {
		return limitf("must not hold a number of a magnitude outside 5e-324 to 1.8e308")
	}
	return nil
}

// appendPlain appends the number without an exponent.
func (n number) appendPlain(buf []byte) []byte {
	if n.literal != "" {
		return append(buf, n.literal...)
	}
	if n.negative {
		buf = append(buf, '-')
	}
	switch d := len(n.digits); {
	case d == 0:
		buf = append(buf, '0')
	case n.exponent <= 0:
		buf = append(buf, "0."...)
		buf = append(append(buf, strings.Repeat("0", -n.exponent)...), n.digits...)
	case n.exponent >= d:
		buf = append(append(buf, n.digits...), strings.Repeat("0", n.exponent-d)...)
	default:
		buf = append(append(append(buf, n.digits[:n.exponent]...), '.'), n.digits[n.exponent:]...)
	}
	return buf
}

// appendCanonical appends the one text that all spellings of the number share.
func (n number) appendCanonical(buf []byte) []byte {
	if n.digits == "" {
		return append(buf, '0')
	}
	if n.negative {
		buf = append(buf, '-')
	}
	buf = append(append(buf, n.digits...), 'e')
	return strconv.AppendInt(buf, int64(n.exponent), 10)
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

// Equal reports whether a and b are the same JSON value; "" equals only "".
func Equal(a, b Text) (bool, error) {
	if a == b {
		return true, nil
	}
	if a == "" || b == "" {
		return false, nil
	}
	var texts [2]string
	for i, j := range []Text{a, b} {
		v, err := j.Decode()
		if err != nil {
			return false, err
		}
		if texts[i], err = Canonical(v); err != nil {
			return false, err
		}
	}
	return texts[0] == texts[1], nil
}

// CheckObject reports whether j can be read as a JSON object; stored text may have been edited by hand.
func (j Text) CheckObject() error {
	if len(j) == 0 || j[0] != '{' || !json.Valid([]byte(j)) || !utf8.ValidString(string(j)) {
		return errors.New("no JSON object")
	}
	return nil
}

// Members returns what an object holds, nothing for "".
func (j Text) Members() (map[string]any, error) {
	if j == "" {
		return nil, nil
	}
	v, err := j.Decode()
	object, _ := v.(map[string]any)
	return object, err
}
