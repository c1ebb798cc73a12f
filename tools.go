//go:build tools

// This file pins the versions of the commands that the Makefile runs.
package main

import (
	_ "github.com/99designs/gqlgen"
	_ "honnef.co/go/tools/cmd/staticcheck"
)
