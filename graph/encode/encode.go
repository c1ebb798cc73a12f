// Package encode is what the generated encoders of graph/generated/encode.go use.
// They write what a root resolver returned straight into the answer, by a plan that
// is made once for each selection of a request. gqlgen's executor makes a context,
// a closure or a goroutine for each value instead.
//
// gqlgen stays in charge: it runs the operation, the root fields and their
// middleware, and whatever fails. The encoders are field middleware of it
// (generated.EncodeRootFields): they get a root resolver's result and return the
// finished JSON. A field that fails goes through gqlgen's own code for it, so
// errors, their paths and the propagation of nulls are gqlgen's.
//
// Encoders only read what they encode: others may be encoding the same. And what
// they do not know of gqlgen's features, graph/gen refuses to generate (check.go
// there). One thing is left: graphql.AroundFields does not see fields without a
// resolver.
package encode

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// Plan is what to write of an object: a selection on its type, with fragments, @skip and @include resolved.
type Plan struct{ Fields []Field }

// Field is one field of the answer.
type Field struct {
	graphql.CollectedField
	// Index says which field of its type it is; the cases of the generated code have the same numbers.
	Index int
	// Key is the JSON before the value: the name, with a comma before it for all but the first field.
	Key string
	// Plans are those of the object types that the value can have, sorted by name; nil for a scalar.
	Plans []*Plan
	// Args are the arguments of a resolver's field, nil until the first object has them.
	Args map[string]any
}

// NewPlan returns the plan for the fields that were collected on a type. index gives
// the number of a field, and setPlans the plans of one; the type's generated code has both.
func NewPlan(
	fields []graphql.CollectedField, typeName string, index func(name string) int, setPlans func(*Field),
) *Plan {
	p := &Plan{Fields: make([]Field, 0, len(fields))}
	for _, field := range fields {
		seen := func(f Field) bool { return f.Alias == field.Alias }
		// __typename can be collected twice under one name: of a union and of its member.
		if field.Name == "__typename" && slices.ContainsFunc(p.Fields, seen) {
			continue
		}
		key := make([]byte, 0, len(field.Alias)+16)
		if len(p.Fields) > 0 {
			key = append(key, ',')
		}
		key = append(AppendString(key, field.Alias), ':')
		f := Field{CollectedField: field, Index: Typename}
		if field.Name == "__typename" {
			key = AppendString(key, typeName)
		} else {
			f.Index = index(field.Name)
			setPlans(&f)
		}
		f.Key = string(key)
		p.Fields = append(p.Fields, f)
	}
	return p
}

// Typename is the index of __typename, whose value is part of its key.
const Typename = -1

// PathNode is a place in the answer, for resolvers and errors. A context is made of it only when one is needed.
type PathNode struct {
	Parent *PathNode
	Ctx    context.Context // the place's context, if there is one already; else it is
	// either the field of an object, or an element of a list.
	Field  *Field
	Object string // the type that Field is of
	Index  int
}

// Context returns the context of the place, as gqlgen would have made it.
func (p *PathNode) Context() context.Context {
	if p.Ctx != nil {
		return p.Ctx
	}
	fc := &graphql.FieldContext{}
	if p.Field != nil {
		fc.Object, fc.Field = p.Object, p.Field.CollectedField
	} else {
		index := p.Index
		fc.Index = &index
	}
	return graphql.WithFieldContext(p.Parent.Context(), fc)
}

// Encoded is a finished piece of the answer, to be marshaled once.
type Encoded struct{ buffer *Buffer }

// MarshalGQL writes the piece to w. If w is a buffer with little in it, a large piece
// becomes that buffer's content instead, since a copy would take its size once more.
func (e Encoded) MarshalGQL(w io.Writer) {
	b := e.buffer.B
	to, ok := w.(*bytes.Buffer)
	if ok && len(b) > maxPooled && to.Len() <= prefixRoom {
		from := prefixRoom - to.Len()
		copy(b[from:], to.Bytes())
		*to = *bytes.NewBuffer(b[from:])
		return
	}
	_, _ = w.Write(b[prefixRoom:]) // gqlgen's writers are buffers
	if cap(b) <= maxPooled {
		buffers.Put(e.buffer)
	}
}

const (
	// maxPooled is the largest buffer, in bytes, that is kept for the next answer.
	maxPooled = 1 << 20
	// prefixRoom is how much room is left at the beginning of a buffer, in bytes,
	// for what stands before a large piece: the name of its field.
	prefixRoom = 256
)

var buffers = sync.Pool{New: func() any { return &Buffer{make([]byte, prefixRoom, 4<<10)} }}

// NewBuffer returns an empty buffer, which goes back to the pool when its Encoded is marshaled.
func NewBuffer() *Buffer {
	b := buffers.Get().(*Buffer)
	b.B = b.B[:prefixRoom]
	return b
}

// Encoded returns what was written to the buffer, which must not be used any more.
func (b *Buffer) Encoded() Encoded { return Encoded{b} }

// AlreadyWritten is returned to gqlgen for a value that is in the buffer already.
var AlreadyWritten graphql.Marshaler = written{}

type written struct{}

func (written) MarshalGQL(io.Writer) {}

// Buffer is an answer that is being written. It is an io.Writer for gqlgen's marshalers.
type Buffer struct{ B []byte }

func (b *Buffer) Write(p []byte) (int, error) {
	b.B = append(b.B, p...)
	return len(p), nil
}

// GrowForList makes room, once, for the rest of a long list that began at start and
// of which done elements are written. Growing step by step would leave buffers
// behind that together are several times the answer.
func (b *Buffer) GrowForList(start, done, all int) {
	const enough = 1000 // elements, to estimate the length of the others
	if done == enough && all > enough {
		b.B = slices.Grow(b.B, (len(b.B)-start)/enough*(all-enough)*21/20+prefixRoom)
	}
}

// Marshal appends what gqlgen has made of a value and reports whether it is not null.
func (b *Buffer) Marshal(m graphql.Marshaler) bool {
	m.MarshalGQL(b)
	return m != graphql.Null && m != graphql.RequiredNull
}

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
