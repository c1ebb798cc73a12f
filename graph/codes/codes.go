// Package codes has the values of extensions.code of every error that the API answers.
package codes

import "github.com/99designs/gqlgen/graphql/errcode"

// The values of extensions.code. They are API; messages are not.
const (
	BadUserInput        = "BAD_USER_INPUT"
	NotFound            = "NOT_FOUND"
	Conflict            = "CONFLICT"
	TooComplex          = "TOO_COMPLEX"
	ResponseTooLarge    = "RESPONSE_TOO_LARGE"
	ServiceUnavailable  = "SERVICE_UNAVAILABLE"
	Timeout             = "TIMEOUT"
	InternalServerError = "INTERNAL_SERVER_ERROR"
	ParseFailed         = errcode.ParseFailed
	ValidationFailed    = errcode.ValidationFailed
)
