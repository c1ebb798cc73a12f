package dbtest

import (
	"context"
	"database/sql/driver"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/threadstore/threadstore/db"
)

// guard fails a test for a statement that breaks a rule which every statement of
// the store has to obey. [OpenOptions] puts one before each database.
type guard struct {
	t testing.TB
	// on: the tables are migrated, and the test has not ended. Migrations have statements of their own.
	on atomic.Bool
}

// domainWrite matches a statement that changes what clients have stored.
var domainWrite = regexp.MustCompile(
	`(?i)\b(INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE(\s+OR\s+\w+)?|DELETE\s+FROM)\s+(threads|messages|thread_properties)\b`,
)

// domainTable matches a statement on a table of tenants' rows.
var domainTable = regexp.MustCompile(
	`(?i)\b(FROM|JOIN|INTO|UPDATE(\s+OR\s+\w+)?)\s+(threads|messages|thread_properties)\b`,
)

func (g *guard) saw(ctx context.Context, text string, _ []driver.NamedValue) {
	if !g.on.Load() {
		return
	}
	if domainWrite.MatchString(text) && !db.Committing(ctx) {
		g.t.Errorf("a write goes around commit: %s", strings.Join(strings.Fields(text), " "))
	}
	// As often as a table is named, at least.
	if tables := len(domainTable.FindAllString(text, -1)); strings.Count(text, "tenant") < tables {
		g.t.Errorf("a statement on %d tables of tenants names the tenant less often: %s", tables,
			strings.Join(strings.Fields(text), " "))
	}
}

func (g *guard) began() {}
