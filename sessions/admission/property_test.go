package admission

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// step is one thing that happens at a controller.
type step struct {
	do   string // come, login, fail, close, wait
	who  int    // address that comes, or visit
	what Failure
	wait time.Duration
}

func drawSteps(t *rapid.T) []step {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			do:   rapid.SampledFrom([]string{"come", "come", "come", "login", "fail", "fail", "close", "close", "wait"}).Draw(t, "do"),
			who:  rapid.IntRange(0, 3).Draw(t, "who"),
			what: rapid.SampledFrom(failures).Draw(t, "what"),
			wait: rapid.SampledFrom([]time.Duration{1, time.Second, 7 * time.Second, 14 * time.Second, time.Minute, 11 * time.Minute}).Draw(t, "wait"),
		}
	}), 20, 400).Draw(t, "steps")
}

// Limits that small numbers of steps reach. Everybody is from private networks,
// because shares are not modelled.
var small = Limits{Sessions: 5, Handshakes: 4, PerAddress: 3, PerMinute: 6}

// guest is a visit as the model sees it.
type guest struct {
	from   int
	in     bool
	judged bool
}

// model decides as a controller does from nothing but a list of what happened, with no
// regard for cost.
type model struct {
	inside []*guest
	came   map[int][]time.Time // admissions of each address
	waits  map[int]time.Time   // end of its penalty
	active map[int]bool
}

func (m *model) count(is func(*guest) bool) (n int) {
	for _, g := range m.inside {
		if is(g) {
			n++
		}
	}
	return n
}

// level is how many connections an address may make: a bucket that is replayed
// from the beginning.
func (m *model) level(who int) time.Duration {
	const cost = 10 * time.Second // a minute's sixth part
	level, last := 6*cost, time.Time{}
	for _, at := range append(m.came[who], time.Now()) {
		if !last.IsZero() {
			level = min(6*cost, level-cost+at.Sub(last))
		}
		last = at
	}
	return level / cost
}

func (m *model) penalised(who int) bool { return m.active[who] && time.Now().Before(m.waits[who]) }

func (m *model) come(who int) string {
	switch {
	case m.penalised(who):
		return "penalised"
	case m.count(func(g *guest) bool { return g.from == who }) >= small.PerAddress:
		return "per-address"
	case m.count(func(g *guest) bool { return g.in }) >= small.Sessions:
		return "sessions"
	case m.count(func(g *guest) bool { return !g.in }) >= small.Handshakes:
		return "handshakes"
	case m.level(who) < 1:
		return "rate"
	}
	m.came[who] = append(m.came[who], time.Now())
	m.inside = append(m.inside, &guest{from: who})
	return ""
}

func (m *model) login(g *guest) string {
	if !g.in && m.count(func(g *guest) bool { return g.in }) >= small.Sessions {
		g.judged = true
		return "sessions"
	}
	g.in = true
	return ""
}

func (m *model) fail(g *guest, f Failure) {
	if g.in || g.judged {
		return
	}
	seconds := map[Failure]int{NoAuth: 1, AuthFailed: 5, GraceExceeded: 10, Crashed: 90}[f]
	g.judged = true
	m.penalise(g.from, time.Now(), time.Duration(seconds)*time.Second)
}

func (m *model) penalise(who int, now time.Time, d time.Duration) {
	left := m.waits[who].Sub(now)
	if left <= 0 {
		left, m.active[who] = 0, false
	}
	left = min(left+d, 10*time.Minute)
	m.waits[who] = now.Add(left)
	if left > 15*time.Second {
		m.active[who] = true
	}
}

// play runs the steps at a controller and in the model and tells where they differ.
func play(steps []step) error {
	d := New(small, nil)
	m := &model{came: map[int][]time.Time{}, waits: map[int]time.Time{}, active: map[int]bool{}}
	var visits []*Ticket // in parallel to m.inside
	for i, s := range steps {
		var got, want string
		switch {
		case s.do == "come":
			v, err := d.Admit(nth(10<<24 + s.who))
			if got, want = why(err), m.come(s.who); err == nil {
				visits = append(visits, v)
			}
		case s.do == "wait":
			time.Sleep(s.wait)
		case len(visits) == 0:
		case s.do == "login":
			n := s.who % len(visits)
			got, want = why(visits[n].LoggedIn()), m.login(m.inside[n])
		case s.do == "fail":
			n := s.who % len(visits)
			visits[n].Failed(s.what)
			m.fail(m.inside[n], s.what)
		case s.do == "close":
			n := s.who % len(visits)
			visits[n].Close()
			visits[n].Close()
			visits = append(visits[:n], visits[n+1:]...)
			m.inside = append(m.inside[:n], m.inside[n+1:]...)
		}
		if got != want {
			return fmt.Errorf("step %d, %+v: refused for %q, want %q", i, s, got, want)
		}
		if err := consistent(d, m); err != nil {
			return fmt.Errorf("after step %d, %+v: %w", i, s, err)
		}
	}
	return nil
}

func consistent(d *Controller, m *model) error {
	s := d.Stats()
	in := m.count(func(g *guest) bool { return g.in })
	if s.Sessions != in || s.Handshakes != len(m.inside)-in {
		return fmt.Errorf("%d sessions, %d handshakes; want %d, %d", s.Sessions, s.Handshakes, in, len(m.inside)-in)
	}
	return nil
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := drawSteps(rt)
		var err error
		synctest.Test(t, func(*testing.T) { err = play(steps) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}
