package room

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// in fails the test unless a person can join a room.
func (p *user) in(t testing.TB, name string) {
	t.Helper()
	if _, err := p.JoinRoom(name, true); err != nil {
		t.Fatalf("%s joins #%s: %v", p.Nick(), name, err)
	}
	synctest.Wait()
}

func (p *user) sayIn(t testing.TB, name, text string) {
	t.Helper()
	if err := p.speakIn("", name, KindSay, text, func(Receipt) {}); err != nil {
		t.Fatalf("%s in #%s: %v", p.Nick(), name, err)
	}
	synctest.Wait()
}

// lines returns what was said on the screen since the last call, with the rooms.
func (s *screen) lines() (lines []string) {
	for _, m := range s.messages() {
		lines = append(lines, "#"+m.Room+" "+wordsOf(&Update{Message: m}))
	}
	s.take()
	return lines
}

func is(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Errorf("%s: %v, not %v", what, err, want)
	}
}

// list returns the rooms that a person sees, in words.
func (p *user) list(t testing.TB) (all []string) {
	t.Helper()
	rooms, err := p.Rooms()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range rooms {
		words := fmt.Sprintf("#%s %d", s.Name, s.People)
		for word, is := range map[string]bool{" in": s.Joined, " private": s.Private, " muted": s.Muted} {
			if is {
				words += word
			}
		}
		if s.Unread > 0 {
			words += fmt.Sprintf(" unread:%d/%d", s.Unread, s.Mentions)
		}
		all = append(all, sorted(words))
	}
	return all
}

func sorted(words string) string {
	f := strings.Fields(words)
	slices.Sort(f[2:])
	return strings.Join(f, " ")
}

func (p *user) historyOf(name string) ([]string, error) {
	all, err := whole(p.HistoryOf(context.Background(), name, 100))
	return texts(all), err
}

// A line is shown to those who are in the room, in one order, and kept in the room's history.
func TestRoomLines(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol, dave := h.join("bob"), h.join("carol"), h.join("dave")
		pass(time.Minute)
		made, err := bob.JoinRoom("ops", true)
		if !made || err != nil {
			t.Fatalf("made: %v, %v", made, err)
		}
		if made, err = carol.JoinRoom("ops", true); made || err != nil {
			t.Fatalf("made again: %v, %v", made, err)
		}
		for _, p := range []*user{bob, carol, dave} {
			p.screen.take()
		}
		bob.sayIn(t, "ops", "one")
		carol.sayIn(t, "ops", "two")
		bob.say("to all")
		want := []string{"#ops bob: one", "#ops carol: two", "#lobby bob: to all"}
		same(t, "bob", bob.screen.lines(), want...)
		same(t, "carol", carol.screen.lines(), want...)
		same(t, "dave", dave.screen.lines(), want[2])
		same(t, "bob's list", bob.list(t), "#lobby 3 in", "#ops 2 in")
		same(t, "dave's list", dave.list(t), "#lobby 3 in", "#ops 2")
		is(t, "dave speaks", dave.speakIn("", "ops", KindSay, "no", func(Receipt) {}), ErrNotJoined)
		got, err := dave.historyOf("ops")
		same(t, "a public history", got, "bob: one", "carol: two")
		is(t, "reading", err, nil)
		is(t, "carol leaves", carol.LeaveRoom("ops"), nil)
		bob.sayIn(t, "ops", "three")
		same(t, "carol after leaving", carol.screen.lines())
		is(t, "leaving again", carol.LeaveRoom("ops"), ErrNotJoined)
		is(t, "leaving the lobby", carol.LeaveRoom(Lobby), ErrLobby)
		is(t, "a room that nobody has", dave.speakIn("", "none", KindSay, "no", nil), ErrNoRoom)
	})
}

