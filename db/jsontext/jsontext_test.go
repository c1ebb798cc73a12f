package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// decoded returns the value of JSON text that must be readable.
func decoded(t testing.TB, text string) any {
	t.Helper()
	v, err := Decode([]byte(text))
	if err != nil {
		t.Fatalf("Decode(%s): %v", short(text), err)
	}
	return v
}

// decodedObject returns the value of the text of a JSON object.
func decodedObject(t testing.TB, text string) map[string]any {
	t.Helper()
	o, ok := decoded(t, text).(map[string]any)
	if !ok {
		t.Fatalf("Decode(%s) is no object", short(text))
	}
	return o
}

// canonicalOf returns the canonical text of the value of JSON text.
func canonicalOf(t testing.TB, text string) string {
	t.Helper()
	c, err := Canonical(decoded(t, text))
	if err != nil {
		t.Fatalf("Canonical(%s): %v", short(text), err)
	}
	return c
}

// short keeps a failure readable when the input is a megabyte.
func short(text string) string {
	if len(text) <= 200 {
		return text
	}
	return fmt.Sprintf("%s...%s (%d bytes)", text[:80], text[len(text)-40:], len(text))
}

// wantLimit fails the test unless err is a LimitError.
func wantLimit(t *testing.T, call string, err error) {
	t.Helper()
	if _, ok := errors.AsType[*LimitError](err); !ok {
		t.Fatalf("%s: error %v (%T), want a LimitError", call, err, err)
	}
}

// nested returns JSON of this many levels, an object outermost, with value in the innermost.
// kinds are used in turn from the outside: { or [.
func nested(levels int, kinds, value string) string {
	var open, shut strings.Builder
	var closers []string
	for i := range levels {
		if kinds[i%len(kinds)] == '{' {
			open.WriteString(`{"a":`)
			closers = append(closers, "}")
		} else {
			open.WriteString(`[`)
			closers = append(closers, "]")
		}
	}
	for i := range closers {
		shut.WriteString(closers[len(closers)-1-i])
	}
	return open.String() + value + shut.String()
}

