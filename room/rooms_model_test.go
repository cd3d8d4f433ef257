package room

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// neighbours drive rooms at random. They know who may know of which room from what was done in them alone, and
// check all that anybody gets to see against that.
type neighbours struct {
	*house
	rt     *rapid.T
	online map[string]*user
	eyes   map[string]*Observer // of one room each
	rooms  map[string]*known
	said   map[string]*saying   // by text
	unread map[[2]string]*marks // by nick and room
	told   map[[2]string]bool   // who has to see that they are no longer in a room
	n      int
}

// known is what is to be known of a room.
type known struct {
	private        bool
	owners         []string // in the order in which they became it
	members        []string // of a private room, in the order of invitations
	removed, muted map[string]bool
	joined         map[string]bool
	came           map[string]bool // who was in it and online, since it was last private
	quiet          map[string]bool // who has muted it for themselves
	era            int             // grows whenever what was said is set aside
}

// marks counts the lines of a room since somebody has read all of it: those that were only counted, then those that
// were shown, then those that were neither. Where there are some to count after the shown ones, these count as unread, too.
type marks struct{ counted, shown, missed int }

// sees begins a time in which lines are shown.
func (m *marks) sees() {
	if m.missed > 0 {
		*m = marks{counted: m.counted + m.shown + m.missed}
	}
}

// show shows a line.
func (m *marks) show() {
	if m.sees(); m.counted > 0 {
		m.shown++
	}
}

// of returns what nick has not read of a room.
func (s *neighbours) of(nick, name string) *marks {
	who := [2]string{nick, name}
	if s.unread[who] == nil {
		s.unread[who] = &marks{}
	}
	return s.unread[who]
}

// unreadBy is how many lines of a room are unread for nick, who may be shown what comes.
func (s *neighbours) unreadBy(nick, name string, shown bool) int {
	if m := s.of(nick, name); !shown {
		return m.counted + m.missed
	}
	return s.of(nick, name).counted
}

type saying struct {
	room   string
	in     *known
	secret bool
	era    int
}

func (k *known) inside(nick string) bool {
	return k != nil && (!k.private || slices.Contains(k.owners, nick) || slices.Contains(k.members, nick))
}

func (k *known) mayRead(nick string) bool { return k.inside(nick) && !k.removed[nick] }

var neighbourhood = []string{"bob", "carol", "dave"}

// TestNeighbours: no sequence of what several people do shows a private room's name, people or text to
// anybody outside it; everybody sees the lines of a room in the same order; and what is unread is counted
// right, over restarts.
func TestNeighbours(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var failure any // must not pass from goroutine to goroutine as a panic
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }()
			h := build(t, &fakeSettings{of: map[string]Preferences{}}, &fakeRooms{of: map[string]RoomInfo{}}, nil)
			s := &neighbours{house: h, rt: rt, online: map[string]*user{}, eyes: map[string]*Observer{},
				rooms: map[string]*known{}, said: map[string]*saying{}, unread: map[[2]string]*marks{},
				told: map[[2]string]bool{}}
			defer func() { s.store.close() }()
			defer func() { s.Close() }()
			rt.Repeat(s.actions())
		})
		if failure != nil {
			panic(failure)
		}
	})
}

func (s *neighbours) actions() map[string]func(*rapid.T) {
	act := func(f func(nick, name, other string)) func(*rapid.T) {
		return func(rt *rapid.T) {
			s.rt = rt
			nick, name := rapid.SampledFrom(neighbourhood).Draw(rt, "nick"), rapid.SampledFrom([]string{"ops", "den"}).Draw(rt, "room")
			other := rapid.SampledFrom(neighbourhood).Draw(rt, "other")
			f(nick, name, other)
			synctest.Wait()
			s.check()
		}
	}
	return map[string]func(*rapid.T){
		"come":    act(func(nick, _, _ string) { s.comes(nick) }),
		"go":      act(func(nick, _, _ string) { s.goes(nick) }),
		"join":    act(s.joins),
		"join 2":  act(s.joins),
		"leave":   act(s.leaves),
		"say":     act(s.says),
		"say 2":   act(s.says),
		"private": act(s.private),
		"invite":  act(s.invites),
		"remove":  act(s.removes),
		"own":     act(s.owns),
		"mute":    act(s.mutes),
		"quiet":   act(s.quiets),
		"read":    act(s.reads),
		"observe": act(s.observes),
		"close":   act(func(_, name, _ string) { s.closes(name) }),
		"lose":    act(func(nick, _, _ string) { s.loses(nick) }),
		"restart": act(func(string, string, string) { s.restarts() }),
		"":        func(*rapid.T) {},
	}
}

