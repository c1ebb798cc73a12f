package httpmw

import (
	"net/http"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

// minCompressed is the shortest answer to compress, in bytes: a shorter one is sent in one packet anyway.
const minCompressed = 1 << 10

// Compress answers in gzip to clients that take it. What a handler flushes is sent at once.
//
// BREACH learns what an answer holds from the lengths of many, if a foreign page chooses a part of each and somebody
// listens on the wire. As long as there is no authentication, that page could ask by itself; then think of it again.
func Compress(next http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.MinSize(minCompressed),
		gzhttp.CompressionLevel(gzip.BestSpeed),
		gzhttp.EnableZstd(false), // gzip is what the API promises
	)
	if err != nil { // for options out of range
		panic(err)
	}
	return wrap(next)
}
