package test

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumentsNameTests: each test that the documents say shows something exists.
func TestDocumentsNameTests(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, f := range function.FindAllStringSubmatch(document(t, path), -1) {
			declared[f[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, least := range map[string]int{"docs/promises.md": 50, "docs/threat-model.md": 50, "docs/cluster.md": 10} {
		named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)(?:/[^`]*)?`").FindAllStringSubmatch(document(t, name), -1)
		if len(named) < least {
			t.Errorf("%s names %d tests", name, len(named))
		}
		for _, n := range named {
			if !declared[n[1]] {
				t.Errorf("%s names %s, which does not exist", name, n[1])
			}
		}
	}
}

// TestMetricsAreListed: docs/metrics.md lists the metrics that the program has.
func TestMetricsAreListed(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, m := range regexp.MustCompile(`put(?:Each)?\(out, "(\w+)"`).FindAllStringSubmatch(document(t, "internal/metrics/collect.go"), -1) {
		if name := "whoelse_" + m[1]; !slices.Contains(want, name) { // one for each value of a label
			want = append(want, name)
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| (`whoelse_.*?) \\|").FindAllStringSubmatch(document(t, "docs/metrics.md"), -1) {
		for _, m := range regexp.MustCompile("`(\\w+)").FindAllStringSubmatch(row[1], -1) {
			got = append(got, m[1])
		}
	}
	if len(want) < 20 {
		t.Errorf("the program has %d metrics", len(want))
	}
	for _, m := range difference(want, got) {
		t.Errorf("%s is not listed", m)
	}
	for _, m := range difference(got, want) {
		t.Errorf("%s is listed, and does not exist", m)
	}
}

// TestLogMessagesExist: what docs/metrics.md quotes from the server's log is in the code.
func TestLogMessagesExist(t *testing.T) {
	t.Parallel()
	code := document(t, "room/log/log.go") + document(t, "room/log/writer.go") +
		document(t, "room/history/apply.go") + document(t, "room/history/checkpoint.go")
	quotes := regexp.MustCompile("`((?:log|history): [^`]*)`").FindAllStringSubmatch(document(t, "docs/metrics.md"), -1)
	if len(quotes) != 6 {
		t.Errorf("%d messages are quoted", len(quotes))
	}
	for _, q := range quotes {
		if !strings.Contains(code, `"`+q[1]+`"`) {
			t.Errorf("no such message: %q", q[1])
		}
	}
}
