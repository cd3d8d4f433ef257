package render_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// For scripts a result is a fact a line, in columns where it is a list, and nothing where it has none.
func TestFacts(t *testing.T) {
	const at = "2026-03-14T12:05:00.000Z"
	bob := room.Presence{Nick: "bob", Online: true, Since: noon, Active: noon, Sessions: 2}
	carol := room.Presence{Nick: "carol", Online: true, Since: noon, Active: noon, Sessions: 1, Away: true, Reason: "lunch,\t\x1b\n\\o/"}
	target, err := bans.ParseTarget("192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	for want, r := range map[string]result.Result{
		"": result.Online{},
		"bob\t" + at + "\t" + at + "\t2\there\t-\ncarol\t" + at + "\t" + at + "\t1\taway,silent\tlunch,\\n\\\\o/\n": result.Online{
			People: []result.Person{{Presence: bob}, {Presence: carol, Silent: true}},
		},
		"bob\there\t" + at + "\ndora\tlost\t" + at + "\nerin\tleft\t-\n": result.Lately{
			People: []room.Presence{bob, {Nick: "dora", Lost: true, Active: noon}, {Nick: "erin"}},
		},
		"bob\ncarol\n": result.BlockList{Nicks: []string{"bob", "carol"}},
		"SHA256:x\tssh-rsa\t" + at + "\t-\t-\t10.0.0.0/8\tin-use\tphone\nSHA256:y\tssh-rsa\t-\t" + at + "\t-\t-\tdisabled\t-\n": result.Keys{
			In: "SHA256:x", List: []result.Key{
				{Entry: keys.Entry{Fingerprint: "SHA256:x", Type: "ssh-rsa", Label: "phone", Added: noon, From: "10.0.0.0/8"}},
				{Entry: keys.Entry{Fingerprint: "SHA256:y", Type: "ssh-rsa", Disabled: "no"}, Used: noon},
			},
		},
		"192.0.2.7\tolivia\t" + at + "\t-\tnoise\n": result.Bans{List: []bans.Ban{{Target: target, By: "olivia", Made: noon, Reason: "noise"}}},
		"carol\tcode\t1d\tssh carol+code@host\n":    result.Invitation{Nick: "carol", Code: "code", Join: "ssh carol+code@host", For: 24 * time.Hour},
		"say TEXT                    say it\n":      result.Help{Commands: parse.Table{{Usage: "/say TEXT, or say", Help: "say it"}}},
		"away\t" + at + "\tlunch\nblocked\tbob,carol\nbell\tmentions\njoins\ton\nzone\tUTC\n": result.Settings{
			Preferences: room.Preferences{Blocked: []string{"bob", "carol"}, Absence: room.Absence{Since: noon, Reason: "lunch"}}, Zone: time.UTC,
		},
		"away\t-\t-\nblocked\t-\nbell\tmentions\njoins\ton\nzone\tUTC\n": result.Settings{Zone: time.UTC},
		"whoelse 1.2.3\n":        result.Version{Version: "1.2.3"},
		"welcome\n":              result.MOTD{Text: "welcome"},
		"delivered to bob\n":     result.Receipt{Receipt: room.Receipt{To: "bob"}},
		"you do not block bob\n": result.Failure{Reason: result.NotBlocked, Nick: "bob"},
		"why\n":                  result.Failure{Err: errors.New("why")},
		"bob's messages are hidden; /unblock bob shows them again\n": result.Done{What: result.Blocked, Nick: "bob"},
	} {
		if got := string(render.Facts(nil, r, render.Style{}, noon)); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	for _, what := range []result.What{"", result.InboxEmpty, result.NoMessages, result.NoMessagesWith, result.NothingSaid, result.NothingFound} {
		if got := render.Facts(nil, result.Done{What: what, Nick: "bob"}, render.Style{}, noon); len(got) > 0 {
			t.Errorf("%s: %q", what, got)
		}
	}
	if got := string(render.Facts(nil, result.MOTD{}, render.Style{}, noon)); strings.Contains(got, "*") {
		t.Errorf("got %q", got)
	}
}
