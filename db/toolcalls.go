package db

import (
	"strings"
	"unicode/utf8"
)

// plainToolCalls decodes tool calls that have the keys we write and no others,
// which nearly all have, in a tenth of the time of the general way. It reports
// false for anything else, and for mistakes: those are left to the general way.
func plainToolCalls(text string) (calls []ToolCall, ok bool) {
	if text == "" || !utf8.ValidString(text) {
		return nil, false
	}
	c := cursor{text: text}
	c.list(func() {
		var call ToolCall
		seen := 0
		// once reads a string that must not have been there before.
		once := func(bit int, to *string) {
			c.failed = c.failed || seen&bit != 0
			seen |= bit
			*to = c.string()
		}
		c.object(func(key string) {
			switch key {
			case "id":
				once(1, &call.CallID)
			case "type":
				once(2, &call.Type)
			case "function":
				c.failed = c.failed || seen&4 != 0
				seen |= 4
				c.object(func(key string) {
					switch key {
					case "name":
						once(8, &call.Function.Name)
					case "arguments":
						once(16, &call.Function.Arguments)
					default:
						c.failed = true
					}
				})
			default:
				c.failed = true
			}
		})
		c.failed = c.failed || seen != 1|2|4|8|16
		calls = append(calls, call)
	})
	c.space()
	return calls, !c.failed && c.at == len(text)
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

// simpleEscapes are what a backslash and a letter stand for; \u is left to others.
var simpleEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (c *cursor) string() string {
	c.expect('"')
	if c.failed {
		return ""
	}
	start := c.at
	var decoded []byte // when there are escapes
	for ; c.at < len(c.text); c.at++ {
		switch b := c.text[c.at]; {
		case b == '"':
			plain := c.text[start:c.at]
			c.at++
			if decoded == nil {
				return plain
			}
			return string(append(decoded, plain...))
		case b == '\\':
			if c.at+1 == len(c.text) || simpleEscapes[c.text[c.at+1]] == 0 {
				c.failed = true
				return ""
			}
			if decoded == nil {
				decoded = make([]byte, 0, len(c.text)-start)
			}
			decoded = append(append(decoded, c.text[start:c.at]...), simpleEscapes[c.text[c.at+1]])
			c.at++
			start = c.at + 1
		case b < 0x20:
			c.failed = true
			return ""
		}
	}
	c.failed = true
	return ""
}
