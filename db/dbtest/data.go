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

// Data returns the path of 100 recorded conversations in Tyler's JSON.
func Data(t testing.TB) string {
	t.Helper()
	path := os.Getenv("THREADSTORE_DATA")
	if path == "" {
		_, file, _, _ := runtime.Caller(0)
		path = filepath.Join(filepath.Dir(file), "../../../shared/data/airline-threads.jsonl")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the recorded conversations are not at %s: set THREADSTORE_DATA to a file of threads in Tyler's JSON Lines", path)
	}
	return path
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
