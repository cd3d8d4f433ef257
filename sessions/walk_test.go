package sessions

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	walkRow     = regexp.MustCompile("(?m)^\\| (`.*?`) \\| (`[^`]*\\.go`|the same) \\|")
	inBackticks = regexp.MustCompile("`([^`]+)`")
)

// The way of a typed line stands in docs/architecture.md: in two walks of at most ten
// functions, each in the file that it says.
func TestWalkOfALine(t *testing.T) {
	b, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	walks := strings.Split(string(b), "\n| function | in | does |\n")[1:]
	if len(walks) != 2 {
		t.Errorf("there are %d walks", len(walks))
	}
	for i, walk := range walks {
		walk, _, _ = strings.Cut(walk, "\n\n")
		var file string
		rows := walkRow.FindAllStringSubmatch(walk, -1)
		if len(rows) < 5 || len(rows) > 10 || len(rows) != strings.Count(walk, "\n") {
			t.Errorf("walk %d has %d functions in %d rows", i, len(rows), strings.Count(walk, "\n"))
		}
		for _, row := range rows {
			if row[2] != "the same" {
				source, err := os.ReadFile("../" + strings.Trim(row[2], "`"))
				if err != nil {
					t.Fatal(err)
				}
				file = string(source)
			}
			for _, name := range inBackticks.FindAllStringSubmatch(row[1], -1) {
				receiver, function, _ := strings.Cut(strings.TrimPrefix(name[1], "sshd."), ".")
				declared := regexp.MustCompile(`(?m)^func (\(\w+ \*?` + receiver + `\) )?` + function + `\(`)
				if !declared.MatchString(file) {
					t.Errorf("%s is not in %s", name[1], row[2])
				}
			}
		}
	}
}
