package sessions_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"whoelse/sessions"
	"whoelse/sessions/protocol"
)

// varies is what differs in frames from one run to the next.
var (
	varies  = regexp.MustCompile(`,"(ID|AT|SINCE|ACTIVE|LEFT|USED|UNTIL|ADDED)":"[^"]+"`)
	secrets = regexp.MustCompile(`(SHA256:)[A-Za-z0-9+/]{43}|[a-z0-9]{4}(-[a-z0-9]{4}){3}`)
)

// inJSON runs a command that answers in JSON. It returns the frames, which follow the schema,
// without what varies, and the exit status. Standard error has the reason of every failure.
func (r *rig) inJSON(schema *jsonschema.Schema, nick, command string) string {
	r.t.Helper()
	d := dial{user: nick, command: command}
	if !strings.HasPrefix(nick, "guest") {
		d.key = nick
	}
	said := runs(r.t, r, d)
	var got []string
	for row := range strings.SplitSeq(said, "\n") {
		if !strings.HasPrefix(row, "{") {
			continue
		}
		var f protocol.Frame
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(row))
		if err == nil {
			err = schema.Validate(value)
		}
		if err == nil {
			err = json.Unmarshal([]byte(row), &struct {
				*protocol.Frame
				Data any `json:"DATA"`
			}{Frame: &f})
		}
		if err != nil {
			r.t.Errorf("%s: %s\n%v", command, row, err)
		}
		if failed := f.Type == protocol.Fail || f.CMD == protocol.Err; !failed {
			row = strings.Replace(row, `{"CMD":"ACK","TYPE":"OKAY",`, "OKAY {", 1)
			got = append(got, secrets.ReplaceAllString(varies.ReplaceAllString(row, ""), "$1"))
			continue
		}
		words := fmt.Sprint(cmp.Or(f.Type, f.CMD), " ", f.Of, " ", f.Code, " ", f.UID)
		got = append(got, strings.Join(strings.Fields(words), " "))
		if !strings.Contains(said, "\n! whoelse: "+f.Reason+"\n") {
			r.t.Errorf("%s: its failure is not on standard error:\n%s", command, said)
		}
	}
	return strings.Join(append(got, said[strings.LastIndex(said, "\n(")+1:]), "\n")
}

// What tail prints of the past is marked, and its end comes in a frame, too.
func TestTailInJSON(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	r.registers("carol")
	r.say("bob", "carol: earlier")
	tail := &bot{client: r.follows("carol", "tail --mentions --json"), schema: serverFrames(t)}
	all := &bot{client: r.follows("carol", "tail --json -n 1"), schema: serverFrames(t)}
	for _, b := range []*bot{tail, all} { // which have begun then
		b.gets(`{"CMD":"MSG","TYPE":"ALL","FROM":"bob","MSG":"carol: earlier","ROOM":"lobby","REPLAY":true}`)
	}
	r.say("bob", "carol: now")
	now := `{"CMD":"MSG","TYPE":"ALL","FROM":"bob","MSG":"carol: now","ROOM":"lobby"}`
	tail.gets(now)
	all.gets(now)
	kicked := r.inJSON(serverFrames(t), "olivia", "kick --json carol")
	const want = `OKAY {"OF":"KICK","DATA":[{"TARGET":"carol","SESSIONS":2,"NICKS":["carol"],"ADDRESSES":["127.0.0.1"]}]}`
	if kicked != want+"\n(exit status 0)" {
		t.Errorf("got %s", kicked)
	}
	for _, b := range []*bot{tail, all} {
		b.gets(`{"CMD":"BYE","CODE":"ended","REASON":"you were kicked by olivia"}`)
		b.expects("! whoelse: you were kicked by olivia")
		b.expects("(exit status 4)")
	}
}

