package test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentsNameTests: each test that the documents say shows something exists.
func TestDocumentsNameTests(t *testing.T) {
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
	for _, name := range []string{"docs/promises.md", "docs/threat-model.md"} {
		named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)(?:/[^`]*)?`").FindAllStringSubmatch(document(t, name), -1)
		if len(named) < 50 {
			t.Errorf("%s names %d tests", name, len(named))
		}
		for _, n := range named {
			if !declared[n[1]] {
				t.Errorf("%s names %s, which does not exist", name, n[1])
			}
		}
	}
}
