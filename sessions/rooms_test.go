package sessions_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whoelse/room"
	"whoelse/room/history"
)

// TestPrivateRoomFromOutside: whatever somebody outside asks about a private room, the words and the exit status
// are those for a room that does not exist, and nothing of it is shown, to operators neither.
func TestPrivateRoomFromOutside(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	bob, dave := r.terminal("bob", r.addr), r.terminal("dave", r.addr)
	bob.enters("/join #plans", "you made #plans")
	bob.enters("/room private", "#plans is private")
	bob.enters("/topic a secret party", "is set")
	bob.enters("a secret for nobody", "#plans bob: a secret")
	guests := 0 // a name is taken a moment longer than the guest is here
	people := map[string]func(command string) string{
		"dave": r.shell("dave"), "olivia": r.shell("olivia"),
		"a guest": func(command string) string {
			guests++
			return runs(t, r, dial{user: fmt.Sprint("ann", guests), command: command})
		},
	}
	for name, ask := range people {
		for _, command := range []string{
			"whoelse %s", "wholast %s", "wholast %s 5", "history %s", "history %s 5", "in %s hello", "topic %s", "topic %s mine", "leave %s", "mute %s", "unmute %s",
			"room %s", "room %s private", "room %s public", "room %s invite dave", "room %s remove bob", "room %s owner dave",
			"room %s mute bob", "room %s guests on", "join %s",
		} {
			if command == "join %s" && name != "a guest" { // others would make #nope
				continue
			}
			got := ask(fmt.Sprintf(command, "#plans"))
			want := strings.ReplaceAll(ask(fmt.Sprintf(command, "#nope")), "#nope", "#plans")
			if got != want || !strings.Contains(got, "there is no room") {
				t.Errorf("%s, %s: %q, not %q", name, command, got, want)
			}
		}
		for _, command := range []string{"rooms", "whoelse", "wholast", "history", "history #lobby", "inbox all", "help room", "show abcd", "join #p1ans"} {
			got := ask(command)
			if strings.Contains(got, "secret") || strings.Contains(got, "#plans") && (name != "olivia" || command != "rooms") {
				t.Errorf("%s, %s: %q", name, command, got)
			}
		}
	}
	if got := people["olivia"]("rooms"); !strings.Contains(got, "#plans\tprivate\t1\t") {
		t.Errorf("an operator sees %q", got)
	}
	if got := people["dave"]("room #plans close"); !strings.Contains(got, "only operators") {
		t.Errorf("dave closes it: %q", got)
	}
	dave.typed("\t")
	dave.enters("/topic #pl\t", "there is no room #pl,")
	bob.enters("/topic #pl\t", "topic of #plans: a secret party")
	dave.enters("wholast #pl\t", "there is no room #pl,")
	bob.enters("wholast #pl\t 5", "nobody else was in #plans within the last 5 minutes")
	dave.enters("/rooms", "#lobby")
	dave.neverSaw("plans")
	dave.neverSaw("secret")
	if got := people["olivia"]("room #plans close"); !strings.Contains(got, "#plans is closed") {
		t.Errorf("an operator closes it: %q", got)
	}
	bob.enters("to nobody", "there is no room #plans")
	if a := r.audited(); len(a) == 0 || a[len(a)-1]["what"] != "close-room" || a[len(a)-1]["whom"] != "#plans" {
		t.Errorf("the audit log: %v", a)
	}
}

// TestRoomLineNeverInTheLobby: what is typed for a room is said there or nowhere.
func TestRoomLineNeverInTheLobby(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob, carol, dave := r.terminal("bob", r.addr), r.terminal("carol", r.addr), r.terminal("dave", r.addr)
	bob.enters("/join #plans", "you made #plans")
	carol.enters("/join #plans", "you are in #plans")
	carol.enters("one", "#plans carol: one")
	carol.enters("broadcast #plans by name", "#plans carol: by name")
	carol.enters("broadcast to all", "carol: to all")
	dave.enters("broadcast #1 is plain text for dave", "dave: #1 is plain text for dave")
	dave.enters("#plans zero", "you are not in #plans")
	dave.enters("broadcast #plans zero", "you are not in #plans")
	bob.enters("/room remove carol", "carol is removed")
	carol.enters("two", "you were removed from #plans")
	carol.enters("#plans three", "you were removed from #plans")
	carol.enters("broadcast #plans six", "you were removed from #plans")
	carol.enters("#typo four", "there is no room #typo")
	carol.enters("#plans", "missing text")
	carol.enters("/leave", "you left #plans")
	carol.enters("five", "carol: five")
	dave.sees("carol: five")
	carol.neverSaw("dave: #plans")
	for _, line := range []string{"one", "two", "three", "four", "six", "by name"} {
		dave.neverSaw("carol: " + line)
	}
}

