package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"whoelse/internal/config"
)

// Root must not write among the files of another user.
func TestRootServesNobodyElse(t *testing.T) {
	dir := t.TempDir()
	if err := mayServe(dir, os.Geteuid()); err != nil {
		t.Errorf("one's own folder: %v", err)
	}
	if err := mayServe(filepath.Join(dir, "missing"), 0); err != nil {
		t.Errorf("a new folder: %v", err)
	}
	if os.Geteuid() == 0 { // else it belongs to somebody who is not root anyway
		if err := os.Chown(dir, 1000, 1000); err != nil {
			t.Fatal(err)
		}
	}
	if err := mayServe(dir, 0); err == nil || !strings.Contains(err.Error(), dir+" belongs to uid ") {
		t.Errorf("root in another user's folder: %v", err)
	}
	if err := mayServe(dir, 1001); err != nil {
		t.Errorf("an ordinary user in another's folder, which the file system decides: %v", err)
	}
}

// The limits get to the histories.
func TestLimitsOfHistories(t *testing.T) {
	var cfg config.Config
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	cfg.Flags(f)
	for _, tt := range []struct {
		args             []string
		each, room, days int64
	}{
		{nil, 16 << 20, 64 << 20, 0},
		{[]string{"--history-max-bytes=64K", "--room-history-max=2G", "--retention=90d"}, 64 << 10, 2 << 30, 90},
		{[]string{"--history-max-bytes=0", "--room-history-max=0", "--retention=0"}, 0, 0, 0},
	} {
		if err := f.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		got := historyOptions(&cfg, nil)
		if err := cfg.Check(); err != nil || got.MaxBytes != tt.each || got.RoomMaxBytes != tt.room || got.Retention != time.Duration(tt.days)*24*time.Hour {
			t.Errorf("%q: %+v, %v", tt.args, got, err)
		}
	}
}
