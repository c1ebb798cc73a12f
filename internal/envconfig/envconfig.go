// Package envconfig reads settings from environment variables.
package envconfig

import (
	"fmt"
	"reflect"

	"github.com/caarlos0/env/v11"
)

// Parse fills the fields of to, a pointer to a struct, that have an env tag. An
// empty variable counts as unset. The error is one line that names the variable.
func Parse(environment map[string]string, to any) error {
	given := map[string]string{}
	for k, v := range environment {
		if v != "" {
			given[k] = v
		}
	}
	err := env.ParseWithOptions(to, env.Options{Environment: given})
	if err == nil {
		return nil
	}
	// The library's error quotes the field of the struct and Go's own words; say which variable instead.
	fields, _ := env.GetFieldParams(to)
	for _, f := range fields {
		one := map[string]string{}
		if v, ok := given[f.Key]; ok {
			one[f.Key] = v
		}
		if env.ParseWithOptions(to, env.Options{Environment: one}) != nil {
			return fmt.Errorf("%s has a bad value: %.60q is not %s", f.Key, given[f.Key], kindOf(to, f.Key))
		}
	}
	return err
}

// kindOf says what the variable must be, after the field of to that it fills.
func kindOf(to any, variable string) string {
	for _, f := range reflect.VisibleFields(reflect.TypeOf(to).Elem()) {
		if f.Tag.Get("env") != variable {
			continue
		}
		switch f.Type.Kind() {
		case reflect.Bool:
			return "true or false"
		case reflect.Float64:
			return "a number"
		}
	}
	return "a whole number"
}
