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

// scanJSON reads a JSON column; NULL and the JSON null are "".
func scanJSON(to *JSON, v driver.Value) error {
	*to = ""
	if v == nil {
		return nil
	}
	var text string
	if err := scanText(&text, v); err != nil {
		return errors.New("no JSON text")
	}
	if text != "null" { // what SQLAlchemy writes for None
		*to = JSON(text)
	}
	return nil
}

// scanTime reads a time as the drivers give it: time.Time from timestamptz, text from SQLite and from a cast.
func scanTime(to *time.Time, v driver.Value) (err error) {
	switch v := v.(type) {
	case time.Time:
		if *to = TruncateTime(v); to.Year() < 1 || to.Year() > 9999 {
			return errors.New("a year outside 1 to 9999")
		}
	case string:
		var ok bool
		if *to, ok = parseStored(v); !ok {
			*to, err = ParseTime(v)
		}
	default:
		return fmt.Errorf("no time: %T", v)
	}
	return err
}

// scanInt reads an integer.
func scanInt(to *int, v driver.Value) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("no integer: %T", v)
	}
	*to = int(n)
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
