package dbtest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/jsontext"
)

func testList(t *testing.T, driver db.Driver) {
	clock := NewClock(start)
	store := Open(t, driver, db.Hooks{Now: clock.Now})
	if got, err := store.Scope("").Threads().List(ctx, 10, 0); len(got) != 0 || err != nil {
		t.Errorf("List of an empty store = %v, %v", ids(got), err)
	}
	// Ties of updatedAt come by id, as bytes: é and 😀 after Z, a after Z.
	tied := []string{"a", "B", "b", "Z", "é", "😀", "ab", "a b"}
	for _, id := range tied {
		save(t, store, db.ThreadPatch{ID: &id})
	}
	want := slices.Clone(tied)
	slices.Sort(want)
	slices.Reverse(want)
	for i := range 3 {
		clock.Add(time.Second)
		id := number("newer ", i)
		save(t, store, db.ThreadPatch{ID: &id})
		want = slices.Insert(want, 0, id)
	}
	for offset := range len(want) + 2 {
		for _, limit := range []int{0, 1, 3, 100} {
			got, err := store.Scope("").Threads().List(ctx, limit, offset)
			if err != nil {
				t.Fatal(err)
			}
			from := min(offset, len(want))
			diff(t, fmt.Sprintf("List(%d, %d)", limit, offset), ids(got), want[from:min(from+limit, len(want))])
		}
	}
	clock.Add(time.Second)
	if _, _, err := store.Scope("").Messages().Add(ctx, "B", []db.MessagePatch{user("x")}); err != nil {
		t.Fatal(err)
	}
	if got, _ := store.Scope("").Threads().List(ctx, 1, 0); got[0].ID != "B" {
		t.Errorf("after an append the first thread is %s, want B", got[0].ID)
	}
}

// testWindows compares every combination of arguments with a scan of the list.
func testWindows(t *testing.T, driver db.Driver) {
	store := Open(t, driver, db.Hooks{})
	const s, u, a, tool = db.RoleSystem, db.RoleUser, db.RoleAssistant, db.RoleTool
	threads := map[string][]db.Role{
		"mixed":  {s, u, a, s, tool, u, a, u, s, tool, a},
		"system": {s, s, s},
		"plain":  {u, a, u, a, tool, tool},
		"empty":  {},
	}
	var threadIDs []string
	stored := map[string][]*db.Message{}
	for id, roles := range threads {
		var patches []db.MessagePatch
		for _, r := range roles {
			patches = append(patches, db.MessagePatch{Role: r, ToolCallID: some("c")})
		}
		save(t, store, db.ThreadPatch{ID: &id, Messages: &patches})
		threadIDs = append(threadIDs, id)
		stored[id] = all(t, store, id)
		if len(stored[id]) != len(roles) {
			t.Fatalf("thread %s has %d messages, want %d", id, len(stored[id]), len(roles))
		}
	}
	threadIDs = append(threadIDs, "unknown")

	limits := []*int{nil, ptr(0), ptr(1), ptr(2), ptr(4), ptr(1<<31 - 1)}
	bounds := []*int{nil, ptr(-5), ptr(0), ptr(1), ptr(3), ptr(6), ptr(1<<31 - 1)}
	roleSets := [][]db.Role{nil, {}, {s}, {u}, {tool}, {u, a}, {s, u}, {s, tool}, {u, a, tool}, {s, u, a, tool}, {u, u}}
	expected := func(messages []*db.Message, first, last, after, before *int, roles []db.Role) []string {
		left := []string{}
		for _, m := range messages {
			if after != nil && m.Sequence <= *after || before != nil && m.Sequence >= *before || roles != nil &&
				!slices.Contains(roles, m.Role) {
				continue
			}
			left = append(left, m.ID)
		}
		if first != nil {
			left = left[:min(*first, len(left))]
		}
		if last != nil {
			left = left[len(left)-min(*last, len(left)):]
		}
		return left
	}
	checked := 0
	for _, limit := range limits {
		for _, fromEnd := range []bool{false, true} {
			for _, after := range bounds {
				for _, before := range bounds {
					for _, roles := range roleSets {
						first, last := limit, (*int)(nil)
						if fromEnd {
							first, last = nil, limit
						}
						// all on SQLite; a share on PostgreSQL, where each is a round trip
						if (checked+len(roles))%3 == 0 || driver == db.SQLite || first == nil && last == nil {
							got, err := store.Scope("").Messages().ListByThreads(ctx, threadIDs,
								db.NewWindow(first, last, after, before, roles))
							if err != nil {
								t.Fatal(err)
							}
							for id := range threads {
								gotIDs := []string{}
								for _, m := range got[id] {
									gotIDs = append(gotIDs, m.ID)
								}
								if d := cmp.Diff(expected(stored[id], first, last, after,
									before, roles), gotIDs); d != "" {
									t.Fatalf("%s first %s last %s after %s before %s roles %v: got (+), want (-):\n%s",
										id, show(first), show(last), show(after), show(before), roles, d)
								}
							}
						}
						checked++
					}
				}
			}
		}
	}
}

