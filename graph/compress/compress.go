// Package compress sends answers compressed, and does not compress again what it
// has lately: dashboards ask for the same lists over and over, of which a write
// changes one thread.
package compress

import (
	"net/http"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzhttp/writer"
	"github.com/klauspost/compress/gzip"
)

// minSize is the shortest answer to compress, in bytes: a shorter one is sent in one packet anyway.
const minSize = 1024

// Handler answers in gzip to the clients that take it.
//
// BREACH learns what an answer holds from the lengths of many, if a foreign page
// chooses a part of each and somebody listens on the wire. Nobody's answers
// differ from another's yet; with authentication, think of it again, and of
// pieces (see [cache]) that one has made and another is sent: those of different
// tenants must not meet.
func Handler(next http.Handler) http.Handler {
	known := new(cache)
	// No zstd: its frames cannot be put together from finished pieces.
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(minSize), gzhttp.EnableZstd(false), gzhttp.CompressionLevel(gzip.BestSpeed),
		gzhttp.Implementation(writer.GzipWriterFactory{Levels: func() (int, int) { return gzip.BestSpeed, gzip.BestSpeed }, New: known.writer}))
	if err != nil { // for options out of range
		panic(err)
	}
	return wrap(next)
}
