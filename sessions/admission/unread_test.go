package admission

import (
	"net/netip"
	"testing"
)

func TestUnread(t *testing.T) {
	d := New(Limits{Unread: 100, UnreadInAll: 150, Exempt: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, nil)
	visit := func(from string) *Ticket {
		t.Helper()
		v, err := d.Admit(netip.MustParseAddr(from))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	hold := func(v *Ticket, n int, want bool) {
		t.Helper()
		if got := v.Hold(n); got != want {
			t.Errorf("%d bytes more of %v: %v", n, v.from, got)
		}
	}
	a, b := visit("198.51.100.1"), visit("198.51.100.1")
	hold(a, 60, true)
	hold(b, 41, false) // of one address
	hold(b, 40, true)
	exempt := visit("192.0.2.1")
	hold(exempt, 51, false) // of all
	hold(exempt, 50, true)
	a.Release(50)
	hold(exempt, 51, false)
	a.Release(20)
	hold(exempt, 60, true)
	b.Close()
	hold(b, 1, false)
	hold(visit("198.51.100.1"), 40, true)
	exempt.Close()
	a.Close()
	if d.unread != 40 {
		t.Errorf("%d bytes are held in all", d.unread)
	}
}
