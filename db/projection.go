package db

import "context"

// Columns are the columns of a row to read, beside those that are always read.
type Columns uint16

// Optional columns of threads and messages. What was not read is zero.
const (
	ThreadTitle Columns = 1 << iota
	ThreadAttributes
	ThreadSource
	ThreadCreatedAt
	ThreadUpdatedAt
)

const (
	MessageID Columns = 1 << iota
	MessageThreadID
	MessageContent
	MessageParts
	MessageName
	MessageToolCallID
	MessageToolCalls
	MessageAttributes
	MessageTimestamp
	MessageSource
	MessageAttachments
	MessageMetrics
)

// AllColumns are those of any row.
const AllColumns = ^Columns(0)

type columnsKey struct{}

// projection is which columns of threads and messages are read.
type projection struct{ threads, messages Columns }

// WithProjection returns a context with which the repositories read these columns only.
// Without it they read all. Writing reads what it needs.
func WithProjection(ctx context.Context, threads, messages Columns) context.Context {
	return context.WithValue(ctx, columnsKey{}, projection{threads, messages})
}

func projectionOf(ctx context.Context) projection {
	if p, ok := ctx.Value(columnsKey{}).(projection); ok {
		return p
	}
	return projection{AllColumns, AllColumns}
}
