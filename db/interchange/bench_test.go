package interchange_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
	"github.com/threadstore/threadstore/db/interchange"
)

// BenchmarkImport imports 4,000 conversations of recorded size into a new store, and beside it puts the same rows into
// the same tables, with their indexes, as fast as the database takes them from one client: by COPY into PostgreSQL, by
// a prepared INSERT for each row in one transaction of SQLite. The figure "of-bulk" is how fast the import is beside
// that.
//
//	.ci/with-postgres go test ./db/interchange -run - -bench Import -benchtime 3x
func BenchmarkImport(b *testing.B) {
	lines := conversations(b, 4000)
	for _, driver := range dbtest.Drivers {
		b.Run(string(driver), func(b *testing.B) {
			var imported, copied time.Duration
			for range b.N {
				o := dbtest.Options(b, driver)
				store := dbtest.OpenOptions(b, o, db.Hooks{})
				start := time.Now()
				if err := interchange.Import(context.Background(), store.Scope("").Threads(), "lines",
					bytes.NewReader(lines), func(int, int) {}); err != nil {
					b.Fatal(err)
				}
				imported += time.Since(start)
				to := dbtest.Options(b, driver)
				dbtest.OpenOptions(b, to, db.Hooks{}).Close()
				copied += bulkCopy(b, driver, dbtest.Raw(b, o), dbtest.Raw(b, to))
				store.Close()
			}
			b.ReportMetric(copied.Seconds()/imported.Seconds(), "of-bulk")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// conversations returns n threads as lines, made from the recorded ones with ids of their own.
func conversations(b *testing.B, n int) []byte {
	b.Helper()
	recorded := dbtest.Conversations(b)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	for i := range n {
		var thread map[string]any
		if err := json.Unmarshal([]byte(recorded[i%len(recorded)]), &thread); err != nil {
			b.Fatal(err)
		}
		thread["id"] = fmt.Sprintf("%v/%d", thread["id"], i)
		for _, m := range thread["messages"].([]any) {
			message := m.(map[string]any)
			message["id"] = fmt.Sprintf("%v/%d", message["id"], i)
		}
		if err := encoder.Encode(thread); err != nil {
			b.Fatal(err)
		}
	}
	return out.Bytes()
}

// bulkCopy copies all rows from one database to another and returns how long putting them in took.
func bulkCopy(b *testing.B, driver db.Driver, from, to *sql.DB) (took time.Duration) {
	b.Helper()
	tx, err := to.Begin()
	if err != nil {
		b.Fatal(err)
	}
	for _, table := range []struct{ name, columns string }{
		{"threads",
			"id title attributes source created_at updated_at last_sequence system_count user_count assistant_count " +
				"tool_count"},
		{"messages",
			"id thread_id sequence position role content parts name tool_call_id tool_calls attributes timestamp " +
				"source attachments metrics"},
		{"thread_properties", "thread_id key value"},
	} {
		columns := strings.Fields(table.columns)
		var selected []string
		for _, c := range columns {
			selected = append(selected, `CAST("`+c+`" AS text)`)
		}
		rows := allRows(b, from, "SELECT "+strings.Join(selected, ", ")+" FROM "+table.name, len(columns))
		statement := `COPY ` + table.name + ` ("` + strings.Join(columns, `", "`) + `") FROM STDIN`
		if driver == db.SQLite {
			statement = `INSERT INTO ` + table.name + ` ("` + strings.Join(columns, `", "`) + `") VALUES (?` +
				strings.Repeat(", ?", len(columns)-1) + `)`
		}
		start := time.Now()
		prepared, err := tx.Prepare(statement)
		if err != nil {
			b.Fatal(err)
		}
		for _, row := range rows {
			if _, err := prepared.Exec(row...); err != nil {
				b.Fatal(err)
			}
		}
		if driver == db.PostgreSQL {
			if _, err := prepared.Exec(); err != nil {
				b.Fatal(err)
			}
		}
		if err := prepared.Close(); err != nil {
			b.Fatal(err)
		}
		took += time.Since(start)
	}
	start := time.Now()
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	return took + time.Since(start)
}

func allRows(b *testing.B, from *sql.DB, query string, columns int) (all [][]any) {
	b.Helper()
	rows, err := from.Query(query)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		row, to := make([]any, columns), make([]any, columns)
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			b.Fatal(err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return all
}
