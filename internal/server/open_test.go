package server

import (
	"testing"
	"time"

	"github.com/spf13/pflag"

	"whoelse/internal/config"
)

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
