package db

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func utc(year int, month time.Month, day, hour, minute, second, nanosecond int) time.Time {
	return time.Date(year, month, day, hour, minute, second, nanosecond, time.UTC)
}

// wantTime fails the test unless t is the wanted instant, in UTC.
func wantTime(t *testing.T, call string, got time.Time, err error, want time.Time) {
	t.Helper()
	if err != nil || !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("%s = %v, %v, want %v", call, got, err, want)
	}
}

func TestParseRFC3339(t *testing.T) {
	t.Parallel()
	const µs = 1000
	for _, c := range []struct {
		name string
		in   string
		want time.Time
	}{
		{"Z", "2024-05-15T15:00:00Z", utc(2024, 5, 15, 15, 0, 0, 0)},
		{"lower-case z", "2024-05-15T15:00:00z", utc(2024, 5, 15, 15, 0, 0, 0)},
		{"lower-case t", "2024-05-15t15:00:00Z", utc(2024, 5, 15, 15, 0, 0, 0)},
		{"lower-case t and offset", "2024-05-15t15:00:00.5+02:00", utc(2024, 5, 15, 13, 0, 0, 500_000*µs)},
		{"offset 0", "2024-05-15T15:00:00+00:00", utc(2024, 5, 15, 15, 0, 0, 0)},
		{"offset -0", "2024-05-15T15:00:00-00:00", utc(2024, 5, 15, 15, 0, 0, 0)},
		{"offset east", "2024-05-15T15:00:00+05:30", utc(2024, 5, 15, 9, 30, 0, 0)},
		{"offset west", "2024-05-15T15:00:00-09:45", utc(2024, 5, 16, 0, 45, 0, 0)},
		{"largest offset east", "2024-05-15T15:00:00+23:59", utc(2024, 5, 14, 15, 1, 0, 0)},
		{"largest offset west", "2024-05-15T15:00:00-23:59", utc(2024, 5, 16, 14, 59, 0, 0)},
		{"offset across a year", "2024-12-31T23:30:00-01:00", utc(2025, 1, 1, 0, 30, 0, 0)},

		{"one digit", "2024-05-15T15:00:00.1Z", utc(2024, 5, 15, 15, 0, 0, 100_000*µs)},
		{"six digits", "2024-05-15T15:00:00.123456Z", utc(2024, 5, 15, 15, 0, 0, 123_456*µs)},
		{"seven digits are cut", "2024-05-15T15:00:00.1234567Z", utc(2024, 5, 15, 15, 0, 0, 123_456*µs)},
		{"nine digits are cut, not rounded", "2024-05-15T15:00:00.123456999Z", utc(2024, 5, 15, 15, 0, 0, 123_456*µs)},
		{"twelve digits are cut, not rounded", "2024-05-15T15:00:00.999999999999Z",
			utc(2024, 5, 15, 15, 0, 0, 999_999*µs)},
		{"fifty digits", "2024-05-15T15:00:00.1234565" + strings.Repeat("9", 43) + "Z",
			utc(2024, 5, 15, 15, 0, 0, 123_456*µs)},
		{"less than a microsecond", "2024-05-15T15:00:00.0000009Z", utc(2024, 5, 15, 15, 0, 0, 0)},
		{"cut before 1970", "1969-12-31T23:59:59.9999999Z", utc(1969, 12, 31, 23, 59, 59, 999_999*µs)},
		{"zero digits", "2024-05-15T15:00:00.000000000Z", utc(2024, 5, 15, 15, 0, 0, 0)},

		{"last second of a day", "2024-05-15T23:59:59Z", utc(2024, 5, 15, 23, 59, 59, 0)},
		{"leap day", "2024-02-29T00:00:00Z", utc(2024, 2, 29, 0, 0, 0, 0)},
		{"leap day of a century", "2000-02-29T00:00:00Z", utc(2000, 2, 29, 0, 0, 0, 0)},

		// RFC 3339 has them, Go and the databases do not: the second after it stands for it.
		{"leap second", "2016-12-31T23:59:60Z", utc(2017, 1, 1, 0, 0, 0, 0)},
		{"leap second, offset west", "1990-12-31T15:59:60-08:00", utc(1991, 1, 1, 0, 0, 0, 0)},
		{"leap second, offset of half an hour", "2015-07-01T05:29:60+05:30", utc(2015, 7, 1, 0, 0, 0, 0)},
		{"leap second, digits", "2016-12-31T23:59:60.1234569z", utc(2017, 1, 1, 0, 0, 0, 123_456*µs)},

		{"first moment", "0001-01-01T00:00:00Z", utc(1, 1, 1, 0, 0, 0, 0)},
		{"first microsecond, cut", "0001-01-01T00:00:00.0000019Z", utc(1, 1, 1, 0, 0, 0, 1*µs)},
		{"first moment, offset east", "0001-01-01T01:00:00+01:00", utc(1, 1, 1, 0, 0, 0, 0)},
		{"year 0 that is year 1 in UTC", "0000-12-31T23:30:00-00:30", utc(1, 1, 1, 0, 0, 0, 0)},
		{"last moment", "9999-12-31T23:59:59.999999Z", utc(9999, 12, 31, 23, 59, 59, 999_999*µs)},
		{"last moment, cut", "9999-12-31T23:59:59.9999999Z", utc(9999, 12, 31, 23, 59, 59, 999_999*µs)},
		{"last moment, offset west", "9999-12-31T22:59:59-01:00", utc(9999, 12, 31, 23, 59, 59, 0)},
		{"last day, offset east", "9999-12-31T23:59:59+23:59", utc(9999, 12, 31, 0, 0, 59, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseRFC3339(c.in)
			wantTime(t, "ParseRFC3339("+c.in+")", got, err, c.want)
			got, err = ParseTime(c.in) // reads whatever ParseRFC3339 does
			wantTime(t, "ParseTime("+c.in+")", got, err, c.want)
		})
	}
}

