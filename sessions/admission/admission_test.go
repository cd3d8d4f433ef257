package admission

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/keys/bans"
)

// The address that counts: which of two connect on account of the other.
func TestSameAddress(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
		{"0.0.0.1", "::1", false},
		{"0.0.0.0", "::", false},
	} {
		d := New(Limits{PerAddress: 1}, nil)
		v := admit(t, d, c.a)
		want := ""
		if c.same {
			want = "per-address"
		}
		if got := why(try(d, c.b)); got != want {
			t.Errorf("%s after %s: refused for %q, want %q", c.b, c.a, got, want)
		}
		v.Close()
	}
}

func TestPerAddress(t *testing.T) {
	d := New(Limits{}, nil)
	var visits []*Ticket
	for i := range 20 {
		v := admit(t, d, "192.0.2.1")
		if i%2 == 0 {
			wantWhy(t, v.LoggedIn(), "")
		}
		visits = append(visits, v)
	}
	wantWhy(t, try(d, "192.0.2.1"), "per-address")
	wantWhy(t, try(d, "192.0.2.2"), "")
	for range 3 {
		visits[0].Close() // only the first one counts
	}
	visits[0] = admit(t, d, "192.0.2.1")
	wantWhy(t, try(d, "192.0.2.1"), "per-address")
	for _, v := range visits {
		v.Close()
	}
	empty(t, d)
}

// empty wants that nobody is in and that nothing but the past is remembered.
func empty(t *testing.T, d *Controller) {
	t.Helper()
	s := d.Stats()
	if s.Handshakes != 0 || s.Sessions != 0 || len(d.networks) != 0 {
		t.Fatalf("after all have left: %d handshakes, %d sessions, %d networks", s.Handshakes, s.Sessions, len(d.networks))
	}
}

func TestHandshakes(t *testing.T) {
	d := New(Limits{Handshakes: 4, Exempt: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}, nil)
	first := admit(t, d, "10.1.0.1")
	for _, from := range []string{"10.1.0.2", "10.1.0.3", "10.1.0.4"} {
		defer admit(t, d, from).Close()
	}
	wantWhy(t, try(d, "10.1.0.5"), "handshakes")
	wantWhy(t, try(d, "198.51.100.1"), "") // the operator still gets in
	wantWhy(t, first.LoggedIn(), "")
	wantWhy(t, try(d, "10.1.0.5"), "") // a session is no handshake
	first.Close()
	if got := d.Stats().Handshakes; got != 3 {
		t.Fatalf("%d handshakes, want 3", got)
	}
}

// One network does not get all of the handshakes, however many addresses it has.
func TestHandshakesOfANetwork(t *testing.T) {
	d := New(Limits{Handshakes: 10}, nil)
	for i := range 5 {
		defer admit(t, d, nthOf6(i).String()).Close()
	}
	wantWhy(t, try(d, nthOf6(1<<20).String()), "handshakes")
	wantWhy(t, try(d, "2001:db9::1"), "")
	for i := range 5 {
		defer admit(t, d, nth(0x5db80000+i).String()).Close() // 93.184.0.0/16
	}
	wantWhy(t, try(d, "192.0.2.1"), "handshakes") // now there are ten
}

func TestSessions(t *testing.T) {
	d := New(Limits{Sessions: 2, Exempt: []netip.Prefix{netip.MustParsePrefix("::/0")}}, nil)
	a, b, c := admit(t, d, "192.0.2.1"), admit(t, d, "192.0.2.2"), admit(t, d, "192.0.2.3")
	wantWhy(t, a.LoggedIn(), "")
	wantWhy(t, b.LoggedIn(), "")
	wantWhy(t, b.LoggedIn(), "") // again
	wantWhy(t, c.LoggedIn(), "sessions")
	wantWhy(t, try(d, "192.0.2.4"), "sessions")
	wantWhy(t, try(d, "2001:db8::1"), "sessions") // exempt from all but this
	b.Close()
	wantWhy(t, c.LoggedIn(), "")
	wantWhy(t, b.LoggedIn(), ErrOver.Error())
	a.Close()
	c.Close()
	empty(t, d)
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Limits{}, nil)
		time.Sleep(time.Hour) // nothing is saved up
		for range 30 {
			wantWhy(t, try(d, "192.0.2.1"), "")
		}
		err := try(d, "192.0.2.1")
		wantWhy(t, err, "rate")
		if !strings.HasSuffix(err.Error(), "30 a minute are allowed; try again in 2 seconds") {
			t.Error(err)
		}
		wantWhy(t, try(d, "192.0.2.2"), "")
		time.Sleep(err.(*Refusal).Wait - 1)
		wantWhy(t, try(d, "192.0.2.1"), "rate") // and asking costs nothing:
		time.Sleep(time.Nanosecond)
		wantWhy(t, try(d, "192.0.2.1"), "")
		wantWhy(t, try(d, "192.0.2.1"), "rate")
		time.Sleep(time.Minute)
		for range 30 {
			wantWhy(t, try(d, "192.0.2.1"), "")
		}
		wantWhy(t, try(d, "192.0.2.1"), "rate")
	})
}

