package db

import (
	"cmp"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Cursor is a place in the order of all threads: where a thread with this
// UpdatedAt and ID is, or would be. It needs no thread that is there, so it
// stays good whatever is written.
type Cursor struct {
	UpdatedAt time.Time // UTC, whole microseconds
	ID        string
}

// Cursor returns where the thread is. UpdatedAt must have been read.
func (t *Thread) Cursor() Cursor { return Cursor{t.UpdatedAt, t.ID} }

// compare is negative when c comes before o in newestFirst, positive when after.
func (c Cursor) compare(o Cursor) int {
	return cmp.Or(o.UpdatedAt.Compare(c.UpdatedAt), strings.Compare(o.ID, c.ID))
}

// cursorVersion begins the text of a cursor, so that another form can be told from this one.
const cursorVersion = "1"

// String returns the cursor as text that is safe in a URL:
// base64url of VERSION:MICROSECONDS SINCE 1970:ID.
func (c Cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(
		[]byte(cursorVersion + ":" + strconv.FormatInt(c.UpdatedAt.UnixMicro(), 10) + ":" + c.ID),
	)
}

// ParseCursor reads what String has written. Any other text is Invalid, also one
// of a time or an id that no thread can have.
func ParseCursor(text string) (Cursor, error) {
	decoded, _ := base64.RawURLEncoding.DecodeString(text)
	_, rest, _ := strings.Cut(string(decoded), ":")
	micros, id, _ := strings.Cut(rest, ":")
	n, _ := strconv.ParseInt(micros, 10, 64)
	c := Cursor{time.UnixMicro(n).UTC(), id}
	// Written anew it is the same text, or it was none of ours, whichever step it failed in.
	if c.String() != text || c.UpdatedAt.Year() < 1 || c.UpdatedAt.Year() > 9999 || !isValidID(id) ||
		!utf8.ValidString(id) {
		return Cursor{}, Invalidf(nil, "must be a cursor that this API has returned")
	}
	return c, nil
}