func TestObject(t *testing.T) {
	t.Parallel()
	zeros := func(n int) string { return strings.Repeat("0", n) }
	nines := func(n int) string { return strings.Repeat("9", n) }
	n := func(number string) string { return `{"n":` + number + `}` } // the object that holds a number
	for _, c := range []struct {
		name string
		in   string
		want string // "" is refused
	}{
		{"empty object", `{}`, `{}`},
		{"every kind of value", `{"s":"x","n":1,"t":true,"f":false,"z":null,"l":[],"o":{}}`,
			`{"f":false,"l":[],"n":1,"o":{},"s":"x","t":true,"z":null}`},
		{"keys sorted by bytes, the empty one first", `{"b":1,"é":2,"a":3,"B":4,"":5,"aa":6}`,
			`{"":5,"B":4,"a":3,"aa":6,"b":1,"é":2}`},
		{"space between tokens goes", " { \"a\" : [ 1 , { } ] } \n", `{"a":[1,{}]}`},
		{"order of a list stays", `{"a":[3,1,2]}`, `{"a":[3,1,2]}`},
		{"keys are data", `{"a.b":1,"$.a":2,"a\"b":3,"%":4,"'":5,"[0]":6}`,
			`{"$.a":2,"%":4,"'":5,"[0]":6,"a\"b":3,"a.b":1}`},

		{"string: quote and backslash", `{"a":"\"\\"}`, `{"a":"\"\\"}`},
		{"string: short escapes", `{"a":"\n\r\t\b\f\/"}`, `{"a":"\n\r\t\u0008\u000c/"}`},
		{"string: control characters", `{"a":"\u0001\u001f\u007f"}`, `{"a":"\u0001\u001f` + "\x7f" + `"}`},
		{"string: nothing else is escaped", `{"a":"<>&\u2028\u00e9\ud83d\ude00\ufffd"}`,
			"{\"a\":\"<>&\u2028é😀\uFFFD\"}"},
		{"string: an escaped backslash before u", `{"a":"\\u0000"}`, `{"a":"\\u0000"}`},
		{"string: empty", `{"a":""}`, `{"a":""}`},
		{"NUL in a string", `{"a":"x\u0000y"}`, ""},
		{"NUL alone", `{"a":"\u0000"}`, ""},
		{"NUL in a list", `{"a":["x","\u0000"]}`, ""},
		{"NUL in an object of a list", `{"a":[{"b":"\u0000"}]}`, ""},
		{"NUL in a key", `{"a\u0000":1}`, ""},
		{"NUL in an inner key", `{"a":{"\u0000":1}}`, ""},

		{"number: beyond the integers of a double", n("9007199254740993"), n("9007199254740993")},
		{"number: no binary fraction", n("0.1"), n("0.1")},
		{"number: beyond 64 bits", n("12345678901234567890"), n("12345678901234567890")},
		{"number: zeros at the end stay", n("1.50"), n("1.50")},
		{"number: 1.0 stays", n("1.0"), n("1.0")},
		{"number: 17 digits", n("0.10000000000000001"), n("0.10000000000000001")},
		{"number: negative", n("-12.5"), n("-12.5")},
		{"number: zero", n("0"), n("0")},
		{"number: negative zero is zero, as jsonb has it", n("-0"), n("0")},
		{"number: negative zero with decimals", n("-0.00"), n("0.00")},
		{"number: negative zero with an exponent", n("-0e5"), n("0")},
		{"number: exponent", n("1e3"), n("1000")},
		{"number: exponent E+", n("12E+1"), n("120")},
		{"number: exponent E-", n("12E-1"), n("1.2")},
		{"number: exponent 0", n("1e0"), n("1")},
		{"number: exponent within the digits", n("-123.45e1"), n("-1234.5")},
		{"number: exponent just past the digits", n("1.5e1"), n("15")},
		{"number: exponent that makes a fraction", n("1.5e-3"), n("0.0015")},
		{"number: exponent with leading zeros", n("1e0003"), n("1000")},
		{"number: zeros around the digits, with an exponent", n("0.00100e2"), n("0.1")},

		{"zero with a large exponent", n("0e999999"), n("0")},
		{"zero with a small exponent", n("0e-999999"), n("0")},
		{"zero with an exponent beyond 64 bits", n("0e99999999999999999999"), n("0")},
		{"zero with an exponent beyond -64 bits", n("0.000e-99999999999999999999"), n("0")},

		{"100 digits", n(nines(100)), n(nines(100))},
		{"101 digits", n(nines(101)), ""},
		{"100 digits, negative", n("-" + nines(100)), n("-" + nines(100))},
		{"101 digits, negative", n("-" + nines(101)), ""},
		{"100 digits of a fraction", n("0." + nines(100)), n("0." + nines(100))},
		{"101 digits of a fraction", n("0." + nines(101)), ""},
		{"100 digits around the point", n(nines(50) + "." + nines(50)), n(nines(50) + "." + nines(50))},
		{"101 digits around the point", n(nines(50) + "." + nines(51)), ""},
		{"100 digits with an exponent", n("9." + nines(99) + "e99"), n(nines(100))},
		{"101 digits with an exponent", n("9." + nines(100) + "e99"), ""},
		{"leading zeros do not count: 100", n("0." + zeros(50) + nines(100)), n("0." + zeros(50) + nines(100))},
		{"leading zeros do not count: 101", n("0." + zeros(50) + nines(101)), ""},
		{"trailing zeros do not count: 100", n(nines(100) + zeros(50)), n(nines(100) + zeros(50))},
		{"trailing zeros do not count: 101", n(nines(101) + zeros(50)), ""},
		{"trailing zeros of a fraction do not count: 100", n(nines(100) + "." + zeros(50)),
			n(nines(100) + "." + zeros(50))},
		{"zeros between digits count: 100", n("1" + zeros(98) + "1"), n("1" + zeros(98) + "1")},
		{"zeros between digits count: 101", n("1" + zeros(99) + "1"), ""},
		{"zeros around the point count: 101", n("1" + zeros(50) + "." + zeros(49) + "1"), ""},

		{"magnitude 5e-324", n("5e-324"), n("0." + zeros(323) + "5")},
		{"magnitude -5e-324", n("-5e-324"), n("-0." + zeros(323) + "5")},
		{"magnitude 4e-324", n("4e-324"), ""},
		{"magnitude -4e-324", n("-4e-324"), ""},
		{"magnitude 4.9999e-324", n("4.9999e-324"), ""},
		{"magnitude 5.0001e-324", n("5.0001e-324"), n("0." + zeros(323) + "50001")},
		{"magnitude 9e-325", n("9e-325"), ""},
		{"magnitude 1e-323", n("1e-323"), n("0." + zeros(322) + "1")},
		{"magnitude 5e-324, other spelling", n("5000e-327"), n("0." + zeros(323) + "5")},
		{"magnitude 4e-324, other spelling", n("0.004e-321"), ""},
		{"magnitude 5e-324, no exponent", n("0." + zeros(323) + "5"), n("0." + zeros(323) + "5")},
		{"magnitude 4e-324, no exponent", n("0." + zeros(323) + "4"), ""},
		{"magnitude 1e-324, no exponent", n("0." + zeros(323) + "1"), ""},
		{"magnitude 1.8e308", n("1.8e308"), n("18" + zeros(307))},
		{"magnitude -1.8e308", n("-1.8e308"), n("-18" + zeros(307))},
		{"magnitude 1.81e308", n("1.81e308"), ""},
		{"magnitude -1.81e308", n("-1.81e308"), ""},
		{"magnitude 1.8e308 and a little", n("1.8" + zeros(80) + "1e308"), ""},
		{"magnitude 1.79e308", n("1.79e308"), n("179" + zeros(306))},
		{"magnitude 2e308", n("2e308"), ""},
		{"magnitude 1e309", n("1e309"), ""},
		{"magnitude 9e307", n("9e307"), n("9" + zeros(307))},
		{"magnitude 1.8e308, other spelling", n("0.018e310"), n("18" + zeros(307))},
		{"magnitude 1.81e308, other spelling", n("181e306"), ""},
		{"magnitude 1.8e308, no exponent", n("18" + zeros(307)), n("18" + zeros(307))},
		{"magnitude 1.81e308, no exponent", n("181" + zeros(306)), ""},
		{"1e131071", n("1e131071"), ""},
		{"1e-131071", n("1e-131071"), ""},
		{"exponent of an int64", n("1e9223372036854775807"), ""},
		{"exponent of an int64, negative", n("1e-9223372036854775808"), ""},
		{"exponent of an int64 after a fraction", n("0.01e-9223372036854775808"), ""},
		{"exponent beyond an int64", n("1e99999999999999999999"), ""},
		{"exponent beyond an int64, negative", n("1e-99999999999999999999"), ""},

		{"500 characters are kept as typed", n("1." + zeros(498)), n("1." + zeros(498))},
		{"501 characters lose superfluous zeros", n("1." + zeros(499)), n("1")},
		{"a fraction of 501 characters loses superfluous zeros", n("-0." + zeros(9) + "15" + zeros(487)),
			n("-0." + zeros(9) + "15")},
		{"zero of 501 characters", n("0." + zeros(499)), n("0")},
		{"too many digits of 501 characters", n(nines(101) + zeros(400)), ""},

		{"64 levels of objects", nested(64, "{", "1"), nested(64, "{", "1")},
		{"65 levels of objects", nested(65, "{", "1"), ""},
		{"64 levels, an empty object innermost", nested(63, "{", "{}"), nested(63, "{", "{}")},
		{"65 levels, an empty object innermost", nested(64, "{", "{}"), ""},
		{"65 levels, an empty list innermost", nested(64, "{", "[]"), ""},
		{"64 levels of objects and lists", nested(64, "{[", "1"), nested(64, "{[", "1")},
		{"65 levels of objects and lists", nested(65, "{[", "1"), ""},
		{"64 levels of lists in an object", nested(64, "{"+strings.Repeat("[", 64), "1"),
			nested(64, "{"+strings.Repeat("[", 64), "1")},
		{"65 levels of lists in an object", nested(65, "{"+strings.Repeat("[", 64), "1"), ""},
		{"the second value is too deep", `{"a":1,"b":` + nested(64, "{", "1") + `}`, ""},
		{"two branches of 64 levels", `{"a":` + nested(63, "{", "1") + `,"b":` + nested(63, "[", "1") + `}`,
			`{"a":` + nested(63, "{", "1") + `,"b":` + nested(63, "[", "1") + `}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Object(decodedObject(t, c.in))
			call := fmt.Sprintf("Object(%s)", short(c.in))
			if c.want == "" {
				if err == nil {
					t.Fatalf("%s = %s, want it refused", call, short(string(got)))
				}
				wantLimit(t, call, err)
				return
			}
			if err != nil {
				t.Fatalf("%s: %v, want %s", call, err, short(c.want))
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", call, diff)
			}
			if was, is := canonicalOf(t, c.in), canonicalOf(t, string(got)); was != is {
				t.Errorf("%s: value of the text = %s, want that of the input, %s", call, short(is), short(was))
			}
		})
	}
}

func TestObjectNil(t *testing.T) {
	t.Parallel()
	if got, err := Object(nil); got != "" || err != nil {
		t.Errorf("Object(nil) = %q, %v, want none", got, err)
	}
}

func TestObjectOfGoValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   any
		want string // "" is an error
	}{
		{"largest int64", int64(math.MaxInt64), "9223372036854775807"},
		{"smallest int64", int64(math.MinInt64), "-9223372036854775808"},
		{"int", -7, "-7"},
		{"float64", 0.1, "0.1"},
		{"whole float64", 5.0, "5"},
		{"float64 that is printed with an exponent", 1e21, "1000000000000000000000"},
		{"small float64", 1e-7, "0.0000001"},
		{"negative zero", math.Copysign(0, -1), "0"},
		{"largest float64", math.MaxFloat64, "17976931348623157" + strings.Repeat("0", 292)},
		{"smallest float64", math.SmallestNonzeroFloat64, "0." + strings.Repeat("0", 323) + "5"},
		{"not a number", math.NaN(), ""},
		{"infinity", math.Inf(1), ""},
		{"a type that is no JSON", struct{}{}, ""},
		{"a number that is none", json.Number("x"), ""},
		{"an empty number", json.Number(""), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Object(map[string]any{"v": c.in})
			switch {
			case c.want == "" && err == nil:
				t.Errorf("Object(v: %v) = %s, want an error", c.in, short(string(got)))
			case c.want != "" && (err != nil || string(got) != `{"v":`+c.want+`}`):
				t.Errorf("Object(v: %v) = %s, %v, want v: %s", c.in, short(string(got)), err, short(c.want))
			}
		})
	}
}

func TestObjectSize(t *testing.T) {
	t.Parallel()
	if MaxBytes != 1048576 {
		t.Fatalf("MaxBytes = %d, want 1 MiB", MaxBytes)
	}
	x := func(n int) string { return strings.Repeat("x", n) }
	// 3000 numbers of five characters each that are 301 written out, and the text that fills up the rest.
	numbers := strings.TrimSuffix(strings.Repeat("1e300,", 3000), ",")
	room := MaxBytes - len(`{"n":[],"s":""}`) - 3000*301 - 2999
	for _, c := range []struct {
		name string
		in   string
		size int // of the text, 0 when it is refused
	}{
		{"1 MiB of text", `{"a":"` + x(MaxBytes-8) + `"}`, MaxBytes},
		{"1 MiB and a byte of text", `{"a":"` + x(MaxBytes-7) + `"}`, 0},
		{"1 MiB of text, its two-byte characters escaped", `{"a":"` + strings.Repeat(`\u00e9`, (MaxBytes-8)/2) + `"}`,
			MaxBytes},
		{"1 MiB and a byte of two-byte characters", `{"aa":"` + strings.Repeat(`é`, (MaxBytes-8)/2) + `"}`, 0},
		{"1 MiB in a key", `{"` + x(MaxBytes-6) + `":1}`, MaxBytes},
		{"1 MiB and a byte in a key", `{"` + x(MaxBytes-5) + `":1}`, 0},
		{"1 MiB with numbers written out", `{"n":[` + numbers + `],"s":"` + x(room) + `"}`, MaxBytes},
		{"1 MiB and a byte with numbers written out", `{"n":[` + numbers + `],"s":"` + x(room+1) + `"}`, 0},
		{"small in, large out", `{"n":[` + strings.TrimSuffix(strings.Repeat("1e308,", 4000), ",") + `]}`, 0},
		{"small in, large out, negative exponents",
			`{"n":[` + strings.TrimSuffix(strings.Repeat("5e-324,", 4000), ",") + `]}`, 0},
		{"1 MiB of brackets", `{"n":[` + strings.TrimSuffix(strings.Repeat("[],", (MaxBytes-8)/3), ",") + `]}`,
			6 + (MaxBytes-8)/3*3 - 1 + 2},
		{"more than 1 MiB of brackets", `{"n":[` + strings.TrimSuffix(strings.Repeat("[],", MaxBytes/3), ",") + `]}`,
			0},
		{"the last bracket is one too many", `{"n":["` + x(MaxBytes-10+1) + `"]}`, 0},
		{"the last bracket fits", `{"n":["` + x(MaxBytes-10) + `"]}`, MaxBytes},
		{"space between tokens does not count", `{"a":` + strings.Repeat(" ", MaxBytes) + `1}`, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Object(decodedObject(t, c.in))
			call := fmt.Sprintf("Object(%s)", short(c.in))
			if c.size == 0 {
				if err == nil {
					t.Fatalf("%s = %d bytes, want it refused", call, len(got))
				}
				wantLimit(t, call, err)
			} else if err != nil || len(got) != c.size {
				t.Errorf("%s = %d bytes, %v, want %d bytes", call, len(got), err, c.size)
			}
		})
	}
}

// A document has no limit of size, but all others.
func TestDocument(t *testing.T) {
	t.Parallel()
	large := `"` + strings.Repeat("x", MaxBytes) + `"`
	for _, c := range []struct {
		name string
		in   string
		want string // "" is refused
	}{
		{"null", `null`, `null`},
		{"list", `[1,{"b":1,"a":2}]`, `[1,{"a":2,"b":1}]`},
		{"more than 1 MiB", large, large},
		{"64 levels besides its own two", nested(66, "[", "1"), nested(66, "[", "1")},
		{"65 levels besides its own two", nested(67, "[", "1"), ""},
		{"100 digits", strings.Repeat("9", 100), strings.Repeat("9", 100)},
		{"101 digits", strings.Repeat("9", 101), ""},
		{"1.81e308", `1.81e308`, ""},
		{"NUL", `["\u0000"]`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Document(decoded(t, c.in))
			call := fmt.Sprintf("Document(%s)", short(c.in))
			if c.want == "" {
				wantLimit(t, call, err)
			} else if err != nil || string(got) != c.want {
				t.Errorf("%s = %s, %v, want %s", call, short(string(got)), err, short(c.want))
			}
		})
	}
}

// Texts of one class are the same JSON value, and of two classes they are not.
func TestEqual(t *testing.T) {
	t.Parallel()
	classes := [][]string{
		{`1`, `1.0`, `1e0`, `10e-1`, `0.1e1`, `1.000`, `1E+0`},
		{`-1`, `-1.0`, `-10e-1`},
		{`10`, `1e1`, `100e-1`},
		{`0`, `0.0`, `-0`, `0e99`, `-0.0e-5`, `0e99999999999999999999`},
		{`0.1`, `1e-1`, `0.10`},
		{`0.10000000000000001`},
		{`9007199254740992`, `9007199254740992.0`},
		{`9007199254740993`, `9007199254740993e0`},
		{`12345678901234567890`},
		{`12345678901234567891`},
		{`1e308`},
		{`1e307`, `10e306`},
		{`1e-308`},
		{`"1"`, `"\u0031"`},
		{`"1.0"`},
		{`"1e1"`},
		{`"e1"`},
		{`""`},
		{`" "`},
		{`"true"`},
		{`"null"`},
		{`"[]"`},
		{`"é"`, `"\u00e9"`, `"\u00E9"`},
		{`"e\u0301"`}, // decomposed
		{`"E"`},
		{`"e"`},
		{`"/"`, `"\/"`},
		{`"\\"`},
		{`"\\\\"`},
		{`"\""`},
		{`"\n"`, `"\u000a"`},
		{`"n"`},
		{`"😀"`, `"\ud83d\ude00"`},
		{`true`, ` true `},
		{`false`},
		{`null`},
		{`[]`, `[ ]`},
		{`{}`, `{ }`},
		{`[null]`},
		{`[[]]`},
		{`[{}]`},
		{`{"a":null}`},
		{`{"a":{}}`},
		{`{"a":{"b":null}}`},
		{`{"a":[]}`},
		{`{"":null}`},
		{`{"a":1}`, `{"a":1.0}`, "{\n\"\\u0061\": 1e0 }"},
		{`{"A":1}`},
		{`{"a":"1"}`},
		{`{"a":true}`},
		{`{"a":1,"b":2}`, `{"b":2,"a":1}`, `{"b":2.0,"a":1e0}`},
		{`{"a":2,"b":1}`},
		{`{"a":1,"b":2,"c":null}`},
		{`{"x":{"a":1,"b":[{"c":1,"d":2}]}}`, `{"x":{"b":[{"d":2,"c":1}],"a":1}}`},
		{`{"x":{"a":1,"b":[{"c":2,"d":1}]}}`},
		{`[1,2]`, `[1.0,2e0]`},
		{`[2,1]`},
		{`[1,2,null]`},
		{`[1,[2]]`},
		{`[[1],2]`},
		{`[[1,2]]`},
		{`["1,2"]`},
		{`["1","2"]`},
		{`{"a":"b,c"}`},
		{`{"a":"b","c":1}`},
		{`{"a":"b\",\"c\":1"}`},
	}
	for i, class := range classes {
		for _, a := range class {
			t.Run(a, func(t *testing.T) {
				t.Parallel()
				for j, other := range classes {
					for _, b := range other {
						got, err := Equal(Text(a), Text(b))
						if want := i == j; err != nil || got != want {
							t.Errorf("Equal(%s, %s) = %t, %v, want %t", a, b, got, err, want)
						}
						if x, y := canonicalOf(t, a), canonicalOf(t, b); (x == y) != (i == j) {
							t.Errorf("Canonical(%s) = %s, Canonical(%s) = %s, want them equal: %t", a, x, b, y, i == j)
						}
					}
				}
			})
		}
	}
}

func TestEqualOfNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		a, b Text
		want bool
		err  bool
	}{
		{"none and none", "", "", true, false},
		{"none and null", "", "null", false, false},
		{"null and none", "null", "", false, false},
		{"none and an empty object", "", "{}", false, false},
		{"an empty object and none", "{}", "", false, false},
		{"broken text and another", "{", "{}", false, true},
		{"another and broken text", "{}", "{", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Equal(c.a, c.b)
			if got != c.want || (err != nil) != c.err {
				t.Errorf("Equal(%q, %q) = %t, %v, want %t, an error: %t", c.a, c.b, got, err, c.want, c.err)
			}
		})
	}
}

// What is stored already has passed the limits of its time: comparing it must not fail.
func TestCanonicalHasNoLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in string }{
		{"65 levels", nested(65, "{", "1")},
		{"101 digits", strings.Repeat("9", 101)},
		{"1e131071", "1e131071"},
		{"NUL", `"\u0000"`},
		{"more than 1 MiB", `"` + strings.Repeat("x", MaxBytes) + `"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, err := Canonical(decoded(t, c.in)); err != nil || got == "" {
				t.Errorf("Canonical(%s) = %s, %v, want a text", short(c.in), short(got), err)
			}
		})
	}
}

