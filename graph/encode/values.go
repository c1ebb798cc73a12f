package encode

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"
)

const null = "null"

// Null appends null.
func (b *Buffer) Null() { b.B = append(b.B, null...) }

// String appends a string.
func (b *Buffer) String(s string) { b.B = AppendString(b.B, s) }

// StringOrNull appends a string or null.
func (b *Buffer) StringOrNull(s *string) {
	if s == nil {
		b.Null()
		return
	}
	b.String(*s)
}

// Raw appends JSON.
func (b *Buffer) Raw(text string) { b.B = append(b.B, text...) }

// Int appends an integer.
func (b *Buffer) Int(i int) { b.B = strconv.AppendInt(b.B, int64(i), 10) }

// Bool appends a boolean.
func (b *Buffer) Bool(v bool) { b.B = strconv.AppendBool(b.B, v) }

// Float appends a number.
func (b *Buffer) Float(f float64) {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 && !(f == 0 && math.Signbit(f)) {
		b.B = strconv.AppendInt(b.B, int64(f), 10)
		return
	}
	text, err := json.Marshal(f)
	if err != nil { // not finite, which no stored number is
		panic(err)
	}
	b.B = append(b.B, text...)
}

// Time appends a moment: UTC with Z, to the microsecond, as graph/model has it.
func (b *Buffer) Time(t time.Time) {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b.B = append(b.B, '"')
	b.digits(year, 4)
	for _, part := range [...]struct {
		before byte
		number int
	}{{'-', int(month)}, {'-', day}, {'T', hour}, {':', minute}, {':', second}} {
		b.B = append(b.B, part.before)
		b.digits(part.number, 2)
	}
	if micro := t.Nanosecond() / 1000; micro > 0 {
		b.B = append(b.B, '.')
		b.digits(micro, 6)
		b.B = bytes.TrimRight(b.B, "0")
	}
	b.B = append(b.B, 'Z', '"')
}

// digits appends a number with leading zeros.
func (b *Buffer) digits(number, width int) {
	end := len(b.B) + width
	b.B = append(b.B, "0000000"[:width]...)
	for i := end - 1; i >= end-width; i-- {
		b.B[i] = byte('0' + number%10)
		number /= 10
	}
}

// TimeOrNull appends a moment or null.
func (b *Buffer) TimeOrNull(t *time.Time) {
	if t == nil {
		b.Null()
		return
	}
	b.Time(*t)
}

// mustEscape are the bytes that a JSON string cannot hold as they are.
var mustEscape = func() (s [256]bool) {
	for c := range 0x20 {
		s[c] = true
	}
	s['"'], s['\\'] = true, true
	return s
}()

const hex = "0123456789ABCDEF"

// AppendString appends s as JSON, as gqlgen's MarshalString writes it.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !mustEscape[c] {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '\t':
			b = append(b, '\\', 't')
		case '\r':
			b = append(b, '\\', 'r')
		case '\n':
			b = append(b, '\\', 'n')
		case '\\', '"':
			b = append(b, '\\', c)
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
	}
	return append(append(b, s[start:]...), '"')
}
