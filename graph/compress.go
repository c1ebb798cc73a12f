package graph

import (
	"net/http"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

// minCompressed is the shortest answer to compress, in bytes: a shorter one is sent in one packet anyway.
const minCompressed = 1024

// compressed answers in the coding that the client takes: zstd, else gzip, at
// their fastest levels: docs/performance.md has what they cost.
//
// BREACH learns what an answer holds from the lengths of many, if a foreign page
// chooses a part of each and somebody listens on the wire. Nobody's answers
// differ from another's yet; with authentication, think of it again.
func compressed(next http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.MinSize(minCompressed))
	if err != nil { // for options out of range
		panic(err)
	}
	return wrap(next)
}