func TestCheckUnicode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   string
		ok   bool
	}{
		{"empty", ``, true},
		{"plain", `{"a":"b"}`, true},
		{"raw two, three and four bytes", `"é€😀"`, true},
		{"raw U+10FFFF", "\"\U0010FFFF\"", true},
		{"raw U+FFFD", "\"\uFFFD\"", true},
		{"escaped U+FFFD", `"\ufffd"`, true},
		{"escaped noncharacter", `"\uffff"`, true},
		{"escaped character before the surrogates", `"\ud7ff"`, true},
		{"escaped character after the surrogates", `"\ue000"`, true},
		{"pair", `"\ud83d\ude00"`, true},
		{"pair in capitals", `"\uD83D\uDE00"`, true},
		{"pair in mixed case", `"\uD83d\udE00"`, true},
		{"lowest pair", `"\ud800\udc00"`, true},
		{"highest pair", `"\udbff\udfff"`, true},
		{"two pairs", `"\ud83d\ude00\ud83d\ude00"`, true},
		{"pair between letters", `"a\ud83d\ude00b"`, true},
		{"pair in a key", `{"\ud83d\ude00":1}`, true},
		{"backslash, then u", `"\\ud83d"`, true},
		{"two backslashes, then u", `"\\\\ud83d"`, true},
		{"backslash, then a pair", `"\\\ud83d\ude00"`, true},
		{"pair, then backslash and u", `"\ud83d\ude00\\udc00"`, true},
		{"other escapes", `"\"\/\b\f\n\r\t"`, true},

		{"high alone", `"\ud83d"`, false},
		{"lowest high alone", `"\ud800"`, false},
		{"highest high alone", `"\udbff"`, false},
		{"low alone", `"\ude00"`, false},
		{"lowest low alone", `"\udc00"`, false},
		{"highest low alone", `"\udfff"`, false},
		{"high alone in capitals", `"\uD83D"`, false},
		{"high before a letter", `"\ud83dx"`, false},
		{"high before six letters", `"\ud83dabcdef"`, false},
		{"high before a letter and a low", `"\ud83dx\ude00"`, false},
		{"high before an escape", `"\ud83d\n"`, false},
		{"high before an escaped letter", `"\ud83d\u0041"`, false},
		{"high before a high", `"\ud83d\ud83d"`, false},
		{"high before a pair", `"\ud83d\ud83d\ude00"`, false},
		{"high before the same without a backslash", `"\ud83dude00"`, false},
		{"high before a slash and u", `"\ud83d/ude00"`, false},
		{"high before a letter in the place of the backslash", `"\ud83dxude00"`, false},
		{"high before a backslash, then u", `"\ud83d\\ude00"`, false},
		{"backslash, then a high", `"\\\ud83d"`, false},
		{"low before a high", `"\ude00\ud83d"`, false},
		{"low before a low", `"\ude00\ude00"`, false},
		{"pair, then a low", `"\ud83d\ude00\ude00"`, false},
		{"pair, then a high", `"\ud83d\ude00\ud83d"`, false},
		{"lone one in a key", `{"\ud83d":1}`, false},
		{"lone one in a list", `["a","\udead"]`, false},
		{"halves in two strings", `["\ud83d","\ude00"]`, false},
		{"text ends after a high", `"\ud83d`, false},
		{"text ends in the low", `"\ud83d\ude0`, false},
		{"text ends after the backslash of the low", `"\ud83d\`, false},

		{"no UTF-8: one byte", "\"\xff\"", false},
		{"no UTF-8: cut short", "\"\xc3\"", false},
		{"no UTF-8: Latin-1", "\"caf\xe9\"", false},
		{"no UTF-8: overlong", "\"\xc0\xaf\"", false},
		{"no UTF-8: a surrogate", "\"\xed\xa0\x80\"", false},
		{"no UTF-8: beyond U+10FFFF", "\"\xf4\x90\x80\x80\"", false},
		{"no UTF-8: in a key", "{\"\xff\":1}", false},
		{"no UTF-8: outside a string", "\xff{}", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := CheckUnicode([]byte(c.in)); (err == nil) != c.ok {
				t.Errorf("CheckUnicode(%q) = %v, want it accepted: %t", c.in, err, c.ok)
			}
			if _, err := Decode([]byte(c.in)); err == nil && !c.ok {
				t.Errorf("Decode(%q) is accepted, want it refused", c.in)
			}
		})
	}
}

// A text that ends within an escape is no JSON, and CheckUnicode must not read past its end.
func TestCheckUnicodeOfCutEscapes(t *testing.T) {
	t.Parallel()
	whole := `"\ud83d\ude00\\\u0041"`
	for n := range len(whole) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			_ = CheckUnicode([]byte(whole[:n])) // must not panic
			if v, err := Decode([]byte(whole[:n])); err == nil {
				t.Errorf("Decode(%q) = %v, want it refused", whole[:n], v)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	for _, c := range []struct {
		name string
		in   string
		want any
		bad  bool
	}{
		{"null", `null`, nil, false},
		{"string", `"é😀"`, "é😀", false},
		{"pair", `"\ud83d\ude00"`, "😀", false},
		{"escaped backslash before u", `"\\ud83d"`, `\ud83d`, false},
		{"U+FFFD stays", "\"\uFFFD\"", "\uFFFD", false},
		{"exact number", `9007199254740993`, json.Number("9007199254740993"), false},
		{"number as typed", `1.50e+00`, json.Number("1.50e+00"), false},
		{"number beyond doubles", `1e131071`, json.Number("1e131071"), false},
		{"object", `{"a":[1,true,{"b":null}]}`, object{"a": []any{json.Number("1"), true, object{"b": nil}}}, false},
		{"space around it", " \t\r\n{} \t\r\n", object{}, false},
		{"nothing", ``, nil, true},
		{"space only", `  `, nil, true},
		{"cut short", `{"a":`, nil, true},
		{"two values", `{} {}`, nil, true},
		{"two values without space", `{}{}`, nil, true},
		{"two numbers", `1 2`, nil, true},
		{"a value and a bracket", `{}]`, nil, true},
		{"a value and letters", `{}x`, nil, true},
		{"a value and a cut string", `{}"`, nil, true},
		{"a value and NUL", "{}\x00", nil, true},
		{"comma at the end", `[1,]`, nil, true},
		{"single quotes", `{'a':1}`, nil, true},
		{"no quotes", `{a:1}`, nil, true},
		{"comment", `{} // x`, nil, true},
		{"leading zero", `01`, nil, true},
		{"no digit before the point", `.5`, nil, true},
		{"no digit after the point", `5.`, nil, true},
		{"plus", `+1`, nil, true},
		{"NaN", `NaN`, nil, true},
		{"Infinity", `-Infinity`, nil, true},
		{"raw newline in a string", "\"\n\"", nil, true},
		{"unknown escape", `"\x41"`, nil, true},
		{"a million brackets", strings.Repeat("[", 1_000_000), nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Decode([]byte(c.in))
			if (err != nil) != c.bad {
				t.Fatalf("Decode(%s) = %v, %v, want an error: %t", short(c.in), got, err, c.bad)
			}
			if diff := cmp.Diff(c.want, got); diff != "" && !c.bad {
				t.Errorf("Decode(%s) (-want +got):\n%s", short(c.in), diff)
			}
		})
	}
}

