package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"whoelse/room"
)

// crowd is a room's people, and what it hears of those on other servers.
type crowd struct {
	mu     sync.Mutex
	here   []room.Presence
	others map[string][]room.Presence
	lost   map[string]bool
}

func newCrowd(nicks ...string) *crowd {
	c := &crowd{others: map[string][]room.Presence{}, lost: map[string]bool{}}
	for _, nick := range nicks {
		c.here = append(c.here, room.Presence{Nick: nick, Online: true, Since: time.Now().Add(-time.Hour), Active: time.Now(), Sessions: 1})
	}
	return c
}

func (c *crowd) Roster() []room.Presence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.here
}

func (c *crowd) SetRoster(node string, here []room.Presence, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.others[node], c.lost[node] = here, lost
}

// of waits until n people are on another server, and returns them.
func (c *crowd) of(t *testing.T, node string, n int) (here []room.Presence, lost bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d people are on %s", n, node), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		here, lost = c.others[node], c.lost[node]
		return len(here) == n
	})
	return here, lost
}

// TestRosters: each server knows who is on the others, at once and as it changes; one that stops has nobody.
func TestRosters(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a, b := join(t, "a", e.URLs()...), join(t, "b", e.URLs()...)
	ca, cb := newCrowd("ann", "~guest"), newCrowd()
	ca.here[0].Away, ca.here[0].Reason = true, "lunch"
	for n := range 10_000 {
		cb.here = append(cb.here, room.Presence{Nick: fmt.Sprintf("n%d", n), Online: true, Since: time.Now(), Active: time.Now()})
	}
	a.Attach(ca)
	b.Attach(cb)
	got, _ := cb.of(t, "a", 2)
	ann := got[0]
	if age := time.Since(ann.Since) - time.Hour; age < 0 || age > time.Minute {
		t.Errorf("since %v", ann.Since)
	}
	ann.Since, ann.Active = time.Time{}, time.Time{}
	if want := (room.Presence{Nick: "ann", Online: true, Away: true, Reason: "lunch", Sessions: 1}); ann != want {
		t.Errorf("got %+v, want %+v", ann, want)
	}
	ca.of(t, "b", 10_000)
	if !a.Leads() || b.Leads() {
		t.Errorf("leads: %v, %v", a.Leads(), b.Leads())
	}
	look := must[*Cluster](t)(Dial(t.Context(), a.opts))
	defer look.Close() //nolint:errcheck // it has nothing to lose
	var st Status
	eventually(t, "the status has both", func() bool {
		st = must[Status](t)(look.Status(t.Context()))
		return len(st.Nodes) == 2 && st.Nodes[1].People == 10_000
	})
	if st.Replicas == nil || st.Nodes[0].People != 2 || !st.Nodes[0].Leads || st.Nodes[1].Leads {
		t.Errorf("%+v", st)
	}
	ca.mu.Lock()
	ca.here = ca.here[:1]
	ca.mu.Unlock()
	a.RosterChanged()
	cb.of(t, "a", 1)

	a.stop()
	if _, lost := cb.of(t, "a", 0); lost {
		t.Error("one that stops counts as lost")
	}
	eventually(t, "b leads", b.Leads)
}

// TestSilent: a server that is not heard for too long counts as lost, until it is heard again. A new one with its
// name replaces it; what is old does not.
func TestSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logs{}
		c := &Cluster{opts: Options{Node: "a"}, log: options(nil, "a", l).Log}
		c.rosters.init()
		r := newCrowd()
		c.rosters.room = r
		say := func(m rosterMessage) {
			m.V = 1
			b, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			c.hearRoster(&nats.Msg{Subject: "whoelse.roster.b", Data: b})
		}
		check := func(what string, want string) {
			t.Helper()
			var nicks []string
			for _, p := range r.others["b"] {
				nicks = append(nicks, p.Nick)
			}
			if got := fmt.Sprint(nicks, r.lost["b"]); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		bob, carol := []person{{Nick: "bob"}}, []person{{Nick: "carol"}}
		say(rosterMessage{Run: "1", Seq: 2, Parts: 1, Here: bob})
		check("first", "[bob] false")
		say(rosterMessage{Run: "1", Seq: 1, Parts: 1, Here: carol})
		check("an old one", "[bob] false")
		say(rosterMessage{Run: "1", Seq: 3, Parts: 2, Here: bob})
		say(rosterMessage{Run: "1", Seq: 4, Parts: 2, Part: 1, Here: carol})
		check("parts of two", "[bob] false")
		say(rosterMessage{Run: "1", Seq: 5, Parts: 2, Here: bob})
		say(rosterMessage{Run: "1", Seq: 5, Parts: 2, Part: 1, Here: carol})
		check("two parts", "[bob carol] false")
		say(rosterMessage{Run: "2", Seq: 1, Parts: 1, Here: carol})
		check("started again", "[carol] false")
		time.Sleep(lostAfter)
		c.expire()
		check("still in time", "[carol] false")
		time.Sleep(time.Second)
		c.expire()
		check("silent", "[] true")
		say(rosterMessage{Run: "2", Seq: 9, Parts: 1, Here: carol})
		check("heard again", "[carol] false")
		say(rosterMessage{Run: "2", Seq: 10, Parts: 1, Bye: true})
		check("stopped", "[] false")
		for words, want := range map[string]int{"a server is silent": 1, "another server is heard": 2} { // a beginning and an end
			if got := strings.Count(strings.Join(l.lines, ""), words); got != want {
				t.Errorf("%d lines with %q, not %d: %s", got, words, want, l.lines)
			}
		}
	})
}

// TestTwin: another server with the same name is reported once, and this one is no other, though it may hear itself.
func TestTwin(t *testing.T) {
	l := &logs{}
	c := &Cluster{opts: Options{Node: "a"}, run: "mine", log: options(nil, "a", l).Log}
	c.rosters.init()
	for run, want := range map[string]int{"mine": 0, "other": 1} {
		l.lines = nil
		for range 2 {
			c.hearRoster(&nats.Msg{Subject: "whoelse.roster.a", Data: fmt.Appendf(nil, `{"v":1,"run":%q,"parts":1}`, run)})
		}
		if len(l.lines) != want {
			t.Errorf("%s: %q", run, l.lines)
		}
	}
}

// FuzzPeer: whatever another server says, this one lives, and shows nobody who can't be.
func FuzzPeer(f *testing.F) {
	f.Add("roster.b", `{"v":1,"run":"x","seq":1,"parts":1,"here":[{"nick":"bob","since":-5,"active":1e18,"reason":"\ufffd","sessions":-1}]}`)
	f.Add("roster.b", `{"v":1,"run":"x","seq":1,"part":7,"parts":99999999}`)
	f.Add("roster.\x1b", `{"v":1,"bye":true,"parts":1}`)
	f.Fuzz(func(t *testing.T, subject, data string) {
		c := &Cluster{opts: Options{Node: "a"}, log: options(nil, "a", &logs{}).Log}
		c.rosters.init()
		r := newCrowd()
		c.rosters.room = r
		msg := &nats.Msg{Subject: subject, Data: []byte(data)}
		c.hearRoster(msg)
		for node, people := range r.others {
			if !token.MatchString(node) || slices.ContainsFunc(people, func(p room.Presence) bool {
				return !nickName.MatchString(p.Nick) || utf8.RuneCountInString(p.Reason) > room.MaxReason || p.Since.After(time.Now())
			}) {
				t.Errorf("%q: %+v", node, people)
			}
		}
	})
}