// Who was in a room lately is who is in it, and who left it or the server.
func TestWhoWasInARoom(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol, dave := h.join("bob"), h.join("carol"), h.join("dave")
		for _, p := range []*user{bob, carol, dave} {
			p.in(t, "ops")
		}
		lately := func(within time.Duration) (words []string) {
			people, err := bob.InSince("ops", time.Now().Add(-within), partingsMost)
			is(t, "asking", err, nil)
			for _, p := range people.People {
				words = append(words, fmt.Sprint(p.Nick, " ", p.Online, " ", p.Lost))
			}
			return words
		}
		h.join("erin") // is not in it
		carol.Leave(Broke)
		same(t, "while carol may come back", lately(time.Hour), "carol true false", "dave true false")
		pass(time.Minute)
		is(t, "dave leaves it", dave.LeaveRoom("ops"), nil)
		same(t, "afterwards", lately(time.Hour), "dave false false", "carol false true")
		same(t, "within seconds", lately(10*time.Second), "dave false false")
		carol = h.join("carol")
		same(t, "back", lately(time.Hour), "carol true false", "dave false false")
		for i := range partingsMost {
			guest := h.join(fmt.Sprint("~g", i))
			guest.in(t, "ops")
			guest.Leave(Quit)
		}
		if n := len(lately(time.Hour)); n != partingsMost+1 {
			t.Errorf("%d are listed", n)
		}
		is(t, "private", bob.SetPrivate("ops", true), nil)
		carol.Leave(Quit)
		is(t, "public again", bob.SetPrivate("ops", false), nil)
		same(t, "those of the private room", lately(time.Hour))
	})
}

// What a program gets is not read by that, while no other session shows it; the program can say that it is.
// A program gets the lines of a room that its nick has muted for the eyes.
func TestProgramIsNoScreen(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		bob.in(t, "ops")
		carol.in(t, "ops")
		program := &screen{}
		member, _, err := h.Join(Identity{Nick: "carol", Program: true}, program)
		is(t, "a program of carol's", err, nil)
		last := func() string { all := h.store.messages("#ops", nil); return all[len(all)-1].ID }
		bob.sayIn(t, "ops", "one")
		same(t, "with a screen", carol.list(t), "#lobby 2 in", "#ops 2 in")
		carol.Leave(Quit)
		bob.sayIn(t, "ops", "two")
		same(t, "the program", program.lines(), "#ops bob: one", "#ops bob: two")
		same(t, "without", carol.list(t), "#lobby 2 in", "#ops 2 in unread:1/0")
		is(t, "the program reads", member.MarkShown("ops", "", last()), nil)
		same(t, "read", carol.list(t), "#lobby 2 in", "#ops 2 in")
		bob.sayIn(t, "ops", "three")
		carol = h.join("carol")
		if w := carol.welcome.Rooms; len(w) != 1 || w[0].Unread != 1 {
			t.Errorf("welcome: %+v", w)
		}
		is(t, "mute", carol.MuteRoom("ops", true), nil)
		program.take()
		bob.sayIn(t, "ops", "four")
		same(t, "the program", program.lines(), "#ops bob: four")
		same(t, "the screen", carol.screen.lines())
		is(t, "unmute", carol.MuteRoom("ops", false), nil)
		carol.Leave(Quit)
		member.Leave(Quit)
		program2, _, err := h.Join(Identity{Nick: "carol", Program: true}, program)
		is(t, "again", err, nil)
		bob.sayIn(t, "ops", "five")
		program2.Leave(Quit)
		carol = h.join("carol")
		if w := carol.welcome.Rooms; len(w) != 1 || w[0].Unread != 3 {
			t.Errorf("welcome: %+v", w)
		}
	})
}

