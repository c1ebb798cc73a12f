package graph

import (
	"errors"

	"github.com/99designs/gqlgen/graphql"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/graph/model"
)

// This file turns API inputs into the domain's types. Errors are *db.Error with
// the path of the input, the argument's name first.

// checkLimits checks the arguments of a list.
func (r *Resolver) checkLimits(limit, offset int) error {
	if limit < 0 || limit > r.MaxPage {
		return db.Invalidf([]any{"limit"}, "must be 0 to %d", r.MaxPage)
	}
	if offset < 0 {
		return db.Invalidf([]any{"offset"}, "must not be negative")
	}
	return nil
}

// defaultPage is how many threads a connection without first and last has, as the lists by offset.
const defaultPage = 100

// pageRequest checks the arguments of a connection.
func pageRequest(maxPage int, first *int, after *string, last *int, before *string) (p db.PageRequest, err error) {
	if first != nil && last != nil {
		return p, db.Invalidf([]any{"last"}, "must not be given together with first")
	}
	p.Limit = min(defaultPage, maxPage)
	for name, n := range map[string]*int{"first": first, "last": last} { // at most one
		if n == nil {
			continue
		}
		if *n < 0 || *n > maxPage {
			return p, db.Invalidf([]any{name}, "must be 0 to %d", maxPage)
		}
		p.Limit, p.FromEnd = *n, name == "last"
	}
	if p.After, err = cursor(after); err != nil {
		return p, db.At(err, "after")
	}
	if p.Before, err = cursor(before); err != nil {
		return p, db.At(err, "before")
	}
	return p, nil
}

// cursor reads a cursor, if there is one.
func cursor(text *string) (*db.Cursor, error) {
	if text == nil {
		return nil, nil
	}
	c, err := db.ParseCursor(*text)
	return &c, err
}

// window checks the arguments of messages.
func window(first, last, afterSequence, beforeSequence *int, roles []db.Role) (db.Window, error) {
	if first != nil && last != nil {
		return db.Window{}, db.Invalidf([]any{"last"}, "must not be given together with first")
	}
	if first != nil && *first < 0 {
		return db.Window{}, db.Invalidf([]any{"first"}, "must not be negative")
	}
	if last != nil && *last < 0 {
		return db.Window{}, db.Invalidf([]any{"last"}, "must not be negative")
	}
	return db.NewWindow(first, last, afterSequence, beforeSequence, roles), nil
}

func roleSet(roles []db.Role) db.RoleSet {
	if roles == nil {
		return db.AllRoles
	}
	return db.NewRoleSet(roles)
}

func threadPatch(in model.ThreadInput) (p db.ThreadPatch, err error) {
	p.ID = in.ID.Value()
	p.Title = optional(in.Title)
	if p.Attributes, err = object(in.Attributes); err != nil {
		return p, db.At(err, "attributes")
	}
	if p.Source, err = object(in.Source); err != nil {
		return p, db.At(err, "source")
	}
	p.CreatedAt = in.CreatedAt.Value()
	if list := in.Messages.Value(); list != nil {
		messages, err := messagePatches(list)
		if err != nil {
			return p, db.At(err, "messages")
		}
		p.Messages = &messages
	}
	return p, nil
}

func messagePatches(list []*model.MessageInput) ([]db.MessagePatch, error) {
	patches := make([]db.MessagePatch, len(list))
	for i, in := range list {
		var err error
		if patches[i], err = messagePatch(*in); err != nil {
			return nil, db.At(err, i)
		}
	}
	return patches, nil
}

func messagePatch(in model.MessageInput) (p db.MessagePatch, err error) {
	p.ID = in.ID.Value()
	p.Role = in.Role
	p.Content = optional(in.Content)
	p.Name = optional(in.Name)
	p.ToolCallID = optional(in.ToolCallID)
	p.Timestamp = optional(in.Timestamp)
	if p.Attributes, err = object(in.Attributes); err != nil {
		return p, db.At(err, "attributes")
	}
	if p.Source, err = object(in.Source); err != nil {
		return p, db.At(err, "source")
	}
	if p.Parts, err = document(in.Parts, part, db.EncodeParts); err != nil {
		return p, db.At(err, "parts")
	}
	if p.ToolCalls, err = document(in.ToolCalls, toolCall, db.EncodeToolCalls); err != nil {
		return p, db.At(err, "toolCalls")
	}
	if p.Attachments, err = document(in.Attachments, attachment, db.EncodeAttachments); err != nil {
		return p, db.At(err, "attachments")
	}
	if given := in.Metrics; given.IsSet() {
		p.Metrics.Set = true
		if v := given.Value(); v != nil {
			if p.Metrics.Value, err = db.EncodeMetrics(metrics(*v)); err != nil {
				return p, db.At(err, "metrics")
			}
		}
	}
	return p, nil
}

