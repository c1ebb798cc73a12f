package db

import (
	"errors"

	"github.com/threadstore/threadstore/db/jsontext"
)

// JSON is the text of a JSON value; "" stands for none (SQL NULL).
type JSON = jsontext.Text

// EmptyObject is the default of attributes.
const EmptyObject = jsontext.EmptyObject

// NewObject writes v out as JSON text, as [jsontext.Object] does. What breaks a
// limit is an Invalid [*Error] with an empty path.
func NewObject(v map[string]any) (JSON, error) {
	j, err := jsontext.Object(v)
	return j, invalidJSON(err)
}

// newDocument is NewObject for what Tyler keeps in a column, as [jsontext.Document] writes it.
func newDocument(v any) (JSON, error) {
	j, err := jsontext.Document(v)
	return j, invalidJSON(err)
}

// invalidJSON turns a broken limit into one of our errors.
func invalidJSON(err error) error {
	if e, ok := errors.AsType[*jsontext.LimitError](err); ok {
		return Invalidf(nil, "%s", e.Reason)
	}
	return err
}
