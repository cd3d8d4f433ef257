package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// notSent is what people are told when their words are not kept.
const notSent = "not sent: storage trouble; please try again in a moment"

// trouble is what can happen to a disk under a running server, and its end.
type trouble struct {
	begin, end func(*server)
}

// household is a server and people who note what they are told while its disk makes
// trouble: bob talks, carol is here and listens, erin sends single commands to dave,
// who is not here.
type household struct {
	t          *testing.T
	data       string
	keys       map[string][]string
	s          *server
	bob, carol *person
	told       *ledger
	n          int // of texts
}

func newHousehold(t *testing.T, data string, others ...string) *household {
	t.Helper()
	h := &household{t: t, data: data, keys: map[string][]string{}, told: newLedger()}
	for _, nick := range append(others, "bob", "carol", "dave", "erin") {
		h.keys[nick] = []string{newKey(t)}
	}
	h.start()
	return h
}

// start starts the server, and bob and carol sit down.
func (h *household) start() {
	h.t.Helper()
	h.s = startServer(h.t, h.data, "--inbox-max", "0", "--message-rate", "0", "--max-bytes-per-nick", "0", "--max-bytes-per-minute", "0")
	for nick := range h.keys { // who is known is written to
		if out, status := h.ask(nick, "nick"); status != 0 {
			h.t.Fatalf("%s: exit status %d: %s", nick, status, out)
		}
	}
	h.carol = plug(h.t, "carol", h.s.openSSH("carol", h.keys["carol"], []string{"-T"}))
	h.carol.sees("you are carol", "type help for a list of commands\n")
	h.bob = plug(h.t, "bob", h.s.openSSH("bob", h.keys["bob"], []string{"-T"}))
	h.bob.sees("you are bob", "type help for a list of commands\n")
}

// stop ends the server, which nobody survives.
func (h *household) stop(sig syscall.Signal) {
	h.t.Helper()
	if err := h.s.signal(sig, patience); err != nil && sig != syscall.SIGKILL {
		h.t.Errorf("the server ended with %v\n%s", err, h.log())
	}
	h.bob.leaves()
	h.carol.leaves()
	if log := h.s.log(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
		h.t.Error(log)
	}
}

func (h *household) text(what string) string {
	h.n++
	return fmt.Sprintf("%s %d", what, h.n)
}

// send has bob write to some, and reports whether that was taken.
func (h *household) send(to ...string) bool {
	h.t.Helper()
	text := h.text("to " + strings.Join(to, " and "))
	h.told.begin(text, "bob", to...)
	h.bob.types("@" + strings.Join(to, ",") + " " + text)
	return h.answered(text, to...)
}

// answered waits for the answers to what bob has sent.
func (h *household) answered(text string, to ...string) bool {
	h.t.Helper()
	var taken []string // one history can be in trouble, and the other take it; a read mark, when the message is taken
	from, refusal := h.bob.from, notSent
	for _, nick := range to {
		if len(to) > 1 {
			refusal = "not sent to " + nick + strings.TrimPrefix(notSent, "not sent")
		}
		h.bob.from = from // they come in no certain order
		if h.bob.seesOneOf(refusal+"\n", "delivered to "+nick+"\n", "kept for "+nick+" (offline)\n",
			"kept for "+nick+" (not answering)\n") > 0 {
			taken = append(taken, nick)
		}
	}
	if len(taken) == 0 {
		h.told.refused(text)
		return false
	}
	h.told.only(text, taken)
	h.told.acked(text)
	return true
}

// flood has bob write to dave many times without waiting for answers, which come in
// the order of the messages.
func (h *household) flood() {
	h.t.Helper()
	var texts []string
	var typed strings.Builder
	for range 100 {
		text := h.text("in a flood")
		texts = append(texts, text)
		h.told.begin(text, "bob", "dave")
		typed.WriteString("@dave " + text + "\n")
	}
	h.bob.types(strings.TrimSuffix(typed.String(), "\n"))
	for _, text := range texts {
		h.answered(text, "dave")
	}
}

// say has bob talk to everyone, and reports whether that was taken: then everyone sees
// it, else nobody.
func (h *household) say() bool {
	h.t.Helper()
	text := h.text("to everyone")
	h.told.begin(text, "bob")
	h.bob.types(text)
	if h.bob.seesOneOf(notSent+"\n", "bob: "+text+"\n") == 0 {
		h.told.refused(text)
		return false
	}
	h.carol.sees("bob: " + text + "\n")
	h.told.acked(text)
	return true
}

