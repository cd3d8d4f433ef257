package room

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// story drives a room at random and knows what has to come of it: every message
// gets one receipt for each recipient, and the recipient is shown it or finds it
// unread; who was told "kept" hears of the reading, once.
type story struct {
	*house
	rt    *rapid.T
	users []*user
	sent  []*sending
	broke bool                 // the log has failed at some time
	seen  map[[2]string]bool   // what was confirmed or marked as read, by nick and id
	heard map[[2]string]string // ids of receipts by reader and message
}

type sending struct {
	from, text string
	to         []string
	got        *receipts
	tries      []*receipts // of those with keys, got among them
}

var cast = []string{"bob", "carol", "dave", "~ann"}

func TestStories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var failure any // must not pass from goroutine to goroutine as a panic
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }()
			h := build(t, &fakeSettings{of: map[string]Preferences{}}, &fakeRooms{of: map[string]RoomInfo{}}, nil)
			defer h.store.close()
			defer h.Close()
			h.options.InboxMax = rapid.SampledFrom([]int{0, 2}).Draw(rt, "inbox")
			s := &story{house: h, rt: rt, seen: map[[2]string]bool{}, heard: map[[2]string]string{}}
			rt.Repeat(s.actions())
			s.end()
			s.check()
		})
		if failure != nil {
			panic(failure)
		}
	})
}

func (s *story) actions() map[string]func(*rapid.T) {
	act := func(f func()) func(*rapid.T) { return func(rt *rapid.T) { s.rt = rt; f() } }
	return map[string]func(*rapid.T){
		"join":    act(s.joins),
		"join 2":  act(s.joins),
		"quit":    act(func() { s.leaves(s.someone(), Quit) }),
		"break":   act(func() { s.leaves(s.someone(), Broke) }),
		"send":    act(s.sends),
		"send 2":  act(s.sends),
		"send 3":  act(s.sends),
		"retry":   act(s.retries),
		"confirm": act(func() { s.answer(s.someone(), true) }),
		"fail":    act(func() { s.answer(s.someone(), false) }),
		"inbox":   act(func() { p := s.someone(); m, _ := whole(p.Inbox()); s.reads(p, m) }),
		"away":    act(func() { s.someone().Away("") }),
		"back":    act(func() { s.someone().Back() }),
		"wait":    act(func() { pass(time.Duration(rapid.IntRange(1, 6).Draw(s.rt, "seconds")) * time.Second) }),
		"disk": act(func() {
			on := rapid.Bool().Draw(s.rt, "broken")
			s.broke = s.broke || on
			s.store.set(func() { s.store.broken = on })
		}),
		"hold": act(func() {
			hold, holding := rapid.Bool().Draw(s.rt, "hold"), rapid.Bool().Draw(s.rt, "holding")
			s.store.set(func() { s.store.hold, s.store.holding = hold, holding })
			synctest.Wait()
		}),
	}
}

func (s *story) someone() *user {
	if len(s.users) == 0 {
		s.rt.Skip("nobody is here")
	}
	return s.users[rapid.IntRange(0, len(s.users)-1).Draw(s.rt, "member")]
}

func (s *story) joins() {
	if len(s.users) == 8 {
		s.rt.Skip("enough are here")
	}
	screen := &screen{manual: true}
	member, welcome, _ := s.Join(Identity{Nick: rapid.SampledFrom(cast).Draw(s.rt, "nick")}, screen)
	p := &user{member, screen, welcome}
	s.users = append(s.users, p)
	s.reads(p, slices.Concat(welcome.Receipts, welcome.Missed))
}

// leaves ends a session as sessions end: it answers what it was given first.
func (s *story) leaves(p *user, cause Cause) {
	s.answer(p, false)
	p.Leave(cause)
	s.users = slices.DeleteFunc(s.users, func(q *user) bool { return q == p })
	if rapid.Bool().Draw(s.rt, "twice") {
		p.Leave(Broke)
	}
}

func (s *story) sends() {
	p := s.someone()
	to := rapid.SliceOfNDistinct(rapid.SampledFrom(append(cast, "erin", "nobody")), 1, 3, rapid.ID).Draw(s.rt, "to")
	text := fmt.Sprint("message ", len(s.sent))
	m := &sending{from: p.Nick(), text: text, to: to}
	if m.try(p); len(m.tries) == 0 {
		m.got = p.send(text, to...)
	}
	s.sent = append(s.sent, m)
}

// try sends m with a key, unless that can't be.
func (m *sending) try(p *user) {
	got := &receipts{}
	if p.Once(m.text, Lobby, KindSay, m.to, m.text, got.add) == nil {
		m.got, m.tries = got, append(m.tries, got)
	}
	synctest.Wait()
}