// Who is back after a broken connection gets what was said in the rooms meanwhile, but not of those that are
// muted, nor more than some lines; the rest is counted.
func TestMissedInRooms(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol, dave := h.join("bob"), h.join("carol"), h.join("dave")
		for _, p := range []*user{bob, carol, dave} {
			p.in(t, "ops")
			p.in(t, "noise")
		}
		bob.sayIn(t, "ops", "shown")
		is(t, "mute", carol.MuteRoom("noise", true), nil)
		block(h, carol, "dave")
		missed := func(want ...string) {
			t.Helper()
			carol = h.join("carol")
			if !carol.welcome.Returned {
				t.Error("carol is not back")
			}
			same(t, "meanwhile", texts(carol.welcome.InThem), want...)
		}
		carol.Leave(Broke)
		missed()
		carol.Leave(Broke)
		bob.sayIn(t, "ops", "one")
		bob.sayIn(t, "noise", "not for carol")
		dave.sayIn(t, "ops", "blocked")
		bob.sayIn(t, "ops", "two")
		missed("bob: one", "bob: two")
		if w := carol.welcome.Rooms; !w[0].Shown || w[0].Unread != 3 || w[1].Shown || w[1].Unread != 1 {
			t.Errorf("welcome: %+v", w)
		}
		carol.Leave(Broke)
		for range MissedLines + 1 {
			bob.sayIn(t, "ops", "x")
		}
		carol = h.join("carol")
		if w := carol.welcome; len(w.InThem) != MissedLines || w.Rooms[0].Shown {
			t.Errorf("%d lines; %+v", len(w.InThem), w.Rooms)
		}
		carol.Leave(Broke)
		for range 4 {
			bob.sayIn(t, "ops", strings.Repeat("x", missedBytes/3))
		}
		carol = h.join("carol")
		if w := carol.welcome; len(w.InThem) != 2 || w.Rooms[0].Shown {
			t.Errorf("%d lines; %+v", len(w.InThem), w.Rooms)
		}
		carol.Leave(Broke)
		pass(2 * graceAfterBreak)
		for n := range RecentLines + 1 {
			bob.sayIn(t, "ops", fmt.Sprint(n))
		}
		bob.sayIn(t, "noise", "not for carol")
		carol = h.join("carol")
		if w := carol.welcome; w.Returned || len(w.InThem) != RecentLines || w.InThem[0].Text != "1" || w.Rooms[0].Shown {
			t.Errorf("%d lines; %+v", len(w.InThem), w.Rooms)
		}
		carol.Leave(Broke)
		bob.sayIn(t, "ops", "in private")
		is(t, "private", bob.SetPrivate("ops", true), nil)
		is(t, "remove", bob.Remove("ops", "carol"), nil)
		missed()
	})
}

// Who is outside a private room gets the answers that a room which does not exist gives.
func TestPrivateRoom(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol, dave := h.join("bob"), h.join("carol"), h.join("dave")
		bob.in(t, "plans")
		bob.sayIn(t, "plans", "to those who may")
		carol.in(t, "plans")
		is(t, "carol's try", carol.SetPrivate("plans", true), ErrNotOwner)
		is(t, "private", bob.SetPrivate("plans", true), nil)
		is(t, "a secret topic", bob.SetTopic("plans", "a party"), nil)
		bob.sayIn(t, "plans", "for dave")
		same(t, "bob's list", bob.list(t), "#lobby 3 in", "#plans 2 in private")
		o, err := carol.Observe(&screen{}, "plans")
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		outside := func(who *user) {
			t.Helper()
			pass(time.Minute)
			who.screen.take()
			last := h.store.messages("#plans", nil)
			id := last[len(last)-1].ID
			for _, p := range who.list(t) {
				if strings.Contains(p, "plans") {
					t.Errorf("%s sees %q", who.Nick(), p)
				}
			}
			for _, name := range []string{"plans", "none"} {
				_, err := who.In(name)
				is(t, "who is there", err, ErrNoRoom)
				_, err = who.historyOf(name)
				is(t, "the history", err, ErrNoRoom)
				is(t, "speaking", who.speakIn("", name, KindSay, "hi", nil), ErrNoRoom)
				is(t, "leaving", who.LeaveRoom(name), ErrNoRoom)
				is(t, "muting", who.MuteRoom(name, true), ErrNoRoom)
				is(t, "reading", who.MarkShown(name, "", id), ErrNoRoom)
				is(t, "a topic", who.SetTopic(name, "mine"), ErrNoRoom)
				is(t, "inviting oneself", who.Invite(name, who.Nick()), ErrNoRoom)
				is(t, "owning", who.AddOwner(name, who.Nick()), ErrNoRoom)
				is(t, "opening", who.SetPrivate(name, false), ErrNoRoom)
				_, err = who.JoinRoom(name, false)
				is(t, "joining", err, ErrNoRoom)
				_, err = who.Observe(&screen{}, name)
				is(t, "observing", err, ErrNoRoom)
				o, err := who.Observe(&screen{})
				is(t, "observing", err, nil)
				_, err = whole(o.Replay(context.Background(), Replay{Rooms: []string{name}, Newest: 9, Keep: everything}))
				is(t, "replaying", err, ErrNoRoom)
				o.Close()
			}
			found, err := whole(who.Find(context.Background(), id[5:]))
			same(t, "found", texts(found))
			is(t, "finding", err, nil)
			bob.sayIn(t, "plans", "not for "+who.Nick())
			same(t, "screen of "+who.Nick(), who.screen.take())
		}
		outside(dave)
		is(t, "invite", bob.Invite("plans", "dave"), nil)
		dave.in(t, "plans")
		got, _ := dave.historyOf("plans")
		same(t, "dave, invited, reads", got, "bob: to those who may", "bob: for dave", "bob: not for dave")
		is(t, "remove dave", bob.Remove("plans", "dave"), nil)
		outside(dave)
		is(t, "remove carol", bob.Remove("plans", "carol"), nil)
		outside(carol)
		if n := o.sink.(*screen).messages(); len(n) != 2 {
			t.Errorf("carol's observer got %q", texts(n))
		}
		is(t, "invite carol again", bob.Invite("plans", "carol"), nil)
		if got := carol.list(t); slices.Contains(got, "#plans 2 in private") {
			t.Errorf("carol is in it again without joining: %q", got)
		}
		is(t, "a guest", bob.Invite("plans", "~ann"), ErrNotAllowed)
		same(t, "operators", []string{fmt.Sprint(h.AllRooms())}, "[{plans  [bob] 1 true false false false 0 false 0 false}]")
	})
}