// command has erin send something with a single command, and reports whether that was
// taken. What it says and how it exits have to agree.
func (h *household) command(to ...string) bool {
	h.t.Helper()
	text, verb := h.text("by a command"), "say"
	if len(to) > 0 {
		verb = "send " + strings.Join(to, ",")
	}
	h.told.begin(text, "erin", to...)
	out, status := h.ask("erin", verb+" "+text)
	switch {
	case status == 0 && !strings.Contains(out, "storage"):
		h.told.acked(text)
	case status == 1 && strings.Contains(out, "whoelse: "+notSent+"\n"):
		h.told.refused(text)
	default:
		h.t.Errorf("%s: exit status %d: %s", verb, status, out)
	}
	if status == 0 && len(to) == 0 {
		h.carol.sees("erin: " + text + "\n")
	}
	return status == 0
}

func (h *household) ask(nick, command string) (string, int) {
	h.t.Helper()
	return h.s.runs(nick, h.keys[nick], "", command)
}

// tried says something in every way, and returns what was taken.
func (h *household) tried() map[string]bool {
	return map[string]bool{
		"to who is not here": h.send("dave"), "to who is here": h.send("carol"), "to both": h.send("carol", "dave"),
		"to everyone": h.say(), "by a command": h.command("dave"), "to everyone by a command": h.command(),
	}
}

// all says something in every way, which is taken every time or never.
func (h *household) all(want bool) {
	h.t.Helper()
	for what, got := range h.tried() {
		if got != want {
			h.t.Fatalf("%s: taken: %v, want %v; the log: %s", what, got, want, h.log())
		}
	}
}

// until says things in every way until each is taken, or each refused. The history of one
// nick can be in trouble before the log is, and some bytes fit on a full disk.
func (h *household) until(want bool) {
	h.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for late := time.After(patience); ; {
		got := h.tried()
		if !slices.Contains(slices.Collect(maps.Values(got)), !want) {
			return
		}
		select {
		case <-again.C:
		case <-late:
			h.t.Fatalf("messages are not what is wanted: taken: %v; the log: %s", got, h.log())
		}
	}
}

// reads sees that the histories have all that was acknowledged, and nothing else.
func (h *household) reads() {
	h.t.Helper()
	out, status := h.ask("carol", "history "+fmt.Sprint(askedAtMost))
	if said := h.told.known(func(w *word) bool { return w.told > 0 && w.to == nil }); status != 0 {
		h.t.Errorf("the room's history: exit status %d: %s", status, out)
	} else {
		same(h.t, "the room's history", shownIn("", out).room, said)
	}
	for nick := range h.keys {
		wrote := h.told.known(func(w *word) bool {
			return w.told > 0 && w.to != nil && (w.from == nick || slices.Contains(w.to, nick))
		})
		if out, status := h.ask(nick, "inbox all "+fmt.Sprint(askedAtMost)); status != 0 {
			h.t.Errorf("%s's history: exit status %d: %s", nick, status, out)
		} else {
			same(h.t, nick+"'s history", shownIn("", out).direct, wrote)
		}
	}
}

// readsInbox sees that dave's inbox has all that was ever sent to him.
func (h *household) readsInbox() {
	h.t.Helper()
	out, _ := h.ask("dave", "inbox")
	same(h.t, "dave's inbox", shownIn("", out).direct, h.told.known(func(w *word) bool {
		return w.told > 0 && slices.Contains(w.to, "dave")
	}))
}

// isLogged sees that whoever runs the server can find out what is wrong.
func (h *household) isLogged() {
	h.t.Helper()
	if log := h.s.log(); !strings.Contains(log, "nothing is accepted") && !strings.Contains(log, "it can't be written") {
		h.t.Errorf("the log does not say what is wrong: %s", h.log())
	}
}

// log is what the server has logged lately.
func (h *household) log() string {
	log := h.s.log()
	return log[max(0, len(log)-2000):]
}

// livesThrough has the trouble come and go, and come once more and the server be
// killed in it.
func (h *household) livesThrough(tr trouble) {
	h.t.Helper()
	h.recoversFrom(tr)
	tr.begin(h.s)
	h.until(false)
	h.all(false)
	h.stop(syscall.SIGKILL)
	tr.end(h.s)
	h.start()
	h.leavesAllBehind()
}

// recoversFrom has the trouble come and go. The server recovers by itself, and always
// has what was acknowledged, and only that, also for the one that is started next.
func (h *household) recoversFrom(tr trouble) {
	h.t.Helper()
	h.all(true)
	tr.begin(h.s)
	h.flood()
	h.until(false)
	h.all(false)
	h.isLogged()
	h.reads()
	h.readsInbox() // and can't be marked as read
	tr.end(h.s)
	h.flood()
	h.until(true)
	h.all(true)
	h.reads()
	h.stop(syscall.SIGKILL)
	h.start()
	h.reads()
}

// leavesAllBehind looks at everything, stops the server in order and looks at the
// files, and at what a new one makes of them.
func (h *household) leavesAllBehind() {
	h.t.Helper()
	h.reads()
	h.all(true)
	h.stop(syscall.SIGTERM)
	h.told.check(h.t, readHistories(h.data).next(h.t))
	h.start()
	h.reads()
	h.readsInbox()
}
