package graph

// This file looks ahead: what the operation, or the current field, asks for below it,
// so that one statement reads it, and no more than that.

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/threadstore/threadstore/db"
)

// The columns that each field of Thread and Message is made of. A field that is
// not listed, such as a new one, reads all.
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
		// These are decoded when the answer is written; the error about a broken one names the message's id.
		"parts": db.MessageContent | db.MessageParts | db.MessageID, "toolCalls": db.MessageToolCalls | db.MessageID,
		"attachments": db.MessageAttachments | db.MessageID, "metrics": db.MessageMetrics | db.MessageID,
	}
)

// withProjection returns a context with which the repositories read only the columns
// that the operation asks for. What it asks of any thread is read of every thread, and
// the same for messages, since a row that was read for one field serves the others.
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

// selectsThread reports whether the current field, messages, is asked for their thread.
func selectsThread(ctx context.Context) bool {
	fields := graphql.CollectFieldsCtx(ctx, []string{"Message"})
	return slices.ContainsFunc(fields, func(f graphql.CollectedField) bool { return f.Name == "thread" })
}

// lookaheadWindow returns the window of messages that the current field, a thread, is
// asked for. It reports false if there is none, if there are several, and if the window
// is left to its own resolver: one with roles, or with a mistake in its arguments.
func lookaheadWindow(ctx context.Context) (only db.Window, found bool) {
	op := graphql.GetOperationContext(ctx)
	for _, f := range graphql.CollectFieldsCtx(ctx, []string{"Thread"}) {
		if f.Name != "messages" {
			continue
		}
		var numbers [4]*int
		args := f.ArgumentMap(op.Variables)
		for i, name := range []string{"first", "last", "afterSequence", "beforeSequence"} {
			if args[name] == nil {
				continue
			}
			n, err := graphql.UnmarshalInt(args[name])
			if err != nil {
				return only, false
			}
			numbers[i] = &n
		}
		w, err := messageWindow(numbers[0], numbers[1], numbers[2], numbers[3], nil)
		if err != nil || args["roles"] != nil || found && w != only {
			return only, false
		}
		only, found = w, true
	}
	return only, found
}

// asksBeyondCursors reports whether the current field, a connection, is asked for what
// costs extra: whether there is something on the other side of a cursor that the page starts from.
func asksBeyondCursors(ctx context.Context, p db.PageRequest) bool {
	op := graphql.GetOperationContext(ctx)
	for _, info := range graphql.CollectFieldsCtx(ctx, []string{"ThreadConnection"}) {
		if info.Name != "pageInfo" {
			continue
		}
		for _, f := range graphql.CollectFields(op, info.Selections, []string{"PageInfo"}) {
			if f.Name == "hasPreviousPage" && p.After != nil || f.Name == "hasNextPage" && p.Before != nil {
				return true
			}
		}
	}
	return false
}
