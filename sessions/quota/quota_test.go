package quota

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/internal/limit"
)

func TestEscaped(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "abc": 3, "\"\\\n": 6, "é日": 5, "\u0378": 6, "\U0001fffd\u3000": 18, strings.Repeat("x", 4000): 4000} {
		if got := escaped(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// A file takes whole blocks, and a small one is not for nothing.
func TestFilesAreCountedInBlocks(t *testing.T) {
	for size, want := range map[int64]int64{0: 4096, 1: 4096, 4095: 4096, 4097: 8192, 1 << 20: 1<<20 + 4096} {
		if got := File(size); got != want {
			t.Errorf("%d bytes count as %d, want %d", size, got, want)
		}
	}
}

// claimed has ten claims come from an address, and counts those that may.
func claimed(l *limit.Limiter, from string) (taken int, err error) {
	for range 10 {
		refused := l.Charge(limit.Who{Addr: netip.MustParseAddr(from)}, 1)
		if refused == nil {
			taken++
		} else {
			err = refused
		}
	}
	return taken, err
}

// How many nicks may be claimed from where.
func TestClaims(t *testing.T) {
	limits := Claims{PerAddress: 3, PerNetwork: 5, PerHour: 20, Exempt: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	for name, tt := range map[string]struct {
		from []string // where claims come from, ten of each
		want []int    // how many may
	}{
		"IPv4":            {[]string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.112.1"}, []int{3, 2, 0, 3}},
		"mapped":          {[]string{"203.0.113.1", "::ffff:203.0.113.1"}, []int{3, 0}},
		"IPv6 of one /64": {[]string{"2001:db8::1", "2001:db8::2"}, []int{3, 0}},
		"IPv6 of one /48": {[]string{"2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1", "2001:db8:1::1"}, []int{3, 2, 0, 3}},
		"exempt":          {[]string{"192.0.2.1", "192.0.2.1", "203.0.113.1"}, []int{10, 10, 0}}, // but not from the hour's
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := NewClaims(limits)
				for i, from := range tt.from {
					got, err := claimed(l, from)
					if _, ok := errors.AsType[*limit.Refusal](err); got != tt.want[i] || got < 10 && !ok {
						t.Errorf("%d claims from %s, want %d (%v)", got, from, tt.want[i], err)
					}
				}
			})
		})
	}
}

// A claim is possible again once that many fit into the day or the hour, evenly.
func TestClaimsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewClaims(Claims{PerAddress: 2, PerNetwork: 3, PerHour: 4})
		for _, step := range []struct {
			pass  time.Duration
			from  string
			want  int
			words string
		}{
			{0, "203.0.113.1", 2, "your address has reached its limit for one day; try again in 12 hours"},
			{0, "203.0.113.2", 1, "your network has reached its limit for one day; try again in 8 hours"},
			{0, "198.51.100.1", 1, "the room has reached its limit for one hour; try again in 15 minutes"},
			{time.Hour, "198.51.100.1", 1, "your address has reached its limit for one day; try again in 11 hours"},
			{11 * time.Hour, "203.0.113.1", 1, "your address has reached its limit for one day; try again in 12 hours"},
			{36 * time.Hour, "203.0.113.1", 2, "your address has reached its limit for one day; try again in 12 hours"},
		} {
			time.Sleep(step.pass)
			if got, err := claimed(l, step.from); got != step.want || err.Error() != step.words {
				t.Errorf("%s: %d claims, want %d; %v, want %q", step.from, got, step.want, err, step.words)
			}
		}
	})
}

// An address changes few keys, however many nicks it has.
func TestKeyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewKeyChanges(nil)
		for i, want := range []int{KeysOfNick, KeysOfNick, KeysOfAddress - 2*KeysOfNick, 0} {
			got := 0
			for range 100 {
				if l.Charge(limit.Who{Nick: strconv.Itoa(i), Addr: netip.MustParseAddr("203.0.113.1")}, 1) == nil {
					got++
				}
			}
			if got != want {
				t.Errorf("nick %d changed %d keys, want %d", i, got, want)
			}
		}
	})
}
