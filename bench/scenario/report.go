package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Report is what one scenario found.
type Report struct {
	Scenario string   `json:"scenario"`
	Command  string   `json:"command"`
	Runs     any      `json:"runs"` // one record a row
	Summary  []string `json:"summary,omitempty"`
	Checks   []Check  `json:"checks,omitempty"`
	Table    Table    `json:"-"`
}

// Check holds a figure against what is promised.
type Check struct {
	What     string `json:"what"`
	Promised string `json:"promised"`
	Measured string `json:"measured"`
	Met      bool   `json:"met"`
}

// Table is the runs for people to read.
type Table struct {
	Head []string
	Rows [][]string
}

// Add appends a row; durations and fractions are shortened to what matters.
func (t *Table) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = show(cell)
	}
	t.Rows = append(t.Rows, row)
}

// show prints durations in milliseconds, since latencies are what most are.
func show(cell any) string {
	switch v := cell.(type) {
	case time.Duration:
		return fmt.Sprintf("%.1f ms", float64(v.Microseconds())/1000)
	case float64:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprint(v)
	}
}

// String is the table in markdown, with columns that line up as plain text too.
func (t Table) String() string {
	widths := make([]int, len(t.Head))
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	rule := make([]string, len(t.Head))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", width)
	}
	var text strings.Builder
	for _, row := range slices.Concat([][]string{t.Head, rule}, t.Rows) {
		for i, cell := range row {
			fmt.Fprintf(&text, "| %-*s ", widths[i], cell)
		}
		text.WriteString("|\n")
	}
	return text.String()
}

// String is the whole report in markdown.
func (r *Report) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "### %s\n\n`%s`\n\n%s", r.Scenario, r.Command, r.Table)
	for _, line := range r.Summary {
		fmt.Fprintf(&text, "\n- %s", line)
	}
	if len(r.Summary) > 0 {
		text.WriteByte('\n')
	}
	return text.String()
}

// CheckTable shows checks of several reports together.
func CheckTable(checks []Check) Table {
	table := Table{Head: []string{"what", "held to", "measured", "met"}}
	for _, c := range checks {
		met := "no"
		if c.Met {
			met = "yes"
		}
		table.Add(c.What, c.Promised, c.Measured, met)
	}
	return table
}