// retries sends something again that was sent with a key.
func (s *story) retries() {
	p := s.someone()
	mine := slices.DeleteFunc(slices.Clone(s.sent), func(m *sending) bool { return m.from != p.Nick() || len(m.tries) == 0 })
	if len(mine) == 0 {
		s.rt.Skip("nothing to send again")
	}
	rapid.SampledFrom(mine).Draw(s.rt, "again").try(p)
}

// checkTries checks that all tries were answered as the one that stored the message, if any did.
func (s *story) checkTries(m *sending) {
	first := map[string]Receipt{}
	stored := false
	for _, try := range m.tries {
		for _, r := range try.got {
			if !r.Again {
				if stored {
					s.rt.Errorf("%s is sent again, though it is stored", m.text)
				}
				first[r.To] = r
			}
		}
		stored = slices.ContainsFunc(try.got, func(r Receipt) bool { return r.ID != "" && r.Outcome != Failed })
		for _, r := range try.got {
			if f := first[r.To]; r.Outcome != f.Outcome || r.ID != f.ID {
				s.rt.Errorf("%s for %s: first %+v, again %+v", m.text, r.To, f, r)
			}
		}
	}
}

// answer confirms or fails all that a session has got.
func (s *story) answer(p *user, ok bool) {
	if ok {
		s.note(p, p.screen.messages())
	}
	p.screen.take()
	p.screen.answer(ok)
}

// reads marks messages as read that a session found elsewhere.
func (s *story) reads(p *user, messages []*Message) {
	failed := make(chan error, 1)
	go func() { failed <- p.MarkRead(messages) }()
	synctest.Wait() // until it is done, or the log is held
	select {
	case err := <-failed:
		if err != nil {
			return // they are shown once more
		}
	default:
	}
	s.note(p, messages)
}

// note remembers what a person has seen.
func (s *story) note(p *user, messages []*Message) {
	for _, m := range messages {
		switch {
		case !m.For(p.Nick()):
		case m.Kind == KindReceipt:
			about := [2]string{m.From, m.Ref}
			if other := s.heard[about]; other != "" && other != m.ID {
				s.rt.Errorf("%s is told twice that %s has read %s", p.Nick(), m.From, m.Ref)
			}
			s.heard[about] = m.ID
		default:
			s.seen[[2]string{p.Nick(), m.ID}] = true
		}
	}
}

// end mends everything and has everybody see all there is.
func (s *story) end() {
	s.store.set(func() { s.store.broken, s.store.hold, s.store.holding = false, false, false })
	for range 3 { // what is confirmed makes receipts, which are to be confirmed too
		synctest.Wait()
		for _, p := range s.users {
			s.answer(p, true)
		}
		pass(time.Minute)
	}
	for _, p := range slices.Clone(s.users) {
		p.Leave(Quit)
	}
	for range 2 {
		for _, nick := range cast[:3] {
			p := s.join(nick)
			unread, _ := whole(p.Inbox())
			s.reads(p, append(p.welcome.Receipts, unread...))
			p.Leave(Quit)
		}
	}
}

func (s *story) check() {
	for _, m := range s.sent {
		s.checkTries(m)
		told := map[string]int{}
		for _, r := range m.got.got {
			told[r.To]++
			s.checkReceipt(m, r)
		}
		for _, nick := range m.to {
			if told[nick] != 1 {
				s.rt.Errorf("%s: %d receipts for %s", m.text, told[nick], nick)
			}
		}
	}
	if len(s.people.inflight) > 0 || len(s.pending) > 0 {
		s.rt.Errorf("left in flight: %v; pending: %d", s.people.inflight, len(s.pending))
	}
}

// checkReceipt compares what the sender was told with what happened.
func (s *story) checkReceipt(sent *sending, r Receipt) {
	kept := r.Outcome >= KeptOffline && r.Outcome <= KeptSilent
	if isGuest(r.To) {
		if kept {
			s.rt.Errorf("%s is said to be kept for %s", sent.text, r.To)
		}
		return
	}
	got := s.store.messages(r.To, func(m *Message) bool { return m.Text == sent.text && m.For(r.To) })
	if onDisk := kept || r.Outcome == Delivered; onDisk != (len(got) == 1) {
		s.rt.Errorf("%s for %s: %s, and %d on disk", sent.text, r.To, outcomes[r.Outcome], len(got))
	}
	if len(got) == 0 || r.To == "erin" { // erin never comes
		return
	}
	if !s.seen[[2]string{r.To, got[0].ID}] {
		s.rt.Errorf("%s for %s: %s, and not seen", sent.text, r.To, outcomes[r.Outcome])
	}
	read := s.heard[[2]string{r.To, got[0].ID}] != ""
	if kept && !read && !isGuest(sent.from) || read && !kept && !s.broke {
		s.rt.Errorf("%s for %s: %s, and reading told: %v", sent.text, r.To, outcomes[r.Outcome], read)
	}
}
