package db

import (
	"errors"
	"regexp"
	"strings"
	"time"
)

// sqliteTime is how times are stored in SQLite: text that sorts as the times do.
const sqliteTime = "2006-01-02 15:04:05.000000"

// rfc3339 is the grammar of RFC 3339 section 5.6; time.Parse alone takes more (a comma before the digits, an hour of
// one digit).
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// isoformat is what Python's isoformat writes, besides a space for the T.
var isoformat = regexp.MustCompile(`^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?$`)

// ParseRFC3339 reads a time with any offset, cut to the microsecond. In UTC it
// must be within the years 1 to 9999, which is what both databases keep.
func ParseRFC3339(s string) (time.Time, error) {
	if !rfc3339.MatchString(s) {
		return time.Time{}, errors.New("no RFC 3339 time")
	}
	upper := []byte(s)
	upper[10] = 'T'
	if last := len(upper) - 1; upper[last] == 'z' {
		upper[last] = 'Z'
	}
	// A leap second, which neither Go nor the databases know, counts as the one after it.
	leap := string(upper[17:19]) == "60"
	if leap {
		upper[17], upper[18] = '5', '9'
	}
	t, err := time.Parse(time.RFC3339Nano, string(upper))
	if err != nil {
		return time.Time{}, errors.New("no RFC 3339 time")
	}
	if leap {
		if t = t.Add(time.Second).UTC(); t.Day() != 1 || t.Hour() != 0 || t.Minute() != 0 { // they end months, in UTC
			return time.Time{}, errors.New("no RFC 3339 time")
		}
	}
	t = TruncateTime(t)
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errors.New("a year outside 1 to 9999")
	}
	return t, nil
}

// ParseTime reads what Tyler writes: RFC 3339 or the same without an offset,
// which then is UTC, with a T or a space.
func ParseTime(s string) (time.Time, error) {
	if isoformat.MatchString(s) {
		s += "Z"
	}
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	return ParseRFC3339(s)
}

// FormatTime writes a time as Python's isoformat does: +00:00, no decimals when zero.
func FormatTime(t time.Time) string {
	t = t.UTC()
	if t.Nanosecond()/1000 == 0 {
		return t.Format("2006-01-02T15:04:05") + "+00:00"
	}
	return t.Format("2006-01-02T15:04:05.000000") + "+00:00"
}

// TruncateTime returns t in UTC, cut to the microsecond.
func TruncateTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// nextUpdatedAt returns the next updated_at: now, or a microsecond past old when the clock is not ahead of it.
func nextUpdatedAt(old, now time.Time) time.Time {
	if next := old.Add(time.Microsecond); next.After(now) {
		return next
	}
	return now
}

// parseStored reads a time as this program writes it to SQLite (sqliteTime) and
// as PostgreSQL writes it in UTC: with +00 and without zeros at the end of the
// decimals. All else is left to the grammars.
func parseStored(s string) (time.Time, bool) {
	s = strings.TrimSuffix(s, "+00")
	if len(s) < 19 || len(s) > len(sqliteTime) || s[4] != '-' || s[7] != '-' || s[10] != ' ' || s[13] != ':' ||
		s[16] != ':' || len(s) > 19 && s[19] != '.' {
		return time.Time{}, false
	}
	ok := true
	number := func(digits string) (n int) {
		for i := range len(digits) {
			d := digits[i] - '0'
			ok = ok && d <= 9
			n = n*10 + int(d)
		}
		return n
	}
	year, month, day := number(s[:4]), number(s[5:7]), number(s[8:10])
	hour, minute, second := number(s[11:13]), number(s[14:16]), number(s[17:19])
	nanoseconds := 0
	if len(s) > 19 {
		nanoseconds = number(s[20:])
		for range 9 - len(s[20:]) {
			nanoseconds *= 10
		}
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanoseconds, time.UTC)
	// A 30th of February would have become a day of March.
	return t, ok && year >= 1 && t.Day() == day && int(t.Month()) == month && hour < 24 && minute < 60 && second < 60
}
