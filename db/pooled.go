package db

import (
	"context"
	"database/sql/driver"

	"github.com/lib/pq"
)

// postgresTxPooling is PostgreSQL behind a pooler such as pgbouncer, which lends a server's
// connection for one transaction at a time (pool_mode = transaction). Nothing
// may be left in a session, and nothing be expected of it: no prepared
// statements, no settings, no locks. lib/pq's binary_parameters, which switches
// this mode on, sends a statement with its values at once, so that there is no
// moment at which another connection could be between them.
//
// The planner's settings (see planner) are left out: without prepared statements
// no plan is kept.
var postgresTxPooling = transactionPooling(postgres)

func transactionPooling(d dialect) dialect {
	d.sessionLocks = false
	// A setting of the transaction, which lasts until its commit has decided what to wait for.
	d.words = postgresWords(", set_config('synchronous_commit', 'on', true)")
	d.open = func(o Options) (opened, error) {
		c, err := connectPostgres(o)
		return opened{writer: txPoolingConnector{c}}, err
	}
	return d
}

// txPooling reports whether lib/pq's binary_parameters is switched on, in any of the spellings that lib/pq takes.
func (o Options) txPooling() bool {
	config, err := pq.NewConfig(o.dsn(nil))
	return err == nil && config.BinaryParameters // what it does not take is an error of opening the database
}

// txPoolingConnector makes connections whose transactions wait for the disk, whatever the default of the server's connection is.
type txPoolingConnector struct{ driver.Connector }

func (c txPoolingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return txPoolingConn{conn.(txPoolingConnection)}, nil
}

// txPoolingConnection is what lib/pq's connections can do; each is its own transaction.
type txPoolingConnection interface {
	connection
	driver.Tx
}

type txPoolingConn struct{ txPoolingConnection }

// BeginTx begins a transaction and sets it up in one round trip. This package asks for no options.
func (c txPoolingConn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	_, err := c.ExecContext(ctx, "BEGIN READ WRITE; SET LOCAL synchronous_commit TO on", nil)
	return c.txPoolingConnection, err
}
