// Package pgconn makes connections to PostgreSQL with lib/pq: with TLS where the
// server has it, with statements that stay prepared, or for a pooler that lends
// connections for one transaction. It knows no table, and imports nothing of ours.
package pgconn

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// Params are lib/pq's connection parameters: host, port, user, password, dbname, sslmode and so on, and settings of the
// server.
type Params map[string]string

// DSN returns lib/pq's keyword form of the parameters.
func (p Params) DSN() string {
	var b strings.Builder
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	for _, k := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s='%s' ", k, escape.Replace(p[k]))
	}
	return b.String()
}

// New returns how connections with the parameters are made.
func New(given Params) (driver.Connector, error) {
	p := Params{
		"application_name": "threadstore",
		// A server that does not answer is an error soon, not a request that hangs.
		"connect_timeout": "10",
	}
	maps.Copy(p, given)
	// Times are read as text, in the one form that this gives; the names of settings have no case.
	maps.DeleteFunc(p, func(name, _ string) bool { return strings.EqualFold(name, "timezone") })
	p["timezone"] = "UTC"
	var c eitherTLS
	for _, mode := range tlsModes(p["sslmode"]) {
		p["sslmode"] = mode
		connector, err := pq.NewConnector(p.DSN())
		if err != nil {
			return nil, err
		}
		c = append(c, connector)
	}
	return c, nil
}

// tlsModes are the modes to try in turn for an sslmode. lib/pq's own prefer and
// allow leave the socket of the first try open, and with it a process of the server.
func tlsModes(sslmode string) []string {
	switch sslmode {
	case "prefer":
		return []string{"require", "disable"}
	case "allow":
		return []string{"disable", "require"}
	}
	return []string{sslmode}
}

// eitherTLS connects by the first of its connectors, or the next if the server
// takes connections with TLS only, or without only.
type eitherTLS []*pq.Connector

func (c eitherTLS) Connect(ctx context.Context) (conn driver.Conn, err error) {
	for _, connector := range c {
		conn, err = connector.Connect(ctx)
		// 28000: pg_hba.conf has no entry for this way to connect.
		if !errors.Is(err, pq.ErrSSLNotSupported) && pq.As(err, "28000") == nil {
			break
		}
	}
	return conn, err
}

func (c eitherTLS) Driver() driver.Driver { return c[0].Driver() }
