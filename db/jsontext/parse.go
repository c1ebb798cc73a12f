package jsontext

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Decode decodes one JSON value and nothing after it; numbers become
// json.Number. It refuses text that is not UTF-8 and escaped surrogates without
// their other half, which encoding/json would silently replace.
func Decode(text []byte) (any, error) { return DecodeWithin(slices.Clone(text), nil) }

// MaxValues is how many values, keys of objects not counted, a text may hold. Each takes a hundred times the memory
// that it takes in the text, or more.
const MaxValues = 1_000_000

// ErrTooManyValues is the error for a text of more than MaxValues values.
var ErrTooManyValues = errors.New("too many values")

// What values take in memory, in bytes, with the place that they have in a list or in an object.
const (
	objectBytes  = 56
	membersBytes = 300 // of the first eight members of an object
	memberBytes  = 64
	listBytes    = 56
	valueBytes   = 32
)

// DecodeWithin is Decode for texts of unknown origin, which can be small and hold very many values. It tells use how
// many bytes of memory it is going to take, a few at a time, and returns the error of use. The value's strings are
// pieces of the text, which must not be changed any more.
func DecodeWithin(text []byte, use func(bytes int) error) (any, error) {
	if err := CheckUnicode(text); err != nil {
		return nil, err
	}
	p := parser{Scanner: Scanner{text: unsafe.String(unsafe.SliceData(text), len(text))}, use: use}
	if v := p.value(0); p.Done() && p.err == nil {
		return v, nil
	}
	if p.err != nil {
		return nil, p.err
	}
	// It is no JSON: let encoding/json say why. That takes no memory.
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		return nil, err
	}
	return nil, errors.New("no JSON")
}

// maxParseDepth is how deep objects and lists may nest, for encoding/json, too.
const maxParseDepth = 10_000

// parser decodes a text that [CheckUnicode] has passed, as encoding/json does with UseNumber, in a third of the time:
// strings without escapes and numbers are pieces of the text.
type parser struct {
	Scanner
	use    func(bytes int) error // nil: without limit
	taken  int                   // bytes that use has not been told of
	values int
	err    error
}

// takeStep is of how many bytes use is told at once.
const takeStep = 32 << 10

// take takes memory.
func (p *parser) take(bytes int) {
	if p.taken += bytes; p.use == nil || p.taken < takeStep || p.err != nil {
		return
	}
	if p.err = p.use(p.taken); p.err != nil {
		p.failed = true
	}
	p.taken = 0
}

func (p *parser) value(depth int) any {
	p.space()
	if p.at == len(p.text) {
		p.failed = true
		return nil
	}
	if p.values++; p.values > MaxValues && p.use != nil {
		p.err, p.failed = ErrTooManyValues, true
		return nil
	}
	p.take(valueBytes)
	switch b := p.text[p.at]; {
	case (b == '{' || b == '[') && depth == maxParseDepth:
		p.failed = true
	case b == '{':
		p.take(objectBytes)
		object := map[string]any{}
		p.Object(func(key string) {
			switch n := len(object); {
			case n == 0:
				p.take(membersBytes)
			case n >= 8:
				p.take(memberBytes)
			}
			object[key] = p.value(depth + 1)
		})
		return object
	case b == '[':
		p.take(listBytes)
		list := []any{}
		p.List(func() { list = append(list, p.value(depth+1)) })
		return list
	case b == '"':
		return p.String()
	case b == '-' || b >= '0' && b <= '9':
		return p.number()
	case p.word("true"):
		return true
	case p.word("false"):
		return false
	case !p.word("null"):
		p.failed = true
	}
	return nil
}

func (p *parser) word(word string) bool {
	found := strings.HasPrefix(p.text[p.at:], word)
	if found {
		p.at += len(word)
	}
	return found
}

// Scanner reads JSON text of lists, objects and strings whose form is known, without a value for each. After a
// mistake it stands still and [Scanner.Done] reports false.
type Scanner struct {
	text   string
	at     int
	failed bool
}

// NewScanner returns a scanner of a text that [CheckUnicode] has passed.
func NewScanner(text string) *Scanner { return &Scanner{text: text} }

// Fail says that the text is not of the form.
func (s *Scanner) Fail() { s.failed = true }

// Done reports whether all of the text was read, without a mistake.
func (s *Scanner) Done() bool {
	s.space()
	return !s.failed && s.at == len(s.text)
}

func (s *Scanner) space() {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
}

// next reports whether the next character is b, and passes it.
func (s *Scanner) next(b byte) bool {
	s.space()
	if s.at < len(s.text) && s.text[s.at] == b {
		s.at++
		return true
	}
	return false
}

func (s *Scanner) expect(b byte) {
	if !s.next(b) {
		s.failed = true
	}
}

// List calls element where each element begins.
func (s *Scanner) List(element func()) {
	s.expect('[')
	if s.next(']') {
		return
	}
	for !s.failed {
		element()
		if !s.next(',') {
			s.expect(']')
			return
		}
	}
}

// Object calls member where each value begins.
func (s *Scanner) Object(member func(key string)) {
	s.expect('{')
	if s.next('}') {
		return
	}
	for !s.failed {
		key := s.String()
		s.expect(':')
		member(key)
		if !s.next(',') {
			s.expect('}')
			return
		}
	}
}

// simpleEscapes are what a backslash and a letter stand for.
var simpleEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// String reads a string.
func (s *Scanner) String() string {
	s.expect('"')
	start := s.at
	var decoded []byte // when there are escapes
	for !s.failed && s.at < len(s.text) {
		switch b := s.text[s.at]; {
		case b == '"':
			plain := s.text[start:s.at]
			s.at++
			if decoded == nil {
				return plain
			}
			return string(append(decoded, plain...))
		case b == '\\':
			decoded = append(decoded, s.text[start:s.at]...)
			s.escape(&decoded)
			start = s.at
		case b < 0x20:
			s.failed = true
		default:
			s.at++
		}
	}
	s.failed = true
	return ""
}

// escape appends what an escape stands for.
func (s *Scanner) escape(to *[]byte) {
	rest := s.text[s.at:]
	if len(rest) > 1 && rest[1] == 'u' {
		r, length := unicodeEscape(rest)
		s.at += length
		s.failed = s.failed || r < 0
		*to = utf8.AppendRune(*to, r)
		return
	}
	if len(rest) < 2 || simpleEscapes[rest[1]] == 0 {
		s.failed = true
		return
	}
	s.at += 2
	*to = append(*to, simpleEscapes[rest[1]])
}
