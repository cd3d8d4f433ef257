package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestSizes(t *testing.T) {
	for in, want := range map[string]struct {
		bytes int64
		words string
	}{
		"0": {0, "0"}, "65536": {65536, "64K"}, "512K": {512 << 10, "512K"}, "1024k": {1 << 20, "1M"}, "16M": {16 << 20, "16M"},
		"2G": {2 << 30, "2G"}, "3t": {3 << 40, "3T"}, "65537": {65537, "65537"}, "1": {1, "1"}, "0G": {0, "0"},
		"9223372036854775807": {1<<63 - 1, "9223372036854775807"}, "8388607T": {8388607 << 40, "8388607T"},
	} {
		var s size
		if err := s.Set(in); err != nil || int64(s) != want.bytes || s.String() != want.words {
			t.Errorf("%s: %d, %s, %v", in, int64(s), &s, err)
		}
	}
	for _, bad := range []string{
		"", "K", "-1", "-1K", "+1K", "1.5M", "16 M", "16MB", "16MiB", "0x10", "1_000", "M16", "16Q", "many",
		"9223372036854775808", "8388608T", "9007199254740992K", "99999999999999999999G",
	} {
		s := size(7)
		if err := s.Set(bad); err == nil || s != 7 {
			t.Errorf("%q: %d, %v", bad, s, err)
		}
	}
}

func TestLasting(t *testing.T) {
	for in, want := range map[string]time.Duration{"0": 0, "12h": 12 * time.Hour, "90d": 90 * 24 * time.Hour, "1h30m": 90 * time.Minute} {
		var l lasting
		if err := l.Set(in); err != nil || time.Duration(l) != want {
			t.Errorf("%s: %v, %v", in, time.Duration(l), err)
		}
		again := l
		if err := again.Set(strings.ReplaceAll(l.String(), " ", "")); err != nil || again != l {
			t.Errorf("%s is written as %s", in, &l)
		}
	}
	for _, bad := range []string{"", "-1h", "90", "1.5h", "forever", "101y", "0s"} {
		var l lasting
		if err := l.Set(bad); err == nil {
			t.Errorf("%q: %v", bad, time.Duration(l))
		}
	}
}

// What is said of a wrong value names the flag, the value and an example.
func TestKindsOfValues(t *testing.T) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(Config).Flags(f)
	for flag, words := range map[string]string{"history-max-bytes": "16M", "room-history-max": "16M", "retention": "90d", "inbox-max": "number"} {
		err := FlagError(f.Parse([]string{"--" + flag, "much"}))
		if err == nil || !strings.Contains(err.Error(), "--"+flag) || !strings.Contains(err.Error(), `"much"`) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

func TestNetworks(t *testing.T) {
	got, err := networks("exempt", []string{"192.0.2.7/24", "2001:db8::1", "::ffff:10.0.0.0/104", "::ffff:203.0.113.1", " none"})
	if want := "[192.0.2.0/24 2001:db8::1/128 10.0.0.0/8 203.0.113.1/32]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v; want %s", got, err, want)
	}
}
