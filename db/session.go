package db

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"io"
	"time"
	"unsafe"

	"github.com/jmoiron/sqlx"
)

// session runs statements on one connection, inside a transaction or outside.
// All queries of the package go through its methods, which put them in
// the dialect's words and echo them.
type session struct {
	db   *DB
	conn *sqlx.Conn
	inTx bool
	// tenant is whose rows the statements are of.
	tenant string
	// uncancellable: a statement that has begun runs to its end, whatever becomes of its context.
	uncancellable bool
	queryer       interface {
		SelectContext(ctx context.Context, dest any, query string, args ...any) error
		GetContext(ctx context.Context, dest any, query string, args ...any) error
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	}
}

// rows reads all rows into dest, a slice of row structs.
func (s session) rows(ctx context.Context, dest any, query string, args ...any) error {
	query, done := s.translate(query)
	defer done()
	return s.queryer.SelectContext(s.statementContext(ctx), dest, query, args...)
}

// row reads one row into dest and reports whether there was one.
func (s session) row(ctx context.Context, dest any, query string, args ...any) (bool, error) {
	query, done := s.translate(query)
	defer done()
	err := s.queryer.GetContext(s.statementContext(ctx), dest, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// exec runs a statement and returns how many rows it changed.
func (s session) exec(ctx context.Context, query string, args ...any) (int64, error) {
	query, done := s.translate(query)
	defer done()
	result, err := s.queryer.ExecContext(s.statementContext(ctx), query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s session) translate(query string) (text string, done func()) {
	translated, ok := s.db.queries.Load(query)
	if !ok {
		translated, _ = s.db.queries.LoadOrStore(query, s.db.dialect.query(query))
	}
	text = translated.(string)
	if !s.db.options.Echo {
		return text, func() {}
	}
	start := time.Now()
	return text, func() { s.db.log.Info("sql", "statement", text, "ms", milliseconds(time.Since(start))) }
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// statementContext returns the context for statements and transactions. database/sql
// closes the connection of a transaction whose context ends, and with it a
// database in memory: there, what has begun is not cancelled.
func (s session) statementContext(ctx context.Context) context.Context {
	if s.uncancellable {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// each reads rows of threads and messages, which is most of what this package
// does: straight from the driver, since database/sql's and sqlx's way to a struct
// costs more than the rest.
//
// It calls fn with the values of every row of a query, as the driver gives
// them, but a *string for the bytes of SQLite's. They are good until fn returns;
// the string itself lasts.
func (s session) each(ctx context.Context, query string, args []any, fn func([]driver.Value) error) error {
	query, done := s.translate(query)
	defer done()
	ctx = s.statementContext(ctx)
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
			if s.db.dialect.bytesNotReused {
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

// bind returns v as the text of a bound JSON list. The values are strings,
// numbers, nil and JSON texts as strings, which cannot fail to encode.
func bind(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}