func TestCheckObject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in Text
		ok bool
	}{
		{`{}`, true}, {`{"a": [1]}`, true},
		{``, false}, {`null`, false}, {`[]`, false}, {`"{}"`, false}, {`{`, false}, {`{}}`, false}, {`{"a"}`, false},
		{"{\"a\":\"\xff\"}", false},
	} {
		t.Run(string(c.in), func(t *testing.T) {
			t.Parallel()
			if err := c.in.CheckObject(); (err == nil) != c.ok {
				t.Errorf("Text(%q).CheckObject() = %v, want an object: %t", c.in, err, c.ok)
			}
		})
	}
}

// FuzzObject: an accepted value is within the limits, its text has the same
// value, and writing that value out again gives the same text.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `[1,"x",null,true,{"b":[]}]`, `9007199254740993`, `-0.0`, `1.50`, `1e3`, `5e-324`, `4e-324`,
		`1.8e308`, `1.81e308`,
		`1e131071`, `0e99999999999999999999`, `1e-99999999999999999999`, `"\u0000"`, `"\ud83d\ude00"`, `"\ud83d"`,
		`"<\u2028\u001f\\\"/"`,
		`{"b":{"z":1,"a":2},"a":[1.0,10e-1]}`, `{"":null,"a.b":"$.x","é":"é"}`, strings.Repeat("9", 100),
		strings.Repeat("9", 101),
		nested(64, "{[", "1"), nested(65, "{[", "1"), `1.` + strings.Repeat("0", 600),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Decode(data)
		if err != nil {
			return
		}
		o, ok := v.(map[string]any)
		if !ok {
			o = map[string]any{"v": v}
		}
		j, err := Object(o)
		if err != nil {
			wantLimit(t, fmt.Sprintf("Object(%s)", data), err)
			return
		}
		if len(j) > MaxBytes || !utf8.ValidString(string(j)) || !json.Valid([]byte(j)) || j.CheckObject() != nil {
			t.Fatalf("Object(%s) = %s, want an object in UTF-8 within the limits", data, j)
		}
		again := decodedObject(t, string(j))
		want, err := Canonical(o)
		if err != nil {
			t.Fatalf("Canonical(%s): %v", data, err)
		}
		if got, err := Canonical(again); err != nil || got != want {
			t.Fatalf("canonical of Object(%s) = %s, %v, want %s", data, got, err, want)
		}
		if k, err := Object(again); err != nil || k != j {
			t.Fatalf("Object(%s) = %s, %v, want it as it was", j, k, err)
		}
	})
}

