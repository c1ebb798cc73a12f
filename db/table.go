package db

import (
	"database/sql/driver"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// column is a column of a table: how its value gets into a row, and out of it.
type column[Row any] struct {
	name     string
	sqlType  string                         // its type, in the dialect's words
	readWith Columns                        // read with any of these; 0: always
	scan     func(*Row, driver.Value) error // nil: it is not read
	value    func(row *Row, d *dialect) any // nil: it is not written by whole rows
}

// table is a table's columns.
type table[Row any] struct {
	alias       string
	longTexts   bool // its texts may be long
	columns     []column[Row]
	written     []column[Row] // those with a value
	selectLists sync.Map      // Columns -> the list for SELECT
}

func newTable[Row any](alias string, longTexts bool, columns []column[Row]) *table[Row] {
	t := &table[Row]{alias: alias, longTexts: longTexts, columns: columns}
	for _, c := range columns {
		if c.value != nil {
			t.written = append(t.written, c)
		}
	}
	return t
}

// jsonColumn is a column of JSON objects or documents, or null.
func jsonColumn[Row any](name string, readWith Columns, of func(*Row) *JSON) column[Row] {
	return column[Row]{name: name, sqlType: "{json}", readWith: readWith,
		scan:  func(row *Row, v driver.Value) error { return scanJSON(of(row), v) },
		value: func(row *Row, _ *dialect) any { return null(*of(row)) }}
}

// timeColumn is a column of times.
func timeColumn[Row any](name string, readWith Columns, of func(*Row) *time.Time) column[Row] {
	return column[Row]{name: name, sqlType: "{time}", readWith: readWith,
		scan:  func(row *Row, v driver.Value) error { return scanTime(of(row), v) },
		value: func(row *Row, d *dialect) any { return d.formatTime(*of(row)) }}
}

// values returns what a row's written columns hold, as they are bound.
func (t *table[Row]) values(row *Row, d *dialect) []any {
	values := make([]any, len(t.written))
	for i, c := range t.written {
		values[i] = c.value(row, d)
	}
	return values
}

// writtenColumns returns the written columns, as [insertBulk] takes them.
func (t *table[Row]) writtenColumns() []bulkColumn {
	columns := make([]bulkColumn, len(t.written))
	for i, c := range t.written {
		columns[i] = bulkColumn{c.name, c.sqlType}
	}
	return columns
}

// insertRow returns the statement that inserts a row by a tenant and the values that are bound.
func (t *table[Row]) insertRow(into string) string {
	values := make([]string, len(t.written))
	for i, c := range t.written {
		values[i] = c.cast("?")
	}
	return `INSERT INTO ` + into + ` (tenant, ` + columnNames(t.writtenColumns()) + `) VALUES (?, ` +
		strings.Join(values, ", ") + `)`
}

// assignments returns those of an UPDATE to a row's values, which are bound; but for the columns of the names.
func (t *table[Row]) assignments(row *Row, d *dialect, except ...string) (sets string, args []any) {
	var list []string
	for _, c := range t.written {
		if !slices.Contains(except, c.name) {
			list, args = append(list, c.name+` = `+c.cast("?")), append(args, c.value(row, d))
		}
	}
	return strings.Join(list, ", "), args
}

// insertRows returns the statement that inserts, for a tenant, a bound list of rows' values.
func (t *table[Row]) insertRows(into string) string {
	values := make([]string, len(t.written))
	for i, c := range t.written {
		values[i] = c.fromRow(i)
	}
	return `INSERT INTO ` + into + ` (tenant, ` + columnNames(t.writtenColumns()) + `) SELECT CAST(? AS text), ` +
		strings.Join(values, ", ") + ` FROM {rows} AS v`
}

// updateRows returns the statement that updates rows to a bound list of their values, each with its tenant at the end.
// key tells them apart, and neither it nor fixed changes. (With a tenant that is bound, SQLite begins with all of its
// rows.)
func (t *table[Row]) updateRows(name, key, fixed string) string {
	var sets []string
	where := ""
	for i, c := range t.written {
		switch c.name {
		case key:
			where = name + `.tenant = v.value ->> ` + strconv.Itoa(len(t.written)) + ` AND ` + name + `.` + key +
				` = ` + c.fromRow(i)
		case fixed:
		default:
			sets = append(sets, c.name+` = `+c.fromRow(i))
		}
	}
	return `UPDATE ` + name + ` SET ` + strings.Join(sets, ", ") + ` FROM {rows} AS v WHERE ` + where
}

// fromRow returns the expression for the column's value, which is the i-th of a row in a bound list.
func (c column[Row]) fromRow(i int) string {
	return c.cast(`v.value ->> ` + strconv.Itoa(i))
}

// cast returns a text as the column's type.
func (c column[Row]) cast(text string) string {
	if c.sqlType == "text" {
		return text
	}
	return `CAST(` + text + ` AS ` + c.sqlType + `)`
}

// plainList returns the wanted columns as they are, with what stands before each:
// for RETURNING, where SQLite knows no alias, and for subqueries.
func (t *table[Row]) plainList(before string, wanted Columns) string {
	var names []string
	for _, c := range t.selected(wanted) {
		names = append(names, before+c.name)
	}
	return strings.Join(names, ", ")
}

// nullList returns a null in the place of each wanted column, for the other half of a UNION.
func (t *table[Row]) nullList(wanted Columns) string {
	var nulls []string
	for _, c := range t.selected(wanted) {
		kind := c.sqlType
		if kind == "{time}" {
			kind = "text" // as selectList has it
		}
		nulls = append(nulls, "CAST(NULL AS "+kind+")")
	}
	return strings.Join(nulls, ", ")
}

// selectList returns the wanted columns for SELECT. Times are read as text: lib/pq's way from text to a time costs more
// than all the rest of a row. SQLite's texts, where they are long, are read as bytes: its driver makes two copies of a
// text, and asks for its column's type each time.
func (t *table[Row]) selectList(wanted Columns) string {
	if text, ok := t.selectLists.Load(wanted); ok {
		return text.(string)
	}
	var names []string
	for _, c := range t.selected(wanted) {
		name := t.alias + "." + c.name
		switch {
		case c.sqlType == "{time}":
			name = "{text of}" + name + "{as text} AS " + c.name
		case t.longTexts && (c.sqlType == "{json}" || c.sqlType == "text"):
			name = "{bytes of}" + name + "{as bytes} AS " + c.name
		}
		names = append(names, name)
	}
	text := strings.Join(names, ", ")
	t.selectLists.Store(wanted, text)
	return text
}

func (t *table[Row]) selected(wanted Columns) (list []column[Row]) {
	for _, c := range t.columns {
		if c.scan != nil && (c.readWith == 0 || c.readWith&wanted != 0) {
			list = append(list, c)
		}
	}
	return list
}

// scanRow makes row what the values of the columns say; the name is that of a column that cannot be read.
func scanRow[Row any](row *Row, columns []column[Row], values []driver.Value) (name string, err error) {
	*row = *new(Row)
	for i, c := range columns {
		if err := c.scan(row, values[i]); err != nil {
			return c.name, err
		}
	}
	return "", nil
}