// A history that is being read ends where its reader is removed.
func TestRemovedWhileReading(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		bob.in(t, "plans")
		carol.in(t, "plans")
		is(t, "private", bob.SetPrivate("plans", true), nil)
		for range 2*pageMessages + 1 {
			bob.sayIn(t, "plans", "secret")
		}
		n := 0
		for page, err := range carol.HistoryOf(context.Background(), "plans", 1000) {
			if n += len(page.Messages); n == pageMessages {
				is(t, "remove", bob.Remove("plans", "carol"), nil)
			} else {
				is(t, "then", err, ErrNoRoom)
			}
		}
		if n != pageMessages {
			t.Errorf("carol reads %d lines", n)
		}
	})
}

// Making a room of a name that is taken out of sight counts, and says no more than that it can't be had.
func TestTakenNames(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, dave := h.join("bob"), h.join("dave")
		bob.in(t, "plans0")
		bob.in(t, "public0")
		is(t, "private", bob.SetPrivate("plans0", true), nil)
		var alike *AlikeError
		if _, err := dave.JoinRoom("publico", true); !errors.As(err, &alike) || alike.Name != "public0" {
			t.Errorf("a public name: %v", err)
		}
		for _, name := range []string{"plans0", "planso"} {
			_, err := dave.JoinRoom(name, true)
			is(t, name, err, ErrNoRoom)
		}
		for n := range MaxMade - 3 {
			dave.in(t, fmt.Sprint("mine", n))
		}
		for _, name := range []string{"plans0", "free"} {
			_, err := dave.JoinRoom(name, true)
			is(t, name, err, ErrMadeMost)
		}
		pass(25 * time.Hour)
		dave.in(t, "free")
	})
}

func TestRoomLimits(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		for n := range MaxJoined {
			h.setting.Lock()
			clear(h.made)
			h.setting.Unlock()
			bob.in(t, fmt.Sprint("room-", n))
		}
		clear(h.made)
		_, err := bob.JoinRoom("one-more", true)
		is(t, "joined", err, ErrJoinedMost)
		carol := h.join("carol")
		for n := len(h.rooms); n <= MaxRooms; n++ {
			h.rooms[fmt.Sprint("r", n)] = newChatroom(RoomInfo{Name: fmt.Sprint("r", n)})
		}
		_, err = carol.JoinRoom("one-more", true)
		is(t, "rooms", err, ErrRoomsMost)
		guest := h.join("~ann")
		_, err = guest.JoinRoom("one-more", true)
		is(t, "a guest", err, ErrNoRoom)
	})
}

