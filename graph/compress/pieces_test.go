package compress

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// list returns a JSON list of n objects, of which those in changed are others.
func list(n int, changed map[int]bool) string {
	var b strings.Builder
	b.WriteString(`{"data":{"threads":[`)
	for i := range n {
		fmt.Fprintf(&b, `{"id":"%d","title":%q,"text":%q},`, i, strings.Repeat("T", i%7), fmt.Sprint(i*i*i, changed[i], strings.Repeat("some words ", 20+i%30)))
	}
	return strings.TrimSuffix(b.String(), ",") + `]}}`
}

// packed sends the parts through a stream of c.
func packed(t testing.TB, c *cache, parts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := c.writer(&out, 1)
	for _, part := range parts {
		if n, err := w.Write([]byte(part)); err != nil || n != len(part) {
			t.Fatalf("Write of %d bytes: %d, %v", len(part), n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// unpacked reads a gzip file of one member with the standard library.
func unpacked(t testing.TB, file []byte) string {
	t.Helper()
	from := bytes.NewReader(file)
	r, err := gzip.NewReader(from)
	if err != nil {
		t.Fatal(err)
	}
	r.Multistream(false)
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if from.Len() > 0 {
		t.Fatalf("%d bytes after the file", from.Len())
	}
	return string(text)
}

func TestStream(t *testing.T) {
	t.Parallel()
	c := new(cache)
	long := list(2000, nil)
	for name, parts := range map[string][]string{
		"nothing": {}, "empty": {""}, "a byte": {"x"}, "short": {strings.Repeat("x", tooShort-1)}, "a piece": {strings.Repeat("x", tooShort)},
		"as the transport writes": {`{`, long[1 : len(long)-1], `}`}, "no list": {strings.Repeat("no end of anything ", 10_000)},
		"only ends": {strings.Repeat("},", 50_000)}, "incompressible": {noise(100_000)}, "just so": {strings.Repeat("y", minPiece), strings.Repeat("y", maxPiece), strings.Repeat("y", maxPiece+1)},
	} {
		for round := range 4 { // unknown, known by hash, known, known
			if got, want := unpacked(t, packed(t, c, parts...)), strings.Join(parts, ""); got != want {
				t.Errorf("%s, round %d: %d bytes, want %d: %.100q", name, round, len(got), len(want), got)
			}
		}
	}
}

func noise(n int) string {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// TestKept changes a list between answers: what is the same in the next one is not compressed again.
func TestKept(t *testing.T) {
	t.Parallel()
	c := new(cache)
	before := list(3000, nil)
	packed(t, c, before)
	packed(t, c, before)
	after := list(3001, map[int]bool{100: true, 500: true}) // an element more, and two others
	all, known := 0, 0
	for rest := []byte(after); len(rest) > 0; {
		n := cut(rest)
		if all++; n > maxPiece || n < minPiece && n < len(rest) {
			t.Errorf("a piece of %d bytes", n)
		}
		if p, _ := c.find(rest[:n]); p != nil {
			known++
		}
		rest = rest[n:]
	}
	if all < 50 || known < all/2 { // a change costs its own piece, and a few until pieces end at the same places again
		t.Errorf("%d of %d pieces are known", known, all)
	}
	if got := unpacked(t, packed(t, c, after)); got != after {
		t.Error("the answer is another one")
	}
}

// TestSameHash gives a text the hash of another one.
func TestSameHash(t *testing.T) {
	t.Parallel()
	c := new(cache)
	text := strings.Repeat("mine ", 1000)
	hash := maphash.Bytes(seed, []byte(text))
	for i := range c[hash%sets] {
		c[hash%sets][i].Store(&piece{hash: hash, text: []byte("yours"), packed: []byte("yours")})
	}
	for range 4 {
		if got := unpacked(t, packed(t, c, text)); got != text {
			t.Fatalf("got %.50q", got)
		}
	}
}

// TestStreams lets many send at once what is partly the same.
func TestStreams(t *testing.T) {
	t.Parallel()
	c := new(cache)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 20 {
				text := list(200, map[int]bool{i % 3: true})
				if unpacked(t, packed(t, c, text[:i], text[i:])) != text {
					t.Error("the answer is another one")
				}
			}
		})
	}
	group.Wait()
}

// TestRandomTexts sends texts that share parts, in random writes.
func TestRandomTexts(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	c := new(cache)
	parts := []string{"}", "},", `"`, "x", list(3, nil), list(80, nil), list(200, map[int]bool{7: true}), noise(3000), strings.Repeat("0", 20_000)}
	for range 300 {
		var writes []string
		for range r.IntN(12) {
			text := parts[r.IntN(len(parts))]
			writes = append(writes, text[r.IntN(len(text)):])
		}
		if got := unpacked(t, packed(t, c, writes...)); got != strings.Join(writes, "") {
			t.Fatalf("%q: got %q", writes, got)
		}
	}
}
