package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/threadstore/threadstore/db"
)

// The columns that the fields of Thread and Message are made of. A field that is
// not here, such as a new one, is made of all.
var (
	threadColumns = map[string]db.Columns{
		"__typename": 0, "id": 0, "messages": 0, "messageCount": 0,
		"title": db.ThreadTitle, "attributes": db.ThreadAttributes, "source": db.ThreadSource,
		"createdAt": db.ThreadCreatedAt, "updatedAt": db.ThreadUpdatedAt,
	}
	messageColumns = map[string]db.Columns{
		"__typename": 0, "id": db.MessageID, "thread": 0, "sequence": 0, "role": 0,
		"content": db.MessageContent, "name": db.MessageName, "toolCallId": db.MessageToolCallID,
		"attributes": db.MessageAttributes, "timestamp": db.MessageTimestamp, "source": db.MessageSource,
		// These are decoded when they are written. One that is broken is told with its id.
		"parts": db.MessageContent | db.MessageParts | db.MessageID, "toolCalls": db.MessageToolCalls | db.MessageID,
		"attachments": db.MessageAttachments | db.MessageID, "metrics": db.MessageMetrics | db.MessageID,
	}
)

// withProjection returns a context with which the repositories read only what the
// operation asks for: of every thread what it asks for of any, and so for
// messages, since one that was read for one field serves the others.
func withProjection(ctx context.Context) context.Context {
	op := graphql.GetOperationContext(ctx)
	var threads, messages db.Columns
	visited := map[string]bool{}
	var walk func(ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				switch s.ObjectDefinition.Name {
				case "Thread":
					threads |= columnsOf(threadColumns, s.Name)
				case "Message":
					messages |= columnsOf(messageColumns, s.Name)
				}
				walk(s.SelectionSet)
			case *ast.InlineFragment:
				walk(s.SelectionSet)
			case *ast.FragmentSpread:
				if !visited[s.Name] {
					visited[s.Name] = true
					walk(s.Definition.SelectionSet)
				}
			}
		}
	}
	walk(op.Operation.SelectionSet)
	return db.WithProjection(ctx, threads, messages)
}

func columnsOf(columns map[string]db.Columns, field string) db.Columns {
	if c, ok := columns[field]; ok {
		return c
	}
	return db.AllColumns
}
