package dbtest

import (
	"context"
	"database/sql/driver"
	"strings"
	"sync"
)

// Statements records the SQL statements that reach a driver, as the driver gets
// them. Use its Connector as db.Hooks.Connector. It is safe for concurrent use.
type Statements struct {
	mu    sync.Mutex
	calls []Call
	begun int
}

// Take returns the statements since the last call; BEGIN, COMMIT and ROLLBACK are not among them.
func (s *Statements) Take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var texts []string
	for _, c := range s.calls {
		texts = append(texts, strings.Join(strings.Fields(c.Text), " "))
	}
	s.calls = nil
	return texts
}

// Call is a statement with its values.
type Call struct {
	Text string
	Args []any
}

// TakeCalls is Take with the values.
func (s *Statements) TakeCalls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// Transactions returns how many were begun so far.
func (s *Statements) Transactions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}

func (s *Statements) saw(_ context.Context, text string, args []driver.NamedValue) {
	c := Call{Text: text}
	for _, a := range args {
		c.Args = append(c.Args, a.Value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
}

func (s *Statements) began() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
}

// Connector returns c with its statements recorded.
func (s *Statements) Connector(c driver.Connector) driver.Connector { return seenConnector{c, s} }

// observer is told what reaches a driver.
type observer interface {
	saw(ctx context.Context, text string, args []driver.NamedValue)
	began()
}

type seenConnector struct {
	driver.Connector
	seen observer
}

func (c seenConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	seen := &seenConn{conn, c.seen}
	if session, ok := conn.(sessionConn); ok {
		return &seenSession{seen, session}, nil
	}
	return seen, nil
}

// sessionConn is what database/sql asks of a connection before it keeps it after a cancelled transaction: only one that
// has both methods may seem to.
type sessionConn interface {
	driver.SessionResetter
	driver.Validator
}

type seenSession struct {
	*seenConn
	sessionConn
}

// seenConn passes on the optional interfaces that both drivers implement, or
// behaves as database/sql does without them.
type seenConn struct {
	driver.Conn
	seen observer
}

func (c *seenConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.seen.saw(ctx, query, args)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *seenConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.seen.saw(ctx, query, args)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *seenConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &seenStmt{stmt, query, c.seen}, nil
}

func (c *seenConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.seen.began()
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

func (c *seenConn) Ping(ctx context.Context) error {
	if p, ok := c.Conn.(driver.Pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}

func (c *seenConn) CheckNamedValue(v *driver.NamedValue) error {
	if n, ok := c.Conn.(driver.NamedValueChecker); ok {
		return n.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type seenStmt struct {
	driver.Stmt
	query string
	seen  observer
}

func (s *seenStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.seen.saw(ctx, s.query, args)
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

func (s *seenStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.seen.saw(ctx, s.query, args)
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}