// Every command of the table answers in frames, with words only on standard error, or without --json
// with facts, and nobody sees who gives it. A new command needs a line here.
func TestEveryCommandAnswersInJSON(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	r.registers("bob")
	r.registers("carol")
	alice := connect(t, r.addr, dial{user: "alice", key: "alice"})
	schema := serverFrames(t)
	tried := map[string]bool{"json": true} // which is a session of its own
	for _, step := range []struct {
		nick, command string
		status        int
		want          string
	}{
		{"bob", "whoelse --json", 0, `{"CMD":"WHO","DATA":[{"UN":"alice","UID":"alice","SESSIONS":1}]}`},
		{"bob", "wholast 5 --json", 0, `{"CMD":"WHO","DATA":[{"UN":"alice","UID":"alice","SESSIONS":1}]}`},
		{"bob", "bots --json", 0, `{"CMD":"WHO","DATA":[]}`},
		{"guestsam", "whoelse --json", 0, `{"CMD":"WHO","DATA":[{"UN":"alice","UID":"alice","SESSIONS":1}]}`},
		{"bob", "send --json alice,carol,zebra lunch --json?", 3, `FAIL SEND unknown-nick zebra
			OKAY {"OF":"SEND","UID":"carol","STATUS":"kept","CODE":"offline"}
			OKAY {"OF":"SEND","UID":"alice","STATUS":"delivered"}`},
		{"bob", "send --json zebra hi", 67, "FAIL SEND unknown-nick zebra"},
		{"bob", "send --json bob", 2, "FAIL SEND usage"},
		{"bob", "msg --json bob hi", 1, "FAIL SEND self bob"},
		{"bob", "broadcast --json hello", 0, `OKAY {"OF":"BROADCAST","STATUS":"delivered"}`},
		{"bob", "broadcast --json user alice hello", 0, `OKAY {"OF":"BROADCAST","UID":"alice","STATUS":"delivered"}`},
		{"bob", "say --json  two words", 0, `OKAY {"OF":"SAY","STATUS":"delivered"}`},
		{"bob", "me --json waves", 0, `OKAY {"OF":"ME","STATUS":"delivered"}`},
		{"bob", "history --json 2", 0, `{"CMD":"MSG","TYPE":"ALL","FROM":"bob","MSG":"two words","ROOM":"lobby","REPLAY":true}
			{"CMD":"MSG","TYPE":"ALL","FROM":"bob","MSG":"waves","ROOM":"lobby","KIND":"me","REPLAY":true}
			OKAY {"OF":"HISTORY"}`},
		{"bob", "history --json 2 3", 2, "FAIL HISTORY usage"},
		{"carol", "reply --json yes", 0, `OKAY {"OF":"REPLY","UID":"bob","STATUS":"kept","CODE":"offline"}`},
		{"olivia", "reply --json yes", 1, "FAIL REPLY nothing-to-reply"},
		{"carol", "inbox --json", 0, `{"CMD":"MSG","TYPE":"GROUP","FROM":"bob","MSG":"lunch --json?","TO":["alice","carol"],"REPLAY":true}
			OKAY {"OF":"INBOX"}`},
		{"carol", "inbox --json", 0, `OKAY {"OF":"INBOX","CODE":"inbox-empty"}`},
		{"bob", "inbox all --json 1", 0, `{"CMD":"MSG","TYPE":"PRIVATE","FROM":"carol","MSG":"yes","TO":["bob"],"REPLAY":true}
			OKAY {"OF":"INBOX"}`},
		{"bob", "inbox zebra --json", 67, "FAIL INBOX no-such-nick"},
		{"guestsam", "inbox --json", 4, "FAIL INBOX keys-only"},
		{"bob", "search --json YE BOB", 0, `{"CMD":"MSG","TYPE":"PRIVATE","FROM":"carol","MSG":"yes","TO":["bob"],"REPLAY":true}
			OKAY {"OF":"SEARCH"}`},
		{"bob", "search --json yes dora", 0, `OKAY {"OF":"SEARCH","CODE":"nothing-found"}`},
		{"bob", "search --json #nope yes", 1, "FAIL SEARCH no-such-room"},
		{"bob", "show xyz --json", 1, "FAIL SHOW no-such-message"},
		{"bob", "tail -n x --json", 2, "FAIL TAIL usage"},
		{"guestsam", "tail --direct --json", 4, "FAIL TAIL keys-only"},
		{"bob", "watch --json alice", 0, `OKAY {"OF":"WATCH","UID":"alice"}`},
		{"bob", "watch zebra --json", 67, "FAIL WATCH no-such-nick"},
		{"bob", "away --json lunch at 8", 0, `OKAY {"OF":"AWAY","CODE":"marked-away"}`},
		{"bob", "settings --json", 0, `OKAY {"OF":"SETTINGS","DATA":[{"AWAY":true,"REASON":"lunch at 8","BLOCKED":[],"BELL":"mentions","JOINS":"on","ZONE":"UTC"}]}`},
		{"carol", "send --json bob hi", 0, `OKAY {"OF":"SEND","UID":"bob","STATUS":"kept","CODE":"away","REASON":"lunch at 8"}`},
		{"bob", "back --json", 0, `OKAY {"OF":"BACK","N":2}`},
		{"bob", "back --json", 0, `OKAY {"OF":"BACK","CODE":"was-not-away"}`},
		{"bob", "block carol --json", 0, `OKAY {"OF":"BLOCK","UID":"carol","CODE":"blocked"}`},
		{"bob", "block carol --json", 0, `OKAY {"OF":"BLOCK","UID":"carol","CODE":"already-blocked"}`},
		{"carol", "send --json bob hi", 1, "FAIL SEND blocked bob"},
		{"bob", "blocked --json", 0, `OKAY {"OF":"BLOCKED","DATA":[{"UN":"carol","UID":"carol"}]}`},
		{"bob", "settings --json", 0, `OKAY {"OF":"SETTINGS","DATA":[{"BLOCKED":["carol"],"BELL":"mentions","JOINS":"on","ZONE":"UTC"}]}`},
		{"bob", "settings bell --json loud", 2, "FAIL SETTINGS usage"},
		{"bob", "settings bell off --json", 0, `OKAY {"OF":"SETTINGS","DATA":[{"BLOCKED":["carol"],"BELL":"off","JOINS":"on","ZONE":"UTC"}]}`},
		{"bob", "settings --json zone europe/berlin", 0, `OKAY {"OF":"SETTINGS","DATA":[{"BLOCKED":["carol"],"BELL":"off","JOINS":"on","ZONE":"Europe/Berlin"}]}`},
		{"bob", "settings --json zone Middle/Earth", 2, "FAIL SETTINGS no-such-zone"},
		{"guestsam", "settings --json", 4, "FAIL SETTINGS keys-only"},
		{"bob", "version --json", 0, `OKAY {"OF":"VERSION","MSG":"1.2.3"}`},
		{"bob", "unblock carol --json", 0, `OKAY {"OF":"UNBLOCK","UID":"carol","CODE":"unblocked"}`},
		{"bob", "unblock carol --json", 1, "FAIL UNBLOCK not-blocked"},
		{"bob", "blocked --json", 0, `OKAY {"OF":"BLOCKED","DATA":[]}`},
		{"bob", "nick --json", 0, `OKAY {"OF":"NICK","UID":"bob","DATA":[{"KEY":"SHA256:","CURRENT":true}]}`},
		{"guestsam", "nick --json", 0, `OKAY {"OF":"NICK","UID":"~guestsam","DATA":[]}`},
		{"bob", "nick --json dora", 1, "FAIL NICK nick-kept"},
		{"bob", "key --json", 0, `OKAY {"OF":"KEY","DATA":[{"KEY":"SHA256:","TYPE":"ssh-ed25519","CURRENT":true}]}`},
		{"bob", "key --json add " + public("spare") + " bob@phone", 0, `OKAY {"OF":"KEY","UID":"bob","DATA":[{"KEY":"SHA256:","TYPE":"ssh-ed25519","LABEL":"phone","PENDING":true}]}`},
		{"bob", "key --json add nonsense", 1, "FAIL KEY bad-key"},
		{"bob", "key --json remove SHA256:x", 1, "FAIL KEY no-such-key"},
		{"carol", "key --json leave bob", 1, "FAIL KEY not-confirmed"},
		{"bob", "motd --json", 0, `OKAY {"OF":"MOTD"}`},
		{"bob", "paste --json", 2, "FAIL PASTE usage"},
		{"bob", "paste zebra --json", 67, "FAIL PASTE no-such-nick"},
		{"bob", "fetch --json xyzw", 1, "FAIL FETCH no-such-file"},
		{"guestsam", "fetch --json xyzw", 4, "FAIL FETCH keys-only"},
		{"bob", "join --json #ops", 0, `OKAY {"OF":"JOIN","CODE":"room-made","ROOM":"ops"}`},
		{"bob", "topic --json #ops builds", 0, `OKAY {"OF":"TOPIC","CODE":"room-topic-set","ROOM":"ops"}`},
		{"bob", "topic --json #ops -", 0, `OKAY {"OF":"TOPIC","CODE":"room-topic-cleared","ROOM":"ops"}`},
		{"bob", "topic --json #ops builds", 0, `OKAY {"OF":"TOPIC","CODE":"room-topic-set","ROOM":"ops"}`},
		{"carol", "join #ops --json", 0, `OKAY {"OF":"JOIN","CODE":"room-joined","ROOM":"ops","DATA":[{"ROOM":"ops","TOPIC":"builds","OWNERS":["bob"],"JOINED":true}]}`},
		{"carol", "topic --json #ops deploys", 4, "FAIL TOPIC not-room-owner"},
		{"carol", "in --json #ops red", 0, `OKAY {"OF":"IN","STATUS":"delivered"}`},
		{"bob", "history #ops --json", 0, `{"CMD":"MSG","TYPE":"ALL","FROM":"carol","MSG":"red","ROOM":"ops","REPLAY":true}
			OKAY {"OF":"HISTORY"}`},
		{"bob", "say --json #ops green", 0, `OKAY {"OF":"SAY","STATUS":"delivered"}`},
		{"bob", "broadcast --json #nope green", 1, "FAIL BROADCAST no-such-room"},
		{"bob", "wholast #ops --json", 0, `{"CMD":"WHO","DATA":[]}`},
		{"bob", "wholast --json #nope 5", 1, "FAIL WHOLAST no-such-room"},
		{"bob", "mute #ops --json", 0, `OKAY {"OF":"MUTE","CODE":"room-muted","ROOM":"ops"}`},
		{"bob", "unmute #ops --json", 0, `OKAY {"OF":"UNMUTE","CODE":"room-unmuted","ROOM":"ops"}`},
		{"bob", "room #ops private --json", 0, `OKAY {"OF":"ROOM","CODE":"room-changed","ROOM":"ops"}`},
		{"bob", "room #ops private --json", 0, `OKAY {"OF":"ROOM","CODE":"room-unchanged","ROOM":"ops"}`},
		{"carol", "leave #ops --json", 1, "FAIL LEAVE no-such-room"},
		{"carol", "rooms --json", 0, `OKAY {"OF":"ROOMS","DATA":[{"ROOM":"lobby","PEOPLE":1,"JOINED":true}]}`},
		{"bob", "clear --json", 2, "FAIL CLEAR room-only"},
		{"bob", "quit --json", 2, "FAIL QUIT room-only"},
		{"bob", "help --json whoelse", 0, `OKAY {"OF":"HELP","DATA":[{"NAME":"whoelse","USAGE":["whoelse [#ROOM]"],"HELP":"list everyone else here, or in a room","ALIASES":["who","names","list"]}]}`},
		{"bob", "help --json kick", 4, "FAIL HELP operators-only"},
		{"bob", "help --json dance", 2, "FAIL HELP no-such-command"},
		{"bob", "kick --json alice", 4, "FAIL KICK operators-only"},
		{"olivia", "kick --json carol", 1, "FAIL KICK not-here"},
		{"olivia", "mute bob 1h --json", 0, `OKAY {"OF":"MUTE","DATA":[{"TARGET":"bob","SECONDS":3600}]}`},
		{"bob", "say --json x", 4, "FAIL SAY muted"},
		{"olivia", "unmute --json bob", 0, `OKAY {"OF":"UNMUTE","DATA":[{"TARGET":"bob"}]}`},
		{"olivia", "unmute bob --json", 1, "FAIL UNMUTE not-muted"},
		{"olivia", "invite carol2 --json", 0, `OKAY {"OF":"INVITE","DATA":[{"UID":"carol2","CODE":"","JOIN":"ssh -p 2222 carol2+@chat.example","SECONDS":86400}]}`},
		{"olivia", "invite carol --json", 1, "FAIL INVITE nick-held"},
		{"olivia", "ban --json 192.0.2.7 1h noise, noise", 0, `OKAY {"OF":"BAN","DATA":[{"TARGET":"192.0.2.7","SECONDS":3600,"REASON":"noise, noise"}]}`},
		{"olivia", "bans --json", 0, `OKAY {"OF":"BANS","DATA":[{"TARGET":"192.0.2.7","BY":"olivia","REASON":"noise, noise"}]}`},
		{"olivia", "unban 192.0.2.7 --json", 0, `OKAY {"OF":"UNBAN","DATA":[{"TARGET":"192.0.2.7"}]}`},
		{"olivia", "unban 192.0.2.7 --json", 1, "FAIL UNBAN not-banned"},
		{"olivia", "ban --json olivia", 1, "FAIL BAN would-ban-you"},
		{"olivia", "bans --json", 0, `OKAY {"OF":"BANS","DATA":[]}`},
		{"olivia", "announce --json down at 8", 0, `OKAY {"OF":"ANNOUNCE","STATUS":"delivered"}`},
		{"bob", "dance --json", 2, "ERROR unknown-cmd"},
		{"carol", "key --json leave carol", 0, `OKAY {"OF":"KEY","UID":"carol","CODE":"giving-up"}`},
	} {
		name, _, _ := strings.Cut(step.command, " ")
		if c := sessions.Grammar.Find(name); c != nil {
			tried[c.Name] = true
		}
		want := fmt.Sprintf("%s\n(exit status %d)", strings.ReplaceAll(step.want, "\n\t\t\t", "\n"), step.status)
		if got := r.inJSON(schema, step.nick, step.command); got != want {
			t.Errorf("%s: %s\ngot:\n%s\nwant:\n%s", step.nick, step.command, got, want)
		}
		r.awaitVisits(step.nick, 0) // a status comes a moment before a command is gone, which could be kicked yet
	}
	for _, c := range sessions.Grammar {
		if !tried[c.Name] {
			t.Errorf("%s was not tried with --json", c.Name)
		}
	}
	for _, c := range sessions.Grammar { // without --json, most with a mistake
		if c.Name == "json" || c.Name == "tail" {
			continue
		}
		for row := range strings.SplitSeq(runs(t, r, dial{user: "olivia", key: "olivia", command: c.Name}), "\n") {
			if strings.HasPrefix(row, " ") || strings.Contains(row, "* ") && c.Name != "help" {
				t.Errorf("%s is no fact: %q", c.Name, row)
			}
		}
	}
	alice.typed("/say still here\n")
	alice.expects("still here")
	if said := alice.received(); strings.Contains(said, "bob joined") || strings.Contains(said, "bob left") {
		t.Error(said)
	}
}