// Lines are unread from the last one that was shown, also over a restart; those of a muted room until
// it is read.
func TestUnreadInRooms(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		for _, name := range []string{"ops", "noise"} {
			bob.in(t, name)
			carol.in(t, name)
		}
		is(t, "mute", carol.MuteRoom("noise", true), nil)
		carol.screen.take()
		bob.sayIn(t, "ops", "shown")
		bob.sayIn(t, "noise", "not shown, Carol")
		same(t, "carol's screen", carol.screen.lines(), "#ops bob: shown")
		same(t, "carol's list", carol.list(t), "#lobby 2 in", "#ops 2 in", "#noise 2 in muted unread:1/1")
		carol.Leave(Quit)
		bob.sayIn(t, "ops", "carol: are you there?")
		bob.sayIn(t, "ops", "carolina")
		bob.Leave(Quit)
		h = h.restart(false)
		defer h.store.close()
		defer h.Room.Close()
		carol = h.join("carol")
		want := []string{"#lobby 1 in", "#ops 1 in unread:2/1", "#noise 1 in muted unread:1/1"}
		if w := carol.welcome.Rooms; len(w) != 2 || w[0].Unread != 2 || w[0].Mentions != 1 || w[1].Unread != 1 {
			t.Errorf("welcome: %+v", w)
		}
		same(t, "they were only counted", carol.list(t), want...)
		carol.sayIn(t, "ops", "a line that is shown")
		same(t, "and still are", carol.list(t), want...)
		carol.Leave(Quit)
		h = h.restart(false)
		defer h.store.close()
		defer h.Room.Close()
		carol = h.join("carol")
		same(t, "and again", carol.list(t), want...)
		is(t, "the newest alone", carol.MarkShown("ops", h.LastID(), h.LastID()), nil)
		same(t, "the others are unread", carol.list(t), want...)
		is(t, "read", carol.MarkShown("ops", "", h.LastID()), nil)
		is(t, "read", carol.MarkShown("noise", "", h.LastID()), nil)
		want = []string{"#lobby 1 in", "#ops 1 in", "#noise 1 in muted"}
		same(t, "read", carol.list(t), want...)
		is(t, "a mark of the future", carol.MarkShown("noise", "", "zzzzzzzzzzz"), nil)
		carol.Leave(Quit)
		pass(2 * time.Minute)
		bob = h.join("bob")
		for n := range unreadMost + 10 {
			bob.sayIn(t, "ops", fmt.Sprint(n))
		}
		bob.sayIn(t, "noise", "again")
		carol = h.join("carol")
		if w := carol.welcome.Rooms; len(w) != 2 || w[0].Unread != unreadMost || !w[0].More || w[1].Unread != 1 || w[1].More {
			t.Errorf("welcome: %+v", w)
		}
	})
}

// A room always has an owner, if anybody could be it.
func TestOwners(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol, dave := h.join("bob"), h.join("carol"), h.join("dave")
		owners := func(what, name string, want ...string) {
			t.Helper()
			same(t, what, h.files.of[name].Owners, want...)
		}
		for _, p := range []*user{bob, carol, dave} {
			p.in(t, "ops")
		}
		owners("made", "ops", "bob")
		is(t, "a guest", bob.AddOwner("ops", "~ann"), ErrNotAllowed)
		is(t, "who has not joined it", bob.AddOwner("ops", "erin"), ErrMayNotOwn)
		dave.Block("bob")
		is(t, "who blocks the owner", bob.AddOwner("ops", "dave"), ErrMayNotOwn)
		dave.Unblock("bob")
		is(t, "owner", bob.AddOwner("ops", "dave"), nil)
		is(t, "removing an owner", bob.Remove("ops", "dave"), ErrNotAllowed)
		is(t, "muting an owner", bob.MuteIn("ops", "dave", true), ErrNotAllowed)
		is(t, "mute", bob.MuteIn("ops", "carol", true), nil)
		is(t, "muted", carol.speakIn("", "ops", KindSay, "no", nil), ErrMutedInRoom)
		is(t, "unmute", bob.MuteIn("ops", "carol", false), nil)
		carol.sayIn(t, "ops", "yes")
		is(t, "bob leaves", bob.LeaveRoom("ops"), nil)
		owners("one left", "ops", "dave")
		is(t, "dave leaves", dave.LeaveRoom("ops"), nil)
		owners("handed on", "ops", "carol")
		is(t, "remove", carol.Remove("ops", "bob"), nil)
		_, err := bob.JoinRoom("ops", true)
		is(t, "removed", err, ErrRemoved)
		is(t, "again", carol.Invite("ops", "bob"), nil)
		is(t, "carol leaves", carol.LeaveRoom("ops"), nil)
		owners("nobody is there", "ops")
		bob.in(t, "ops")
		owners("the next one", "ops", "bob")

		is(t, "private", bob.SetPrivate("ops", true), nil)
		is(t, "invite", bob.Invite("ops", "erin"), nil)
		is(t, "bob leaves", bob.LeaveRoom("ops"), nil)
		owners("a member who is not here", "ops", "erin")
		erin := h.join("erin")
		erin.in(t, "ops")
		bob.in(t, "ops")
		is(t, "erin loses the nick", h.LeaveRooms("erin"), nil)
		owners("handed on", "ops", "bob")
		_, err = erin.In("ops")
		is(t, "the next holder of a nick", err, ErrNoRoom)
		is(t, "bob leaves", bob.LeaveRoom("ops"), nil)
		if len(h.files.of) > 0 || len(h.rooms) > 1 {
			t.Errorf("a private room that nobody can join is left: %v", h.files.of)
		}
	})
}

