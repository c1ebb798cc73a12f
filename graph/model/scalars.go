// Package model holds the Go side of the schema: the generated inputs
// (models_gen.go), connections, and the scalars, which are strict as the specification has
// them: 5 is no String and "5" no Int.
package model

import (
	"encoding/json"
	"io"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/threadstore/threadstore/db"
)

// typeError is the error of a value that its type does not take.
func typeError(v any, want string) error {
	if v == nil {
		return db.Invalidf(nil, "must not be null")
	}
	return db.Invalidf(nil, "must be %s", want)
}

// MarshalString writes a String.
func MarshalString(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalString reads a String.
func UnmarshalString(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	return "", typeError(v, "a string")
}

// MarshalID writes an ID.
func MarshalID(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// integer is how JSON writes an integer of any size.
var integer = regexp.MustCompile(`^-?\d+$`)

// UnmarshalID reads an ID: a string or an integer.
func UnmarshalID(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case json.Number:
		if integer.MatchString(v.String()) {
			return v.String(), nil
		}
	}
	return "", typeError(v, "a string or an integer")
}

// MarshalBoolean writes a Boolean.
func MarshalBoolean(b bool) graphql.Marshaler { return graphql.MarshalBoolean(b) }

// UnmarshalBoolean reads a Boolean.
func UnmarshalBoolean(v any) (bool, error) {
	if b, ok := v.(bool); ok {
		return b, nil
	}
	return false, typeError(v, "a boolean")
}

// MarshalInt writes an Int.
func MarshalInt(i int) graphql.Marshaler { return graphql.MarshalInt(i) }

// UnmarshalInt reads an Int: an integer of 32 bits.
func UnmarshalInt(v any) (int, error) {
	var n int64
	switch v := v.(type) {
	case int64:
		n = v
	case int: // a default that gqlgen fills in
		n = int64(v)
	case json.Number:
		var err error
		if n, err = strconv.ParseInt(v.String(), 10, 64); err != nil {
			return 0, typeError(v, "an integer of 32 bits")
		}
	default:
		return 0, typeError(v, "an integer of 32 bits")
	}
	if n < math.MinInt32 || n > math.MaxInt32 {
		return 0, typeError(v, "an integer of 32 bits")
	}
	return int(n), nil
}

// MarshalFloat writes a Float.
func MarshalFloat(f float64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		text, err := json.Marshal(f) // not %g, which writes 1e+06 for a million
		if err != nil {              // not finite, which no stored number is
			panic(err)
		}
		_, _ = w.Write(text) // gqlgen's writers are buffers
	})
}

// UnmarshalFloat reads a Float: a finite number of 64 bits.
func UnmarshalFloat(v any) (float64, error) {
	switch v := v.(type) {
	case float64:
		return v, nil
	case int64:
		return float64(v), nil
	case int: // a default that gqlgen fills in
		return float64(v), nil
	case json.Number:
		if f, err := strconv.ParseFloat(v.String(), 64); err == nil {
			return f, nil
		}
	}
	return 0, typeError(v, "a number of 64 bits")
}

// MarshalDateTime writes a DateTime: UTC with Z, to the microsecond.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		buf := make([]byte, 0, 32)
		buf = append(buf, '"')
		buf = t.UTC().AppendFormat(buf, "2006-01-02T15:04:05.999999Z")
		_, _ = w.Write(append(buf, '"')) // gqlgen's writers are buffers
	})
}

// UnmarshalDateTime reads a DateTime.
func UnmarshalDateTime(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, typeError(v, "an RFC 3339 time as a string")
	}
	t, err := db.ParseRFC3339(s)
	if err != nil {
		return time.Time{}, typeError(v, "an RFC 3339 time of the years 0001 to 9999, such as 2024-05-15T15:00:00Z")
	}
	return t, nil
}

// MarshalJSONObject writes a decoded object. Inputs are never written; the
// generator wants a pair.
func MarshalJSONObject(v map[string]any) graphql.Marshaler {
	text, err := db.NewObject(v)
	if err != nil {
		panic(err)
	}
	return MarshalStoredObject(text)
}

// UnmarshalJSONObject reads a JSONObject. Its limits are checked where it is
// known which argument it belongs to.
func UnmarshalJSONObject(v any) (map[string]any, error) {
	if o, ok := v.(map[string]any); ok {
		return o, nil
	}
	return nil, typeError(v, "an object")
}

// MarshalStoredObject writes a stored object as it is.
func MarshalStoredObject(j db.JSON) graphql.Marshaler {
	if j == "" {
		return graphql.Null
	}
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, string(j)) // gqlgen's writers are buffers
	})
}

// UnmarshalStoredObject makes MarshalStoredObject a pair; inputs are decoded by UnmarshalJSONObject.
func UnmarshalStoredObject(v any) (db.JSON, error) {
	o, err := UnmarshalJSONObject(v)
	if err != nil {
		return "", err
	}
	return db.NewObject(o)
}