// member is a handle of nick's, online or not.
func (s *neighbours) member(nick string) *Member {
	if p := s.online[nick]; p != nil {
		return p.Member
	}
	return s.Visit(Identity{Nick: nick})
}

func (s *neighbours) expect(what string, err, want error) {
	if !errors.Is(err, want) || want == nil && err != nil {
		s.rt.Fatalf("%s: %v, not %v", what, err, want)
	}
}

func (s *neighbours) comes(nick string) {
	if s.online[nick] != nil {
		s.rt.Skip()
	}
	p := s.join(nick)
	s.online[nick] = p
	for _, w := range p.welcome.Rooms {
		k := s.rooms[w.Name]
		if want := s.unreadBy(nick, w.Name, false); !k.mayRead(nick) || !k.joined[nick] || w.Unread != want {
			s.rt.Fatalf("%s is welcomed with %+v, not %d unread", nick, w, want)
		}
	}
	for name, k := range s.rooms {
		if !k.mayRead(nick) {
			delete(k.joined, nick)
		}
		k.came[nick] = k.came[nick] || k.joined[nick]
		if !k.quiet[nick] {
			s.of(nick, name).sees()
		}
	}
}

func (s *neighbours) goes(nick string) {
	if s.online[nick] == nil {
		s.rt.Skip()
	}
	s.check() // its screen
	s.online[nick].Leave(Quit)
	delete(s.online, nick)
}

func (s *neighbours) joins(nick, name, _ string) {
	clear(s.made)
	k := s.rooms[name]
	made, err := s.member(nick).JoinRoom(name, true)
	switch {
	case k == nil:
		s.expect("make", err, nil)
		k = &known{removed: map[string]bool{}, muted: map[string]bool{}, joined: map[string]bool{}, came: map[string]bool{}, quiet: map[string]bool{}}
		k.owners = []string{nick}
		s.rooms[name] = k
	case !k.inside(nick):
		s.expect("join from outside", err, ErrNoRoom)
		return
	case k.removed[nick]:
		s.expect("join though removed", err, ErrRemoved)
		return
	default:
		s.expect("join", err, nil)
		if made {
			s.rt.Fatalf("#%s is made twice", name)
		}
		if len(k.owners) == 0 {
			k.owners = []string{nick}
		}
	}
	if !k.joined[nick] {
		for _, other := range s.rooms { // what nick may not read is forgotten
			if !other.mayRead(nick) {
				delete(other.joined, nick)
			}
		}
		delete(s.unread, [2]string{nick, name})
		delete(k.quiet, nick)
	}
	k.joined[nick] = true
	k.came[nick] = k.came[nick] || s.online[nick] != nil
}

func (s *neighbours) leaves(nick, name, _ string) {
	k, err := s.rooms[name], s.member(nick).LeaveRoom(name)
	switch {
	case !k.inside(nick):
		s.expect("leave from outside", err, ErrNoRoom)
	case k.removed[nick]:
		s.expect("leave though removed", err, ErrRemoved)
	case !k.joined[nick]:
		s.expect("leave twice", err, ErrNotJoined)
	default:
		s.expect("leave", err, nil)
		delete(k.joined, nick)
		s.handsOn(name, nick)
	}
}

func (s *neighbours) handsOn(name, nick string) {
	k := s.rooms[name]
	if !slices.Contains(k.owners, nick) {
		return
	}
	if k.owners = dropped(k.owners, nick); len(k.owners) == 0 {
		if k.private && len(k.members) == 0 {
			delete(s.rooms, name)
			return
		}
		k.owners = s.files.of[name].Owners // which of several is told elsewhere
		for _, heir := range k.owners {
			if !k.mayRead(heir) || heir == nick || !k.private && (!k.joined[heir] || s.online[heir] == nil) {
				s.rt.Fatalf("#%s goes to %s", name, heir)
			}
			k.members = dropped(k.members, heir)
		}
	}
	if k.private {
		k.members = append(k.members, nick)
	}
}

