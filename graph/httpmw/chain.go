// Package httpmw is the HTTP middleware of the server, and the lists of it that requests pass.
package httpmw

import (
	"log/slog"
	"net/http"
	"slices"
)

// Middleware gives a handler something that many handlers need.
type Middleware func(http.Handler) http.Handler

// Options are what the middleware needs.
type Options struct {
	Log         *slog.Logger
	CORSOrigins []string // origins of other pages whose scripts may call the API; "*" is any
}

// API is what a request of the API passes, in this order.
func API(o Options, h http.Handler) http.Handler {
	return chain(h,
		// First, so that whatever follows can log it.
		RequestID,
		// Traces, metrics and an access log belong here: they see the 500 that Recover answers.
		// (What is logged of failed operations is GraphQL's, not HTTP's: graph/operation_log.go.)
		Recover(o.Log),
		// Before authentication, since the preflight request of a browser carries no credentials.
		CORS(o.CORSOrigins),
		// Authentication belongs here, and after it what depends on who asks: rates, budgets, the tenant.
		// (The size of a body is limited where it is read: graph/transport. The cost of a document: graph/validate.)
		//
		// Last, so that nothing else has to do with compressed bytes.
		Compress,
	)
}

// Plain is what the other requests pass: those of health probes, which must not depend on credentials or limits, nor
// fill logs and metrics, and those of the playground's files, which everybody may read.
func Plain(o Options, h http.Handler) http.Handler {
	return chain(h,
		RequestID,
		Recover(o.Log),
		CORS(o.CORSOrigins),
	)
}

// chain makes a request pass the middleware from the first to the last, and then h.
func chain(h http.Handler, list ...Middleware) http.Handler {
	for _, m := range slices.Backward(list) {
		h = m(h)
	}
	return h
}
