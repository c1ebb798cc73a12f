// Package graph is the API: everything that knows GraphQL or HTTP.
//
// A request passes the HTTP middleware (httpmw/chain.go), the transport, which
// reads it (package transport), gqlgen's parser and validator with our rules
// (package validate), the resolvers, and the encoders, which write the answer
// (package encode). What fails goes through the error presenter (errors.go).
//
// Resolvers are thin: they convert arguments (convert.go), make one call of a
// repository or a loader (package loaders), and return. Rules about threads and
// messages are package db's, so that import obeys them too.
package graph