// TestRemovedFromRoom: somebody who is removed is told at once, and so are the others in a private room.
func TestRemovedFromRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob, carol, dave := r.terminal("bob", r.addr), r.terminal("carol", r.addr), r.terminal("dave", r.addr)
	bob.enters("/join #plans", "you made #plans")
	carol.enters("/join #plans", "you are in #plans")
	dave.enters("/join #plans", "you are in #plans")
	bob.enters("/room private", "#plans is private")
	bob.enters("/room remove carol", "carol is removed")
	carol.sees("you are no longer in #plans; /join #lobby takes you back")
	dave.sees("carol left #plans")
	dave.enters("not for carol", "#plans dave: not for carol")
	dave.enters("/leave", "you left #plans")
	dave.neverSaw("you are no longer")
	carol.neverSaw("not for carol")
	bob.enters("/room public", "#plans is public; all that was said in it is set aside, and its topic is cleared")
	bob.enters("/history", "nothing has been said yet")
}

// TestLeftRoomElsewhere: who leaves a room in one session is told so in the others, where nothing is said to the lobby.
func TestLeftRoomElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob, other, carol := r.terminal("bob", r.addr), r.terminal("bob", r.addr), r.terminal("carol", r.addr)
	carol.enters("/join #plans", "you made #plans")
	bob.enters("/join #plans", "you are in #plans")
	other.enters("/join #plans", "you are in #plans")
	bob.enters("/leave", "you left #plans")
	other.sees("you are no longer in #plans; /join #lobby takes you back")
	other.enters("a secret", "you are not in #plans")
	bob.enters("all can read this", "bob: all can read this")
	bob.neverSaw("you are no longer")
	carol.sees("bob: all can read this")
	carol.neverSaw("secret")
	bob.enters("/join #plans", "")
	bob.enters("/room", "you are in #plans: 2 people")
	other.enters("for those there", "#plans bob: for those there")
	runs(t, r, dial{user: "bob", key: "bob", command: "leave #plans"})
	bob.sees("you are no longer in #plans")
}

// TestRoomJoinedElsewhere: the same at a terminal that was open before the person joined a room somewhere else, also
// when they have left it again, and after that.
func TestRoomJoinedElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob, dave := r.terminal("bob", r.addr), r.terminal("dave", r.addr)
	bob.enters("#1 is a number", "bob: #1 is a number")
	runs(t, r, dial{user: "bob", key: "bob", command: "join #plans"})
	bob.enters("#plans a secret", "#plans bob: a secret")
	runs(t, r, dial{user: "bob", key: "bob", command: "leave #plans"})
	bob.enters("#plans another secret", "/join #plans")
	dave.sees("bob: #1 is a number")
	bob.enters("/broadcast the end", "bob: the end")
	dave.sees("bob: the end")
	bob.enters("/quit")
	r.awaitVisits("bob", 0)
	bob = r.terminal("bob", r.addr)
	bob.enters("#plans a third secret", "/join #plans")
	bob.enters("/broadcast once more", "bob: once more")
	dave.sees("bob: once more")
	dave.neverSaw("secret")
}

// TestRoomTextIsClean: neither a topic nor a line of a room moves anybody's cursor.
func TestRoomTextIsClean(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob, carol := r.terminal("bob", r.addr), r.terminal("carol", r.addr)
	bob.enters("/join #ops", "you made #ops")
	carol.enters("/join #ops", "you are in #ops")
	bob.enters("/topic \u202eevil\u009b2J topic", "is set")
	bob.enters("\u202eevil\u009b2J line", "#ops bob: evil")
	carol.enters("/topic", "topic of #ops: evil")
	if strange := carol.strange(); len(strange) > 0 {
		t.Errorf("carol got %q", strange)
	}
	bob.enters("/topic "+strings.Repeat("x", 161), "at most 160")
}

