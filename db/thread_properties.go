package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/threadstore/threadstore/db/jsontext"
)

// Where a property is from, as the first letter of its key.
const (
	attributesPrefix = "a"
	// Of a source that has a name; version 1 of the tables had "s", without the name in the value.
	sourcePrefix = "n"
)

// property is a row of thread_properties: a top-level key of attributes or
// source, with its value.
//
// Key is the letter of the column, then ":" and the key itself, or "#" and its
// SHA-256 when it is longer than maxPlainText bytes. Value is ":" and the
// canonical text of the JSON value, or "#" and the SHA-256 of that text.
// A property of a source has before its own value that of the source's name:
// the two are always searched together, and so are one search. (A JSON string
// tells where it ends, and so does a hash.)
type property struct{ Key, Value string }

// maxPlainText bytes of a key or value are readable in the table; a key, two values
// and an id of 255 code points together stay below the 2,704 bytes that an
// index entry of PostgreSQL may have.
const maxPlainText = 200

func textOrHash(text string) string {
	if len(text) <= maxPlainText {
		return ":" + text
	}
	sum := sha256.Sum256([]byte(text))
	return "#" + hex.EncodeToString(sum[:])
}

// propertyValue returns the value of a property.
func propertyValue(v any) (string, error) {
	text, err := jsontext.Canonical(v)
	return textOrHash(text), err
}

// propertiesOf returns the properties of an object. Keys whose value is null are
// in absent instead: a thread without the key equals one that has it as null.
func propertiesOf(prefix string, object map[string]any) (present []property, absent []string, err error) {
	for _, k := range slices.Sorted(maps.Keys(object)) {
		key := prefix + textOrHash(k)
		if object[k] == nil {
			absent = append(absent, key)
			continue
		}
		value, err := propertyValue(object[k])
		if err != nil {
			return nil, nil, err
		}
		present = append(present, property{key, value})
	}
	return present, absent, nil
}

// sourceNameKey is the key of a source's name.
const sourceNameKey = sourcePrefix + ":name"

// withSourceName puts the name of a source before the values of its other properties.
func withSourceName(name string, properties []property) []property {
	for i, p := range properties {
		if p.Key != sourceNameKey {
			properties[i].Value = name + p.Value
		}
	}
	return properties
}

// searchProperties returns the rows that make the thread findable.
func (t *Thread) searchProperties() ([]property, error) {
	attributes, err := t.Attributes.Members()
	if err != nil {
		return nil, err
	}
	all, _, err := propertiesOf(attributesPrefix, attributes)
	if err != nil {
		return nil, err
	}
	source, err := t.Source.Members()
	if err != nil {
		return nil, err
	}
	if _, ok := source["name"].(string); !ok {
		return all, nil
	}
	name, err := propertyValue(source["name"])
	if err != nil {
		return nil, err
	}
	present, _, err := propertiesOf(sourcePrefix, source)
	return append(all, withSourceName(name, present)...), err
}

// sameProperties reports whether two threads are found by the same searches.
func sameProperties(a, b *Thread) (bool, error) {
	same, err := jsontext.Equal(a.Attributes, b.Attributes)
	if err != nil || !same {
		return false, err
	}
	return jsontext.Equal(a.Source, b.Source)
}

func insertProperties(ctx context.Context, s session, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `INSERT INTO thread_properties (tenant, thread_id, key, value)
		SELECT CAST(? AS text), v.value ->> 0, v.value ->> 1, v.value ->> 2 FROM {rows} AS v`, s.tenant, bind(rows))
	return err
}