// Neither ParseRFC3339 nor ParseTime reads these.
func TestParseTimeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in string }{
		{"nothing", ""},
		{"no time", "x"},
		{"date only", "2024-05-15"},
		{"date and offset", "2024-05-15Z"},
		{"time only", "15:00:00Z"},
		{"no seconds", "2024-05-15T15:00Z"},
		{"no minutes", "2024-05-15T15Z"},
		{"no day", "2024-05T15:00:00Z"},
		{"basic format", "20240515T150000Z"},
		{"week date", "2024-W20-3T15:00:00Z"},
		{"month of one digit", "2024-5-15T15:00:00Z"},
		{"hour of one digit", "2024-05-15T5:00:00Z"},
		{"second of one digit", "2024-05-15T15:00:0Z"},
		{"year of three digits", "024-05-15T15:00:00Z"},
		{"year of five digits", "12024-05-15T15:00:00Z"},
		{"year of five digits, zero first", "02024-05-15T15:00:00Z"},
		{"negative year", "-0001-05-15T15:00:00Z"},
		{"sign before the year", "+2024-05-15T15:00:00Z"},
		{"slashes", "2024/05/15T15:00:00Z"},
		{"no T", "2024-05-1515:00:00Z"},
		{"underscore for the T", "2024-05-15_15:00:00Z"},
		{"two spaces", "2024-05-15  15:00:00Z"},
		{"space before", " 2024-05-15T15:00:00Z"},
		{"space after", "2024-05-15T15:00:00Z "},
		{"space before the offset", "2024-05-15T15:00:00 +00:00"},
		{"newline after", "2024-05-15T15:00:00Z\n"},
		{"newline after, no offset", "2024-05-15T15:00:00\n"},
		{"NUL after", "2024-05-15T15:00:00Z\x00"},
		{"comma", "2024-05-15T15:00:00,5Z"},
		{"comma, no offset", "2024-05-15T15:00:00,5"},
		{"point without digits", "2024-05-15T15:00:00.Z"},
		{"point without digits, no offset", "2024-05-15T15:00:00."},
		{"two points", "2024-05-15T15:00:00.1.2Z"},
		{"offset without minutes", "2024-05-15T15:00:00+02"},
		{"offset without a colon", "2024-05-15T15:00:00+0200"},
		{"offset with seconds", "2024-05-15T15:00:00+02:00:00"},
		{"offset of one digit", "2024-05-15T15:00:00+2:00"},
		{"offset of 24 hours", "2024-05-15T15:00:00+24:00"},
		{"offset of 60 minutes", "2024-05-15T15:00:00+02:60"},
		{"offset without a sign", "2024-05-15T15:00:0002:00"},
		{"offset with a minus of Unicode", "2024-05-15T15:00:00\u221202:00"},
		{"Z and offset", "2024-05-15T15:00:00Z+00:00"},
		{"zone by name", "2024-05-15T15:00:00 UTC"},
		{"month 0", "2024-00-15T15:00:00Z"},
		{"month 13", "2024-13-15T15:00:00Z"},
		{"day 0", "2024-05-00T15:00:00Z"},
		{"day 32", "2024-05-32T15:00:00Z"},
		{"day 31 of April", "2024-04-31T15:00:00Z"},
		{"February 29 of another year", "2023-02-29T15:00:00Z"},
		{"February 29 of a century", "1900-02-29T15:00:00Z"},
		{"hour 24", "2024-05-15T24:00:00Z"},
		{"minute 60", "2024-05-15T15:60:00Z"},
		{"second 61", "2016-12-31T23:59:61Z"},
		{"second 60 where no leap second can be", "2024-05-15T15:00:60Z"}, // RFC 3339, section 5.7
		{"leap second of minute 60", "2016-12-31T23:60:60Z"},
		{"leap second of hour 24", "2016-12-31T24:59:60Z"},
		{"leap second of the last year, which is year 10000", "9999-12-31T23:59:60Z"},
		{"digits of another script", "٢٠٢٤-05-15T15:00:00Z"},
		{"year 0", "0000-01-01T00:00:00Z"},
		{"year 0 to its end", "0000-12-31T23:59:59.999999Z"},
		{"year 1 that is year 0 in UTC", "0001-01-01T00:59:59+01:00"},
		{"year 9999 that is year 10000 in UTC", "9999-12-31T23:00:00-01:00"},
		{"seconds since 1970", "1715785200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, err := ParseRFC3339(c.in); err == nil {
				t.Errorf("ParseRFC3339(%q) = %v, want it isDomainError", c.in, got)
			}
			if got, err := ParseTime(c.in); err == nil {
				t.Errorf("ParseTime(%q) = %v, want it isDomainError", c.in, got)
			}
		})
	}
}

