package jsontext

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// Text is the text of a JSON value; "" stands for none (SQL NULL).
type Text string

// EmptyObject is the default of attributes.
const EmptyObject Text = "{}"

// Decode returns the value of j, numbers as json.Number.
func (j Text) Decode() (any, error) { return Decode([]byte(j)) }

// Equal reports whether a and b are the same JSON value; "" equals only "".
func Equal(a, b Text) (bool, error) {
	if a == b {
		return true, nil
	}
	if a == "" || b == "" {
		return false, nil
	}
	var texts [2]string
	for i, j := range []Text{a, b} {
		v, err := j.Decode()
		if err != nil {
			return false, err
		}
		if texts[i], err = Canonical(v); err != nil {
			return false, err
		}
	}
	return texts[0] == texts[1], nil
}

// CheckObject reports whether j can be read as a JSON object; stored text may have been edited by hand.
func (j Text) CheckObject() error {
	if len(j) == 0 || j[0] != '{' || !json.Valid([]byte(j)) || !utf8.ValidString(string(j)) {
		return errors.New("no JSON object")
	}
	return nil
}

// Members returns what an object holds, nothing for "".
func (j Text) Members() (map[string]any, error) {
	if j == "" {
		return nil, nil
	}
	v, err := j.Decode()
	object, _ := v.(map[string]any)
	return object, err
}
