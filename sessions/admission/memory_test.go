package admission

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// A flood from a whole network leaves no more behind than there is room for, and
// nothing at all a little later.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Limits{Sources: 100}, nil)
		for i := range 10_000 {
			if v, err := d.Admit(nthOf6(i)); err == nil {
				v.Failed(AuthFailed)
				v.Close()
			}
		}
		if n := d.remembered(); n > 100 {
			t.Fatalf("%d remembered; want 100 at most", n)
		}
		time.Sleep(time.Minute)
		try(d, "2001:db8::1")
		if got := d.v6.Len(); got > 1 {
			t.Fatalf("%d remembered after all was over, want 1", got)
		}
	})
}

// Being refused is not remembered.
func TestRefusedLeaveNothing(t *testing.T) {
	d := New(Limits{Handshakes: 1}, nil)
	defer admit(t, d, "2001:db9::1").Close()
	for i := range 1000 {
		wantWhy(t, try(d, nthOf6(i).String()), "handshakes")
	}
	if got := d.remembered(); got != 1 {
		t.Fatalf("%d addresses remembered, want 1", got)
	}
}

// Neither connections nor lesser penalties of other addresses make a penalty
// forgotten, and what IPv6 does makes no IPv4 address forgotten.
func TestPenaltyOutlastsFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Limits{Sources: 100}, nil)
		for range 4 {
			fail(t, d, "2001:db9::1", AuthFailed) // 20 seconds
			fail(t, d, "192.0.2.1", AuthFailed)
		}
		for i := range 5_000 {
			v := admit(t, d, nthOf6(i).String())
			v.Failed(AuthFailed)
			v.Close()
		}
		wantWhy(t, try(d, "192.0.2.1"), "penalised")
		for i := range 87 {
			fail(t, d, nthOf6(i).String(), Crashed) // lasts longer, but there is room
		}
		wantWhy(t, try(d, "192.0.2.1"), "penalised")
		wantWhy(t, try(d, "2001:db9::1"), "penalised")
	})
}

// An address with an open connection is never forgotten.
func TestOpenIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Limits{Sources: 10, PerAddress: 1}, nil)
		v := admit(t, d, "2001:db9::1")
		for i := range 1000 {
			wantWhy(t, try(d, nthOf6(i).String()), "")
		}
		time.Sleep(time.Hour)
		wantWhy(t, try(d, "2001:db9::1"), "per-address")
		v.Close()
		wantWhy(t, try(d, "2001:db9::1"), "")
	})
}

// A full table, with as many addresses again open, is a few megabytes.
func TestMemoryInBytes(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	d := New(Limits{}, nil)
	for i := range 80_000 {
		if v, err := d.Admit(nthOf6(i)); err == nil {
			v.Failed(Crashed)
			v.Close()
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / 65_536
	t.Logf("%.0f bytes an address", each)
	if n := d.remembered(); n > 65_536 || each > 300 {
		t.Errorf("%d addresses of %.0f bytes", n, each)
	}
}
