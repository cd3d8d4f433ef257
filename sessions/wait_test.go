package sessions_test

import (
	"fmt"
	"strings"
	"testing"

	"whoelse/room"
)

// command runs a command of somebody with a key to its end.
func (r *rig) command(nick, line string) string {
	r.t.Helper()
	return runs(r.t, r, dial{user: nick, key: nick, command: line})
}

// TestWait: send --wait goes on until each recipient has read the message, wherever that is.
func TestWait(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, nick := range []string{"bob", "carol", "dave"} {
		r.registers(nick)
	}
	tail := r.follows("bob", "tail")
	hidden := r.bot("bob")
	hidden.writes(`{"CMD":"JOIN","HIDDEN":true}`)
	hidden.expects(`"LIST"`)
	waits := r.follows("bob", "send --id w --wait 10m carol,dave lunch?")
	waits.expects("kept for dave (offline)")
	waits.expects("kept for carol (offline)")
	r.command("carol", "inbox")
	waits.expects("read by carol")
	hidden.expects(`"UID":"carol","STATUS":"read"`)
	if strings.Contains(waits.received(), "exit status") {
		t.Error("it ended before dave has read it")
	}
	bot := r.bot("dave")
	bot.writes(`{"CMD":"JOIN"}`)
	bot.expects(`"LIST"`)
	bot.writes(`{"CMD":"INBOX"}`)
	bot.expects("lunch?")
	bot.writes(`{"CMD":"READ","IDS":"` + bot.idOf("lunch?") + `"}`)
	waits.expects("read by dave")
	waits.expects("(exit status 0)")
	again := r.follows("bob", "send --id w --wait 10m carol,dave lunch?") // as if it had been killed
	again.expects("read by carol")
	again.expects("read by dave")
	again.expects("(exit status 0)")

	present := r.follows("bob", "send --wait 10m dave soon")
	bot.expects("soon")
	bot.writes(`{"CMD":"READ","IDS":"` + bot.idOf("soon") + `"}`)
	present.expects("delivered to dave")
	present.expects("(exit status 0)")

	silent := r.follows("bob", "send --wait 10m dave later") // the program answers when its sender was told "kept"
	silent.expects("kept for dave (not answering)")
	bot.writes(`{"CMD":"READ","IDS":"` + bot.idOf("later") + `"}`)
	silent.expects("read by dave")
	silent.expects("(exit status 0)")
	r.say("carol", "the end")
	tail.prints("room carol #lobby the end") // and no receipts
}

// idOf is the ID of the message with this text, "" before it came.
func (b *bot) idOf(text string) string {
	b.t.Helper()
	for {
		if f := b.next(); f.Msg == text {
			return f.ID
		}
	}
}

// TestWaitRefused: the exit status says when not all have it.
func TestWaitRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, nick := range []string{"bob", "carol", "dave"} {
		r.registers(nick)
	}
	for command, want := range map[string][]string{
		"send --wait 1s carol hi":           {"kept for carol", "! whoelse: not received in time by carol; the message is not lost", "(exit status 124)"},
		"send --wait 1s carol,dave hi":      {"not received in time by carol and dave", "(exit status 124)"},
		"send --wait 1s carol,zoe hi":       {"nobody is called zoe", "not received in time by carol", "(exit status 3)"},
		"send --wait 1s zoe hi":             {"nobody is called zoe", "(exit status 67)"},
		"send --wait 1s bob,bob hi":         {"that is you", "(exit status 1)"},
		"broadcast --wait 1s user carol hi": {"not received in time by carol", "(exit status 124)"},
	} {
		got := r.command("bob", command)
		for _, words := range want {
			if !strings.Contains(got, words) {
				t.Errorf("%s: %q is missing in\n%s", command, words, got)
			}
		}
	}
	waits := r.follows("bob", "send --wait 10m dave,zoe hi")
	waits.expects("kept for dave")
	r.command("dave", "inbox")
	waits.expects("(exit status 3)")
}

// TestWaitersAreBounded: with tails and hidden programs they are as many as room.MaxObservers.
func TestWaitersAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("carol")
	for i := range room.MaxObservers {
		r.follows("bob", fmt.Sprintf("send --wait 10m carol %d", i)).expects("kept for carol")
	}
	if got := r.command("bob", "send --wait 10m carol one more"); !strings.Contains(got, "you have 10 running already") {
		t.Error(got)
	}
	if got := r.command("carol", "inbox all"); strings.Contains(got, "one more") {
		t.Errorf("it was sent:\n%s", got)
	}
}

// TestProgramsKeys: a SEND with a KEY that was used is answered as the first was.
func TestProgramsKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("carol")
	bob, other := r.bot("bob"), r.bot("bob")
	for _, b := range []*bot{bob, other} {
		b.writes(`{"CMD":"JOIN"}`)
		b.expects(`"LIST"`)
	}
	for _, text := range []string{`"MSG":"hi all"`, `"MSG":"lunch?","TO":["carol","zoe"]`} {
		send := fmt.Sprintf(`{"CMD":"SEND",%s,"KEY":"k %d","REF":"1"}`, text, len(text))
		bob.writes(send)
		first := bob.answersTo("1", 1+strings.Count(text, "zoe"))
		other.writes(send)
		again := other.answersTo("1", len(first))
		if fmt.Sprint(first) != fmt.Sprint(again) {
			t.Errorf("first %q, then %q", first, again)
		}
		other.writes(strings.Replace(send, `"MSG":"`, `"MSG":"!`, 1))
		if got := other.answersTo("1", 1); !strings.Contains(fmt.Sprint(got), "key-used") {
			t.Errorf("another text: %q", got)
		}
	}
	bob.writes(`{"CMD":"SEND","MSG":"x","KEY":"a\u0007"}`)
	bob.expects("bad-field")
	guest := r.bot("guestly")
	guest.writes(`{"CMD":"JOIN"}`, `{"CMD":"SEND","MSG":"x","KEY":"1"}`)
	guest.expects("keys-only")
	for _, text := range []string{"hi all", "lunch?"} {
		if n := strings.Count(bob.received(), `"MSG":"`+text); n != 1 {
			t.Errorf("%q was shown %d times", text, n)
		}
	}
}

// answersTo returns the next n answers with this REF, sorted by recipient.
func (b *bot) answersTo(ref string, n int) map[string]string {
	b.t.Helper()
	found := map[string]string{}
	for len(found) < n {
		if f := b.next(); f.Ref == ref {
			found[f.UID] = fmt.Sprint(f.Type, f.Status, f.Code, f.ID)
		}
	}
	return found
}
