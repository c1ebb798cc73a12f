package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

// Migrations: numbered files, the same numbers and names for both databases.
// The first is run by a Go function, which also adopts what Tyler has written.
//
//go:embed migrations
var migrations embed.FS

// latestVersion is the schema this program knows: how many migrations there are, which are the same for both databases.
var latestVersion = func() int64 {
	files, err := fs.Glob(migrations, "migrations/"+string(SQLite)+"/*.sql")
	if err != nil { // a bad pattern
		panic(err)
	}
	return int64(len(files))
}()

// firstMigration is run by makeTables, not by goose.
const firstMigration = "0001_tables.sql"

// Migrate brings the tables up to date. It is safe when several processes start
// at once: one does the work and the others wait, or find it done. A schema newer than this
// program is an error.
func (db *DB) Migrate(ctx context.Context) error {
	p, err := db.provider()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(max(db.options.PoolTimeout, migrateWait))
	for failures := 0; ; {
		err := db.migrateOnce(ctx, p)
		if err == nil || ctx.Err() != nil || db.dialect.sessionLocks || time.Now().After(deadline) {
			return db.mapError(ctx, err)
		}
		if db.dialect.driver == PostgreSQL && db.classify(err) == unavailable {
			return db.mapError(ctx, err) // no other process has to do with that
		}
		// There is no lock to hold across migrations. Each is one transaction that fails when another process
		// has run it meanwhile; whoever was late looks again at what is left to do.
		if db.classify(err) != retryable {
			if failures++; failures == 3 {
				return db.mapError(ctx, err)
			}
		}
		sleep(ctx, 50*time.Millisecond)
	}
}

// migrateWait is how long to wait at least for another process: it may be migrating the database.
const migrateWait = 30 * time.Second

func (db *DB) migrateOnce(ctx context.Context, p *goose.Provider) error {
	if db.dialect.bytesNotReused { // texts are read as their bytes
		var encoding string
		if err := db.writer.GetContext(ctx, &encoding, `PRAGMA encoding`); err != nil {
			return err
		}
		if encoding != "UTF-8" {
			return conflictf("the database keeps its texts in %s, and only UTF-8 can be read", encoding)
		}
	}
	version, err := p.GetDBVersion(ctx)
	switch {
	case err != nil:
		return err
	case version > latestVersion:
		return conflictf("the database has schema version %d, and this program knows versions up to %d: "+
			"run a newer threadstore", version, latestVersion)
	case version == latestVersion:
		return nil
	}
	_, err = p.Up(ctx)
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		return partial.Err // goose's own words say nothing to who starts a server
	}
	return err
}

// Ready reports whether the database can be reached and has the schema of this program.
func (db *DB) Ready(ctx context.Context) error {
	var version int64
	err := db.read(ctx, func(s session) error {
		_, err := s.row(ctx, &version, `SELECT max(version_id) FROM goose_db_version WHERE is_applied`)
		return err
	})
	if err == nil && version != latestVersion {
		return fmt.Errorf("schema version %d, want %d", version, latestVersion)
	}
	return err
}

func (db *DB) provider() (*goose.Provider, error) {
	dir, kind := "migrations/"+string(db.dialect.driver), database.DialectSQLite3
	options := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)),
		goose.WithExcludeNames([]string{firstMigration}),
		goose.WithGoMigrations(db.goMigration(1, makeTables)),
	}
	if db.dialect.driver == PostgreSQL {
		kind = database.DialectPostgres
	}
	if db.dialect.sessionLocks {
		// An advisory lock; whoever does not get it tries once a second for ten minutes.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600))
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(kind, db.writer.DB, files, options...)
}

// goMigration runs fn in goose's transaction, unless that migration has been run already.
func (db *DB) goMigration(version int64, fn func(context.Context, session) error) *goose.Migration {
	run := func(ctx context.Context, tx *sql.Tx) error {
		s := session{db: db, queryer: &sqlx.Tx{Tx: tx, Mapper: db.writer.Mapper}}
		var applied int
		if _, err := s.row(ctx, &applied, `SELECT count(*) FROM goose_db_version WHERE version_id = ? AND is_applied`,
			version); err != nil {
			return err
		}
		if applied > 0 {
			return errRetryTx
		}
		return fn(ctx, s)
	}
	return goose.NewGoMigration(version, &goose.GoFunc{RunTx: run}, nil)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