// A nick that lost its holder and is given back, with its settings, is in public rooms again, and in no private one.
func TestRestoredNickInRooms(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		carol.in(t, "ops")
		carol.in(t, "plans")
		is(t, "private", carol.SetPrivate("plans", true), nil)
		is(t, "invite", carol.Invite("plans", "bob"), nil)
		bob.in(t, "ops")
		bob.in(t, "plans")
		bob.in(t, "own")
		bob.Leave(Quit)
		pass(2 * time.Minute)
		is(t, "lost", h.LeaveRooms("bob"), nil)
		bob = h.join("bob")
		same(t, "bob's list", bob.list(t), "#lobby 2 in", "#ops 2 in", "#own 1 in")
		if info := h.files.of["own"]; len(info.Owners) > 0 {
			t.Errorf("it has owners: %q", info.Owners)
		}
		bob.in(t, "own")
		if info := h.files.of["own"]; len(info.Owners) != 1 {
			t.Errorf("bob does not own it")
		}
	})
}

// What was said in private is not there for those who come when the room is public again, or closed
// and made anew.
func TestWhatWasSaidInPrivate(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, dave := h.join("bob"), h.join("dave")
		bob.in(t, "ops")
		is(t, "private", bob.SetPrivate("ops", true), nil)
		bob.sayIn(t, "ops", "secret")
		is(t, "public", bob.SetPrivate("ops", false), nil)
		bob.sayIn(t, "ops", "for all")
		dave.in(t, "ops")
		got, _ := dave.historyOf("ops")
		same(t, "dave reads", got, "bob: for all")

		is(t, "close", h.CloseRoom("ops", "op"), nil)
		is(t, "close again", h.CloseRoom("ops", "op"), ErrNoRoom)
		is(t, "bob speaks", bob.speakIn("", "ops", KindSay, "no", nil), ErrNoRoom)
		h.join("carol").in(t, "ops")
		same(t, "bob is not in another room of that name", bob.list(t), "#lobby 3 in", "#ops 1")
		bob.in(t, "ops")
		got, _ = bob.historyOf("ops")
		same(t, "bob reads", got)
	})
}

func TestGuestsInRooms(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, ann := h.join("bob"), h.join("~ann")
		bob.in(t, "ops")
		ann.in(t, "ops")
		ann.sayIn(t, "ops", "hi")
		is(t, "no guests", bob.GuestsIn("ops", false), nil)
		is(t, "ann speaks", ann.speakIn("", "ops", KindSay, "hi", nil), ErrNoGuests)
		_, err := ann.JoinRoom("ops", true)
		is(t, "ann joins", err, ErrNoGuests)
		same(t, "ann's list", ann.list(t), "#lobby 2 in", "#ops 1")
		is(t, "guests", bob.GuestsIn("ops", true), nil)
		ann.in(t, "ops")
		is(t, "private", bob.SetPrivate("ops", true), nil)
		same(t, "a guest is no member", ann.list(t), "#lobby 2 in")
		is(t, "guests", bob.GuestsIn("ops", true), ErrNotAllowed)
		ann.Leave(Quit)
		same(t, "another guest of that name", h.join("~ann").list(t), "#lobby 2 in")
	})
}

