package db

import (
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// parseJSON decodes a JSON text that [CheckText] has passed, as encoding/json
// does with UseNumber, in a third of the time: strings without escapes and
// numbers are pieces of the text. It reports false for what is no JSON, for
// encoding/json to say why.
func parseJSON(text string) (v any, ok bool) {
	p := jsonParser{cursor: cursor{text: text}}
	v = p.value(0)
	p.space()
	return v, !p.failed && p.at == len(text)
}

// maxParseDepth is how deep objects and lists may nest, for encoding/json, too.
const maxParseDepth = 10_000

type jsonParser struct{ cursor }

func (p *jsonParser) value(depth int) any {
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
		p.object(func(key string) { object[key] = p.value(depth + 1) })
		return object
	case b == '[':
		list := []any{}
		p.list(func() { list = append(list, p.value(depth+1)) })
		return list
	case b == '"':
		return p.string()
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

func (p *jsonParser) word(word string) bool {
	found := strings.HasPrefix(p.text[p.at:], word)
	if found {
		p.at += len(word)
	}
	return found
}

func (p *jsonParser) number() json.Number {
	start := p.at
	digits := func() {
		first := p.at
		for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
			p.at++
		}
		p.failed = p.failed || p.at == first
	}
	is := func(set string) bool {
		found := p.at < len(p.text) && strings.IndexByte(set, p.text[p.at]) >= 0
		if found {
			p.at++
		}
		return found
	}
	is("-")
	if !is("0") {
		digits()
	}
	if is(".") {
		digits()
	}
	if is("eE") {
		is("+-")
		digits()
	}
	return json.Number(p.text[start:p.at])
}

// unescaped decodes what \u begins, which stands at text[at:], and returns how long it is.
func unescaped(text string) (r rune, length int) {
	hex := func(s string) (r rune) {
		for i := range 4 {
			switch c := s[i]; {
			case c >= '0' && c <= '9':
				r = r<<4 | rune(c-'0')
			case c|0x20 >= 'a' && c|0x20 <= 'f':
				r = r<<4 | rune(c|0x20-'a'+10)
			default:
				return -1
			}
		}
		return r
	}
	if len(text) < 6 {
		return -1, 0
	}
	r = hex(text[2:])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(text) < 12 || text[6] != '\\' || text[7] != 'u' {
		return -1, 0
	}
	if r = utf16.DecodeRune(r, hex(text[8:])); r == utf8.RuneError {
		return -1, 0
	}
	return r, 12
}

// cursor reads JSON of lists, objects and strings.
type cursor struct {
	text   string
	at     int
	failed bool
}

func (c *cursor) space() {
	for c.at < len(c.text) && strings.IndexByte(" \t\r\n", c.text[c.at]) >= 0 {
		c.at++
	}
}

// next reports whether the next character is b, and passes it.
func (c *cursor) next(b byte) bool {
	c.space()
	if c.at < len(c.text) && c.text[c.at] == b {
		c.at++
		return true
	}
	return false
}

func (c *cursor) expect(b byte) {
	if !c.next(b) {
		c.failed = true
	}
}

// list calls element where each element begins.
func (c *cursor) list(element func()) {
	c.expect('[')
	if c.next(']') {
		return
	}
	for !c.failed {
		element()
		if !c.next(',') {
			c.expect(']')
			return
		}
	}
}

// object calls member where each value begins.
func (c *cursor) object(member func(key string)) {
	c.expect('{')
	if c.next('}') {
		return
	}
	for !c.failed {
		key := c.string()
		c.expect(':')
		member(key)
		if !c.next(',') {
			c.expect('}')
			return
		}
	}
}

// simpleEscapes are what a backslash and a letter stand for.
var simpleEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (c *cursor) string() string {
	c.expect('"')
	start := c.at
	var decoded []byte // when there are escapes
	for !c.failed && c.at < len(c.text) {
		switch b := c.text[c.at]; {
		case b == '"':
			plain := c.text[start:c.at]
			c.at++
			if decoded == nil {
				return plain
			}
			return string(append(decoded, plain...))
		case b == '\\':
			decoded = append(decoded, c.text[start:c.at]...)
			c.escape(&decoded)
			start = c.at
		case b < 0x20:
			c.failed = true
		default:
			c.at++
		}
	}
	c.failed = true
	return ""
}

// escape appends what an escape stands for.
func (c *cursor) escape(to *[]byte) {
	rest := c.text[c.at:]
	if len(rest) > 1 && rest[1] == 'u' {
		r, length := unescaped(rest)
		c.at += length
		c.failed = c.failed || r < 0
		*to = utf8.AppendRune(*to, r)
		return
	}
	if len(rest) < 2 || simpleEscapes[rest[1]] == 0 {
		c.failed = true
		return
	}
	c.at += 2
	*to = append(*to, simpleEscapes[rest[1]])
}
