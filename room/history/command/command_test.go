package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckJSON: what is damaged is told with its byte; a last line may be half written.
func TestCheckJSON(t *testing.T) {
	for name, texts := range map[string]map[string]string{
		"a.json":  {"{}": "", "[1]\n": "", "": "is empty", "{}{}": "byte 3", `{"a":`: "byte 5"},
		"a.jsonl": {"": "", "{}\n{}\n": "", "{}\n{\"half": "", "{}\n{x}\n{}\n": "byte 5", "\n": "byte 1"},
	} {
		path := filepath.Join(t.TempDir(), name)
		for text, want := range texts {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := checkJSON(path)
			if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s with %q: %v, want %q", name, text, err, want)
			}
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1.0 KiB", 3 << 29: "1.5 GiB", 1 << 60: "1048576.0 TiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
