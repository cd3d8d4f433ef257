package admission

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestPenalties(t *testing.T) {
	type step struct {
		f     Failure
		times int
		after time.Duration // before these
	}
	for name, c := range map[string]struct {
		steps []step
		waits time.Duration // 0: not at all
	}{
		"as much as the minimum":  {[]step{{AuthFailed, 3, 0}}, 0},
		"more than the minimum":   {[]step{{AuthFailed, 4, 0}}, 20 * time.Second},
		"of several kinds":        {[]step{{AuthFailed, 1, 0}, {GraceExceeded, 1, 0}, {NoAuth, 1, 0}}, 16 * time.Second},
		"scanned":                 {[]step{{NoAuth, 15, 0}}, 0},
		"one crash":               {[]step{{Crashed, 1, 0}}, 90 * time.Second},
		"up to the maximum":       {[]step{{Crashed, 20, 0}}, 10 * time.Minute},
		"passes":                  {[]step{{AuthFailed, 3, 0}, {AuthFailed, 1, 5 * time.Second}}, 0},
		"passes in part":          {[]step{{AuthFailed, 3, 0}, {AuthFailed, 1, 4 * time.Second}}, 16 * time.Second},
		"passes wholly":           {[]step{{AuthFailed, 3, 0}, {AuthFailed, 3, 15 * time.Second}}, 0},
		"lasts below the minimum": {[]step{{AuthFailed, 4, 0}, {NoAuth, 1, 10 * time.Second}}, 11 * time.Second},
		"begins anew":             {[]step{{AuthFailed, 4, 0}, {AuthFailed, 1, 20 * time.Second}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := New(Limits{PerMinute: 1 << 30, PerAddress: 1 << 30}, nil)
				var visits []*Ticket // open from the start: penalties do not touch them
				for range 30 {
					visits = append(visits, admit(t, d, "192.0.2.1"))
				}
				for _, s := range c.steps {
					time.Sleep(s.after)
					for range s.times {
						visits[0].Failed(s.f)
						visits[0].Close()
						visits = visits[1:]
					}
				}
				for _, v := range visits {
					v.Close()
				}
				err := try(d, "192.0.2.1")
				if c.waits == 0 {
					wantWhy(t, err, "")
					return
				}
				wantWhy(t, err, "penalised")
				wantWhy(t, try(d, "192.0.2.2"), "")
				if got := err.(*Refusal).Wait; got != c.waits {
					t.Fatalf("waits %v, want %v", got, c.waits)
				}
				time.Sleep(c.waits - 1)
				wantWhy(t, try(d, "192.0.2.1"), "penalised") // all of it, below the minimum too
				time.Sleep(time.Nanosecond)
				wantWhy(t, try(d, "192.0.2.1"), "")
			})
		})
	}
}

// How a login ended counts once, whatever the caller reports.
func TestFailedOnce(t *testing.T) {
	d := New(Limits{}, nil)
	v := admit(t, d, "192.0.2.1")
	for range 10 {
		v.Failed(AuthFailed)
		v.Failed(GraceExceeded)
	}
	v.Close()
	v.Failed(NoAuth)
	s := d.Stats()
	if s.Failed[AuthFailed] != 1 || s.Failed[GraceExceeded] != 0 || s.Failed[NoAuth] != 0 {
		t.Errorf("counted %v", s.Failed)
	}
}

func TestFailedAfterLogin(t *testing.T) {
	d := New(Limits{}, nil)
	v := admit(t, d, "192.0.2.1")
	v.LoggedIn()
	v.Failed(AuthFailed)
	v.Close()
	v.Failed(NoAuth)
	full := admit(t, New(Limits{Sessions: 1}, nil), "192.0.2.1")
	full.ctl.stats.Sessions = 1
	wantWhy(t, full.LoggedIn(), "sessions")
	full.Failed(NoAuth) // could have logged in
	for _, d := range []*Controller{d, full.ctl} {
		if s := d.Stats(); s.Failed[AuthFailed]+s.Failed[NoAuth] != 0 {
			t.Errorf("counted %v", s.Failed)
		}
	}
	v.Failed(Crashed) // by what others say, maybe
	wantWhy(t, try(d, "192.0.2.1"), "")
}
