package db_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
)

func TestCursor(t *testing.T) {
	t.Parallel()
	for _, c := range []db.Cursor{
		{UpdatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC), ID: "t"},
		{UpdatedAt: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), ID: "a:b\n\"é😀\\"},
		{UpdatedAt: time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), ID: strings.Repeat("😀", db.MaxIDLength)},
		{UpdatedAt: time.UnixMicro(0).UTC(), ID: ":"},
	} {
		text := c.String()
		if got, err := db.ParseCursor(text); err != nil || got != c {
			t.Errorf("ParseCursor(%s) = %v, %v, want %v", text, got, err, c)
		}
		if len(text) > 1400 { // as the schema says
			t.Errorf("a cursor of %d bytes", len(text))
		}
	}
	encode := base64.RawURLEncoding.EncodeToString
	for name, text := range map[string]string{
		"empty":                "",
		"no base64":            "?",
		"nothing of ours":      encode([]byte("hello")),
		"another version":      encode([]byte("2:0:t")),
		"no version":           encode([]byte(":0:t")),
		"no id":                encode([]byte("1:0")),
		"an empty id":          encode([]byte("1:0:")),
		"no time":              encode([]byte("1::t")),
		"a time in words":      encode([]byte("1:now:t")),
		"a time with a plus":   encode([]byte("1:+1:t")),
		"a time with a zero":   encode([]byte("1:01:t")),
		"a time of 80 bits":    encode([]byte("1:999999999999999999999999:t")),
		"the year 0":           encode([]byte("1:-62135596800000001:t")),
		"the year 10000":       encode([]byte("1:253402300800000000:t")),
		"the last microsecond": encode([]byte("1:9223372036854775807:t")),
		"NUL":                  encode([]byte("1:0:\x00")),
		"no UTF-8":             encode([]byte("1:0:\xff")),
		"an id too long":       encode([]byte("1:0:" + strings.Repeat("x", db.MaxIDLength+1))),
		"padded":               base64.URLEncoding.EncodeToString([]byte("1:0:t")),
		"in two lines":         encode([]byte("1:0:t"))[:4] + "\n" + encode([]byte("1:0:t"))[4:],
		"with bits to spare":   encode([]byte("1:0:t"))[:6] + "R",
		"the other base64":     base64.RawStdEncoding.EncodeToString([]byte("1:0:>>>???")),
		"a text behind it":     encode([]byte("1:0:t")) + "!",
	} {
		if got, err := db.ParseCursor(text); !db.Invalid.Is(err) || got != (db.Cursor{}) {
			t.Errorf("%s: ParseCursor(%q) = %v, %v, want Invalid", name, text, got, err)
		}
	}
}

// FuzzParseCursor: what is accepted is the text of a cursor that a thread can have.
func FuzzParseCursor(f *testing.F) {
	f.Add("MTowOnQ")
	f.Add(db.Cursor{UpdatedAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), ID: "é"}.String())
	f.Fuzz(func(t *testing.T, text string) {
		c, err := db.ParseCursor(text)
		if err != nil {
			return
		}
		if c.String() != text || c.ID == "" || strings.ContainsRune(c.ID, 0) ||
			c.UpdatedAt != db.TruncateTime(c.UpdatedAt) {
			t.Errorf("ParseCursor(%q) = %v", text, c)
		}
	})
}
