package limit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func who(nick, addr string) Who {
	w := Who{Nick: nick}
	if addr != "" {
		w.Addr = netip.MustParseAddr(addr)
	}
	return w
}

// refused wants a refusal by scope within a minute or a day, in these words.
func refused(t *testing.T, err error, scope Scope, within time.Duration, words string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Scope != scope || r.Within != within {
		t.Fatalf("got %v, want a refusal for the %s within %v", err, scope, within)
	}
	if err.Error() != words {
		t.Errorf("words: %q, want %q", err, words)
	}
}

func charged(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const oneDay = 24 * time.Hour

// stored are limits of stored bytes.
type stored struct {
	Nick, Address, Network int64 // in a day; a 16th of it in a minute
	All                    int64 // in a minute
	Exempt                 []netip.Prefix
	Remembered             int
}

func bytes(s stored) *Limiter {
	buckets := map[Scope]Buckets{All: {{s.All, time.Minute}}}
	for scope, n := range map[Scope]int64{Nick: s.Nick, Address: s.Address, Network: s.Network} {
		buckets[scope] = Buckets{{(n + 15) / 16, time.Minute}, {n, oneDay}}
	}
	return New(Limits{Buckets: buckets, Reserved: s.All / 2, Exempt: s.Exempt, Remembered: s.Remembered})
}

func TestMinuteAndDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bytes(stored{Nick: 1600})
		bob := who("bob", "192.0.2.1")
		time.Sleep(time.Hour) // nothing is saved up
		charged(t, l.Charge(bob, 100))
		refused(t, l.Charge(bob, 1), Nick, time.Minute, "you have reached your limit for one minute; try again in 1 second")
		charged(t, l.Charge(who("carol", "192.0.2.1"), 100))
		time.Sleep(30 * time.Second)
		refused(t, l.Charge(bob, 51), Nick, time.Minute, "you have reached your limit for one minute; try again in 1 second")
		charged(t, l.Charge(bob, 50)) // the refused one cost nothing
		for l.Charge(bob, 50) == nil || time.Since(l.began) < 90*time.Minute {
			time.Sleep(time.Minute)
		}
		err := l.Charge(bob, 100)
		refused(t, err, Nick, oneDay, err.Error())
		time.Sleep(err.(*Refusal).Wait - time.Millisecond)
		refused(t, l.Charge(bob, 100), Nick, oneDay, "you have reached your limit for one day; try again in 1 second")
		time.Sleep(2 * time.Millisecond)
		charged(t, l.Charge(bob, 100))
	})
}

// Which addresses count together, and that the one who is over does not cost the rest.
func TestAddressesAndNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bytes(stored{Address: 1600, Network: 3200, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
		for i, c := range []struct {
			addr  string
			scope Scope
			ok    bool
		}{
			{"192.0.2.1", "", true}, {"::ffff:192.0.2.1", Address, false}, {"192.0.2.2", "", true},
			{"192.0.2.3", Network, false}, {"192.0.3.1", "", true},
			{"2001:db8:0:1::1", "", true}, {"2001:db8:0:1:ffff::", Address, false}, {"2001:db8:0:2::1", "", true},
			{"2001:db8:0:3::1", Network, false}, {"2001:db8:1::1", "", true},
			{"10.1.1.1", "", true}, {"10.1.1.1", "", true}, {"::ffff:10.1.1.1", "", true}, {"", "", true}, {"", "", true},
		} {
			err := l.Charge(who(fmt.Sprint("nick", i), c.addr), 100)
			var r *Refusal
			if c.ok != (err == nil) || errors.As(err, &r) && r.Scope != c.scope {
				t.Errorf("%s: %v", c.addr, err)
			}
		}
		if got := l.Stats().Refused; got[Address] != 2 || got[Network] != 2 || got[Nick] != 0 {
			t.Errorf("counted: %v", got)
		}
	})
}

func TestAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bytes(stored{All: 1000, Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
		for i := range 10 {
			charged(t, l.Charge(who(fmt.Sprint("nick", i), "127.0.0.1"), 100))
		}
		refused(t, l.Charge(who("bob", "127.0.0.1"), 500), All, time.Minute, "the room has reached its limit for one minute; try again in 30 seconds")
		time.Sleep(30 * time.Second)
		charged(t, l.Charge(who("bob", "127.0.0.1"), 500))
	})
}

// Those who send much leave half of it all for the rest, by whatever they are alike.
func TestSomeForTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bytes(stored{Nick: 1600 * 16, Address: 1600 * 16, Network: 1600 * 16, All: 10_000})
		for i := range 50 {
			l.Charge(who(fmt.Sprint("mallory", i), fmt.Sprintf("192.0.%d.1", i)), 200)       // much, each by nick, address and network
			l.Charge(who(fmt.Sprint("judy", i), fmt.Sprintf("10.0.%d.%d", i/20, i%20)), 100) // by network alone
		}
		if charged := l.Stats().Charged; charged > 10_000/2+3*100 {
			t.Errorf("they got %d of 10,000", charged)
		}
		for i := range 40 {
			charged(t, l.Charge(who(fmt.Sprint("nick", i), fmt.Sprintf("203.0.%d.1", i)), 100))
		}
	})
}

