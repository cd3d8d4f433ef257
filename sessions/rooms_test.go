package sessions_test

import (
	"fmt"
	"strings"
	"testing"
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
	people := map[string]func(command string) string{
		"dave": r.shell("dave"), "olivia": r.shell("olivia"),
		"a guest": func(command string) string { return runs(t, r, dial{user: "ann", command: command}) },
	}
	for name, ask := range people {
		for _, command := range []string{
			"whoelse %s", "history %s", "history %s 5", "in %s hello", "topic %s", "topic %s mine", "leave %s", "mute %s", "unmute %s",
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
	bob.enters("/room remove carol", "carol is removed")
	carol.enters("two", "you were removed from #plans")
	carol.enters("#plans three", "you were removed from #plans")
	carol.enters("#typo four", "there is no room #typo")
	carol.enters("#plans", "missing text")
	carol.enters("/leave", "you left #plans")
	carol.enters("five", "carol: five")
	dave.sees("carol: five")
	for _, line := range []string{"one", "two", "three", "four"} {
		dave.neverSaw("carol: " + line)
	}
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

// TestRoomsFromAShell: after a command from a shell nothing is typed, so nothing is said of that.
func TestRoomsFromAShell(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("bob")
	for _, step := range []struct{ command, want string }{
		{"join #ops", "you made #ops and own it\n(exit status 0)"},
		{"join #ops", "you are in #ops\n(exit status 0)"},
		{"leave", "! whoelse: leave: missing room; usage: ssh HOST leave '#ROOM'\n(exit status 2)"},
		{"leave #ops", "you left #ops\n(exit status 0)"},
	} {
		if got := runs(t, r, dial{user: "bob", key: "bob", command: step.command}); got != step.want {
			t.Errorf("%s: got %q, want %q", step.command, got, step.want)
		}
	}
}
