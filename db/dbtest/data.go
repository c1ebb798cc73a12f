package dbtest

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/interchange"
)

//go:embed testdata/conversations.jsonl.gz
var compressed []byte

// conversations is the text of the recorded conversations.
var conversations = sync.OnceValues(func() (string, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
})

// Conversations returns 100 recorded conversations in Tyler's JSON, each a line
// with its newline. testdata/README.md says where they come from.
func Conversations(t testing.TB) []string {
	t.Helper()
	text, err := conversations()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(text))
}

// ConversationsFile returns the path of a file of the recorded conversations, which ends with the test.
func ConversationsFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "conversations.jsonl")
	if err := os.WriteFile(file, []byte(strings.Join(Conversations(t), "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Import imports the recorded conversations.
func Import(t testing.TB, store *db.DB) {
	t.Helper()
	text := strings.NewReader(strings.Join(Conversations(t), ""))
	if err := interchange.Import(ctx, store.Scope("").Threads(), "conversations", text, func(int, int) {}); err != nil {
		t.Fatal(err)
	}
}

// Lines returns the recorded conversations, decoded with exact numbers, by id.
func Lines(t testing.TB) map[string]map[string]any {
	t.Helper()
	threads := map[string]map[string]any{}
	for _, line := range Conversations(t) {
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		var th map[string]any
		if err := d.Decode(&th); err != nil {
			t.Fatal(err)
		}
		threads[th["id"].(string)] = th
	}
	return threads
}
