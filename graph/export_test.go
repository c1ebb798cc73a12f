package graph

import "github.com/99designs/gqlgen/graphql"

// Plain makes New leave all encoding to gqlgen's executor.
func Plain(o *Options) { o.plain = true }

// Seeing makes New show what every field resolves to.
func Seeing(m graphql.FieldMiddleware) func(*Options) { return func(o *Options) { o.seen = m } }
