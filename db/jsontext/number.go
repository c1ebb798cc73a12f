package jsontext

// A number keeps its digits: it is read as its text ([json.Number]), never as a float. It is stored as it was typed, or
// written out if it has an exponent ([number.appendPlain]), and compared by value ([number.appendCanonical]).

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// number reads a number as its text.
func (p *parser) number() json.Number {
	start := p.at
	digits := func() {
		first := p.at
		for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
			p.at++
		}
		p.failed = p.failed || p.at == first
	}
	accept := func(set string) bool {
		found := p.at < len(p.text) && strings.IndexByte(set, p.text[p.at]) >= 0
		if found {
			p.at++
		}
		return found
	}
	accept("-")
	if !accept("0") {
		digits()
	}
	if accept(".") {
		digits()
	}
	if accept("eE") {
		accept("+-")
		digits()
	}
	return json.Number(p.text[start:p.at])
}

// number writes a number from its text.
func (w *writer) number(literal string) error {
	n, err := parseNumber(literal)
	if err != nil {
		return err
	}
	if w.canonical {
		w.buf = n.appendCanonical(w.buf)
		return nil
	}
	if err := n.checkLimits(); err != nil {
		return err
	}
	w.buf = n.appendPlain(w.buf)
	return nil
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

// checkLimits reports whether the number is within the limits.
func (n number) checkLimits() error {
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