// What Tyler writes besides RFC 3339 is read from its files and columns, and from no request.
func TestParseTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   string
		want time.Time
	}{
		{"no offset is UTC", "2024-05-15T15:00:00", utc(2024, 5, 15, 15, 0, 0, 0)},
		{"no offset, digits", "2024-05-15T15:00:00.123456", utc(2024, 5, 15, 15, 0, 0, 123_456_000)},
		{"no offset, digits are cut", "2024-05-15T15:00:00.1234569", utc(2024, 5, 15, 15, 0, 0, 123_456_000)},
		{"SQLite's column", "2024-05-15 15:00:00.000000", utc(2024, 5, 15, 15, 0, 0, 0)},
		{"SQLite's CURRENT_TIMESTAMP", "2024-05-15 15:00:00", utc(2024, 5, 15, 15, 0, 0, 0)},
		{"space and offset", "2024-05-15 15:00:00.5+02:00", utc(2024, 5, 15, 13, 0, 0, 500_000_000)},
		{"space and Z", "2024-05-15 15:00:00Z", utc(2024, 5, 15, 15, 0, 0, 0)},
		{"first moment", "0001-01-01 00:00:00.000000", utc(1, 1, 1, 0, 0, 0, 0)},
		{"last moment", "9999-12-31 23:59:59.999999", utc(9999, 12, 31, 23, 59, 59, 999_999_000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseTime(c.in)
			wantTime(t, "ParseTime("+c.in+")", got, err, c.want)
			if got, err := ParseRFC3339(c.in); err == nil {
				t.Errorf("ParseRFC3339(%q) = %v, want it isDomainError", c.in, got)
			}
		})
	}
}

