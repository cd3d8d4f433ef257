package sessions

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestLinesAreCutVisibly: of a line that is too long its beginning is never taken for all of it, whatever stands where it
// was cut, and its characters are counted once.
func TestLinesAreCutVisibly(t *testing.T) {
	const most = 3000
	x := strings.Repeat("x", most)
	long := strings.Repeat("日", 5000)
	for name, tt := range map[string]struct {
		input string
		want  []string // lines' lengths in bytes, and sizes
	}{
		"ends":            {"a\r\nb\nc", []string{"1 1", "1 1", "1 1"}},
		"as long as may":  {x + "\r\n", []string{"3000 3000"}},
		"one more":        {x + "y\n", []string{"3001 3001"}},
		"cut at a return": {x + "\rand more\n", []string{"3001 3009"}},
		"characters":      {long + "\n", []string{"3001 5000"}},
	} {
		var got []string
		err := eachLine(strings.NewReader(tt.input), most, func(line string, size int) error {
			got = append(got, fmt.Sprint(len(line), " ", size))
			return nil
		})
		if err != io.EOF || fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tt.want)
		}
	}
}
