// Package encode is what the generated encoders of graph/generated/encode.go use
// (made by graph/gen, of gen/encode.gotpl; encodeMessage is one). They write what
// a root resolver returned straight into the answer, by a plan that is made once
// for each selection of a request. gqlgen's executor makes a context, a closure or
// a goroutine for each value instead.
//
// gqlgen stays in charge: it runs the operation, the root fields and their
// middleware, and whatever fails. The encoders are field middleware of it
// (generated.EncodeRootFields): they get a root resolver's result and return the
// finished JSON. A field that fails goes through gqlgen's own code for it, so
// errors, their paths and the propagation of nulls are gqlgen's.
//
// Encoders only read what they encode: others may be encoding the same. And what
// they do not know of gqlgen's features, graph/gen refuses to generate (check.go
// there). One thing is left: graphql.AroundFields does not see fields without a
// resolver.
//
// What to write is in plan.go, where to in buffer.go, how a value is written in
// values.go.
package encode