// What is not on disk has not happened.
func TestRoomsFail(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		bob.in(t, "ops")
		carol.in(t, "ops")
		bob.sayIn(t, "ops", "said")
		disk := fmt.Errorf("%w: full", ErrStorage)
		h.files.fail(disk)
		_, err := bob.JoinRoom("new", true)
		is(t, "make", err, ErrStorage)
		is(t, "remove", bob.Remove("ops", "carol"), ErrStorage)
		is(t, "private", bob.SetPrivate("ops", true), ErrStorage)
		is(t, "topic", bob.SetTopic("ops", "new"), ErrStorage)
		is(t, "close", h.CloseRoom("ops", "op"), ErrStorage)
		carol.sayIn(t, "ops", "still here")
		same(t, "list", carol.list(t), "#lobby 2 in", "#ops 2 in")
		h.files.fail(nil)
		h.store.set(func() { h.store.failing = true })
		is(t, "close", h.CloseRoom("ops", "op"), ErrStorage)
		h.store.set(func() { h.store.failing = false })
		carol.sayIn(t, "ops", "and here")
		h.settings.err = disk
		is(t, "leave", carol.LeaveRoom("ops"), ErrStorage)
		h.settings.err = nil
		carol.sayIn(t, "ops", "stays")
	})
}

// What is said while a room becomes public, or is closed, waits until that is done.
func TestSpeakingInARoomThatChanges(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		for _, p := range []*user{bob, carol} {
			p.in(t, "ops")
		}
		said := make(chan error, 2)
		meanwhile := func(f func() error) error {
			is(t, "to speak", carol.maySpeak("ops"), nil)
			go func() { said <- carol.speakIn("", "ops", KindSay, "later", func(Receipt) {}) }()
			for range 1000 { // it waits for a lock, which synctest.Wait does not know of
				runtime.Gosched()
			}
			if len(said) > 0 {
				t.Error("carol does not wait")
			}
			return f()
		}
		is(t, "private", bob.SetPrivate("ops", true), nil)
		h.options.Rooms.Retiring = meanwhile
		is(t, "public", bob.SetPrivate("ops", false), nil)
		is(t, "what carol said", <-said, nil)
		synctest.Wait()
		same(t, "bob sees", bob.screen.lines(), "#ops carol: later")
		is(t, "close", h.CloseRoom("ops", "op"), nil)
		is(t, "what carol said at last", <-said, ErrNoRoom)
	})
}

func TestIdleRooms(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		bob.in(t, "used")
		carol.in(t, "idle")
		carol.Leave(Quit)
		pass(89 * day)
		same(t, "before", bob.list(t), "#lobby 1 in", "#used 1 in", "#idle 0")
		pass(2 * day)
		same(t, "after", bob.list(t), "#lobby 1 in", "#used 1 in")
		h = h.restart(false)
		defer h.store.close()
		defer h.Room.Close()
		same(t, "carol", h.join("carol").list(t), "#lobby 1 in", "#used 0")
	})
}

// A room whose file can't be used keeps its name from others.
func TestUnusableRoom(t *testing.T) {
	inHouse(t, func(h *house) {
		h.files.of["ops"] = RoomInfo{Name: "ops", Unusable: true}
		h = h.restart(false)
		defer h.store.close()
		defer h.Room.Close()
		bob := h.join("bob")
		_, err := bob.JoinRoom("ops", true)
		is(t, "join", err, ErrNoRoom)
		same(t, "list", bob.list(t), "#lobby 1 in")
	}, past(3, "#ops", KindSay, "carol")...)
}