// The wanted texts are those of datetime.isoformat of Python 3.11.
func TestFormatTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   time.Time
		want string
	}{
		{"no decimals when zero", utc(2024, 5, 15, 15, 0, 0, 0), "2024-05-15T15:00:00+00:00"},
		{"six decimals otherwise", utc(2024, 5, 15, 15, 0, 0, 500_000_000), "2024-05-15T15:00:00.500000+00:00"},
		{"one microsecond", utc(2024, 5, 15, 15, 0, 0, 1000), "2024-05-15T15:00:00.000001+00:00"},
		{"less than a microsecond", utc(2024, 5, 15, 15, 0, 0, 999), "2024-05-15T15:00:00+00:00"},
		{"nanoseconds are cut", utc(2024, 5, 15, 15, 0, 0, 999_999_999), "2024-05-15T15:00:00.999999+00:00"},
		{"another zone", time.Date(2024, 5, 15, 15, 0, 0, 0, time.FixedZone("", 5*3600+1800)),
			"2024-05-15T09:30:00+00:00"},
		{"first moment", utc(1, 1, 1, 0, 0, 0, 0), "0001-01-01T00:00:00+00:00"},
		{"last moment", utc(9999, 12, 31, 23, 59, 59, 999_999_000), "9999-12-31T23:59:59.999999+00:00"},
		{"before 1970", utc(1969, 12, 31, 23, 59, 59, 1000), "1969-12-31T23:59:59.000001+00:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := FormatTime(c.in)
			if got != c.want {
				t.Errorf("FormatTime(%v) = %s, want %s", c.in, got, c.want)
			}
			back, err := ParseTime(got)
			wantTime(t, "ParseTime("+got+")", back, err, TruncateTime(c.in))
		})
	}
}

func TestTruncateTime(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("", 3600)
	for _, c := range []struct {
		name     string
		in, want time.Time
	}{
		{"cut, not rounded", utc(2024, 5, 15, 15, 0, 0, 1999), utc(2024, 5, 15, 15, 0, 0, 1000)},
		{"cut before 1970", utc(1960, 5, 15, 15, 0, 0, 1999), utc(1960, 5, 15, 15, 0, 0, 1000)},
		{"to UTC", time.Date(2024, 5, 15, 15, 0, 0, 0, east), utc(2024, 5, 15, 14, 0, 0, 0)},
		{"nothing to do", utc(2024, 5, 15, 15, 0, 0, 1000), utc(2024, 5, 15, 15, 0, 0, 1000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wantTime(t, "TruncateTime("+c.in.String()+")", TruncateTime(c.in), nil, c.want)
		})
	}
}

// updatedAt strictly increases, whatever the clock does.
func TestAfter(t *testing.T) {
	t.Parallel()
	old := utc(2024, 5, 15, 15, 0, 0, 0)
	for _, c := range []struct {
		name string
		now  time.Duration // after old
		want time.Duration // after old
	}{
		{"the clock is ahead", time.Second, time.Second},
		{"the clock is ahead by two microseconds", 2 * time.Microsecond, 2 * time.Microsecond},
		{"the clock is ahead by one microsecond", time.Microsecond, time.Microsecond},
		{"the clock stands", 0, time.Microsecond},
		{"the clock went back by a microsecond", -time.Microsecond, time.Microsecond},
		{"the clock went back by a year", -365 * 24 * time.Hour, time.Microsecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			now := old.Add(c.now)
			if got, want := nextUpdatedAt(old, now), old.Add(c.want); !got.Equal(want) {
				t.Errorf("nextUpdatedAt(%v, %v) = %v, want %v", old, now, got, want)
			}
		})
	}
}

// What is no time is an error of the row, so that the log can name the row.
func TestScanTime(t *testing.T) {
	t.Parallel()
	want := utc(2024, 5, 15, 15, 0, 0, 123_456_000)
	for _, c := range []struct {
		name string
		in   any
		bad  bool
	}{
		{"timestamptz", time.Date(2024, 5, 15, 17, 0, 0, 123_456_789, time.FixedZone("", 7200)), false},
		{"text", "2024-05-15 15:00:00.123456", false},
		{"text with an offset", "2024-05-15T17:00:00.123456+02:00", false},
		{"null", nil, true},
		{"number", int64(5), true},
		{"text that is no time", "yesterday", true},
		{"bytes, as lib/pq gives infinity", []byte("infinity"), true},
		{"timestamptz of year 0", utc(0, 12, 31, 23, 59, 59, 0), true},
		{"timestamptz of year 10000", utc(10000, 1, 1, 0, 0, 0, 0), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := columnTime{Time: utc(1, 1, 1, 0, 0, 0, 0), err: errors.New("of the row before")}
			if err := got.Scan(c.in); err != nil {
				t.Fatalf("columnTime.Scan(%v): %v, want the error kept for the row", c.in, err)
			}
			if c.bad {
				if got.err == nil {
					t.Errorf("columnTime.Scan(%v) = %v, want an error of the row", c.in, got.Time)
				}
				return
			}
			wantTime(t, "columnTime.Scan", got.Time, got.err, want)
		})
	}
}

