package duration_test

import (
	"strings"
	"testing"
	"time"

	"whoelse/keys/duration"
)

func TestParse(t *testing.T) {
	day := 24 * time.Hour
	for in, want := range map[string]time.Duration{
		"30m": 30 * time.Minute, "24h": day, "90d": 90 * day, "2w": 14 * day, "1h30m": 90 * time.Minute,
		"1Y": 365 * day, "100y": duration.Max, "5s": 5 * time.Second, "1d0h": day,
	} {
		if got, err := duration.Parse(in); err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, bad := range []string{
		"", "0", "0s", "5", "d", "-1d", "1.5h", "1 d", "1q", "101y", "99999999999999999999d", "9223372036854775807s",
		"100y1s", "forever", "1d\x1b[2J", strings.Repeat("1s", 10000) + "x",
	} {
		got, err := duration.Parse(bad)
		if err == nil {
			t.Errorf("%.30q: %v", bad, got)
		} else if s := err.Error(); strings.ContainsAny(s, "\x1b") || len(s) > 200 {
			t.Errorf("%q", s)
		}
	}
}

func TestFormat(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", -time.Hour: "0s", 45 * time.Second: "45s", 90 * time.Minute: "1h 30m",
		51*time.Hour + 5*time.Second: "2d 3h", 24 * time.Hour: "1d",
	} {
		if got := duration.Format(d); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1h30m")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := duration.Parse(s)
		if err == nil && (d <= 0 || d > duration.Max) {
			t.Errorf("%q is %v", s, d)
		}
	})
}
