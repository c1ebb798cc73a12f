package pgconn

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"
)

// Prepared makes connections that prepare each statement once and keep it. A
// statement with values otherwise costs lib/pq a round trip and the server a
// parse and a plan, each time. (SQLite's driver prepares each time whatever one does.)
func Prepared(c driver.Connector) driver.Connector { return prepared{c} }

type prepared struct{ driver.Connector }

func (c prepared) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if e := pq.As(err, "08P01"); e != nil && strings.Contains(e.Message, "unsupported startup parameter") {
		return nil, fmt.Errorf("%w: is this a pooler such as pgbouncer? Then DATABASE_URL needs ?binary_parameters=yes",
			err)
	}
	if err != nil {
		return nil, err
	}
	return &preparedConn{connection: conn.(connection), kept: map[string]statement{}}, nil
}

// connection is what lib/pq's connections can do.
type connection interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// statement is what lib/pq's statements can do.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// maxPrepared is how many statements a connection keeps: more than
// threadstore has shapes of, with every combination of roles and of columns a client is likely to ask for.
const maxPrepared = 256

// preparedConn is a connection with its statements. database/sql uses a connection for one thing at a time.
type preparedConn struct {
	connection
	kept map[string]statement
}

func (c *preparedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 { // may be several statements, which cannot be prepared
		return c.connection.QueryContext(ctx, query, args)
	}
	s, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args)
	return rows, c.checked(query, err)
}

func (c *preparedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		return c.connection.ExecContext(ctx, query, args)
	}
	s, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := s.ExecContext(ctx, args)
	return result, c.checked(query, err)
}

func (c *preparedConn) statement(ctx context.Context, query string) (statement, error) {
	if s := c.kept[query]; s != nil {
		return s, nil
	}
	s, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(c.kept) >= maxPrepared {
		for old := range c.kept { // any
			c.drop(old)
			break
		}
	}
	c.kept[query] = s.(statement)
	return c.kept[query], nil
}

func (c *preparedConn) drop(query string) {
	_ = c.kept[query].Close() // a broken connection says so by itself
	delete(c.kept, query)
}

// checked looks at the error of a kept statement. One that the server no longer
// has, or whose tables have changed under it, is prepared anew when it is tried again.
func (c *preparedConn) checked(query string, err error) error {
	if e, ok := errors.AsType[*pq.Error](err); ok && IsStale(e) {
		c.drop(query)
	}
	return err
}

// IsStale reports whether a kept statement has to be prepared anew: "prepared statement does not exist", or "cached
// plan must not change result type".
func IsStale(e *pq.Error) bool {
	return e.Code == "26000" || e.Code == "0A000" && e.Routine == "RevalidateCachedQuery"
}