func (s *neighbours) says(nick, name, _ string) {
	s.n++
	text := fmt.Sprintf("%s says %d", nick, s.n)
	k := s.rooms[name]
	err := s.member(nick).speakIn("", name, KindSay, text, func(Receipt) {})
	switch {
	case !k.inside(nick):
		s.expect("say from outside", err, ErrNoRoom)
		return
	case k.removed[nick]:
		s.expect("say though removed", err, ErrRemoved)
		return
	case !k.joined[nick]:
		s.expect("say", err, ErrNotJoined)
		return
	case k.muted[nick] && !slices.Contains(k.owners, nick):
		s.expect("say though muted", err, ErrMutedInRoom)
		return
	}
	s.expect("say", err, nil)
	s.said[text] = &saying{name, k, k.private, k.era}
	for other := range k.joined {
		if s.online[other] != nil && (other == nick || !k.quiet[other]) {
			s.of(other, name).show()
		} else {
			s.of(other, name).missed++
		}
	}
}

// byOwner reports whether what nick tried as an owner went well, as it should.
func (s *neighbours) byOwner(what, nick, name string, err, otherwise error) bool {
	k := s.rooms[name]
	switch {
	case !k.inside(nick):
		s.expect(what+" from outside", err, ErrNoRoom)
	case !slices.Contains(k.owners, nick):
		s.expect(what, err, ErrNotOwner)
	default:
		s.expect(what, err, otherwise)
		return otherwise == nil
	}
	return false
}

func (s *neighbours) private(nick, name, _ string) {
	k, to := s.rooms[name], rapid.IntRange(0, 2).Draw(s.rt, "private") > 0
	if !s.byOwner("private", nick, name, s.member(nick).SetPrivate(name, to), nil) || k.private == to {
		return
	}
	k.private = to
	if !to {
		k.members = nil
		k.era++
		maps.DeleteFunc(k.came, func(other string, _ bool) bool { return !k.joined[other] || s.online[other] == nil })
		for _, other := range neighbourhood {
			delete(s.unread, [2]string{other, name})
		}
		return
	}
	k.members = s.files.of[name].Members
	for other := range k.joined {
		if in := s.online[other] != nil && !slices.Contains(k.owners, other); in != slices.Contains(k.members, other) {
			s.rt.Fatalf("%s is a member of #%s: %v", other, name, !in)
		}
	}
	s.sheds(name)
}

// sheds ends that those are in a room who may not read it.
func (s *neighbours) sheds(name string) {
	k := s.rooms[name]
	maps.DeleteFunc(k.joined, func(nick string, _ bool) bool {
		if k.mayRead(nick) || s.online[nick] == nil {
			return false
		}
		s.drops(k, name, nick)
		return true
	})
}

func (s *neighbours) invites(nick, name, other string) {
	k := s.rooms[name]
	if s.byOwner("invite", nick, name, s.member(nick).Invite(name, other), nil) {
		delete(k.removed, other)
		if k.private && !k.inside(other) {
			k.members = append(k.members, other)
		}
	}
}

func (s *neighbours) removes(nick, name, other string) {
	k := s.rooms[name]
	var want error
	if k != nil && slices.Contains(k.owners, other) {
		want = ErrNotAllowed
	}
	if !s.byOwner("remove", nick, name, s.member(nick).Remove(name, other), want) {
		return
	}
	if k.private {
		k.members = dropped(k.members, other)
	} else {
		k.removed[other] = true
	}
	s.drops(k, name, other)
	delete(k.joined, other)
}

func (s *neighbours) owns(nick, name, other string) {
	k := s.rooms[name]
	var want error
	if k == nil || !k.joined[other] {
		want = ErrMayNotOwn
	}
	if s.byOwner("owner", nick, name, s.member(nick).AddOwner(name, other), want) {
		delete(k.removed, other)
		delete(k.muted, other)
		k.members = dropped(k.members, other)
		if !slices.Contains(k.owners, other) {
			k.owners = append(k.owners, other)
		}
	}
}

