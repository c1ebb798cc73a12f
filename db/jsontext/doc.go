// Package jsontext reads and writes JSON exactly: numbers keep their digits
// (number.go), text is checked before it is decoded (unicode.go: UTF-8 and
// surrogates; then parse.go), limits keep a few bytes of input from becoming
// megabytes of jsonb (limits.go), and two values are equal when their canonical
// texts are (text.go). It knows nothing of threads, and imports nothing of ours.
package jsontext
