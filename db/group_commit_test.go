package db

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/glebarez/go-sqlite"
)

// TestGroupBreaks lets a write that has written and then fails, not by refusing, share a transaction with others.
func TestGroupBreaks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "threads.db")
	store := openFile(t, path)
	defer store.Close()
	raw := another(t, path)
	held, err := raw.Begin() // somebody else writes until both wait
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	results := make([]error, 3)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() {
			results[i] = store.Scope("").commit(ctx, commitOptions{},
				func(ctx context.Context, s session) ([]threadChange, error) {
					if _, err := s.exec(ctx, `INSERT INTO threads (id) VALUES (?)`, string(rune('a'+i))); err != nil {
						return nil, err
					}
					if i == 1 {
						return nil, broken
					}
					return nil, nil
				})
		})
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		waiting := store.group.queue.Len() // those of an attempt under way are put back
		if waiting == len(results) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the writes do not wait together")
		}
	}
	if err := held.Rollback(); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	if results[0] != nil || !errors.Is(results[1], broken) || results[2] != nil {
		t.Errorf("results %v, want the second one's own error only", results)
	}
	var ids string
	if err := raw.QueryRow(`SELECT group_concat(id, ' ') FROM (SELECT id FROM threads ` +
		`ORDER BY id)`).Scan(&ids); err != nil || ids != "a c" {
		t.Errorf("threads %q, %v, want a and c", ids, err)
	}
}

// TestCloseFinishes closes a database whose writers have just left: what runs for them is finished first, so that one
// file is left.
func TestCloseFinishes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "threads.db")
	for round := range 30 {
		store := openFile(t, path)
		var threads []string
		for range 4 {
			thread, err := store.Scope("").Threads().Save(context.Background(), ThreadPatch{})
			if err != nil {
				t.Fatal(err)
			}
			threads = append(threads, thread.ID)
		}
		ctx, leave := context.WithCancel(context.Background())
		var group sync.WaitGroup
		for _, id := range threads {
			group.Go(func() {
				for ctx.Err() == nil {
					// may end by leave
					_, _, _ = store.Scope("").Messages().Add(ctx, id, []MessagePatch{{Role: RoleUser}})
				}
			})
		}
		time.Sleep(time.Duration(round) * time.Millisecond / 3)
		leave()
		group.Wait()
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if files, _ := filepath.Glob(path + "*"); len(files) != 1 {
			t.Fatalf("round %d: %v are left, want one file", round, files)
		}
	}
}

// TestUTF16 opens a file whose texts are in an encoding that only another program can have chosen.
func TestUTF16(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "threads.db")
	raw, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Exec(`PRAGMA encoding = 'UTF-16le'; CREATE TABLE other (id text)`); err != nil {
		t.Fatal(err)
	}
	o, err := ParseOptions(map[string]string{"DATABASE_URL": "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	store, err := Open(o, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(context.Background()); err == nil || !strings.Contains(err.Error(), "UTF-16le") {
		t.Errorf("Migrate = %v, want an error that names the encoding", err)
	}
}

// TestCloseWhileBusy closes a database that another process keeps from being written, after the writers have left.
func TestCloseWhileBusy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "threads.db")
	store := openFile(t, path)
	raw := another(t, path)
	held, err := raw.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer held.Rollback()
	ctx, leave := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer leave()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := store.Scope("").Threads().Save(ctx, ThreadPatch{}); !Timeout.Is(err) {
				t.Errorf("Save = %v, want a time-out", err)
			}
		})
	}
	closed := make(chan error)
	go func() {
		group.Wait()
		closed <- store.Close()
	}()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Close does not return")
	}
}

// TestDeferredReferences: a reference is checked when a transaction ends, so that no statement has to be undoable for
// its sake.
func TestDeferredReferences(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "threads.db")
	store := openFile(t, path)
	defer store.Close()
	raw, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetMaxOpenConns(1) // a transaction whose commit fails goes on
	for _, insert := range []string{
		`INSERT INTO messages (id, thread_id, sequence, role) VALUES ('m', 'none', 1, 'user')`,
		`INSERT INTO thread_properties (thread_id, key, value) VALUES ('none', 'a:k', 'v')`,
	} {
		tx, err := raw.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(insert); err != nil {
			t.Errorf("%s: %v, want an error of the commit only", insert, err)
		}
		if err := tx.Commit(); err == nil {
			t.Errorf("%s: was committed", insert)
		}
		if _, err := raw.Exec(`ROLLBACK`); err != nil {
			t.Fatal(err)
		}
		if err := store.Scope("").commit(context.Background(), commitOptions{},
			func(ctx context.Context, s session) ([]threadChange, error) {
				_, err := s.exec(ctx, insert)
				return nil, err
			}); err == nil {
			t.Errorf("%s: was committed by the store", insert)
		}
		if _, err := store.Scope("").Threads().Save(context.Background(), ThreadPatch{}); err != nil {
			t.Errorf("after a commit that failed: %v", err)
		}
	}
}

// another opens the file as another process does; its transactions write from their start.
func another(t *testing.T, path string) *sql.DB {
	t.Helper()
	raw, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	return raw
}

func openFile(t *testing.T, path string) *DB {
	t.Helper()
	o, err := ParseOptions(map[string]string{"DATABASE_URL": "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	store, err := Open(o, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return store
}
