package db_test

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.SQLite)
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.PostgreSQL)
}

// TestMigrationNames holds the two folders of migrations against each other.
func TestMigrationNames(t *testing.T) {
	t.Parallel()
	names := func(dir string) (names []string) {
		files, err := fs.ReadDir(os.DirFS("migrations"), dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			names = append(names, f.Name())
		}
		return names
	}
	if d := cmp.Diff(names("postgres"), names("sqlite")); d != "" {
		t.Errorf("migrations of PostgreSQL (-) and SQLite (+):\n%s", d)
	}
	for i, name := range names("postgres") {
		if !strings.HasPrefix(name, fmt.Sprintf("%04d_", i+1)) {
			t.Errorf("migration %d is named %s", i+1, name)
		}
		if i == 0 {
			continue // run by a Go function, not by goose
		}
		for _, dir := range []string{"postgres", "sqlite"} {
			if text, err := os.ReadFile("migrations/" + dir + "/" + name); err != nil || !strings.HasPrefix(string(text), "-- +goose Up\n") {
				t.Errorf("%s/%s does not begin with \"-- +goose Up\", %v", dir, name, err)
			}
		}
	}
}
