package db

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// scanText reads a text that is not null.
func scanText(to *string, v driver.Value) error {
	switch v := v.(type) {
	case string:
		*to = v
	case *string:
		*to = *v
	case []byte:
		*to = string(v)
	default:
		return fmt.Errorf("no text: %T", v)
	}
	return nil
}

// scanNull reads a text or null.
func scanNull(to **string, v driver.Value) error {
	if v == nil {
		*to = nil
		return nil
	}
	*to = new(string)
	return scanText(*to, v)
}

// columnJSON reads a JSON column; NULL and the JSON null are "".
type columnJSON JSON

func (c *columnJSON) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*c = ""
	case string:
		*c = columnJSON(v)
	case *string:
		*c = columnJSON(*v)
	case []byte:
		*c = columnJSON(v)
	default:
		return errors.New("no JSON text")
	}
	if *c == "null" { // what SQLAlchemy writes for None
		*c = ""
	}
	return nil
}

// columnTime reads a time as the drivers give it: time.Time from timestamptz,
// text from SQLite. What is no time is an error of the row (err), not of the
// query, so that it can be told with the row's id.
type columnTime struct {
	time.Time
	err error
}

func (c *columnTime) Scan(src any) error {
	*c = columnTime{}
	switch v := src.(type) {
	case time.Time:
		if c.Time = TruncateTime(v); c.Year() < 1 || c.Year() > 9999 {
			c.err = errors.New("a year outside 1 to 9999")
		}
	case string:
		var ok bool
		if c.Time, ok = parseStored(v); !ok {
			c.Time, c.err = ParseTime(v)
		}
	default:
		c.err = fmt.Errorf("no time: %T", src)
	}
	return nil
}

// columnInt reads an integer; what is none is an error of the row, as for columnTime.
type columnInt struct {
	int
	err error
}

func (c *columnInt) Scan(src any) error {
	*c = columnInt{}
	if v, ok := src.(int64); ok {
		c.int = int(v)
	} else {
		c.err = fmt.Errorf("no integer: %T", src)
	}
	return nil
}

// checkUTF8 reports whether stored text can be part of an answer; SQLite keeps any bytes as text.
func checkUTF8(texts ...*string) error {
	for _, t := range texts {
		if t != nil && !utf8.ValidString(*t) {
			return errors.New("not UTF-8")
		}
	}
	return nil
}

// null returns SQL NULL for "".
func null(j JSON) any {
	if j == "" {
		return nil
	}
	return string(j)
}
