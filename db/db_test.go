package db_test

import (
	"io/fs"
	"os"
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
}
