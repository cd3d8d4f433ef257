package room

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// town drives the servers of a cluster at random and knows what has to come of it: all have the same order, a
// session is shown each message at most once and in that order, each sender gets one receipt for each
// recipient, and unread is what no session has shown.
type town struct {
	*fakeCluster
	rt    *rapid.T
	users []*citizen
	sent  []*letter
	shown map[[2]string]bool // what a session has confirmed, by nick and text
	n     int
	heard map[string]string // ids of receipts on screens, by reader and message
	calm  bool              // no server is cut off, or crashes
	loss  bool              // readings may be lost: a server was cut off, or crashed
}

type citizen struct {
	*user
	at   *node
	seen map[string]bool
	last string
}

type letter struct {
	from *citizen
	text string
	to   []string
	got  *receipts
}

var townsfolk = []string{"bob", "carol", "dave", "~ann"}

func TestTown(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var failure any // must not pass from goroutine to goroutine as a panic
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }()
			s := &town{fakeCluster: newCluster(t, "a", "b", "c"), rt: rt, shown: map[[2]string]bool{}, heard: map[string]string{}}
			defer func() {
				for _, n := range s.nodes {
					n.stop()
				}
			}()
			s.clock = rapid.SampledFrom([]time.Duration{0, -10 * time.Minute, 10 * time.Minute}).Draw(rt, "clock")
			s.calm = rapid.Bool().Draw(rt, "calm")
			rt.Repeat(s.actions())
			s.end()
			s.check()
		})
		if failure != nil {
			panic(failure)
		}
	})
}

func (s *town) actions() map[string]func(*rapid.T) {
	act := func(f func()) func(*rapid.T) { return func(rt *rapid.T) { s.rt = rt; f() } }
	return map[string]func(*rapid.T){
		"join":   act(s.joins),
		"join 2": act(s.joins),
		"quit":   act(func() { s.leaves(s.someone(), Quit) }),
		"break":  act(func() { s.leaves(s.someone(), Broke) }),
		"send":   act(s.sends),
		"send 2": act(s.sends),
		"send 3": act(s.sends),
		"say": act(func() {
			s.someone().Say(KindSay, fmt.Sprint("line ", len(s.log)), nil)
		}),
		"confirm 2": act(func() { synctest.Wait(); s.answer(s.someone(), true) }),
		"confirm":   act(func() { s.answer(s.someone(), true) }),
		"fail":      act(func() { s.answer(s.someone(), false) }),
		"inbox":     act(func() { s.reads(s.someone()) }),
		"block": act(func() {
			p, nick := s.someone(), rapid.SampledFrom(townsfolk).Draw(s.rt, "blocked")
			go p.Block(nick)
			synctest.Wait()
		}),
		"unblock": act(func() { p := s.someone(); go p.Unblock("bob"); synctest.Wait() }),
		"away":    act(func() { p := s.someone(); go p.Away(""); synctest.Wait() }),
		"back":    act(func() { p := s.someone(); go p.Back(); synctest.Wait() }),
		"wait":    act(func() { pass(time.Duration(rapid.IntRange(1, 6).Draw(s.rt, "seconds")) * time.Second) }),
		"settle":  act(synctest.Wait),
		"behind": act(func() {
			n, hold := s.server(), rapid.Bool().Draw(s.rt, "hold")
			n.store.set(func() { n.store.hold = hold })
		}),
		"cut": act(func() {
			s.stormy()
			n, cut := s.server(), rapid.Bool().Draw(s.rt, "cut")
			s.loss = s.loss || cut
			s.set(func() { n.cut = cut })
		}),
		"unsure": act(func() {
			n, unsure := s.server(), rapid.Bool().Draw(s.rt, "unsure")
			s.set(func() { n.unread = unsure })
		}),
		"crash": act(s.crash),
	}
}

func (s *town) server() *node {
	return s.nodes[rapid.IntRange(0, len(s.nodes)-1).Draw(s.rt, "server")]
}

func (s *town) stormy() {
	if s.calm {
		s.rt.Skip("it is calm")
	}
}

func (s *town) someone() *citizen {
	if len(s.users) == 0 {
		s.rt.Skip("nobody is here")
	}
	return s.users[rapid.IntRange(0, len(s.users)-1).Draw(s.rt, "member")]
}

func (s *town) joins() {
	if len(s.users) == 8 {
		s.rt.Skip("enough are here")
	}
	n, screen := s.server(), &screen{manual: true}
	member, welcome, err := n.Join(Identity{Nick: rapid.SampledFrom(townsfolk).Draw(s.rt, "nick")}, screen)
	if err != nil {
		s.rt.Fatal(err)
	}
	s.users = append(s.users, &citizen{user: &user{member, screen, welcome}, at: n, seen: map[string]bool{}})
}

func (s *town) leaves(p *citizen, cause Cause) {
	s.answer(p, false)
	p.Leave(cause)
	s.answer(p, false) // what came just now
	s.users = slices.DeleteFunc(s.users, func(q *citizen) bool { return q == p })
}

// crash ends a server as it is, and starts it again.
func (s *town) crash() {
	s.stormy()
	n := s.server()
	s.loss = true
	s.set(func() { n.dead = true })
	for _, p := range slices.Clone(s.users) {
		if p.at == n {
			s.look(p, false)
			s.users = slices.DeleteFunc(s.users, func(q *citizen) bool { return q == p })
		}
	}
	s.sent = slices.DeleteFunc(s.sent, func(l *letter) bool { return l.from.at == n }) // nobody is left to be told
	n.restart()
	synctest.Wait()
}