func TestMentioned(t *testing.T) {
	for text, want := range map[string]string{
		"Carol: hi": "carol", "ask bob, dave-- or (erin).": "bob dave erin", "...": "", "éé carol\ncarol": "carol", "carolina": "",
	} {
		if got := strings.Join(mentioned(text, held.Registered), " "); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestUnreadOfWhatWasSetAside: a private room can't be made public, but what was said in it is set aside. No line
// of it counts as unread.
func TestUnreadOfWhatWasSetAside(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		bob.in(t, "ops")
		carol.in(t, "ops")
		is(t, "private", bob.SetPrivate("ops", true), nil)
		is(t, "mute", carol.MuteRoom("ops", true), nil)
		bob.sayIn(t, "ops", "in private")
		same(t, "before", carol.list(t), "#lobby 2 in", "#ops 2 in muted private unread:1/0")
		disk := errors.New("the disk is full")
		h.files.fail(disk)
		if err := bob.SetPrivate("ops", false); !errors.Is(err, disk) {
			t.Errorf("got %v", err)
		}
		h.files.fail(nil)
		same(t, "afterwards", carol.list(t), "#lobby 2 in", "#ops 2 in muted private")
		bob.sayIn(t, "ops", "again")
		same(t, "one more", carol.list(t), "#lobby 2 in", "#ops 2 in muted private unread:1/0")
	})
}

// TestUnreadBeforeJoining: what was said in a room before one joined it is not unread.
func TestUnreadBeforeJoining(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		bob.in(t, "ops")
		bob.sayIn(t, "ops", "before")
		if _, err := h.Visit(Identity{Nick: "carol"}).JoinRoom("ops", false); err != nil { // as from a shell
			t.Fatal(err)
		}
		bob.sayIn(t, "ops", "after")
		rooms := h.join("carol").welcome.Rooms
		if len(rooms) != 1 || rooms[0].Unread != 1 {
			t.Errorf("%+v", rooms)
		}
	})
}

// Whoever was in a room that was made private meanwhile is not in it again by an invitation alone.
func TestForgottenRoom(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		bob.in(t, "ops")
		carol.in(t, "ops")
		carol.Leave(Quit)
		is(t, "private", bob.SetPrivate("ops", true), nil)
		carol = h.join("carol")
		block(h, carol, "mallory")
		is(t, "invited", bob.Invite("ops", "carol"), nil)
		is(t, "said", carol.speakIn("", "ops", KindSay, "hello", func(Receipt) {}), ErrNotJoined)
	})
}

// Who is invited to a room that they were in, and might not read meanwhile, is not in it before joining it again: the room
// was forgotten. So is one that is closed.
func TestForgottenInMemory(t *testing.T) {
	inHouse(t, func(h *house) {
		dave, bob := h.join("dave"), h.join("bob")
		for _, name := range []string{"den", "ops"} {
			for _, p := range []*user{dave, bob} {
				_, err := p.JoinRoom(name, true)
				is(t, "join", err, nil)
			}
		}
		bob.Leave(Quit)
		is(t, "private", dave.SetPrivate("den", true), nil)
		is(t, "close", h.CloseRoom("ops", "dave"), nil)
		bob = h.join("bob")
		is(t, "invite", dave.Invite("den", "bob"), nil)
		bob.Leave(Quit)
		pass(2 * time.Minute)
		if set, err := h.settings.Load("bob"); err != nil || len(set.Rooms) > 0 {
			t.Errorf("on disk: %+v, %v", set.Rooms, err)
		}
		if w := h.join("bob").welcome; len(w.Rooms) > 0 {
			t.Errorf("welcomed to %+v", w.Rooms)
		}
	})
}

// Nobody writes on the screens of others with the name of a room: the server tells of no room that one has not joined.
func TestRoomNamesAreNotForced(t *testing.T) {
	inHouse(t, func(h *house) {
		eve, bob := h.join("eve"), h.join("bob")
		bob.Block("eve")
		for _, name := range []string{"a-word", "another"} {
			eve.in(t, name)
			is(t, "made an owner", eve.AddOwner(name, "bob"), ErrMayNotOwn)
			is(t, "private", eve.SetPrivate(name, true), nil)
			is(t, "invited", eve.Invite(name, "bob"), nil)
		}
		is(t, "made an owner of a private room", eve.AddOwner("a-word", "bob"), ErrMayNotOwn)
		is(t, "removed", eve.Remove("a-word", "bob"), nil)
		is(t, "left by its owner", eve.LeaveRoom("another"), nil)
		same(t, "who owns it", h.files.of["another"].Owners, "bob")
		is(t, "closed", h.CloseRoom("another", "olivia"), nil)
		bob.Leave(Quit)
		same(t, "bob's screen", bob.screen.take())
		if again := h.join("bob"); len(again.welcome.Rooms) > 0 {
			t.Errorf("on joining: %+v", again.welcome.Rooms)
		}
	})
}