// TestTailOfARoom: a program that follows a room prints it alone, and only for those who are in it.
func TestTailOfARoom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob, carol := r.terminal("bob", r.addr), r.terminal("carol", r.addr)
	bob.enters("/join #ops", "you made #ops")
	bob.enters("before", "#ops bob: before")
	if got := runs(t, r, dial{user: "carol", key: "carol", command: "tail --room #ops"}); !strings.Contains(got, "you are not in #ops") {
		t.Errorf("carol follows it: %q", got)
	}
	carol.enters("/join #ops", "you are in #ops")
	tail := r.follows("carol", "tail --room #ops -n 5")
	tail.sees("\tbob\t#ops\tbefore")
	bob.enters("after", "#ops bob: after")
	bob.enters("#lobby elsewhere", "bob: elsewhere")
	tail.sees("\tbob\t#ops\tafter")
	bob.enters("/room private", "#ops is private")
	bob.enters("/room remove carol", "carol is removed")
	bob.enters("secret", "#ops bob: secret")
	carol.enters("send bob hi", "delivered to bob")
	tail.neverSaw("secret")
	tail.neverSaw("elsewhere")
}

// TestJoiningAPrivateRoom: who is in it sees who comes and goes; an invitation is a message.
func TestJoiningAPrivateRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob, carol, dave := r.terminal("bob", r.addr), r.terminal("carol", r.addr), r.terminal("dave", r.addr)
	bob.enters("/join #plans", "you made #plans")
	bob.enters("/room private", "#plans is private")
	bob.enters("/room invite carol", "delivered to carol")
	carol.sees("[bob -> you] I invite you to #plans")
	carol.enters("/join #plans", "you are in #plans")
	bob.sees("carol joined #plans")
	carol.enters("/leave", "you left #plans")
	bob.sees("carol left #plans")
	bob.enters("/leave", "you left #plans")
	carol.enters("/join #plans", "you are in #plans")
	carol.enters("/room", "owned by carol")
	dave.neverSaw("plans")
}

