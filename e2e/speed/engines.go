package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/lib/pq"
)

// engine is a kind of database: SQLite, or the PostgreSQL server of a URL.
type engine struct{ name, postgres string }

func engines() []engine {
	all := []engine{{name: "SQLite"}}
	if server := os.Getenv("THREADSTORE_TEST_POSTGRES"); server != "" {
		all = append(all, engine{"PostgreSQL", server})
	}
	return all
}

// fill makes the tree's databases and imports the threads that it serves.
func (e engine) fill(ctx context.Context, t *tree, lines []conversation) (err error) {
	if t.database, err = e.create(t, "threads"); err != nil {
		return err
	}
	if t.imports, err = e.create(t, "imports"); err != nil {
		return err
	}
	text, err := copies(lines, "served", servedThreads)
	if err != nil {
		return err
	}
	if _, err := t.load(ctx, t.database, text); err != nil || e.postgres == "" {
		return err
	}
	// It would happen by itself some time later, and in one tree's database before the other's.
	return e.execute(databaseName(t, "threads"), "VACUUM ANALYZE")
}

// create makes an empty database and returns its URL.
func (e engine) create(t *tree, what string) (string, error) {
	if e.postgres == "" {
		return "sqlite:" + filepath.Join(t.dir, what+".db"), nil
	}
	name := databaseName(t, what)
	return e.postgres + "/" + name, e.execute("postgres", "CREATE DATABASE "+name+" TEMPLATE template0")
}

// drop removes the databases of a tree; SQLite's go with its folder.
func (e engine) drop(t *tree) {
	if e.postgres == "" {
		return
	}
	for _, what := range []string{"threads", "imports"} {
		name := databaseName(t, what)
		if err := e.execute("postgres", "DROP DATABASE IF EXISTS "+name+" (FORCE)"); err != nil {
			fmt.Fprintf(os.Stderr, "the database %s stays: %v\n", name, err)
		}
	}
}

func databaseName(t *tree, what string) string {
	return fmt.Sprintf("speed_%d_%s_%s", os.Getpid(), t.name, what)
}

func (e engine) execute(database, statement string) error {
	conn, err := sql.Open("postgres", e.postgres+"/"+database+"?sslmode=disable")
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Exec(statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
