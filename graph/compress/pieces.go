package compress

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzhttp/writer"
)

// A gzip file is a sequence of blocks, which may end at whole bytes and need not
// refer to each other. So an answer is cut into pieces, each is compressed by
// itself, and what is known of a piece is used again wherever it comes.
const (
	// minPiece and maxPiece bound a piece, in bytes. Shorter ones compress worse, without the text before them:
	// a list of 164 KiB comes to 58 KiB in pieces of 4, 51 in pieces of 8, 37 in one.
	// Of longer ones fewer are the same again.
	minPiece = 4 << 10
	maxPiece = 32 << 10
	// Between those a piece ends where an element of a list does, with one chance in so many bytes, which its text alone
	// decides: so the pieces after a change are soon the same as before it.
	cutEvery = 8 << 10
	// tooShort is what is sent as it is, in bytes.
	tooShort = 64
	// The pieces that are kept: sets of ways. At most 32 MiB of text and what it is compressed to, in practice a quarter of that.
	sets = 256
	ways = 4
)

// cache holds pieces that came at least twice. It is safe for concurrent use.
type cache [sets][ways]atomic.Pointer[piece]

// piece is a part of an answer and, from the second time on, what it is in gzip.
type piece struct {
	hash   uint64
	text   []byte
	packed []byte
}

var seed = maphash.MakeSeed()

// find returns what the piece is compressed to, or nil. If it has come before, keep says where to keep that.
func (c *cache) find(text []byte) (packed []byte, keep func([]byte)) {
	hash := maphash.Bytes(seed, text)
	set := &c[hash%sets]
	for i := range set {
		p := set[i].Load()
		switch {
		case p == nil || p.hash != hash:
		case p.text == nil:
			return nil, func(packed []byte) {
				set[i].Store(&piece{hash: hash, text: bytes.Clone(text), packed: bytes.Clone(packed)})
			}
		case bytes.Equal(p.text, text): // a hash alone would send one's text to another, once in a long while
			return p.packed, nil
		}
	}
	i := rand.IntN(ways)
	for other := range set { // what came once goes before what came twice
		if p := set[other].Load(); p == nil || p.text == nil {
			i = other
			break
		}
	}
	set[i].Store(&piece{hash: hash})
	return nil, nil
}

// cut returns how long the first piece of the text is.
func cut(text []byte) int {
	if len(text) > maxPiece {
		text = text[:maxPiece]
	}
	for at, element := minPiece, 0; at < len(text); element = at {
		i := bytes.Index(text[at:], []byte("},"))
		if i < 0 {
			break
		}
		at += i + len("},")
		if element > 0 && maphash.Bytes(seed, text[element:at])%cutEvery < uint64(at-element) {
			return at
		}
	}
	return len(text)
}

// stream is a gzip file on its way to a client.
type stream struct {
	to    io.Writer
	known *cache
	out   bytes.Buffer
	flate *flate.Writer // into out
	sum   uint32
	size  uint32
}

var streams = sync.Pool{New: func() any {
	s := new(stream)
	var err error
	if s.flate, err = flate.NewWriter(&s.out, flate.BestSpeed); err != nil { // for another level
		panic(err)
	}
	return s
}}

// gzip's file format, RFC 1952, and the end of deflate's, RFC 1951.
const (
	header = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff" // deflate, no name, no time, the fastest, no system
	last   = "\x03\x00"                                 // an empty block, the last one
)

func (c *cache) writer(to io.Writer, _ int) writer.GzipWriter {
	s := streams.Get().(*stream)
	s.to, s.known, s.sum, s.size = to, c, 0, 0
	s.out.Reset()
	s.out.WriteString(header)
	return s
}

// Write sends all of the text, so that there is never anything to flush.
func (s *stream) Write(text []byte) (int, error) {
	s.sum = crc32.Update(s.sum, crc32.IEEETable, text)
	s.size += uint32(len(text)) // modulo 2^32, as the format has it
	for rest := text; len(rest) > 0; {
		n := cut(rest)
		if err := s.piece(rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
		if s.out.Len() >= 64<<10 { // a long answer is not kept whole once more
			if err := s.send(); err != nil {
				return 0, err
			}
		}
	}
	return len(text), s.send()
}

func (s *stream) piece(text []byte) error {
	if len(text) < tooShort {
		n := uint16(len(text))
		s.out.WriteByte(0)
		s.out.Write(binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, n), ^n))
		s.out.Write(text)
		return nil
	}
	packed, keep := s.known.find(text)
	if packed != nil {
		s.out.Write(packed)
		return nil
	}
	start := s.out.Len()
	s.flate.Reset(&s.out) // forgets the text before
	if _, err := s.flate.Write(text); err != nil {
		return err
	}
	if err := s.flate.Flush(); err != nil { // to a whole byte
		return err
	}
	if keep != nil {
		keep(s.out.Bytes()[start:])
	}
	return nil
}

func (s *stream) send() error {
	_, err := s.to.Write(s.out.Bytes())
	s.out.Reset()
	return err
}

func (s *stream) Flush() error { return nil }

// Close ends the file.
func (s *stream) Close() error {
	s.out.WriteString(last)
	s.out.Write(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, s.sum), s.size))
	err := s.send()
	s.to, s.known = nil, nil
	streams.Put(s)
	return err
}
