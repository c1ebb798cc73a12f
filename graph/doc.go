// Package graph is the API: everything that knows GraphQL or HTTP.
//
// A request goes through New's handler (request id, CORS), the transport
// (transport.go: what HTTP and JSON demand), gqlgen's parser and
// validator with our rules (rules.go), the resolvers, and the presenter
// (errors.go). Resolvers are thin: they convert arguments (convert.go), make one
// call on a repository or a loader, and return. Rules about threads and
// messages are package db's, so that import obeys them too.
package graph
