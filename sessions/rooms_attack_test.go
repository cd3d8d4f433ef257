package sessions_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"whoelse/room"
)

// TestMutedInvites: a muted person puts nothing before others by way of an invitation, and lets nobody in.
func TestMutedInvites(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob, dave := r.terminal("bob", r.addr), r.terminal("dave", r.addr)
	bob.enters("/join #buy-pills", "you made #buy-pills")
	bob.enters("/room private", "#buy-pills is private")
	_, err := r.files.Mutes.Add("bob", "olivia", 0)
	r.must(err)
	bob.enters("/room invite dave", "olivia muted you")
	bob.enters("/join #buy-more", "olivia muted you")
	dave.enters("/join #buy-pills", "there is no room #buy-pills")
	dave.neverSaw("I invite you")
	bob.neverSaw("dave is invited")
}

// TestPublicAgainIsSilent: a topic set in private is not shown when the room is public.
func TestPublicAgainIsSilent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob, dave := r.terminal("bob", r.addr), r.terminal("dave", r.addr)
	bob.enters("/join #plans", "you made #plans")
	bob.enters("/room private", "#plans is private")
	bob.enters("/topic a secret party", "is set")
	bob.enters("/room public", "#plans is public")
	dave.enters("/join #plans", "you are in #plans")
	dave.enters("/rooms", "#plans")
	dave.enters("/topic", "topic")
	dave.neverSaw("secret")
}

// TestPublicAgainAndAgain: a room that becomes public sets a file aside, so that one nick can do that only so often.
func TestPublicAgainAndAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := r.terminal("bob", r.addr)
	bob.enters("/join #plans", "you made #plans")
	for i := range room.MaxMade {
		bob.enters("/room private", "#plans is private")
		bob.enters(fmt.Sprint("secret", i), fmt.Sprint("bob: secret", i))
		bob.enters("/room public")
	}
	bob.sees("5 rooms")
	aside, err := os.ReadDir(filepath.Join(r.dir, "history", "rooms", ".retired"))
	if err != nil || len(aside) != room.MaxMade-1 {
		t.Errorf("%d files are set aside, error %v", len(aside), err)
	}
	if got := runs(t, r, dial{user: "dave", key: "dave", command: "history #plans"}); !strings.Contains(got, "there is no room") {
		t.Errorf("dave reads %q", got)
	}
}

// numberedGuest is told a guest whose name the command before still has.
var numberedGuest = regexp.MustCompile(`(?m)^! whoelse: you are ~ann\d+, .*\n`)

// TestRemovedAsksEverything: who was in a room before it was private learns nothing more of it by any command, as
// text or JSON, or after a restart, and is answered as about a room that does not exist.
func TestRemovedAsksEverything(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	bob, dave := r.terminal("bob", r.addr), r.terminal("dave", r.addr)
	bob.enters("/join #plans", "you made #plans")
	dave.enters("/join #plans", "you are in #plans")
	dave.enters("first words", "#plans dave: first words")
	dave.end()
	r.awaitVisits("dave", 0)
	bob.enters("/room private", "#plans is private")
	bob.enters("/room remove dave", "removed")
	bob.enters("/topic a secret party", "is set")
	bob.enters("secret for @dave", "#plans bob: secret")
	id := ""
	for _, f := range strings.Fields(runs(t, r, dial{user: "bob", key: "bob", command: "history #plans 1"})) {
		if len(f) == 11 {
			id = f
		}
	}
	if id == "" {
		t.Fatal("no ID")
	}
	if got := runs(t, r, dial{user: "bob", key: "bob", command: "show " + id[5:]}); !strings.Contains(got, "secret") {
		t.Fatalf("its owner finds %q", got)
	}
	people := map[string]func(command string) string{
		"dave": r.shell("dave"), "olivia": r.shell("olivia"),
		"ann": func(command string) string { return runs(t, r, dial{user: "ann", command: command}) },
	}
	look := func() {
		t.Helper()
		for who, run := range people {
			for _, command := range []string{
				"whoelse %s", "history %s", "in %s hello", "in --id k1 %s hello", "topic %s", "room %s", "tail --room %s",
				"room %s mute bob", "room %s unmute nobody", "room %s invite ~ann", "leave %s", "mute %s", "unmute %s", "wholast %s",
				"send %s x", "search %s e", "inbox %s", "watch %s", "help %s",
			} {
				for _, json := range []string{"", " --json"} {
					ask := func(name string) string {
						said := numberedGuest.ReplaceAllString(withoutTimes(run(fmt.Sprintf(command, name)+json)), "")
						return strings.ReplaceAll(strings.ReplaceAll(said, name, "#ROOM"), strconv.Quote(name[1:]), `"ROOM"`)
					}
					if got, want := ask("#plans"), ask("#plaid"); got != want {
						t.Errorf("%s, %s%s: %q, not %q", who, command, json, got, want)
					}
				}
			}
			for _, command := range []string{
				"rooms", "whoelse", "wholast", "history 500", "inbox all", "inbox", "show " + id, "show " + id[5:], "settings",
				"search secret", "bots", "fetch " + id[5:],
			} {
				for _, json := range []string{"", " --json"} {
					got := run(command + json)
					own := who == "olivia" && command == "rooms"
					if strings.Contains(got, "secret") || strings.Contains(got, "plans") && !own {
						t.Errorf("%s, %s%s: %q", who, command, json, got)
					}
				}
			}
		}
	}
	look()
	bob.enters("/leave", "you left #plans")
	look()
}

var changing = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]*Z|\b[0-9a-z]{11}\b|"TIME":[0-9]+`)

// withoutTimes returns an answer without what differs each time: times and IDs.
func withoutTimes(answer string) string { return changing.ReplaceAllString(answer, "...") }
