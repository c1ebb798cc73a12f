package jsontext

import (
	"bytes"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// CheckUnicode reports whether JSON text is UTF-8 without escaped lone surrogates.
func CheckUnicode(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("not UTF-8")
	}
	for {
		i := bytes.IndexByte(text, '\\') // stands in JSON only inside a string
		if i < 0 {
			return nil
		}
		text = text[i:]
		r, length := unicodeEscape(string(text[:min(len(text), surrogatePair)]))
		if r == loneSurrogate {
			return errors.New("an escaped surrogate without its other half")
		}
		text = text[min(len(text), max(length, 2)):] // other escapes are a backslash and a letter
	}
}

const (
	codeUnit      = len(`\uXXXX`)
	surrogatePair = 2 * codeUnit
)

// What unicodeEscape returns besides a character.
const (
	loneSurrogate rune = -1 - iota // one half of a pair
	noEscape                       // not \u and four hexadecimal digits
)

// unicodeEscape decodes the \uXXXX that text begins with, or the two of a surrogate pair, and returns its length.
func unicodeEscape(text string) (r rune, length int) {
	r = escapedCodeUnit(text)
	switch {
	case r == noEscape:
		return noEscape, 0
	case !utf16.IsSurrogate(r):
		return r, codeUnit
	}
	if r = utf16.DecodeRune(r, escapedCodeUnit(text[codeUnit:])); r == utf8.RuneError {
		return loneSurrogate, codeUnit
	}
	return r, surrogatePair
}

// escapedCodeUnit decodes the \uXXXX that text begins with.
func escapedCodeUnit(text string) (r rune) {
	if len(text) < codeUnit || text[0] != '\\' || text[1] != 'u' {
		return noEscape
	}
	for _, c := range []byte(text[2:codeUnit]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return noEscape
		}
	}
	return r
}
