package db

import (
	"context"
	"slices"
	"strings"
)

// insertBulk inserts rows, in as few statements as the dialect can.
func insertBulk(ctx context.Context, s session, table string, columns []bulkColumn, rows [][]any) error {
	for some := range slices.Chunk(rows, s.db.dialect.maxBulkRows) {
		query, args := s.db.dialect.bulkInsert(s.tenant, table, columns, some)
		if _, err := s.exec(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}

// bulkColumn is a column of rows to insert, with its type in the dialect's words.
type bulkColumn struct{ name, sqlType string }

// The columns of the rows that newThreads collects, beside those of messages.
var (
	newThreadColumns = append(threadTable.writtenColumns(), counterBulkColumns()...)
	propertyColumns  = []bulkColumn{{"thread_id", "text"}, {"key", "text"}, {"value", "text"}}
)

func counterBulkColumns() (columns []bulkColumn) {
	for _, name := range counterColumns {
		columns = append(columns, bulkColumn{name, "bigint"})
	}
	return columns
}

// columnNames returns the columns' names, separated by commas.
func columnNames(columns []bulkColumn) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.name
	}
	return strings.Join(list, ", ")
}
