package db

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
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
	o, err := ParseOptions(map[string]string{"DATABASE_URL": "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	store, err := Open(o, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	held, err := raw.Begin() // somebody else writes until both wait
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	results := make([]error, 3)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() {
			results[i] = store.inTx(ctx, false, func(s session) error {
				if _, err := s.exec(ctx, `INSERT INTO threads (id) VALUES (?)`, string(rune('a'+i))); err != nil {
					return err
				}
				if i == 1 {
					return broken
				}
				return nil
			})
		})
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		store.group.mu.Lock()
		waiting := len(store.group.waiting) // those of an attempt under way are put back
		store.group.mu.Unlock()
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
	if err := raw.QueryRow(`SELECT group_concat(id, ' ') FROM (SELECT id FROM threads ORDER BY id)`).Scan(&ids); err != nil || ids != "a c" {
		t.Errorf("threads %q, %v, want a and c", ids, err)
	}
}
