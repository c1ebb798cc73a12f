// Package graph is the API: GraphQL over HTTP, on the storage of package db.
//
// A request passes the HTTP middleware (httpmw/chain.go), the transport, which
// reads it (package transport), gqlgen's parser and validator with our rules and
// the limit of its cost (package validate), the resolvers, and the encoders, which
// write the answer (package encode). handler.go puts these together. What fails
// becomes an error with a code in errors.go, and is logged in operation_log.go.
//
// Resolvers (schema.resolvers.go) are thin: they check or convert their arguments
// (pages.go, convert.go), look at what is asked for below them (lookahead.go), make
// one call of a repository or a loader (package loaders), and return. Rules about
// threads and messages are package db's, so that import obeys them too.
package graph