func show(n *int) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

func testCounts(t *testing.T, driver db.Driver) {
	store := Open(t, driver, db.Hooks{})
	save(t, store, db.ThreadPatch{ID: ptr("t"),
		Messages: list(db.MessagePatch{Role: db.RoleSystem}, user("x"), user("y"),
			db.MessagePatch{Role: db.RoleAssistant})})
	counts, err := store.Scope("").Messages().CountByThreads(ctx, []string{"t", "unknown"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		roles []db.Role
		want  int
	}{
		{nil, 0}, {[]db.Role{db.RoleUser}, 2}, {[]db.Role{db.RoleSystem, db.RoleAssistant}, 2},
		{[]db.Role{db.RoleTool}, 0},
		{[]db.Role{db.RoleUser, db.RoleUser, db.RoleSystem, db.RoleAssistant, db.RoleTool}, 4},
	} {
		if got := counts["t"].Of(db.NewRoleSet(c.roles)); got != c.want {
			t.Errorf("count of %v is %d, want %d", c.roles, got, c.want)
		}
	}
	if got := counts["unknown"].Of(db.AllRoles); got != 0 {
		t.Errorf("count of an unknown thread is %d", got)
	}

	// Messages that are appended one at a time count as well.
	for _, p := range []db.MessagePatch{{Role: db.RoleAssistant}, {Role: db.RoleAssistant},
		{Role: db.RoleTool, ToolCallID: db.Some(ptr("c"))}, {Role: db.RoleSystem}, user("z")} {
		if _, _, err := store.Scope("").Messages().Add(ctx, "t", []db.MessagePatch{p}); err != nil {
			t.Fatal(err)
		}
	}
	counts, err = store.Scope("").Messages().CountByThreads(ctx, []string{"t"})
	if want := (db.Counts{2, 3, 3, 1}); err != nil || counts["t"] != want {
		t.Errorf("after appends, the counts are %v, %v; want %v", counts["t"], err, want)
	}
}

// findCases are what equals what, and what does not. Every stored object is
// searched by every wanted one: those that match are listed.
var findCases = []struct {
	stored  string
	matches []string
}{
	{`{"k":1}`, []string{`{"k":1}`, `{"k":1.0}`, `{"k":1e0}`, `{"k":10e-1}`, `{}`, `{"other":null}`,
		`{"k":1,"other":null}`}},
	{`{"k":"1"}`, []string{`{"k":"1"}`, `{}`, `{"other":null}`}},
	{`{"k":true}`, []string{`{"k":true}`, `{}`, `{"other":null}`}},
	{`{"k":"true"}`, []string{`{"k":"true"}`, `{}`, `{"other":null}`}},
	{`{"k":false}`, []string{`{"k":false}`, `{}`, `{"other":null}`}},
	{`{"k":0}`, []string{`{"k":0}`, `{"k":-0.0}`, `{"k":0e99999999999}`, `{}`, `{"other":null}`}},
	{`{"k":""}`, []string{`{"k":""}`, `{}`, `{"other":null}`}},
	{`{"k":null}`, []string{`{"k":null}`, `{}`, `{"other":null}`, `{"null":null}`}},
	{`{}`, []string{`{"k":null}`, `{}`, `{"other":null}`, `{"null":null}`}},
	{`{"k":[]}`, []string{`{"k":[]}`, `{}`, `{"other":null}`}},
	{`{"k":{}}`, []string{`{"k":{}}`, `{}`, `{"other":null}`}},
	{`{"k":[1,2]}`, []string{`{"k":[1,2]}`, `{"k":[1.0,2]}`, `{}`, `{"other":null}`}},
	{`{"k":[2,1]}`, []string{`{"k":[2,1]}`, `{}`, `{"other":null}`}},
	{`{"k":{"a":1,"b":null}}`, []string{`{"k":{"b":null,"a":1.0}}`, `{}`, `{"other":null}`}},
	{`{"k":{"a":1}}`, []string{`{"k":{"a":1}}`, `{}`, `{"other":null}`}},
	{`{"k":9007199254740993}`, []string{`{"k":9007199254740993}`, `{}`, `{"other":null}`}},
	{`{"k":9007199254740992}`, []string{`{"k":9007199254740992}`, `{}`, `{"other":null}`}},
	{`{"k":0.1}`, []string{`{"k":0.1}`, `{"k":1E-1}`, `{}`, `{"other":null}`}},
	{`{"k":0.1000000000000000055511151231257827}`,
		[]string{`{"k":0.1000000000000000055511151231257827}`, `{}`, `{"other":null}`}},
	{`{"k":1e308}`, []string{`{"k":10e307}`, `{}`, `{"other":null}`}},
	{`{"a.b":1}`, []string{`{"a.b":1}`, `{}`, `{"other":null}`, `{"k":null}`}},
	{`{"a":{"b":1}}`, []string{`{"a":{"b":1}}`, `{}`, `{"other":null}`, `{"k":null}`}},
	{`{"":1,"$":2,"%":3,"'":4,"\"":5,"\\":6,"$.k":7,"[0]":8,"?":9,"') OR 1=1 --":10,"ключ":11,"😀":12,"\n":13}`,
		[]string{
			`{"":1}`, `{"$":2}`, `{"%":3}`, `{"'":4}`, `{"\"":5}`, `{"\\":6}`, `{"$.k":7}`, `{"[0]":8}`, `{"?":9}`,
			`{"') OR 1=1 --":10}`,
			`{"ключ":11}`, `{"😀":12}`, `{"\n":13}`, `{"":1,"😀":12,"gone":null}`, `{}`, `{"other":null}`, `{"k":null}`}},
	{`{"k":"é"}`, []string{`{"k":"é"}`, `{}`, `{"other":null}`}}, // composed
	{`{"k":"é"}`, []string{`{"k":"é"}`, `{}`, `{"other":null}`}}, // decomposed: another string
	{`{"k":"X"}`, []string{`{"k":"X"}`, `{}`, `{"other":null}`}},
	{`{"k":"x"}`, []string{`{"k":"x"}`, `{}`, `{"other":null}`}},
	{`{"K":"x"}`, []string{`{"K":"x"}`, `{}`, `{"other":null}`, `{"k":null}`}},
	{`{"k":"x "}`, []string{`{"k":"x "}`, `{}`, `{"other":null}`}},
	{`{"a":1,"b":2}`, []string{`{"a":1}`, `{"b":2}`, `{"b":2,"a":1}`, `{"a":1,"c":null}`, `{}`, `{"other":null}`,
		`{"k":null}`}},
	{`{"null":"null"}`, []string{`{"null":"null"}`, `{}`, `{"other":null}`, `{"k":null}`}},
	{`{"k":"` + strings.Repeat("x", 10000) + `"}`,
		[]string{`{"k":"` + strings.Repeat("x", 10000) + `"}`, `{}`, `{"other":null}`}},
	{`{"k":"` + strings.Repeat("x", 9999) + `y"}`,
		[]string{`{"k":"` + strings.Repeat("x", 9999) + `y"}`, `{}`, `{"other":null}`}},
	{`{"` + strings.Repeat("k", 10000) + `":1}`,
		[]string{`{"` + strings.Repeat("k", 10000) + `":1}`, `{}`, `{"other":null}`, `{"k":null}`}},
}

func decoded(t testing.TB, text string) map[string]any {
	t.Helper()
	v, err := jsontext.Decode([]byte(text))
	if err != nil {
		t.Fatalf("%.100s: %v", text, err)
	}
	return v.(map[string]any)
}

func testFind(t *testing.T, driver db.Driver) {
	store := Open(t, driver, db.Hooks{})
	wanted := map[string][]string{} // search -> ids of what it finds
	for i, c := range findCases {
		id := fmt.Sprintf("t%03d", i)
		save(t, store, db.ThreadPatch{ID: &id, Attributes: givenObject(t, c.stored)})
		for _, m := range c.matches {
			wanted[m] = append([]string{id}, wanted[m]...) // newest first
		}
	}
	for search, want := range wanted {
		got, err := store.Scope("").Threads().FindByAttributes(ctx, decoded(t, search), 1000, 0)
		if err != nil {
			t.Fatal(err)
		}
		if search == `{"k":null}` || search == `{"null":null}` { // listed only where the table is about it
			continue
		}
		diff(t, fmt.Sprintf("FindByAttributes(%.60s)", search), ids(got), want)
	}
	for _, nothing := range []string{`{"k":2}`, `{"k":"1.0"}`, `{"k":1.0000000000000001}`, `{"k":"é́"}`,
		`{"k":1,"other":1}`, `{"k":{"a":1,"c":null}}`, `{"a":{"b":null}}`, `{"k":[[]]}`} {
		got, err := store.Scope("").Threads().FindByAttributes(ctx, decoded(t, nothing), 1000, 0)
		if err != nil || len(got) != 0 {
			t.Errorf("FindByAttributes(%s) = %v, %v, want nothing", nothing, ids(got), err)
		}
	}

	t.Run("null", func(t *testing.T) {
		got, err := store.Scope("").Threads().FindByAttributes(ctx, decoded(t, `{"k":null}`), 1000, 0)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for i, c := range slices.Backward(findCases) {
			if v, ok := decoded(t, c.stored)["k"]; !ok || v == nil {
				want = append(want, fmt.Sprintf("t%03d", i))
			}
		}
		diff(t, "FindByAttributes", ids(got), want)
	})
	t.Run("limit and offset", func(t *testing.T) {
		everything, err := store.Scope("").Threads().FindByAttributes(ctx, decoded(t, `{}`), 1000, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, search := range []string{`{}`, `{"other":null}`} {
			got, err := store.Scope("").Threads().FindByAttributes(ctx, decoded(t, search), 3, 2)
			if err != nil {
				t.Fatal(err)
			}
			diff(t, search, ids(got), ids(everything)[2:5])
		}
	})
	t.Run("limits", func(t *testing.T) {
		deep := strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65)
		for _, bad := range []string{deep, `{"a":1e131071}`, `{"a":"\u0000"}`, `{"\u0000":1}`,
			`{"a":"` + strings.Repeat("x", 1<<20) + `"}`} {
			_, err := store.Scope("").Threads().FindByAttributes(ctx, decoded(t, bad), 1, 0)
			wantCode(t, fmt.Sprintf("FindByAttributes(%.30s)", bad), err, db.Invalid, "attributes")
			_, err = store.Scope("").Threads().FindBySource(ctx, "n", decoded(t, bad), 1, 0)
			wantCode(t, fmt.Sprintf("FindBySource(%.30s)", bad), err, db.Invalid, "properties")
		}
		_, err := store.Scope("").Threads().FindBySource(ctx, "\x00", nil, 1, 0)
		wantCode(t, "FindBySource(NUL)", err, db.Invalid, "name")
	})
	t.Run("source", func(t *testing.T) {
		for id, source := range map[string]string{"s1": `{"name":"slack","channel":"C1","n":1.0}`,
			"s2": `{"name":"slack","channel":"C2"}`, "s3": `{"name":"Slack"}`, "s4": `{"channel":"C1"}`,
			"s5": `{"name":1}`} {
			save(t, store, db.ThreadPatch{ID: &id, Source: givenObject(t, source),
				Attributes: givenObject(t, `{"name":"slack","channel":"C9"}`)})
		}
		for _, c := range []struct {
			name, properties string
			want             []string
		}{
			{"slack", `{}`, []string{"s1", "s2"}},
			{"slack", `{"channel":"C1"}`, []string{"s1"}},
			{"slack", `{"channel":"C1","n":1}`, []string{"s1"}},
			{"slack", `{"n":null}`, []string{"s2"}},
			{"slack", `{"channel":"C9"}`, []string{}},
			{"slack", `{"name":"slack"}`, []string{"s1", "s2"}},
			{"slack", `{"name":"Slack"}`, []string{}},
			{"slack", `{"name":null}`, []string{}},
			{"1", `{}`, []string{}},
			{"", `{}`, []string{}},
		} {
			got, err := store.Scope("").Threads().FindBySource(ctx, c.name, decoded(t, c.properties), 100, 0)
			if err != nil {
				t.Fatal(err)
			}
			found := ids(got)
			slices.Sort(found)
			diff(t, fmt.Sprintf("FindBySource(%s, %s)", c.name, c.properties), found, c.want)
		}
		if got, err := store.Scope("").Threads().FindBySource(ctx, "Slack", nil, 100, 0); err != nil || len(got) != 1 {
			t.Errorf("without properties: %v, %v", ids(got), err)
		}
	})
	t.Run("after an update", func(t *testing.T) {
		save(t, store, db.ThreadPatch{ID: ptr("u"), Attributes: givenObject(t, `{"u":"before","stays":1}`),
			Source: givenObject(t, `{"name":"u"}`)})
		save(t, store, db.ThreadPatch{ID: ptr("u"), Attributes: givenObject(t, `{"u":"after","stays":1}`)})
		for search, want := range map[string]int{`{"u":"before"}`: 0, `{"u":"after"}`: 1, `{"stays":1}`: 1} {
			if got, err := store.Scope("").Threads().FindByAttributes(ctx, decoded(t, search), 10, 0); err != nil ||
				len(got) != want {
				t.Errorf("FindByAttributes(%s) = %v, %v, want %d", search, ids(got), err, want)
			}
		}
		if got, err := store.Scope("").Threads().FindBySource(ctx, "u", nil, 10, 0); err != nil || len(got) != 1 {
			t.Errorf("the source is no longer found: %v, %v", ids(got), err)
		}
	})

	// Many properties at once, all of which must match.
	many := map[string]any{}
	for i := range 40 {
		many[fmt.Sprintf("many %d", i)] = json.Number(fmt.Sprint(i))
	}
	object, err := db.NewObject(many)
	if err != nil {
		t.Fatal(err)
	}
	save(t, store, db.ThreadPatch{ID: ptr("many"), Attributes: db.Some(object)})
	save(t, store, db.ThreadPatch{ID: ptr("one of many"), Attributes: givenObject(t, `{"many 0":"0"}`)})
	for _, change := range []any{nil, json.Number("-1"), "0"} {
		want := 0
		if many["many 0"] = json.Number("0"); change == nil {
			want = 1
		} else {
			many["many 0"] = change
		}
		got, err := store.Scope("").Threads().FindByAttributes(ctx, many, 10, 0)
		if err != nil || len(got) != want {
			t.Errorf("40 properties, the first %v: %v, %v; want %d threads", many["many 0"], ids(got), err, want)
		}
	}
}

// testFindCommon searches for properties that more threads have than the bound
// up to which all matches are read, so that the other half of the statement answers.
func testFindCommon(t *testing.T, driver db.Driver) {
	o := Options(t, driver)
	store := OpenOptions(t, o, db.Hooks{})
	const n = 5000
	Bulk(t, o, n, 0)
	want := func(match func(i int) bool, limit, offset int) []string {
		out := []string{}
		for i := n - 1; i >= 0 && len(out) < limit; i-- {
			if match(i) {
				if offset > 0 {
					offset--
					continue
				}
				out = append(out, BulkID(i))
			}
		}
		return out
	}
	for _, c := range []struct {
		search string
		match  func(i int) bool
	}{
		{`{"priority":"high"}`, func(i int) bool { return i%4 == 0 }},
		{`{"priority":"low"}`, func(i int) bool { return i%4 != 0 }},
		{`{"kind":"all"}`, func(int) bool { return true }},
		{`{"kind":"all","priority":"low"}`, func(i int) bool { return i%4 != 0 }},
		{`{"kind":"all","priority":"low","gone":null}`, func(i int) bool { return i%4 != 0 }},
		{`{"kind":"all","customer":"7"}`, func(i int) bool { return i%(n/10) == 7 }},
		{`{"kind":"all","priority":"none"}`, func(int) bool { return false }},
		{`{"kind":"all","customer":null}`, func(int) bool { return false }},
	} {
		for _, page := range [][2]int{{1, 0}, {100, 0}, {10, 7}, {1000, 4000}, {5, 4998}} {
			got, err := store.Scope("").Threads().FindByAttributes(ctx, decoded(t, c.search), page[0], page[1])
			if err != nil {
				t.Fatal(err)
			}
			diff(t, fmt.Sprintf("%s, limit %d offset %d", c.search, page[0], page[1]), ids(got),
				want(c.match, page[0], page[1]))
		}
	}
}

// testFindRandom compares searches of random small objects with a scan.
func testFindRandom(t *testing.T, driver db.Driver) {
	store := Open(t, driver, db.Hooks{})
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 2))
	t.Logf("seed %d", seed)
	values := []string{`1`, `1.0`, `"1"`, `true`, `null`, `[]`, `[1]`, `["1"]`, `{}`, `{"a":1}`, `{"a":null}`,
		`{"a":1,"b":[2]}`, `{"b":[2.0],"a":1}`, `""`, `"é"`, `0`, `1e2`, `100`}
	keys := []string{"a", "b", ""}
	random := func(most int) string {
		var fields []string
		for _, k := range keys[:rng.IntN(most+1)] {
			fields = append(fields, fmt.Sprintf("%q:%s", k, values[rng.IntN(len(values))]))
		}
		return "{" + strings.Join(fields, ",") + "}"
	}
	stored := map[string]map[string]any{}
	for i := range 60 {
		id, text := number("t", i), random(3)
		save(t, store, db.ThreadPatch{ID: &id, Attributes: givenObject(t, text)})
		stored[id] = exact(decoded(t, text)).(map[string]any)
	}
	for range 150 {
		text := random(2)
		search := exact(decoded(t, text)).(map[string]any)
		want := []string{}
		for id, attributes := range stored {
			matches := true
			for k, v := range search {
				matches = matches && cmp.Equal(attributes[k], v) // a missing key is nil, as null is
			}
			if matches {
				want = append(want, id)
			}
		}
		got, err := store.Scope("").Threads().FindByAttributes(ctx, decoded(t, text), 1000, 0)
		if err != nil {
			t.Fatal(err)
		}
		found := ids(got)
		slices.Sort(found)
		slices.Sort(want)
		diff(t, "FindByAttributes("+text+")", found, want)
	}
}

