// Package jsontext reads and writes JSON exactly: numbers keep their digits,
// text is checked before it is decoded, limits keep a few bytes of input from
// becoming megabytes of jsonb, and two values are equal when their canonical
// texts are. It knows nothing of threads, and imports nothing of ours.
package jsontext
