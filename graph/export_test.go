package graph

import "github.com/99designs/gqlgen/graphql"

// GqlgenOnly makes New leave all encoding to gqlgen's executor.
func GqlgenOnly(o *Options) { o.gqlgenOnly = true }

// Observe makes New show what every field resolves to.
func Observe(m graphql.FieldMiddleware) func(*Options) { return func(o *Options) { o.observe = m } }
