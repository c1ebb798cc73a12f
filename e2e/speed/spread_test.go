package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestSpreadOf(t *testing.T) {
	for _, c := range []struct {
		numbers []float64
		want    spread
	}{
		{[]float64{3}, spread{3, 3, 3, 3, 3}},
		{[]float64{2, 1}, spread{1, 1.25, 1.5, 1.75, 2}},
		{[]float64{5, 1, 4, 2, 30}, spread{1, 2, 4, 5, 30}},
	} {
		if got := spreadOf(c.numbers); got != c.want {
			t.Errorf("%v: %v, want %v", c.numbers, got, c.want)
		}
	}
}

// The machine became four times as slow in the middle: each pair's ratio holds, one tree's times do not.
func TestReport(t *testing.T) {
	var out bytes.Buffer
	slower := report(&out, []*piece{
		{name: "same", cost: [2][]float64{{100, 100, 400, 400, 400}, {110, 110, 440, 440, 100}}},
		{name: "hit", cost: [2][]float64{{100, 100, 400, 400, 400}, {120, 120, 480, 480, 100}}},
		{name: "gained", cost: [2][]float64{{100, 100, 100}, {50, 50, 900}}},
		{name: "unknown", added: errors.New("no such field")},
	})
	if len(slower) != 1 || slower[0].name != "hit" {
		t.Errorf("slower are %v, want hit alone", slower)
	}
	rows := strings.Split(out.String(), "\n")
	for i, words := range [][]string{1: {"same", "1.100"}, 2: {"hit", "400", "120", "1.200", "0.250–1.200", "SLOWER"},
		3: {"gained", "0.500"}, 4: {"unknown", "new", "no such field"}} {
		for _, w := range words {
			if !strings.Contains(rows[i], w) {
				t.Errorf("%q lacks %q", rows[i], w)
			}
		}
	}
}
