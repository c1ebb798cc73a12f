package dbtest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/threadstore/threadstore/db"
)

// BulkID returns the id of the i-th thread that Bulk makes.
func BulkID(i int) string { return fmt.Sprintf("bulk-%07d", i) }

// BulkTime returns the updatedAt of the i-th thread that Bulk makes.
func BulkTime(i int) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Microsecond)
}

// Bulk fills a migrated database with n threads, each a microsecond newer than
// the one before, with so many messages, by a few statements of its own: saving
// them one by one would take minutes. The i-th thread has the attributes
// customer (i modulo n/10, so about ten have each), priority (high for every
// fourth, else low) and kind (all), and the source slack with a channel like the
// customer. Its messages take turns in being from a user and from an assistant.
func Bulk(t testing.TB, o db.Options, n, messages int) {
	t.Helper()
	raw := Raw(t, o)
	customers := max(n/10, 1)
	at, pad := "", "printf('bulk-%07d', i)"
	from := "WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i + 1 < $n)"
	object := func(pairs string) string { return "json_object(" + pairs + ")" }
	if o.Driver == db.PostgreSQL {
		from = "WITH s(i) AS (SELECT generate_series(0, $n - 1))"
		pad = "'bulk-' || lpad(CAST(i AS text), 7, '0')"
		object = func(pairs string) string { return "jsonb_build_object(" + pairs + ")" }
		at = "timestamptz '2026-01-01 00:00:00+00' + i * interval '1 microsecond'"
	} else {
		at = "strftime('%Y-%m-%d %H:%M:%S', '2026-01-01', '+' || (i / 1000000) || ' seconds') || printf('.%06d', i " +
			"% 1000000)"
	}
	with := func(count int) string { return strings.ReplaceAll(from, "$n", strconv.Itoa(count)) }
	customer := fmt.Sprintf("CAST(i %% %d AS text)", customers)
	priority := "CASE WHEN i % 4 = 0 THEN 'high' ELSE 'low' END"
	half := messages / 2
	statements := []string{
		fmt.Sprintf(`INSERT INTO threads (id, title, attributes, source, created_at, updated_at, last_sequence, `+
			`user_count, assistant_count)
			%s SELECT %s, 'Bulk', %s, %s, %s, %s, %d, %d, %d FROM s`, with(n), pad,
			object("'customer', "+customer+", 'priority', "+priority+", 'kind', 'all'"),
			object("'name', 'slack', 'channel', 'C' || "+customer), at, at,
			messages, messages-half, half),
	}
	for key, value := range map[string]string{"a:customer": customer, "a:priority": priority, "a:kind": "'all'",
		"n:name": "'slack'", "n:channel": `'slack":"C' || ` + customer} {
		statements = append(statements, fmt.Sprintf(`INSERT INTO thread_properties (thread_id, key, value)
			%s SELECT %s, '%s', ':"' || %s || '"' FROM s`, with(n), pad, key, value))
	}
	for m := range messages {
		role := []string{"user", "assistant"}[m%2]
		statements = append(statements,
			fmt.Sprintf(`INSERT INTO messages (id, thread_id, sequence, role, content, "timestamp")
			%s SELECT %s || '/%d', %s, %d, '%s', 'message', %s FROM s`, with(n), pad, m, pad, m+1, role, at))
	}
	tx, err := raw.Begin()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, s := range statements {
		if _, err := tx.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if o.Driver == db.PostgreSQL {
		Exec(t, raw, "VACUUM ANALYZE")
	}
	t.Logf("%d threads of %d messages in %s", n, messages, time.Since(began).Round(time.Millisecond))
}
