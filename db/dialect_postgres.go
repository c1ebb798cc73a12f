package db

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"database/sql/driver"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/threadstore/threadstore/db/pgconn"
)

var postgres = dialect{
	driver:            PostgreSQL,
	bindType:          sqlx.DOLLAR,
	words:             postgresWords(""), // the connection has synchronous_commit on
	jsonColumnsValid:  true,
	lateralJoins:      true,
	writableCTE:       true,
	sessionLocks:      true,
	snapshotStatement: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
	bulkInsert:        insertArrays,
	// A batch of an import is one statement for each table, unless a thread of it has more messages.
	maxBulkRows: 100_000,
	array:       func(s []string) any { return pq.StringArray(s) },
	formatTime:  func(t time.Time) string { return t.Format("2006-01-02 15:04:05.000000") + "+00" },
	open: func(o Options) (connectors, error) {
		params := maps.Clone(o.Postgres)
		// An answered write is on disk, whatever the URL says or the database's or the user's default is.
		params["synchronous_commit"] = "on"
		maps.Copy(params, planner)
		c, err := pgconn.New(params)
		return connectors{writer: pgconn.Prepared(c)}, err
	},
	classify: func(err error) errClass {
		if e, ok := errors.AsType[*pq.Error](err); ok {
			switch e.Code {
			case "23505":
				if e.Constraint == "messages_pkey" {
					return duplicate
				}
				return other // an ordinal taken twice, which our counters should not let happen
			case "40001", "40P01":
				return retryable
			case "25006", // read-only: a replica, or a failed-over primary
				"55000", // not accepting connections
				"57014", // cancelled by somebody else than us: the database has a time limit of its own
				"57P03": // starting up
				return unavailable
			case "57P01", "57P02", "57P05": // going down, idle for too long
				return lost
			}
			if pgconn.IsStale(e) {
				return lost
			}
			switch e.Code.Class() {
			case "08", "28", "3D", "53": // connection, authorization, no such database, out of disk or connections
				return unavailable
			}
			return other
		}
		for _, gone := range []error{
			driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed,
		} {
			if errors.Is(err, gone) {
				return lost
			}
		}
		if _, ok := errors.AsType[*net.OpError](err); ok {
			return unavailable
		}
		return other
	},
}

// postgresTxPooling is PostgreSQL behind a pooler such as pgbouncer, which lends a server's
// connection for one transaction at a time (pool_mode = transaction). Nothing
// may be left in a session, and nothing be expected of it: no prepared
// statements, no settings, no locks. lib/pq's binary_parameters, which switches
// this mode on, sends a statement with its values at once, so that there is no
// moment at which another connection could be between them.
//
// The planner's settings (see planner) are left out: without prepared statements
// no plan is kept.
var postgresTxPooling = withTxPooling(postgres)

func withTxPooling(d dialect) dialect {
	d.sessionLocks = false
	// A setting of the transaction, which lasts until its commit has decided what to wait for.
	d.words = postgresWords(", set_config('synchronous_commit', 'on', true)")
	d.open = func(o Options) (connectors, error) {
		c, err := pgconn.New(o.Postgres)
		return connectors{writer: pgconn.TxPooling(c)}, err
	}
	return d
}

func postgresWords(syncCommit string) *strings.Replacer {
	return strings.NewReplacer(
		"{in}", "= ANY (CAST(? AS text[]))",
		"{keys}", "(SELECT u.value, u.n - 1 AS key FROM unnest(CAST(? AS text[])) WITH ORDINALITY AS u(value, n)) AS k",
		"{rows}", "jsonb_array_elements(CAST(? AS jsonb))",
		"{json}", "jsonb",
		"{time}", "timestamptz",
		"{text of}", "CAST(", "{as text}", " AS text)",
		"{bytes of}", "", "{as bytes}", "",
		"{lock}", "FOR UPDATE",
		"{matches p of r}",
		"LATERAL (SELECT p.* FROM thread_properties p "+
			"WHERE p.tenant = r.tenant AND p.key = r.key AND p.value = r.value OFFSET 0) AS p",
		"{thread t of p}",
		"LATERAL (SELECT t.* FROM threads t WHERE t.tenant = p.tenant AND t.id = p.thread_id OFFSET 0) AS t",
		"{limit if walked}", "LIMIT ?",
		"{sync commit}", syncCommit,
	)
}

// planner are settings of the server's planner. A prepared statement keeps its
// plan, perhaps from when the tables were empty and reading them whole was
// cheapest. Every statement of this package is a search by an index or a walk in
// the order of one, whatever the statistics say; so is its plan by these.
var planner = map[string]string{
	"enable_seqscan":    "off",
	"enable_hashjoin":   "off",
	"enable_mergejoin":  "off",
	"enable_bitmapscan": "off",                // its rows come in no order
	"plan_cache_mode":   "force_generic_plan", // else a bound limit, which could be any, makes it plan each time anew
	"jit":               "off",                // compiling such a plan takes longer than running it
}

// insertArrays inserts rows by a bound array for each column: one statement for any number of them.
func insertArrays(tenant, table string, columns []bulkColumn, rows [][]any) (string, []any) {
	from, values, args := unnested("u", columns, rows)
	query := `INSERT INTO ` + table + ` (tenant, ` + columnNames(columns) + `)
		SELECT CAST(? AS text), ` + strings.Join(values, ", ") + ` FROM ` + from
	return query, append([]any{tenant}, args...)
}

// unnested returns bound arrays, one for each column, as rows with an alias,
// whose columns are the texts c0, c1 and so on, and the values of the columns.
func unnested(alias string, columns []bulkColumn, rows [][]any) (from string, values []string, args []any) {
	var arrays, texts []string
	for i, c := range columns {
		text := fmt.Sprintf("c%d", i)
		values = append(values, `CAST(`+alias+`.`+text+` AS `+c.sqlType+`)`)
		arrays, texts = append(arrays, `CAST(? AS text[])`), append(texts, text)
		array := []byte{'{'}
		for j, r := range rows {
			if j > 0 {
				array = append(array, ',')
			}
			array = appendElement(array, r[i])
		}
		args = append(args, string(append(array, '}')))
	}
	from = `unnest(` + strings.Join(arrays, ", ") + `) AS ` + alias + `(` + strings.Join(texts, ", ") + `)`
	return from, values, args
}

// boundName returns what [unnested] calls a column.
func boundName(alias string, columns []bulkColumn, name string) string {
	return fmt.Sprintf("%s.c%d", alias, slices.IndexFunc(columns, func(c bulkColumn) bool { return c.name == name }))
}

// appendElement appends a value as an element of an array's text.
func appendElement(array []byte, v any) []byte {
	var text string
	switch v := v.(type) {
	case nil:
		return append(array, "NULL"...)
	case *string:
		if v == nil {
			return append(array, "NULL"...)
		}
		text = *v
	case int:
		return strconv.AppendInt(array, int64(v), 10)
	case string:
		text = v
	case JSON:
		text = string(v)
	case Role:
		text = string(v)
	default:
		panic(fmt.Sprintf("%T in a row", v))
	}
	array = append(array, '"')
	for i := range len(text) {
		if text[i] == '"' || text[i] == '\\' {
			array = append(array, '\\')
		}
		array = append(array, text[i])
	}
	return append(array, '"')
}
