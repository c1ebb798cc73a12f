package encode

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"github.com/threadstore/threadstore/internal/budget"
)

// Buffer is an answer that is being written. It is an io.Writer for gqlgen's marshalers.
type Buffer struct {
	B []byte

	ctx     context.Context // of the request, in whose account the answer is counted
	account *budget.Account
	counted int // how much of the answer is counted
	memory  int // how much of its memory is counted
	next    int // the length at which to count again
}

var buffers = sync.Pool{New: func() any { return &Buffer{B: make([]byte, prefixRoom, 4<<10)} }}

// NewBuffer returns an empty buffer for a request, which goes back to the pool when its Encoded is marshaled.
func NewBuffer(ctx context.Context) *Buffer {
	b := buffers.Get().(*Buffer)
	*b = Buffer{B: b.B[:prefixRoom], ctx: ctx, account: budget.Of(ctx), counted: prefixRoom, next: countStep}
	return b
}

const (
	// maxPooled is the largest buffer, in bytes, that is kept for the next answer.
	maxPooled = 1 << 20
	// prefixRoom is how much room is left at the beginning of a buffer, in bytes,
	// for what stands before a large piece: the name of its field.
	prefixRoom = 256
	// countStep is how much is written between two looks at the request's account, in bytes.
	countStep = 64 << 10
)

// Full reports whether the answer has become too large: what is still to be written of it is in vain.
func (b *Buffer) Full() bool { return len(b.B) >= b.next && !b.count() }

// count counts what was written since the last time, and reports whether that may be.
func (b *Buffer) count() bool {
	n := len(b.B) - b.counted
	b.counted += n
	b.next = len(b.B) + countStep
	return b.account.UseAnswer(b.ctx, n) == nil && b.reserve(cap(b.B))
}

// reserve counts the memory that the buffer takes, if it is more than a small one's.
func (b *Buffer) reserve(size int) bool {
	if size <= b.memory || size <= countStep {
		return true
	}
	n := size - b.memory
	b.memory = size
	return b.account.Use(b.ctx, n) == nil
}

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
		more := (len(b.B)-start)/enough*(all-enough)*21/20 + prefixRoom
		if b.reserve(len(b.B) + more) {
			b.B = slices.Grow(b.B, more)
		}
	}
}

// Marshal appends what gqlgen has made of a value and reports whether it is not null.
func (b *Buffer) Marshal(m graphql.Marshaler) bool {
	m.MarshalGQL(b)
	return m != graphql.Null && m != graphql.RequiredNull
}

// Encoded returns what was written to the buffer, which must not be used any more.
func (b *Buffer) Encoded() Encoded {
	b.count()
	return Encoded{b}
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
		*e.buffer = Buffer{B: b} // without the request, which the pool would keep alive
		buffers.Put(e.buffer)
	}
}

// AlreadyWritten is returned to gqlgen for a value that is in the buffer already.
var AlreadyWritten graphql.Marshaler = written{}

type written struct{}

func (written) MarshalGQL(io.Writer) {}