func TestScanTimeBounds(t *testing.T) {
	t.Parallel()
	for _, want := range []time.Time{utc(1, 1, 1, 0, 0, 0, 0), utc(9999, 12, 31, 23, 59, 59, 999_999_000)} {
		var got columnTime
		err := got.Scan(want.In(time.FixedZone("", 3600)))
		if err == nil {
			err = got.err
		}
		wantTime(t, "columnTime.Scan", got.Time, err, want)
	}
}

func TestScanInt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   any
		want int
		bad  bool
	}{
		{"integer", int64(7), 7, false},
		{"negative", int64(-1 << 40), -1 << 40, false},
		{"null", nil, 0, true},
		{"text", "7", 0, true},
		{"a fraction", 7.5, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := columnInt{5, errors.New("of the row before")}
			if err := got.Scan(c.in); err != nil {
				t.Fatalf("columnInt.Scan(%v): %v, want the error kept for the row", c.in, err)
			}
			if got.int != c.want || (got.err != nil) != c.bad {
				t.Errorf("columnInt.Scan(%v) = %d, %v, want %d, an error of the row: %t", c.in, got.int, got.err,
					c.want, c.bad)
			}
		})
	}
}

func TestCheckUTF8(t *testing.T) {
	t.Parallel()
	good, bad := "é😀\uFFFD\x00", "caf\xe9"
	for _, c := range []struct {
		name string
		in   []*string
		ok   bool
	}{
		{"nothing", nil, true},
		{"null", []*string{nil}, true},
		{"text", []*string{&good, nil, &good}, true},
		{"the first is bad", []*string{&bad, &good}, false},
		{"the last is bad", []*string{&good, nil, &bad}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := checkUTF8(c.in...); (err == nil) != c.ok {
				t.Errorf("checkUTF8 = %v, want it accepted: %t", err, c.ok)
			}
		})
	}
}

// FuzzParseRFC3339: an accepted time is within the years 1 to 9999, in UTC, cut
// to the microsecond, the one that package time reads, and comes back from its
// text.
func FuzzParseRFC3339(f *testing.F) {
	for _, seed := range []string{
		"2024-05-15T15:00:00Z", "2024-05-15t15:00:00z", "2024-05-15T15:00:00.123456789+05:30", "2024-05-15 15:00:00",
		"0001-01-01T00:00:00Z",
		"0001-01-01T00:00:00+00:01", "0000-12-31T23:59:59-00:01", "9999-12-31T23:59:59.9999999Z",
		"9999-12-31T23:59:59-00:01", "2016-12-31T23:59:60Z",
		"2024-05-15T15:00:00,5Z", "2024-02-30T00:00:00Z", "2024-05-15T15:00:00+24:00", "2024-05-15T24:00:00Z", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseRFC3339(s)
		if err != nil {
			return
		}
		if got.Location() != time.UTC || got.Year() < 1 || got.Year() > 9999 || got.Nanosecond()%1000 != 0 {
			t.Fatalf("ParseRFC3339(%q) = %v, want UTC, year 1 to 9999, whole microseconds", s, got)
		}
		plain, leap := strings.ToUpper(s), time.Duration(0)
		if plain[17:19] == "60" {
			plain, leap = plain[:17]+"59"+plain[19:], time.Second
		}
		reference, err := time.Parse(time.RFC3339, plain)
		reference = reference.Add(leap)
		if err != nil || !reference.Truncate(time.Microsecond).Equal(got) {
			t.Fatalf("ParseRFC3339(%q) = %v, want %v (%v)", s, got, reference, err)
		}
		text := FormatTime(got)
		for name, parse := range map[string]func(string) (time.Time, error){"ParseTime": ParseTime,
			"ParseRFC3339": ParseRFC3339} {
			if back, err := parse(text); err != nil || !back.Equal(got) {
				t.Fatalf("%s(FormatTime(%v)) = %v, %v, want the same time", name, got, back, err)
			}
		}
	})
}
