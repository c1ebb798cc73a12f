package db

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unsafe"
)

// This file reads the rows of threads and messages, which are most of what this
// package does: straight from the driver, since database/sql's and sqlx's way to
// a struct costs more than the rest, and only the columns that are wanted.

// each calls fn with the values of every row of a query, as the driver gives
// them, but a *string for the bytes of SQLite's. They are good until fn returns;
// the string itself lasts.
func (s session) each(ctx context.Context, query string, args []any, fn func([]driver.Value) error) error {
	query, done := s.prepare(query)
	defer done()
	ctx = s.lasting(ctx)
	values := make([]driver.NamedValue, len(args))
	for i, a := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return err
		}
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	var failed error
	read := func(conn any) (err error) {
		rows, err := conn.(driver.QueryerContext).QueryContext(ctx, query, values)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		row := make([]driver.Value, len(rows.Columns()))
		texts := make([]string, len(row))
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			switch err := rows.Next(row); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			}
			if s.db.dialect.ownBytes {
				for i, v := range row {
					if b, ok := v.([]byte); ok { // as they are: a copy would be for nothing
						texts[i] = unsafe.String(unsafe.SliceData(b), len(b))
						row[i] = &texts[i]
					}
				}
			}
			if err := fn(row); err != nil {
				return err
			}
		}
	}
	err := s.conn.Raw(func(conn any) error {
		failed = read(conn)
		if s.inTx {
			return nil // for a broken connection it would wait until the transaction has ended, which waits for us
		}
		return failed
	})
	return cmp.Or(failed, err)
}

// Columns are the columns of a row to read, beside those that are always read.
type Columns uint16

// Optional columns of threads and messages. What was not read is zero.
const (
	ThreadTitle Columns = 1 << iota
	ThreadAttributes
	ThreadSource
	ThreadCreatedAt
	ThreadUpdatedAt
)

const (
	MessageID Columns = 1 << iota
	MessageThreadID
	MessageContent
	MessageParts
	MessageName
	MessageToolCallID
	MessageToolCalls
	MessageAttributes
	MessageTimestamp
	MessageSource
	MessageAttachments
	MessageMetrics
)

// AllColumns are those of any row.
const AllColumns = ^Columns(0)

type columnsKey struct{}

type wanted struct{ threads, messages Columns }

// Only returns a context with which the repositories read these columns only.
// Without it they read all. Writing reads what it needs.
func Only(ctx context.Context, threads, messages Columns) context.Context {
	return context.WithValue(ctx, columnsKey{}, wanted{threads, messages})
}

func columnsOf(ctx context.Context) wanted {
	if w, ok := ctx.Value(columnsKey{}).(wanted); ok {
		return w
	}
	return wanted{AllColumns, AllColumns}
}

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
	for _, c := range t.these(wanted) {
		names = append(names, before+c.name)
	}
	return strings.Join(names, ", ")
}

// nulls returns a null in the place of each wanted column, for the other half of a UNION.
func (t *table[Row]) nulls(wanted Columns) string {
	var nulls []string
	for _, c := range t.these(wanted) {
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
	for _, c := range t.these(wanted) {
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

func (t *table[Row]) these(wanted Columns) (list []column[Row]) {
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
	columns := t.these(wanted)
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
