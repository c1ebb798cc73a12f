package graph

import (
	"errors"

	"github.com/99designs/gqlgen/graphql"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/graph/model"
)

// This file turns the inputs of mutations into the domain's types. Errors are *db.Error with
// the path in the input, from [threadPatch] and [messagePatch] on; the resolvers put the argument's name before it.

func threadPatch(in model.ThreadInput) (p db.ThreadPatch, err error) {
	p.ID = in.ID.Value()
	p.Title = optional(in.Title)
	if p.Attributes, err = jsonObject(in.Attributes); err != nil {
		return p, db.At(err, "attributes")
	}
	if p.Source, err = jsonObject(in.Source); err != nil {
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
	if p.Attributes, err = jsonObject(in.Attributes); err != nil {
		return p, db.At(err, "attributes")
	}
	if p.Source, err = jsonObject(in.Source); err != nil {
		return p, db.At(err, "source")
	}
	if p.Parts, err = encodedList(in.Parts, toPart, db.EncodeParts); err != nil {
		return p, db.At(err, "parts")
	}
	if p.ToolCalls, err = encodedList(in.ToolCalls, toToolCall, db.EncodeToolCalls); err != nil {
		return p, db.At(err, "toolCalls")
	}
	if p.Attachments, err = encodedList(in.Attachments, toAttachment, db.EncodeAttachments); err != nil {
		return p, db.At(err, "attachments")
	}
	if given := in.Metrics; given.IsSet() {
		p.Metrics.Set = true
		if v := given.Value(); v != nil {
			if p.Metrics.Value, err = db.EncodeMetrics(toMetrics(*v)); err != nil {
				return p, db.At(err, "metrics")
			}
		}
	}
	return p, nil
}

func optional[T any](o graphql.Omittable[T]) db.Opt[T] {
	return db.Opt[T]{Value: o.Value(), Set: o.IsSet()}
}

func jsonObject(o graphql.Omittable[map[string]any]) (db.Opt[db.JSON], error) {
	text, err := db.NewObject(o.Value())
	return db.Opt[db.JSON]{Value: text, Set: o.IsSet()}, err
}

// encodedList converts a list of inputs and encodes it; null stays null.
func encodedList[In, Out any](
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

// toPart also checks oneOf, which gqlgen does not for variables inside a literal.
func toPart(in model.ContentPartInput) (db.Part, error) {
	text, url := in.Text.Value(), in.ImageURL.Value()
	if in.Text.IsSet() == in.ImageURL.IsSet() || text == nil && url == nil {
		return nil, db.Invalidf(nil, "must have exactly one of text and imageUrl, and not null")
	}
	if text != nil {
		return db.TextPart{Text: *text}, nil
	}
	return db.ImagePart{URL: *url}, nil
}

func toToolCall(in model.ToolCallInput) (db.ToolCall, error) {
	return db.ToolCall{CallID: in.CallID, Type: in.Type, Function: db.ToolCallFunction(in.Function)}, nil
}

func toAttachment(in model.AttachmentInput) (db.Attachment, error) {
	a := db.Attachment{Filename: in.Filename, MimeType: in.MimeType.Value(), FileID: in.FileID.Value(),
		StoragePath: in.StoragePath.Value(), StorageBackend: in.StorageBackend.Value(), Status: db.AttachmentPending}
	if s := in.Status.Value(); s != nil {
		a.Status = *s
	}
	attributes, err := jsonObject(in.Attributes)
	a.Attributes = attributes.Value
	return a, db.At(err, "attributes")
}

func toMetrics(in model.MessageMetricsInput) db.Metrics {
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
