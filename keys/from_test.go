package keys

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestFromAsSSHD(t *testing.T) {
	for _, c := range []struct {
		list, addr string
		want       bool
	}{
		{"192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "192.0.2.8", false},
		{"192.0.2.7", "::ffff:192.0.2.7", true},
		{"::ffff:192.0.2.7", "192.0.2.7", true},
		{"192.0.2.0/24", "192.0.2.200", true},
		{"192.0.2.0/24", "192.0.3.1", false},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"2001:db8::/32", "2001:db8:1::5", true},
		{"2001:db8::/32", "2001:db9::5", false},
		{"fe80::/10", "fe80::1%eth0", true},
		{"192.0.2.*", "192.0.2.77", true},
		{"192.0.2.?", "192.0.2.77", false},
		{"192.0.2.??", "192.0.2.77", true},
		{"*", "2001:db8::1", true},
		{"2001:DB8::*", "2001:db8::77", true},
		{"*.example.com", "192.0.2.7", false},
		{"[0-9]*", "192.0.2.7", false},
		{"192.0.2\\.7", "192.0.2.7", false},
		{"!192.0.2.7", "192.0.2.8", false}, // a negation alone matches nobody
		{"*,!192.0.2.7", "192.0.2.7", false},
		{"*,!192.0.2.7", "192.0.2.8", true},
		{"!192.0.2.0/24,192.0.0.0/16", "192.0.2.1", false},
		{"!192.0.2.0/24,192.0.0.0/16", "192.0.3.1", true},
		{"10.0.0.0/8,192.0.2.7", "192.0.2.7", true},
	} {
		list, err := parseAddressList(c.list)
		if err != nil {
			t.Errorf("%s: %v", c.list, err)
			continue
		}
		if got := list.matches(netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("%s for %s: %v", c.list, c.addr, got)
		}
		if list.matches(netip.Addr{}) {
			t.Errorf("%s matches no address at all", c.list)
		}
	}
	for _, bad := range []string{"", "10.0.0.1,", "!", "10.0.0.1/8", "10.0.0.0/33", "x/8", "10.0.0.0/", "/8", "10.0.0.0/8/8"} {
		if list, err := parseAddressList(bad); err == nil {
			t.Errorf("%q is %v", bad, list)
		}
	}
}

// Matching it by trying all ways would not end.
func TestPatternsAreNeverSlow(t *testing.T) {
	p := addressPattern{glob: strings.Repeat("*1", 5000) + "*2"}
	if p.matches(netip.MustParseAddr("1111:1111:1111:1111:1111:1111:1111:1111")) {
		t.Error("matches")
	}
}

func TestExpiryForms(t *testing.T) {
	local := func(y, mo, d, h, mi, s int) time.Time {
		return time.Date(y, time.Month(mo), d, h, mi, s, 0, time.Local)
	}
	for in, want := range map[string]time.Time{
		"20261121":        local(2026, 11, 21, 0, 0, 0),
		"202611211504":    local(2026, 11, 21, 15, 4, 0),
		"20261121150405":  local(2026, 11, 21, 15, 4, 5),
		"20261121Z":       time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC),
		"20261121150405Z": time.Date(2026, 11, 21, 15, 4, 5, 0, time.UTC),
		"202611211504z":   time.Date(2026, 11, 21, 15, 4, 0, 0, time.UTC),
	} {
		if got, err := parseExpiry(in); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "Z", "2026", "2026-11-21", "20261321", "20260230", "2026112115", "202611211504056", "-0261121", "20261121ZZ", "tomorrow"} {
		if got, err := parseExpiry(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}

func TestTheEarliestOfSeveralExpiriesCounts(t *testing.T) {
	for _, list := range [][]string{
		{`expiry-time="20300101Z"`, `expiry-time="20270101Z"`},
		{`expiry-time="20270101Z"`, `EXPIRY-TIME="20300101Z"`},
	} {
		var l line
		if err := l.setOptions(list); err != nil || l.Expires.Year() != 2027 {
			t.Errorf("%q: %v, %v", list, l.Expires, err)
		}
	}
}

func TestDequote(t *testing.T) {
	for in, want := range map[string]string{`""`: "", `"a b"`: "a b", `"a\"b"`: `a"b`, `"a\b"`: `a\b`} {
		if got, ok := dequote(in); !ok || got != want {
			t.Errorf("%s: %q, %v", in, got, ok)
		}
	}
	for _, bad := range []string{``, `"`, `a`, `"a`, `a"`, `"a"b"`, `"a\"`} {
		if got, ok := dequote(bad); ok {
			t.Errorf("%s: %q", bad, got)
		}
	}
}
