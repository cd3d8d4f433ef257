package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is what a measurement has found.
type report struct {
	rows  []row
	notes []string
}

// row is one run: of which program, or which attack, and its figures.
type row struct {
	name    string
	figures []figure
}

// figure is a number with its name and how many decimal places are worth printing.
type figure struct {
	name   string
	value  float64
	places int
}

// othersName is the figure that is watched: see String.
const othersName = "others %"

// count is a figure without decimal places.
func count(name string, n int) figure { return figure{name, float64(n), 0} }

func (r *report) add(name string, figures ...figure) { r.rows = append(r.rows, row{name, figures}) }

func (r *report) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// get is a figure of a row; NaN if the row has no such figure.
func (r row) get(figure string) float64 {
	for _, f := range r.figures {
		if f.name == figure {
			return f.value
		}
	}
	return math.NaN()
}

// values collects a figure of all rows of a name.
func (r *report) values(name, figure string) (values []float64) {
	for _, row := range r.rows {
		if row.name == name {
			values = append(values, row.get(figure))
		}
	}
	return values
}

// ratios compares a figure of the server with the floor's and the old one's, run by
// run, and holds the median against the most of the floor's that is promised; 0: nothing is.
func (r *report) ratios(figure string, most float64) {
	for _, other := range []string{"floor", "old"} {
		pairs := divide(r.values("server", figure), r.values(other, figure))
		if len(pairs) == 0 {
			continue
		}
		r.note("%s, server to %s: %.2f, median %.2f", figure, other, pairs, median(pairs))
		if other == "floor" && most > 0 {
			r.hold(figure+", server to floor", median(pairs), most)
		}
	}
}

// compare notes ratios of figures of a program, and holds the server's median against the most that is promised.
func (r *report) compare(program, what string, ratios []float64, most float64) {
	r.note("%s: %s: %.2f, median %.2f", program, what, ratios, median(ratios))
	if program == "server" {
		r.hold(what, median(ratios), most)
	}
}

// hold compares what was measured, if anything was, with the most that is promised.
func (r *report) hold(what string, measured, most float64) {
	if math.IsNaN(measured) {
		return
	}
	verdict := "held"
	if measured > most {
		verdict = "NOT HELD"
	}
	r.note("%s: %s: %.4g, at most %.4g", verdict, what, measured, most)
}

// holdNone says that something should not have happened to a program.
func (r *report) holdNone(name string, figures ...string) {
	for _, figure := range figures {
		sum, values := 0.0, r.values(name, figure)
		if len(values) == 0 {
			continue
		}
		for _, n := range values {
			sum += n
		}
		r.hold(name+": "+figure, sum, 0)
	}
}

// divide divides pair by pair: the n-th of one by the n-th of the other.
func divide(over, under []float64) []float64 {
	pairs := make([]float64, min(len(over), len(under)))
	for i := range pairs {
		pairs[i] = over[i] / under[i]
	}
	return pairs
}

// median is the middle one, or the mean of the middle two; NaN of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// String is a table in markdown, whose columns line up as plain text too, and the
// notes. A warning follows where the machine was not the measurement's alone.
func (r *report) String() string {
	if len(r.rows) == 0 {
		return "nothing was measured\n"
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 1, ' ', 0)
	line := func(cells []string) { fmt.Fprintf(table, "| %s\t|\n", strings.Join(cells, "\t| ")) }
	names := []string{""}
	for _, f := range r.rows[0].figures {
		names = append(names, f.name)
	}
	line(names)
	line(slices.Repeat([]string{"---"}, len(names)))
	busiest := 0.0
	for _, row := range r.rows {
		cells := []string{row.name}
		for _, f := range row.figures {
			cells = append(cells, fmt.Sprintf("%.*f", f.places, f.value))
		}
		line(cells)
		busiest = max(busiest, row.get(othersName))
	}
	_ = table.Flush() // a Builder takes everything
	text.WriteByte('\n')
	for _, note := range r.notes {
		fmt.Fprintf(&text, "- %s\n", note)
	}
	if busiest > 5 {
		fmt.Fprintf(&text, "- up to %.0f %% of the cores were used by something else: repeat this on a quiet machine\n", busiest)
	}
	return text.String()
}
