package storage

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"whoelse/bench/scenario"
)

// spread is what several measurements of the same have in the middle and at
// their ends.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	last := len(sorted) - 1
	return spread{(sorted[last/2] + sorted[(last+1)/2]) / 2, sorted[0], sorted[last]}
}

// show prints three digits that matter.
func show(v float64) string {
	switch {
	case math.IsNaN(v):
		return "none"
	case math.Abs(v) >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

func withUnit(v float64, unit string) string {
	if unit == "" {
		return show(v)
	}
	return show(v) + " " + unit
}

// spread is empty for what was measured once.
func (f Figure) spread() string {
	if f.Low == f.High {
		return ""
	}
	return show(f.Low) + " to " + show(f.High)
}

func (b *bench) report() *scenario.Report {
	report := &scenario.Report{
		Scenario: "storage: histories on disk",
		Command:  b.command(),
		Runs:     b.figures,
		Summary:  b.notes,
		Table:    scenario.Table{Head: []string{"what", "measured", "range", "of", "held to"}},
	}
	for _, f := range b.figures {
		report.Table.Add(f.Part+": "+f.What, withUnit(f.Measured, f.Unit), f.spread(), f.Of, f.HeldTo)
		if f.HeldTo != "" {
			report.Checks = append(report.Checks, scenario.Check{
				What: f.Part + ": " + f.What, Promised: f.HeldTo, Measured: withUnit(f.Measured, f.Unit), Met: f.Met,
			})
		}
	}
	return report
}

// command is what repeats the run.
func (b *bench) command() string {
	text := fmt.Sprintf("go run ./bench storage --rounds %d --slice %s --records %d --nicks %d --files %d",
		b.Rounds, b.Slice, b.Records, b.Nicks, b.Files)
	if !slices.Equal(b.Parts, Parts()) {
		text += " --parts " + strings.Join(b.Parts, ",")
	}
	if b.DropCaches {
		text += " --drop-caches"
	}
	return text
}
