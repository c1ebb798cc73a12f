package pgconn

import (
	"context"
	"database/sql/driver"

	"github.com/lib/pq"
)

// UsesTxPooling reports whether the parameters switch lib/pq's binary_parameters on, in any of the spellings that it
// takes: the connection is one of a pooler that lends it for a transaction at a time.
func UsesTxPooling(p Params) bool {
	config, err := pq.NewConfig(p.DSN())
	return err == nil && config.BinaryParameters // what it does not take is an error of connecting
}

// TxPooling makes connections whose transactions wait for the disk, whatever the default of the server's connection
// is, and which keep nothing from one transaction to the next.
func TxPooling(c driver.Connector) driver.Connector { return txPoolingConnector{c} }

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

// BeginTx begins a transaction and sets it up in one round trip. db asks for no options.
func (c txPoolingConn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	_, err := c.ExecContext(ctx, "BEGIN READ WRITE; SET LOCAL synchronous_commit TO on", nil)
	return c.txPoolingConnection, err
}
