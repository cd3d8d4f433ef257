package scenario

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("of three: %g", got)
	}
	if got := median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("of four: %g", got)
	}
	if !math.IsNaN(median(nil)) {
		t.Error("of nothing there is none")
	}
}

func TestRatiosPairByPair(t *testing.T) {
	got := ratios([]float64{2, 9, 5}, []float64{4, 3})
	if want := []float64{0.5, 3}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestTableLinesUp(t *testing.T) {
	table := Table{Head: []string{"server", "p99"}}
	table.Add("floor", 12500*time.Microsecond)
	table.Add("server", 1.0)
	want := "| server | p99     |\n| ------ | ------- |\n| floor  | 12.5 ms |\n| server | 1.00    |\n"
	if got := table.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
