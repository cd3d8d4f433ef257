package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// docs/operations.md lists every flag and variable, and each reason with which the log
// says that somebody is refused.
func TestOperationsDocs(t *testing.T) {
	raw, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := string(raw)
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(Config).Flags(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		variable := "WHOELSE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if !regexp.MustCompile(`(?m)^\| .--` + f.Name + `[ \x60].*` + variable).MatchString(docs) {
			t.Errorf("no row for --%s with %s", f.Name, variable)
		}
	})
	sources, err := filepath.Glob("../../sessions/sshd/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range sources {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:refused|unfit)\("([a-z-]+)"|"reason", "([a-z-]+)"`).FindAllStringSubmatch(string(src), -1) {
			found++
			if reason := m[1] + m[2]; !strings.Contains(docs, "`"+reason+"`") {
				t.Errorf("%s: no word about %q", file, reason)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d reasons found", found)
	}
}
