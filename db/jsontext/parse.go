package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// Decode decodes one JSON value and nothing after it; numbers become
// json.Number. It refuses text that is not UTF-8 and escaped surrogates without
// their other half, which encoding/json would silently replace.
func Decode(text []byte) (any, error) {
	if err := CheckUnicode(text); err != nil {
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

// parse decodes a JSON text that [CheckUnicode] has passed, as encoding/json
// does with UseNumber, in a third of the time: strings without escapes and
// numbers are pieces of the text. It reports false for what is no JSON, for
// encoding/json to say why.
func parse(text string) (v any, ok bool) {
	p := parser{Scanner: Scanner{text: text}}
	v = p.value(0)
	return v, p.Done()
}

// maxParseDepth is how deep objects and lists may nest, for encoding/json, too.
const maxParseDepth = 10_000

type parser struct{ Scanner }

func (p *parser) value(depth int) any {
	p.space()
	if p.at == len(p.text) {
		p.failed = true
		return nil
	}
	switch b := p.text[p.at]; {
	case (b == '{' || b == '[') && depth == maxParseDepth:
		p.failed = true
	case b == '{':
		object := map[string]any{}
		p.Object(func(key string) { object[key] = p.value(depth + 1) })
		return object
	case b == '[':
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
