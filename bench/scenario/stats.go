package scenario

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// median is the middle one, or the mean of the middle two; NaN of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// ratios divides pair by pair: the n-th run of one by the n-th of the other.
func ratios(over, under []float64) []float64 {
	pairs := make([]float64, min(len(over), len(under)))
	for i := range pairs {
		pairs[i] = over[i] / under[i]
	}
	return pairs
}

// showRatios is one line of a summary: every pair, and the median.
func showRatios(what string, pairs []float64) string {
	shown := make([]string, len(pairs))
	for i, r := range pairs {
		shown[i] = fmt.Sprintf("%.2f", r)
	}
	return fmt.Sprintf("%s, pair by pair: %s; median %.2f", what, strings.Join(shown, ", "), median(pairs))
}

// micros is a share of some CPU time in microseconds.
func micros(total time.Duration, among int) float64 {
	if among == 0 {
		return 0
	}
	return float64(total.Nanoseconds()) / 1000 / float64(among)
}

// millis is a duration as records hold it.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// pick collects one figure of all runs that belong to a server.
func pick[R any](runs []R, belongs func(R) bool, figure func(R) float64) []float64 {
	var values []float64
	for _, run := range runs {
		if belongs(run) {
			values = append(values, figure(run))
		}
	}
	return values
}
