package dbtest

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/interchange"
)

// Data returns the path of recorded conversations in Tyler's JSON: the file that
// THREADSTORE_DATA names, the 100 of ../shared, or the five of the README's tour.
func Data(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("THREADSTORE_DATA"); path != "" {
		return path
	}
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "../..")
	shared := filepath.Join(root, "../shared/data/airline-threads.jsonl")
	if _, err := os.Stat(shared); err == nil {
		return shared
	}
	return filepath.Join(root, "docs/tour.jsonl")
}

// Import imports the recorded conversations.
func Import(t testing.TB, store *db.DB) {
	t.Helper()
	f, err := os.Open(Data(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := interchange.Import(ctx, store.Threads(), f.Name(), f, func(int, int) {}); err != nil {
		t.Fatal(err)
	}
}

// Lines returns the recorded conversations, decoded with exact numbers, by id.
func Lines(t testing.TB) map[string]map[string]any {
	t.Helper()
	f, err := os.Open(Data(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	threads := map[string]map[string]any{}
	d := json.NewDecoder(bufio.NewReader(f))
	d.UseNumber()
	for d.More() {
		var th map[string]any
		if err := d.Decode(&th); err != nil {
			t.Fatal(err)
		}
		threads[th["id"].(string)] = th
	}
	return threads
}
