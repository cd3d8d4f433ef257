package claims

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// clocked is a Limiter whose clock is moved by hand, and its log.
func clocked(limits Limits) (l *Limiter, pass func(time.Duration), log *strings.Builder) {
	log = &strings.Builder{}
	l = New(limits, slog.New(slog.NewTextHandler(log, nil)))
	return l, func(d time.Duration) { l.began = l.began.Add(-d) }, log
}

// claims has n claims come from an address, and counts those that may.
func (l *Limiter) claims(n int, from string) (taken int, err error) {
	for range n {
		if _, refused := l.Take(netip.MustParseAddr(from)); refused != nil {
			err = refused
			continue
		}
		taken++
	}
	return taken, err
}

func TestLimits(t *testing.T) {
	limits := Limits{PerAddress: 3, PerNetwork: 5, PerHour: 20, Exempt: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	for _, tt := range []struct {
		name string
		from []string // where claims come from, ten of each
		want []int    // how many may
	}{
		{"IPv4", []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.112.1"}, []int{3, 2, 0, 3}},
		{"mapped", []string{"203.0.113.1", "::ffff:203.0.113.1"}, []int{3, 0}},
		{"IPv6 of one /64", []string{"2001:db8::1", "2001:db8::2"}, []int{3, 0}},
		{"IPv6 of one /48", []string{"2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1", "2001:db8:1::1"}, []int{3, 2, 0, 3}},
		{"exempt", []string{"192.0.2.1", "192.0.2.1", "203.0.113.1"}, []int{10, 10, 0}}, // but not from the hour's
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, _, _ := clocked(limits)
			for i, from := range tt.from {
				got, err := l.claims(10, from)
				if got != tt.want[i] || got < 10 && !errors.Is(err, ErrOver) {
					t.Errorf("%d claims from %s, want %d (%v)", got, from, tt.want[i], err)
				}
			}
		})
	}
}

func TestNoLimit(t *testing.T) {
	l, _, _ := clocked(Limits{})
	if got, err := l.claims(1000, "203.0.113.1"); got != 1000 {
		t.Errorf("%d claims, %v", got, err)
	}
	l, _, _ = clocked(Limits{PerAddress: 1, PerNetwork: 1})
	for range 10 {
		if _, err := l.Take(netip.Addr{}); err != nil {
			t.Errorf("without an address: %v", err)
		}
	}
}

func TestWhatPasses(t *testing.T) {
	l, pass, log := clocked(Limits{PerAddress: 2, PerNetwork: 3, PerHour: 4})
	step := func(what, from string, want int, words string) {
		t.Helper()
		got, err := l.claims(5, from)
		if got != want || words != "" && !strings.Contains(fmt.Sprint(err), words) {
			t.Errorf("%s: %d claims, want %d; %v, want %q", what, got, want, err, words)
		}
	}
	step("first", "203.0.113.1", 2, "from your address; try again in 24 hours")
	pass(30 * time.Minute)
	step("the network's other", "203.0.113.2", 1, "from your network; try again in 24 hours")
	step("everybody", "198.51.100.1", 1, "on this server; try again in 30 minutes")
	pass(30 * time.Minute)
	step("an hour later", "203.0.113.1", 0, "from your address; try again in 23 hours")
	step("others an hour later", "198.51.100.1", 1, "from your address; try again in 24 hours")
	pass(23 * time.Hour)
	step("a day later", "203.0.113.1", 2, "from your address")
	if n := strings.Count(log.String(), "no more nicks can be claimed"); n != 1 {
		t.Errorf("the log was told %d times: %s", n, log)
	}
}

func TestGivenBack(t *testing.T) {
	l, _, _ := clocked(Limits{PerAddress: 1, PerNetwork: 1, PerHour: 1})
	from := netip.MustParseAddr("203.0.113.1")
	for range 3 {
		giveBack, err := l.Take(from)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Take(from); !errors.Is(err, ErrOver) {
			t.Errorf("a second one: %v", err)
		}
		giveBack()
	}
}

func TestAtTheSameTime(t *testing.T) {
	l, _, _ := clocked(Limits{PerAddress: 5, PerNetwork: 5, PerHour: 5})
	var all sync.WaitGroup
	taken := make(chan int, 10)
	for range 10 {
		all.Go(func() {
			n, _ := l.claims(10, "203.0.113.1")
			taken <- n
		})
	}
	all.Wait()
	close(taken)
	sum := 0
	for n := range taken {
		sum += n
	}
	if sum != 5 {
		t.Errorf("%d claims", sum)
	}
}

// Very many networks, each with a claim or a try, take no more memory than that, and
// what is over makes room.
func TestMemoryIsBounded(t *testing.T) {
	l, pass, _ := clocked(Limits{PerAddress: 1, PerNetwork: 1})
	for i := range 3 * maxCounts / 2 {
		if i == maxCounts/2 {
			pass(48 * time.Hour)
		}
		if n, err := l.claims(2, fmt.Sprintf("2001:db8:%x:%x::1", i>>8, i<<8&0xffff)); err != nil && n > 1 {
			t.Fatal(n, err)
		}
		if l.counts.Len() > maxCounts {
			t.Fatalf("%d counts", l.counts.Len())
		}
	}
}

// What makes room for a claim's network does not forget the count of its address.
func TestFullMemoryCounts(t *testing.T) {
	l, _, _ := clocked(Limits{PerAddress: 1, PerNetwork: 5})
	for i := 0; l.counts.Len() < maxCounts-1; i++ {
		block := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		l.counts.Set(block, &count{n: 1, end: time.Hour}, time.Hour, 0)
	}
	if n, err := l.claims(2, "203.0.113.1"); n != 1 {
		t.Errorf("%d claims of 2, %v; want 1", n, err)
	}
}
