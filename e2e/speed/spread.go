package main

import "slices"

// spread is how numbers lie: the ends, the quartiles and the middle.
type spread struct{ least, lower, median, upper, most float64 }

// spreadOf needs at least one number.
func spreadOf(numbers []float64) spread {
	sorted := slices.Sorted(slices.Values(numbers))
	at := func(part float64) float64 { // between two of them in proportion
		place := part * float64(len(sorted)-1)
		i := int(place)
		j := min(i+1, len(sorted)-1)
		return sorted[i] + (place-float64(i))*(sorted[j]-sorted[i])
	}
	return spread{at(0), at(0.25), at(0.5), at(0.75), at(1)}
}
