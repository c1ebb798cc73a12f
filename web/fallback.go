package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/99designs/gqlgen/graphql/playground"
)

// notice tells how to get the page that belongs here, and the data that it would offer.
const notice = `<p style="margin:0;padding:6px 12px;font:14px/20px sans-serif;background:#fff3cd;color:#3d3000">` +
	`This page loads GraphiQL from cdn.jsdelivr.net. For the whole playground, with examples and without ` +
	`the internet, start the server by <code>make run</code> in a clone, with Node 20.19 or later. ` +
	`Sample data for an empty store: <code>go run . import --sample</code> in the clone, or ` +
	`<code>threadstore import --sample</code>.</p>`

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// fallbackPage serves gqlgen's playground with our notice, and with a policy that allows
// its own scripts only.
func fallbackPage() http.Handler {
	var page recorder
	playground.Handler("threadstore", "/graphql")(&page, &http.Request{Method: http.MethodGet})
	html := strings.NewReplacer(
		"<body>", "<body>"+notice,
		"height: 100vh", "height: calc(100vh - 52px)", // two lines of notice, on a narrow screen three
		"shouldPersistHeaders: true", "shouldPersistHeaders: false", // they hold credentials
	).Replace(page.String())

	var scripts bytes.Buffer
	for _, script := range inlineScript.FindAllStringSubmatch(html, -1) {
		hash := sha256.Sum256([]byte(script[1]))
		fmt.Fprintf(&scripts, " 'sha256-%s'", base64.StdEncoding.EncodeToString(hash[:]))
	}
	const cdn = "https://cdn.jsdelivr.net"
	policy := "default-src 'none'; script-src " + cdn + scripts.String() + "; style-src " + cdn +
		" 'unsafe-inline'; img-src 'self' data:; " +
		"font-src " + cdn + " data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		setSecurityHeaders(w.Header(), policy)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", mediaTypes[".html"])
		_, _ = w.Write([]byte(html)) // the client may be gone
	})
}

// recorder keeps the body that a handler writes.
type recorder struct{ bytes.Buffer }

func (*recorder) Header() http.Header { return http.Header{} }
func (*recorder) WriteHeader(int)     {}