func (s *neighbours) mutes(nick, name, other string) {
	k, muted := s.rooms[name], rapid.Bool().Draw(s.rt, "muted")
	var want error
	if muted && k != nil && slices.Contains(k.owners, other) {
		want = ErrNotAllowed
	}
	if s.byOwner("mute", nick, name, s.member(nick).MuteIn(name, other, muted), want) {
		k.muted[other] = muted
	}
}

func (s *neighbours) quiets(nick, name, _ string) {
	k, quiet := s.rooms[name], rapid.Bool().Draw(s.rt, "quiet")
	err := s.member(nick).MuteRoom(name, quiet)
	if k.mayRead(nick) && k.joined[nick] {
		s.expect("quiet", err, nil)
		if k.quiet[nick] = quiet; !quiet && s.online[nick] != nil {
			s.of(nick, name).sees()
		}
	} else if err == nil {
		s.rt.Fatalf("%s mutes #%s", nick, name)
	}
}

func (s *neighbours) reads(nick, name, _ string) {
	k := s.rooms[name]
	all, _ := whole(s.member(nick).HistoryOf(context.Background(), name, 1000))
	from := "" // all lines are shown, or the last one
	if rapid.Bool().Draw(s.rt, "one") && len(all) > 0 {
		from = all[len(all)-1].ID
	}
	err := s.member(nick).MarkShown(name, from, "zzzzzzzzzzz")
	if k.mayRead(nick) && k.joined[nick] {
		s.expect("read", err, nil)
		if m := s.of(nick, name); from == "" || m.counted+m.missed == 1 && m.shown == 0 {
			*m = marks{}
		} else if m.missed > 0 { // the last line
			m.missed--
			m.show()
		}
	}
}

func (s *neighbours) observes(nick, name, _ string) {
	if o := s.eyes[nick]; o != nil {
		o.Close()
		delete(s.eyes, nick)
	}
	o, err := s.Visit(Identity{Nick: nick}).Observe(&screen{}, name)
	if k := s.rooms[name]; k.mayRead(nick) && k.joined[nick] {
		s.expect("observe", err, nil)
		s.eyes[nick] = o
	} else if err == nil {
		s.rt.Fatalf("%s observes #%s", nick, name)
	}
}

func (s *neighbours) closes(name string) {
	err := s.CloseRoom(name, "op")
	if s.rooms[name] == nil {
		s.expect("close", err, ErrNoRoom)
		return
	}
	s.expect("close", err, nil)
	for nick := range s.rooms[name].joined {
		s.drops(s.rooms[name], name, nick)
	}
	delete(s.rooms, name)
}

// drops expects that nick is told, if it is in the room, that it no longer is.
func (s *neighbours) drops(k *known, name, nick string) {
	if k.joined[nick] && s.online[nick] != nil {
		s.told[[2]string{nick, name}] = true
	}
}

// loses ends that somebody holds a nick. Whoever comes as nick then is somebody else.
func (s *neighbours) loses(nick string) {
	if s.online[nick] != nil {
		s.rt.Skip()
	}
	s.expect("lose", s.LeaveRooms(nick), nil)
	delete(s.settings.of, nick)
	for name, k := range s.rooms {
		delete(k.joined, nick)
		delete(s.unread, [2]string{nick, name})
	}
	if o := s.eyes[nick]; o != nil { // a program that follows ends with the key
		o.Close()
		delete(s.eyes, nick)
	}
	for name, k := range maps.Clone(s.rooms) {
		k.members = dropped(k.members, nick)
		s.handsOn(name, nick)
		k.members = dropped(k.members, nick)
		delete(k.removed, nick)
		delete(k.muted, nick)
		if s.rooms[name] != nil {
			s.sheds(name)
		}
	}
}

func (s *neighbours) restarts() {
	for _, nick := range neighbourhood {
		if s.online[nick] != nil {
			s.goes(nick)
		}
		if o := s.eyes[nick]; o != nil {
			o.Close()
		}
	}
	clear(s.eyes)
	s.house = s.restart(false)
}

// check looks at all that anybody can see.
func (s *neighbours) check() {
	for _, nick := range neighbourhood {
		if p := s.online[nick]; p != nil {
			s.checkScreen(nick, p.screen)
		}
		if o := s.eyes[nick]; o != nil {
			s.checkScreen(nick, o.sink.(*screen))
		}
		s.checkLists(nick)
		for _, name := range []string{"ops", "den"} {
			s.checkRoom(nick, name)
		}
	}
	if len(s.told) > 0 {
		s.rt.Fatalf("not told that they are no longer in a room: %v", s.told)
	}
}

