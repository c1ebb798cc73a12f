package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// column is a column of a table, and how its value gets into a row.
type column[Row any] struct {
	when Columns // 0: always
	name string
	kind string // its type, in the dialect's words
	set  func(*Row, driver.Value) error
}

// table is a table's columns.
type table[Row any] struct {
	alias   string
	long    bool // its texts may be long
	columns []column[Row]
	texts   sync.Map // Columns -> the list for SELECT
}

// names returns the wanted columns as they are, with what stands before each:
// for RETURNING, where SQLite knows no alias, and for subqueries.
func (t *table[Row]) names(before string, wanted Columns) string {
	var names []string
	for _, c := range t.selected(wanted) {
		names = append(names, before+c.name)
	}
	return strings.Join(names, ", ")
}

// nulls returns a null in the place of each wanted column, for the other half of a UNION.
func (t *table[Row]) nulls(wanted Columns) string {
	var nulls []string
	for _, c := range t.selected(wanted) {
		kind := c.kind
		if kind == "{time}" {
			kind = "text" // as list has it
		}
		nulls = append(nulls, "CAST(NULL AS "+kind+")")
	}
	return strings.Join(nulls, ", ")
}

// list returns the wanted columns for SELECT. Times are read as text: lib/pq's way from text to a time costs more than
// all the rest of a row. SQLite's texts, where they are long, are read as bytes: its driver makes two copies of a text, and asks
// for its column's type each time.
func (t *table[Row]) list(wanted Columns) string {
	if text, ok := t.texts.Load(wanted); ok {
		return text.(string)
	}
	var names []string
	for _, c := range t.selected(wanted) {
		name := t.alias + "." + c.name
		switch {
		case c.kind == "{time}":
			name = "{text of}" + name + "{as text} AS " + c.name
		case t.long && (c.kind == "{json}" || c.kind == "text"):
			name = "{bytes of}" + name + "{as bytes} AS " + c.name
		}
		names = append(names, name)
	}
	text := strings.Join(names, ", ")
	t.texts.Store(wanted, text)
	return text
}

func (t *table[Row]) selected(wanted Columns) (list []column[Row]) {
	for _, c := range t.columns {
		if c.when == 0 || c.when&wanted != 0 {
			list = append(list, c)
		}
	}
	return list
}

// read reads the rows of a query that selects list(wanted), and calls fn with
// each, which fn must not keep.
func (t *table[Row]) read(ctx context.Context, s session, wanted Columns, query string, args []any, fn func(*Row) error) error {
	columns := t.selected(wanted)
	row := new(Row)
	return s.each(ctx, query, args, func(values []driver.Value) error {
		if err := fill(row, columns, values); err != nil {
			return err
		}
		return fn(row)
	})
}

// fill makes row what the values of the columns say.
func fill[Row any](row *Row, columns []column[Row], values []driver.Value) error {
	*row = *new(Row)
	for i, c := range columns {
		if err := c.set(row, values[i]); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return nil
}

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
		if c.Time = Microseconds(v); c.Year() < 1 || c.Year() > 9999 {
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