func testRestore(t *testing.T, driver db.Driver) {
	store := Open(t, driver, db.Hooks{Now: NewClock(start).Now})
	save(t, store, db.ThreadPatch{ID: ptr("t"), Title: some("before"), Attributes: givenObject(t, `{"old":1}`),
		Source:   givenObject(t, `{"name":"x"}`),
		Messages: list(fullMessage(t), withID("goes", user("x")))})
	created, updated := start.Add(-48*time.Hour), start.Add(-24*time.Hour)
	patch := db.ThreadPatch{ID: ptr("t"), Attributes: givenObject(t, `{"new":1}`), CreatedAt: &created,
		Messages: list(withID("full", db.MessagePatch{Role: db.RoleUser, Timestamp: some(created)}),
			withID("s", db.MessagePatch{Role: db.RoleSystem}))}
	for range 2 { // the second time changes nothing
		if _, err := store.Scope("").Threads().Restore(ctx, patch, updated); err != nil {
			t.Fatal(err)
		}
		diff(t, "restored", *load(t, store, "t"),
			thread{ID: "t", Title: ptr("Untitled Thread"), Attributes: value(t, `{"new":1}`), CreatedAt: created,
				UpdatedAt: updated,
				Messages: []message{
					{ID: "s", ThreadID: "t", Role: db.RoleSystem, Attributes: map[string]any{}, Timestamp: start},
					{ID: "full", ThreadID: "t", Role: db.RoleUser, Sequence: 1, Attributes: map[string]any{},
						Timestamp: created},
				}})
	}
	for search, want := range map[string]int{`{"old":1}`: 0, `{"new":1}`: 1} {
		if got, _ := store.Scope("").Threads().FindByAttributes(ctx, decoded(t, search), 10, 0); len(got) != want {
			t.Errorf("FindByAttributes(%s) finds %d, want %d", search, len(got), want)
		}
	}
	_, err := store.Scope("").Threads().Restore(ctx, patch, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
	wantCode(t, "Restore with a time that leaves no room for later changes", err, db.Invalid, "updatedAt")
	later := save(t, store, db.ThreadPatch{ID: ptr("t")})
	if later.UpdatedAt != start {
		t.Errorf("a save after it has updatedAt %s, want the clock's %s", later.UpdatedAt, start)
	}
}

func testWalk(t *testing.T, driver db.Driver) {
	store := Open(t, driver, db.Hooks{})
	var want []string
	for i := range 45 {
		id := fmt.Sprintf("t%02d", i)
		save(t, store, db.ThreadPatch{ID: &id, Messages: list(user("x"), user("y"))})
		want = append(want, id)
	}
	var got []string
	err := store.Scope("").Threads().Walk(ctx, func(th *db.Thread, messages []*db.Message) error {
		if len(got) == 0 { // a walk shows one state, whatever is written meanwhile
			if _, err := store.Scope("").Threads().Delete(ctx, "t44"); err != nil {
				return err
			}
			save(t, store, db.ThreadPatch{ID: ptr("t40"), Messages: list()})
			save(t, store, db.ThreadPatch{ID: ptr("t99")})
		}
		if len(messages) != 2 || messages[0].ThreadID != th.ID {
			t.Errorf("thread %s comes with %d messages", th.ID, len(messages))
		}
		got = append(got, th.ID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "walked", got, want)
	if err := store.Scope("").Threads().Walk(ctx,
		func(*db.Thread, []*db.Message) error { return errStop }); err != errStop {
		t.Errorf("the error of fn comes back as %v", err)
	}
}