// A message that is larger than a limit is let through once, and paid for.
func TestLargerThanALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bytes(stored{Nick: 16 * 100})
		charged(t, l.Charge(who("bob", ""), 300))
		refused(t, l.Charge(who("bob", ""), 300), Nick, time.Minute, "you have reached your limit for one minute; try again in 3 minutes")
		time.Sleep(3 * time.Minute)
		charged(t, l.Charge(who("bob", ""), 300))
	})
}

func TestRefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bytes(stored{Nick: 1600, Address: 1600, Network: 1600, All: 100})
		bob := who("bob", "192.0.2.1")
		for range 1000 {
			charged(t, l.Charge(bob, 100))
			l.Refund(bob, 60)
			l.Refund(bob, 40)
		}
		charged(t, l.Charge(bob, 100))
		if err := l.Charge(bob, 1); err == nil {
			t.Error("a refund gave more than was charged")
		}
		l.Refund(bob, 1<<40)
		charged(t, l.Charge(bob, 100))
		if err := l.Charge(bob, 1); err == nil {
			t.Error("too much was given back")
		}
	})
}

func TestWithoutLimits(t *testing.T) {
	l := bytes(stored{})
	for range 100 {
		charged(t, l.Charge(who("bob", "192.0.2.1"), 1<<40))
		l.Refund(who("bob", "192.0.2.1"), 1)
	}
}

// Whatever is sent, by however many, nobody gets more than their limit: within any
// time no more than what a full bucket and its emptying allow. The accounts that are
// remembered are bounded, and to have too many gives nobody more.
func TestNobodyGetsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, most = 16_000, 20
		rnd := rand.New(rand.NewPCG(1, 2))
		l := bytes(stored{Nick: limit, Remembered: most})
		got := map[string]int64{}
		for range 200_000 {
			nick := fmt.Sprint("nick", rnd.IntN(5*most))
			n := 1 + rnd.Int64N(900)
			if l.Charge(who(nick, ""), n) == nil {
				got[nick] += n
			}
			if n := l.Stats().Remembered[Nick]; n > most {
				t.Fatalf("%d accounts are remembered", n)
			}
			time.Sleep(time.Duration(rnd.Int64N(int64(time.Second))))
		}
		days := float64(time.Since(l.began)) / float64(oneDay)
		for nick, bytes := range got {
			if may := limit * (1 + days); float64(bytes) > may {
				t.Errorf("%s got %d bytes, more than %.0f", nick, bytes, may)
			}
		}
		time.Sleep(2 * oneDay)
		for range 2 * most {
			charged(t, l.Charge(who("bob", ""), 1))
			time.Sleep(time.Minute)
		}
		if n := l.Stats().Remembered[Nick]; n > 1 {
			t.Errorf("%d accounts are remembered when nothing is on them", n)
		}
	})
}

// A flood of names does not make the one who is at the limit forgotten.
func TestPushedOut(t *testing.T) {
	l := bytes(stored{Nick: 1600, Remembered: 10})
	charged(t, l.Charge(who("mallory", ""), 90))
	for i := range 1000 {
		l.Charge(who(fmt.Sprint("nick", i), ""), 95)
	}
	if err := l.Charge(who("mallory", ""), 90); err == nil {
		t.Error("the account is forgotten")
	}
}

func BenchmarkCharge(b *testing.B) {
	l := bytes(stored{Nick: 1 << 40, Address: 1 << 40, Network: 1 << 40, All: 1 << 40})
	for i := 0; b.Loop(); i++ {
		l.Charge(Who{Nick: fmt.Sprint("n", i%100_000), Addr: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})}, 300)
	}
}

// What is held at the same time is bounded, however long that is, and may be held again by
// others once it is given back.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Limits{
			Buckets: map[Scope]Buckets{Address: {{100, Held}}, All: {{150, Held}}},
			Exempt:  []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		})
		a, exempt, other := who("", "198.51.100.1"), who("", "192.0.2.1"), who("", "203.0.113.1")
		for i, step := range []struct {
			who Who
			n   int64 // given back if below 0
			ok  bool
		}{
			{a, 60, true}, {a, 41, false}, {a, 40, true}, {exempt, 51, false}, {exempt, 50, true}, {other, 1, false},
			{a, -50, true}, {exempt, 51, false}, {a, -20, true}, {exempt, 70, true}, {other, 1, false},
			{exempt, -120, true}, {other, 101, true}, {other, -101, true}, {a, 71, false}, {a, 70, true},
		} {
			if step.n < 0 {
				l.Refund(step.who, -step.n)
			} else if err := l.Charge(step.who, step.n); (err == nil) != step.ok {
				t.Errorf("step %d: %v", i, err)
			}
			time.Sleep(time.Hour)
		}
	})
}

// What is taken beyond a limit is waited for.
func TestTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Limits{Buckets: map[Scope]Buckets{Nick: {{20, 4 * time.Second}}}})
		for _, step := range []struct {
			nick string
			n    int64
			wait time.Duration
		}{{"bob", 20, 0}, {"bob", 5, time.Second}, {"carol", 30, 2 * time.Second}, {"bob", 5, 2 * time.Second}} {
			if wait := l.Take(who(step.nick, ""), step.n); wait != step.wait {
				t.Errorf("%s takes %d: wait %v, want %v", step.nick, step.n, wait, step.wait)
			}
		}
	})
}