func optional[T any](o graphql.Omittable[T]) db.Opt[T] {
	return db.Opt[T]{Value: o.Value(), Set: o.IsSet()}
}

func object(o graphql.Omittable[map[string]any]) (db.Opt[db.JSON], error) {
	text, err := db.NewObject(o.Value())
	return db.Opt[db.JSON]{Value: text, Set: o.IsSet()}, err
}

// document converts a list of inputs and encodes it; null stays null.
func document[In, Out any](
	o graphql.Omittable[[]*In], convert func(In) (Out, error), encode func([]Out) (db.JSON, error),
) (db.Opt[db.JSON], error) {
	given := db.Opt[db.JSON]{Set: o.IsSet()}
	list := o.Value()
	if list == nil {
		return given, nil
	}
	out := make([]Out, len(list))
	for i, in := range list {
		var err error
		if out[i], err = convert(*in); err != nil {
			return given, db.At(err, i)
		}
	}
	var err error
	given.Value, err = encode(out)
	return given, err
}

// part also checks oneOf, which gqlgen does not for variables inside a literal.
func part(in model.ContentPartInput) (db.Part, error) {
	text, url := in.Text.Value(), in.ImageURL.Value()
	if in.Text.IsSet() == in.ImageURL.IsSet() || text == nil && url == nil {
		return nil, db.Invalidf(nil, "must have exactly one of text and imageUrl, and not null")
	}
	if text != nil {
		return db.TextPart{Text: *text}, nil
	}
	return db.ImagePart{URL: *url}, nil
}

func toolCall(in model.ToolCallInput) (db.ToolCall, error) {
	return db.ToolCall{CallID: in.CallID, Type: in.Type, Function: db.ToolCallFunction(in.Function)}, nil
}

func attachment(in model.AttachmentInput) (db.Attachment, error) {
	a := db.Attachment{Filename: in.Filename, MimeType: in.MimeType.Value(), FileID: in.FileID.Value(),
		StoragePath: in.StoragePath.Value(), StorageBackend: in.StorageBackend.Value(), Status: db.AttachmentPending}
	if s := in.Status.Value(); s != nil {
		a.Status = *s
	}
	attributes, err := object(in.Attributes)
	a.Attributes = attributes.Value
	return a, db.At(err, "attributes")
}

func metrics(in model.MessageMetricsInput) db.Metrics {
	m := db.Metrics{Model: in.Model.Value()}
	if t := in.Timing.Value(); t != nil {
		m.Timing = db.Timing{
			StartedAt: t.StartedAt.Value(), EndedAt: t.EndedAt.Value(), LatencyMS: valueOrZero(t.LatencyMs),
		}
	}
	if u := in.Usage.Value(); u != nil {
		m.Usage = db.TokenUsage{
			PromptTokens:     valueOrZero(u.PromptTokens),
			CompletionTokens: valueOrZero(u.CompletionTokens),
			TotalTokens:      valueOrZero(u.TotalTokens),
		}
	}
	if w := in.WeaveCall.Value(); w != nil {
		m.WeaveCall = &db.WeaveCall{CallID: w.CallID, UIURL: w.UIURL}
	}
	return m
}

// valueOrZero returns the number given, 0 for none.
func valueOrZero[T int | float64](o graphql.Omittable[*T]) T {
	if v := o.Value(); v != nil {
		return *v
	}
	return 0
}

// replaceIndex puts name in the place of the list position that an error of a list of one begins with.
func replaceIndex(err error, name string) error {
	if e, ok := errors.AsType[*db.Error](err); ok && len(e.Path) > 0 {
		moved := *e
		moved.Path = append([]any{name}, e.Path[1:]...)
		return &moved
	}
	return err
}