func (s *town) sends() {
	p := s.someone()
	s.n++
	l := &letter{from: p, text: fmt.Sprint("message ", s.n), got: &receipts{}}
	l.to = rapid.SliceOfNDistinct(rapid.SampledFrom(append(slices.Clone(townsfolk), "erin")), 1, 3, rapid.ID).Draw(s.rt, "to")
	p.Send(l.to, l.text, l.got.add)
	s.sent = append(s.sent, l)
}

// look takes what is on a screen, and checks it.
func (s *town) look(p *citizen, confirmed bool) {
	for _, m := range p.screen.messages() {
		if p.seen[m.ID] {
			s.rt.Errorf("%s at %s is shown %q twice", p.Nick(), p.at.name, m.Text)
		}
		p.seen[m.ID] = true
		if other := s.heard[m.From+m.Ref]; m.Kind == KindReceipt && other != "" && other != m.ID {
			s.rt.Errorf("%s is told twice that %s has read %s", p.Nick(), m.From, m.Ref)
		}
		s.heard[m.From+m.Ref] = m.ID
		if m.Kind != KindReceipt && m.ID < p.last {
			s.rt.Errorf("%s at %s is shown %q out of order", p.Nick(), p.at.name, m.Text)
		}
		p.last = max(p.last, m.ID)
		if confirmed && m.For(p.Nick()) {
			s.shown[[2]string{p.Nick(), m.Text}] = true
		}
	}
	p.screen.take()
}

func (s *town) answer(p *citizen, ok bool) {
	s.look(p, ok)
	p.screen.answer(ok)
}

func (s *town) reads(p *citizen) {
	unread, _ := whole(p.Inbox())
	for _, m := range unread {
		s.shown[[2]string{p.Nick(), m.Text}] = true
	}
	go p.MarkRead(append(unread, p.welcome.Receipts...))
	synctest.Wait()
}

// end mends everything and has everybody see what is on the way to them.
func (s *town) end() {
	for _, n := range s.nodes {
		n.store.set(func() { n.store.hold = false })
		s.set(func() { n.cut, n.unread = false, false })
	}
	for range 3 {
		synctest.Wait()
		for _, p := range s.users {
			s.answer(p, true)
		}
		pass(time.Minute)
	}
}

func (s *town) check() {
	s.sameOrder()
	for _, n := range s.nodes {
		if open := n.open(); len(open)+len(n.pending) > 0 {
			s.rt.Errorf("%s: left in flight: %v; pending: %d", n.name, open, len(n.pending))
		}
	}
	for _, l := range s.sent {
		told := map[string]int{}
		for _, got := range l.got.got {
			told[got.To]++
		}
		for _, nick := range l.to {
			if told[nick] != 1 {
				s.rt.Errorf("%s, from %s: %d receipts for %s", l.text, l.from.Nick(), told[nick], nick)
			}
		}
		for _, got := range l.got.got {
			s.checkReceipt(l, got)
		}
	}
	here := s.nodes[0].Everyone()
	for _, n := range s.nodes[1:] {
		for i, p := range n.Everyone() {
			guest := isGuest(p.Nick) // two guests may get one name at once
			if i >= len(here) || p.Nick != here[i].Nick || p.Sessions != here[i].Sessions || p.Away != here[i].Away && !guest {
				s.rt.Errorf("here at %s: %+v, and at a: %+v", n.name, n.Everyone(), here)
				break
			}
		}
	}
	online := s.nodes[0].attendance.online
	for _, p := range here {
		delete(online, p.Nick)
	}
	if len(online) > 0 && !s.loss {
		s.rt.Errorf("on record as here, and not here: %v", online)
	}
}

// checkReceipt compares what a sender was told with what happened.
func (s *town) checkReceipt(l *letter, got Receipt) {
	if isGuest(got.To) {
		if shown := s.shown[[2]string{got.To, l.text}]; got.Outcome == Delivered && !shown {
			s.rt.Errorf("%s for %s: %s, and not shown", l.text, got.To, outcomes[got.Outcome])
		}
		return
	}
	for _, n := range s.nodes {
		kept := n.store.messages(got.To, func(m *Message) bool { return m.Text == l.text && m.For(got.To) })
		if on := got.Outcome <= KeptSilent; on != (len(kept) == 1) && n.before == 0 {
			s.rt.Errorf("%s for %s: %s, and %d on disk at %s", l.text, got.To, outcomes[got.Outcome], len(kept), n.name)
		}
		if len(kept) != 1 {
			continue
		}
		still, _ := n.store.StillUnread(got.To, []string{kept[0].ID})
		unread, shown := still[kept[0].ID], s.shown[[2]string{got.To, l.text}]
		if unread && shown && !s.loss || !unread && !shown {
			s.rt.Errorf("%s for %s: %s; unread at %s: %v, shown: %v", l.text, got.To, outcomes[got.Outcome], n.name, unread, shown)
		}
		reading := n.store.messages(l.from.Nick(), func(m *Message) bool {
			return m.Kind == KindReceipt && m.Ref == kept[0].ID && m.From == got.To
		})
		owed := got.Outcome != Delivered && !unread && !isGuest(l.from.Nick())
		heard := s.heard[got.To+kept[0].ID] != ""
		if (owed && len(reading) == 0 || got.Outcome == Delivered && heard) && !s.loss {
			s.rt.Errorf("%s for %s: %s; read: %v, the reading told %d times, heard: %v",
				l.text, got.To, outcomes[got.Outcome], !unread, len(reading), heard)
		}
	}
}
