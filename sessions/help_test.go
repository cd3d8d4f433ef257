package sessions

import (
	"strings"
	"testing"

	"whoelse/sessions/render"
)

// The list of commands can be read at 80 columns, by operators too: what a command does
// stands in one column, and little of it is wrapped.
func TestHelpFitsTheScreen(t *testing.T) {
	for _, operator := range []bool{false, true} {
		rows := strings.Split(strings.TrimSuffix(helpAll(operator, render.Style{Width: 80}), "\n"), "\n")
		wrapped, column := 0, strings.Index(rows[1], "everyone else")
		for _, row := range rows {
			switch text := strings.TrimLeft(row, " "); {
			case len(row) > 80:
				t.Errorf("operator %v: too wide: %q", operator, row)
			case strings.HasPrefix(text, "*"):
			case len(row)-len(text) != column:
				t.Errorf("operator %v: not in the column: %q", operator, row)
			default:
				wrapped++
			}
		}
		if wrapped > 4 {
			t.Errorf("operator %v: %d rows are wrapped:\n%s", operator, wrapped, strings.Join(rows, "\n"))
		}
	}
}