// checkScreen checks lines as they come: the room is as it was when they were said.
func (s *neighbours) checkScreen(nick string, screen *screen) {
	screen.mu.Lock()
	defer screen.mu.Unlock()
	last := map[string]string{}
	for _, u := range screen.events {
		if u.Message == nil {
			if who := [2]string{nick, u.Presence.Room}; u.Presence.Removed && s.told[who] {
				delete(s.told, who)
				continue
			}
			if u.Presence.Room != "" && !s.rooms[u.Presence.Room].inside(nick) {
				s.rt.Fatalf("%s sees %+v", nick, u.Presence)
			}
			continue
		}
		s.shown(nick, u.Message)
		if u.Message.ID <= last[u.Message.Room] {
			s.rt.Fatalf("%s sees %s out of order", nick, u.Message.Text)
		}
		last[u.Message.Room] = u.Message.ID
	}
	screen.events = nil
}

// shown checks that nick may see m now.
func (s *neighbours) shown(nick string, m *Message) {
	saying := s.said[m.Text]
	k := s.rooms[saying.room]
	if k != saying.in || m.Room != saying.room || !k.mayRead(nick) || saying.era != k.era {
		s.rt.Fatalf("%s sees %q of #%s", nick, m.Text, saying.room)
	}
}

func (s *neighbours) checkLists(nick string) {
	rooms, err := s.member(nick).Rooms()
	s.expect("list", err, nil)
	listed := map[string]bool{}
	for _, r := range rooms {
		k := s.rooms[r.Name]
		listed[r.Name] = true
		if r.Name == Lobby {
			continue
		}
		in := k != nil && k.mayRead(nick) && k.joined[nick]
		shown := in && s.online[nick] != nil && !k.quiet[nick]
		if want := s.unreadBy(nick, r.Name, shown); !k.inside(nick) || r.Joined != in || in && r.Unread != want {
			s.rt.Fatalf("%s is listed %+v; unread %d", nick, r, want)
		}
	}
	for name, k := range s.rooms {
		if k.inside(nick) != listed[name] {
			s.rt.Fatalf("%s is listed #%s: %v", nick, name, listed[name])
		}
	}
}

func (s *neighbours) checkRoom(nick, name string) {
	k, m := s.rooms[name], s.member(nick)
	here, err := m.In(name)
	lately, latelyErr := m.InSince(name, time.Time{}, partingsMost)
	history, historyErr := whole(m.HistoryOf(context.Background(), name, 1000))
	if !k.mayRead(nick) {
		if err == nil || historyErr == nil || !errors.Is(latelyErr, err) || len(here)+len(lately.People)+len(history) > 0 {
			s.rt.Fatalf("%s gets of #%s: %v, %v, %q", nick, name, here, lately, texts(history))
		}
	} else {
		s.expect("who", err, nil)
		s.expect("history", historyErr, nil)
		var all []string
		for text, said := range s.said {
			if said.in == k && said.era == k.era {
				all = append(all, text)
			}
		}
		if len(all) != len(history) {
			s.rt.Fatalf("%s reads of #%s %q, not %q", nick, name, texts(history), all)
		}
		for _, p := range here {
			if !k.joined[p.Nick] || s.online[p.Nick] == nil {
				s.rt.Fatalf("%s is in #%s", p.Nick, name)
			}
		}
		for _, p := range lately.People {
			if in := k.joined[p.Nick] && s.online[p.Nick] != nil; p.Online != in || !k.came[p.Nick] {
				s.rt.Fatalf("%s was in #%s, and is: %v", p.Nick, name, p.Online)
			}
		}
	}
	for _, msg := range history {
		s.shown(nick, msg)
	}
	for _, rec := range s.store.snapshot() {
		if rec.owner != "#"+name || strings.HasSuffix(rec.owner, Lobby) {
			continue
		}
		found, err := whole(m.Find(context.Background(), rec.message.ID))
		s.expect("find", err, nil)
		for _, msg := range found {
			s.shown(nick, msg)
		}
	}
}
