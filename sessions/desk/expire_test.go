package desk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Who is sent something in the moment in which their nick is freed keeps it: it is
// nobody else's to read.
func TestExpireInUseMeanwhile(t *testing.T) {
	d, dir := newDesk(t, line(key(t, 1))+" idle@claimed-2020-01-01\n"+line(key(t, 2))+" lucky@claimed-2020-01-01\n"+
		line(key(t, 3))+" lucky@claimed-2020-01-02\n")
	asked := 0
	err := d.Expire(24*time.Hour, func(n string) bool {
		if n == "lucky" {
			asked++
		}
		return n == "lucky" && asked > 1
	})
	if err != nil {
		t.Fatal(err)
	}
	if d.registry.Held("idle") || len(d.registry.Keys("lucky")) != 2 {
		t.Errorf("left are %+v", d.registry.List())
	}
	audit, err := os.ReadFile(filepath.Join(dir, "audit.jsonl"))
	if text := string(audit); err != nil || !strings.Contains(text, `"whom":"idle"`) || strings.Contains(text, "lucky") {
		t.Errorf("on record is %q, %v", text, err)
	}
}