// A connection that another limit refuses is not held against the address.
func TestRateOfRefused(t *testing.T) {
	d := New(Limits{PerAddress: 1, PerMinute: 2}, nil)
	v := admit(t, d, "192.0.2.1")
	for range 10 {
		wantWhy(t, try(d, "192.0.2.1"), "per-address")
	}
	v.Close()
	wantWhy(t, try(d, "192.0.2.1"), "")
	wantWhy(t, try(d, "192.0.2.1"), "rate")
}

func TestExempt(t *testing.T) {
	d := New(Limits{PerAddress: 1, PerMinute: 1, Handshakes: 1, Exempt: []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("2001:db8::/32"),
	}}, nil)
	defer admit(t, d, "203.0.113.1").Close() // the one handshake there is
	for _, from := range []netip.Addr{
		addr("192.0.2.1"), addr("::ffff:192.0.2.1"), addr("198.51.100.7"),
		addr("2001:db8::1"), addr("2001:db8::1%eth0"), {}, // the last has no address
	} {
		for range 3 {
			v, err := d.Admit(from)
			if err != nil {
				t.Fatalf("%v is exempt, but: %v", from, err)
			}
			defer v.Close()
			v.Failed(Crashed)
		}
	}
	if n, s := d.remembered(), d.Stats(); n != 1 || s.Handshakes != 19 {
		t.Errorf("%d addresses remembered, %d handshakes; want 1, 19", n, s.Handshakes)
	}
}

func TestBans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := openBans(t)
		d := New(Limits{Exempt: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, list)
		in := admit(t, d, "192.0.2.1")
		before := admit(t, d, "192.0.2.1")
		wantWhy(t, before.LoggedIn(), "")
		target, err := bans.ParseTarget("192.0.2.1")
		if err == nil {
			_, err = list.Add(target, "alice", "spam\x1b[2J\r\nand more", time.Hour)
		}
		if err != nil {
			t.Fatal(err)
		}
		err = try(d, "::ffff:192.0.2.1") // exempt, mapped, and banned
		wantWhy(t, err, "banned")
		if got, want := err.Error(), "your address is banned until 1 Jan 2000 01:00 UTC: spam?[2J??and more"; got != want {
			t.Errorf("words: %q, want %q", got, want)
		}
		wantWhy(t, in.LoggedIn(), "banned") // between the controller and the login
		wantWhy(t, before.LoggedIn(), "")   // that is not the controller's any more
		if _, err := d.Admit(netip.Addr{}); err != nil {
			t.Errorf("without an address: %v", err)
		}
		if got := d.Stats().Refused[Banned]; got != 2 {
			t.Errorf("%d counted, want 2", got)
		}
	})
}

func TestWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			limits Limits
			failed Failure
			times  int
			want   string
		}{
			{Limits{}, AuthFailed, 4, "too many failed logins from your address; try again in 20 seconds"},
			{Limits{}, GraceExceeded, 2, "too many logins from your address that took too long; try again in 20 seconds"},
			{Limits{}, NoAuth, 16, "too many connections from your address that did not log in; try again in 16 seconds"},
			{Limits{}, Crashed, 2, "a connection from your address made the server fail; try again in 3 minutes"},
			{Limits{PerAddress: 1}, "", 0, "too many connections from your address: 1 at the same time are allowed"},
			{Limits{Handshakes: 1}, "", 0, "too many people are logging in at this moment; try again in a few seconds"},
			{Limits{PerMinute: 1}, "", 0, "too many new connections from your address: 1 a minute are allowed; try again in 60 seconds"},
		} {
			d := New(c.limits, nil)
			var open []*Ticket
			for range max(1, c.times) {
				open = append(open, admit(t, d, "192.0.2.1"))
			}
			for _, v := range open[:c.times] {
				v.Failed(c.failed)
			}
			if _, err := d.Admit(addr("192.0.2.1")); err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		}
		d := New(Limits{Sessions: 1}, nil)
		admit(t, d, "192.0.2.1").LoggedIn()
		if err := try(d, "192.0.2.2"); err.Error() != "the room is full: 1 connections; try again later" {
			t.Error(err)
		}
	})
}

// Many at once: run with -race.
func TestConcurrently(t *testing.T) {
	d := New(Limits{Handshakes: 50, PerMinute: 1 << 30, Sources: 8, Sessions: 30}, openBans(t))
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for i := range 500 {
				v, err := d.Admit(nth(i * g % 40))
				if err != nil {
					continue
				}
				switch i % 3 {
				case 0:
					v.LoggedIn()
				case 1:
					v.Failed(failures[i%len(failures)])
				}
				d.Stats()
				v.Close()
				v.Close()
			}
		})
	}
	all.Wait()
	empty(t, d)
	if n := d.remembered(); n > 16 {
		t.Errorf("%d addresses remembered, want 16 at most", n)
	}
}
