package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"whoelse/room"
	"whoelse/room/history"
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

// A text on a terminal, however it is padded, has no row that looks like another line.
func TestRowsOnATerminal(t *testing.T) {
	now := time.Date(2026, 5, 1, 14, 2, 0, 0, time.UTC)
	forged := line(history.Line{Message: &room.Message{Time: now, Kind: room.KindDirect, From: "alice", To: []string{"carol"}, Text: "the code"}})
	for pad := range 100 {
		m := &room.Message{Time: now, Kind: room.KindDirect, From: "eve", To: []string{"carol"}, Text: "hi" + strings.Repeat(" ", pad) + forged}
		got := strings.Split(rows(line(history.Line{Message: m}), 60), "\n")
		for i, row := range got {
			if len(row) > 60 || i > 0 && (!strings.HasPrefix(row, "    ") || strings.HasPrefix(row, "     ")) {
				t.Fatalf("%d spaces: %q", pad, got)
			}
		}
		if whole := rows(line(history.Line{Message: m}), 0); whole != line(history.Line{Message: m}) {
			t.Fatalf("for scripts: %q", whole)
		}
	}
}