// TestOwnersAreOnRecord: what an owner does is in the audit log, and also that it was not done; what others try is not.
func TestOwnersAreOnRecord(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob, carol := r.terminal("bob", r.addr), r.terminal("carol", r.addr)
	bob.enters("/join #ops", "you made #ops")
	bob.enters("/room guests off", "takes no guests")
	carol.enters("/room #ops private", "only owners of #ops")
	carol.enters("/room #nope private", "there is no room #nope")
	bob.enters("/room private", "#ops is private")
	bob.enters("/room invite carol", "delivered to carol")
	bob.enters("/room mute carol", "carol can read #ops")
	bob.enters("/room unmute carol", "carol can write")
	bob.enters("/room remove bob", "bob owns #ops; owners can't be removed")
	carol.enters("/join #ops", "you are in #ops")
	bob.enters("/room owner carol", "carol is now an owner")
	bob.enters("/room public", "#ops is public")
	want := []map[string]string{
		{"what": "room-guests", "why": "off"}, {"what": "room-private"}, {"what": "room-invite", "whom": "carol"},
		{"what": "room-mute", "whom": "carol"}, {"what": "room-unmute", "whom": "carol"}, {"what": "room-remove", "whom": "bob"},
		{"what": "room-remove", "whom": "bob", "failed": "..."}, {"what": "room-owner", "whom": "carol"}, {"what": "room-public"},
	}
	got := r.audited()
	for i, one := range want {
		one["who"], one["room"] = "bob", "#ops"
		if i < len(got) && one["failed"] != "" {
			one["failed"] = got[i]["failed"]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNewOwnersAreTold: also who owns a room because its last owner left; who is not online by a message.
func TestNewOwnersAreTold(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("erin")
	bob, carol := r.terminal("bob", r.addr), r.terminal("carol", r.addr)
	bob.enters("/join #ops", "you made #ops")
	bob.enters("/room owner carol", "only people who have joined #ops and do not block you can become its owners")
	bob.enters("/rooms", "#ops: 1 person, yours")
	carol.enters("/join #ops", "you are in #ops")
	bob.enters("/leave", "you left #ops")
	carol.sees("you own #ops now; /help room lists")
	bob.enters("/join #ops", "you are in #ops")
	carol.enters("/room owner bob", "bob is now an owner")
	bob.sees("you own #ops now; /help room lists")
	runs(t, r, dial{user: "erin", key: "erin", command: "join #ops"})
	carol.enters("/room owner erin", "kept for erin (offline)")
	if got := runs(t, r, dial{user: "erin", key: "erin", command: "inbox"}); !strings.Contains(got, "you own #ops now") {
		t.Errorf("erin has %q", got)
	}
}

// TestRoomsDuringABackup: what has to wait for a backup says so, and nothing has changed.
func TestRoomsDuringABackup(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	bob, olivia := r.terminal("bob", r.addr), r.terminal("olivia", r.addr)
	bob.enters("/join #ops", "you made #ops")
	bob.enters("/room private", "#ops is private")
	bob.enters("one", "#ops bob: one")
	held, err := history.HoldSegments(t.Context(), filepath.Join(r.dir, "history"))
	r.must(err)
	for range room.MaxMade { // which does not count
		bob.enters("/room public", "while a backup is running")
	}
	olivia.enters("/room #ops close", "while a backup is running")
	bob.enters("two", "#ops bob: two")
	bob.enters("/leave", "you left #ops") // which would close it
	bob.enters("/join #ops", "you are in #ops")
	r.must(held.Close())
	bob.enters("/room public", "#ops is public")
	olivia.enters("/room #ops close", "#ops is closed")
	if a := r.audited(); a[len(a)-1]["failed"] != "" || !strings.Contains(a[1]["failed"]+a[2]["failed"], "a backup is running") {
		t.Errorf("the audit log: %v", a)
	}
}

// TestRoomsFromAShell: after a command from a shell nothing is typed, so nothing is said of that.
func TestRoomsFromAShell(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("bob")
	for _, step := range []struct{ command, want string }{
		{"say #1 of the lobby", "(exit status 0)"},
		{"broadcast #2 of the lobby", "(exit status 0)"},
		{"history", "bob\t#lobby\t#1 of the lobby\nbob\t#lobby\t#2 of the lobby\n(exit status 0)"},
		{"join #ops", "you made #ops and own it\n(exit status 0)"},
		{"join #ops", "you are in #ops\n(exit status 0)"},
		{"leave", "! whoelse: leave: missing room; usage: ssh HOST leave '#ROOM'\n(exit status 2)"},
		{"in #ops one", "(exit status 0)"},
		{"#ops two", "(exit status 0)"},
		{"say #Ops three", "(exit status 0)"},
		{"broadcast --id k1 #ops four", "(exit status 0)"},
		{"say #ops -", "(exit status 0)"},
		{"say #nope five", "! whoelse: there is no room #nope, or it is not open to you; /rooms lists those that are\n(exit status 1)"},
		{"say #o!ps six", "! whoelse: in: \"#o!ps\" can't be a room; a room looks like #ops; usage: /in #ROOM TEXT, " +
			"for example: /in #ops back in 5 minutes (to say it to everyone: ssh HOST in '#lobby' TEXT)\n(exit status 2)"},
		{"broadcast seven", "(exit status 0)"},
		{"in #lobby #ops eight", "(exit status 0)"},
		{"history 2", "bob\t#lobby\tseven\nbob\t#lobby\t#ops eight\n(exit status 0)"},
		{"history #ops", "bob\t#ops\tone\nbob\t#ops\ttwo\nbob\t#ops\tthree\nbob\t#ops\tfour\nbob\t#ops\tfrom a file\n(exit status 0)"},
		{"leave #ops", "you left #ops\n(exit status 0)"},
		{"#ops nine", "! whoelse: you are not in #ops; /join #ops takes you there\n(exit status 1)"},
		{"say #ops -", "! whoelse: you are not in #ops; /join #ops takes you there\n(exit status 1)"},
		{"say #ops ten", "! whoelse: you are not in #ops; /join #ops takes you there\n(exit status 1)"},
	} {
		c := connect(t, r.addr, dial{user: "bob", key: "bob", command: step.command})
		if strings.HasSuffix(step.command, " -") {
			c.typed("from a file\n")
			c.ch.CloseWrite()
		}
		c.expects("(exit status")
		got := strings.Join(c.rows(), "\n")
		if got = strings.ReplaceAll(withoutTimes(got), "...\t...\troom\t", ""); got != step.want {
			t.Errorf("%s: got %q, want %q", step.command, got, step.want)
		}
	}
}
