package db

// Opt is an input field that may be omitted. Set with the zero Value of a
// pointer or JSON is explicit null.
type Opt[T any] struct {
	Value T
	Set   bool
}

// Some returns a field that was given.
func Some[T any](v T) Opt[T] { return Opt[T]{Value: v, Set: true} }

func set[T any](field *T, given Opt[T]) {
	if given.Set {
		*field = given.Value
	}
}