// replacements counts U+FFFD in the strings of JSON text as encoding/json
// decodes them, and as the text itself has them, raw or escaped.
func replacements(t *testing.T, text []byte) (decoded, written int) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("Token of %q: %v", text, err)
		}
		if s, ok := token.(string); ok {
			decoded += strings.Count(s, "\uFFFD")
		}
	}
	written = bytes.Count(text, []byte("\uFFFD"))
	rest := string(text)
	for {
		i := strings.IndexByte(rest, '\\')
		if i < 0 {
			return decoded, written
		}
		if rest = rest[i+1:]; len(rest) >= 5 && strings.EqualFold(rest[:5], "ufffd") {
			written++
		}
		rest = rest[1:]
	}
}

// FuzzCheckUnicode: JSON text is accepted exactly when decoding it puts no U+FFFD
// in the place of what cannot be decoded.
func FuzzCheckUnicode(f *testing.F) {
	for _, seed := range []string{
		`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\ud83d\\ude00"`, `"\\ud83d"`, `"\ud83dx\ude00"`,
		`"\ud83d\ud83d\ude00"`, `"\uFFFD"`,
		"\"\uFFFD\"", "\"\xff\"", "\"\xed\xa0\x80\"", `{"\ud83d":"\udfff"}`, `["\ud83d","\ude00"]`, `"\ud83d\u0041"`,
		`"\\\ud83d\ude00\\"`, `{"a":"é"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := CheckUnicode(text)
		if !json.Valid(text) {
			return
		}
		decoded, written := replacements(t, text)
		if (err == nil) != (decoded == written) {
			t.Fatalf("CheckUnicode(%q) = %v; %d U+FFFD are decoded and %d are in the text, want it accepted when "+
				"they are as many", text, err, decoded, written)
		}
	})
}

// FuzzParse holds our decoder against encoding/json.
func FuzzParse(f *testing.F) {
	for _, text := range []string{`{"a":[1,-0,0.10,1e5,1E-2,12345678901234567890],"b":{"c":null,"d":true,"e":false}}`,
		` [ ] `, `{"a":1,"a":2}`, `"\u00e9\ud83d\ude00\/\b\f\n\r\t\\\""`,
		`01`, `1.`, `.5`, `-`, `1e`, `+1`, `nul`, `truefalse`, `[1,]`, `{"a":}`, `{"a" 1}`, `{,}`, `"\x"`, `"\u12"`,
		`"\u12G4"`, "\"\n\"", `"abc`, `"\`, `1 2`, ``, ` `, `[[[[[]]]]]`, `"\ud800"`, `{"":""}`,
		strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if CheckUnicode([]byte(text)) != nil {
			return
		}
		got, refused := Decode([]byte(text))
		ok := refused == nil
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var want any
		err := d.Decode(&want)
		if _, more := d.Token(); err == nil && !errors.Is(more, io.EOF) {
			err = errors.New("more")
		}
		if ok != (err == nil) || ok && !reflect.DeepEqual(got, want) {
			t.Errorf("%.200q: %.200v, %v, and encoding/json %.200v, %v", text, got, ok, want, err)
		}
	})
}

// TestDecodeWithin decodes texts that take much more memory than they are long.
func TestDecodeWithin(t *testing.T) {
	t.Parallel()
	many := func(n int, value string) []byte {
		return []byte("[" + strings.Repeat(value+",", n-1) + value + "]")
	}
	for _, c := range []struct {
		name string
		text []byte
		want error
	}{
		{"a million values", many(MaxValues-1, "0"), nil},
		{"one more", many(MaxValues, "0"), ErrTooManyValues},
		{"objects in objects", many(MaxValues/2+1, `{"":0}`), ErrTooManyValues},
		{"empty objects", many(MaxValues, "{}"), ErrTooManyValues},
	} {
		_, err := DecodeWithin(c.text, func(int) error { return nil })
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	full := errors.New("full")
	room := 10_000_000
	_, err := DecodeWithin(many(MaxValues/4, "{}"), func(n int) error {
		if room -= n; room < 0 {
			return full
		}
		return nil
	})
	if !errors.Is(err, full) {
		t.Errorf("without the memory for it: %v", err)
	}
}

// TestDecodeMemory compares the memory that values take with what is told of it.
func TestDecodeMemory(t *testing.T) {
	for _, value := range []string{"{}", `{"":0}`, "[]", "0", `"a"`, "null", "[[[]]]", `{"a":{"b":[1,2,3]},"c":"d"}`,
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10}`} {
		text := []byte("[" + strings.Repeat(value+",", 20_000) + value + "]")
		told := 0
		before := heap()
		v, err := DecodeWithin(text, func(n int) error { told += n; return nil })
		took := heap() - before
		if err != nil {
			t.Fatal(err)
		}
		if ratio := float64(took) / float64(told); ratio > 1.3 || ratio < 0.3 {
			t.Errorf("%s takes %.2f of the memory that is told", value, ratio)
		} else {
			t.Logf("%s takes %.2f of the memory that is told", value, ratio)
		}
		runtime.KeepAlive(v)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
