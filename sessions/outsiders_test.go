package sessions_test

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The private room, and names close to its.
const (
	den     = "#plans-kx7q2l0w"
	denNear = "#plans-kx7q2l0"  // a letter is missing
	denLike = "#p1ans-kx7q21ow" // reads like it
	denHead = "#plans-k"
)

// secret is what is said in the room, and its topics. Nobody outside types such words.
var secret = regexp.MustCompile(`hush\d+`)

// TestOutsiders: on two servers the same people do the same things, but on one of them some are in a private room
// as well. Whatever those outside it type, run, press and send: their screens, answers, exit statuses and frames are
// the same on both. Those who were let in and removed see no more of what is said, and the log has none of it.
func TestOutsiders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 20, 40).Draw(rt, "steps")
		var with, without *world
		var both sync.WaitGroup
		both.Go(func() { with = plays(t, steps, true) })
		both.Go(func() { without = plays(t, steps, false) })
		both.Wait()
		for _, w := range []*world{with, without} {
			if len(w.tried.failed) > 0 {
				rt.Fatalf("%s", strings.Join(w.tried.failed, "\n"))
			}
		}
		if diff := cmp.Diff(without.answers, with.answers); diff != "" {
			rt.Errorf("a private room makes this difference (+):\n%s", diff)
		}
		if leaks := with.leaks; len(leaks) > 0 {
			rt.Errorf("what is said in it is shown:\n%s", strings.Join(leaks, "\n"))
		}
	})
}

// step is one thing that somebody does. {ID} in a line is the id of a message in the room, {END} the end of it, and
// {N} a number.
type step struct {
	how  string // inside, public, shell, types, frame, erin, restart
	who  string
	line string
}

// What is done in the private room, on the one server alone.
var insideLines = []string{
	"in {DEN} hush{N}", "in {DEN} hush{N} for dave and @eve, ~gus", "in --id k{N} {DEN} hush{N}",
	"topic {DEN} hush{N}", "history {DEN}", "in {DEN} hush{N}", "room {DEN} invite erin",
	"room {DEN} remove erin", "room {DEN} owner carol", "room {DEN} mute erin", "room {DEN} unmute erin",
	"leave {DEN}", "join {DEN}", "room {DEN} private", "mute {DEN}", "unmute {DEN}", "public", "close",
	"types",
}

// What everybody hears, or is told, from those in it.
var publicLines = []string{
	"say hello", "send dave hi", "send dave,eve,erin hi", "me waves", "away {N}", "back",
	"say the name is {DEN}",
}

// roomLines are commands about a room.
var roomLines = []string{
	"whoelse %s", "history %s", "history %s 500", "in %s hello", "in --id k1 %s hello", "topic %s",
	"topic %s mine", "search %s hello", "leave %s", "mute %s", "unmute %s", "room %s", "room %s private", "room %s public",
	"room %s invite dave", "room %s invite ~gus", "room %s remove bob", "room %s owner dave",
	"room %s mute carol", "room %s guests on", "room %s close", "wholast %s", "bots %s", "send %s x",
	"inbox %s", "watch %s", "help %s", "join %s", "broadcast %s hi", "say %s hi", "block %s",
	"key leave %s", "paste %s",
}

// otherLines are commands that name no room.
var otherLines = []string{
	"rooms", "rooms", "whoelse", "wholast", "wholast 5", "history", "history 500", "inbox",
	"search o", "inbox all 100", "inbox carol", "show {ID}", "show {END}", "settings", "bots", "blocked", "motd",
	"nick", "version", "send bob,carol hi", "send bbo hi", "reply yes", "broadcast hi", "say hi, bob",
	"me hi", "say --id k1 hi", "send --id k{N} carol hi", "away", "back", "block carol", "unblock carol",
	"help room", "rooom", "topic", "room", "key", "mute carol",
}

// shellLines work from a shell alone.
var shellLines = []string{
	"leave", "fetch {ID}", "fetch {END}", "scp -f {END}", "scp -t {DEN}", "tail --room {DEN}",
	"tail --since {ID} --room {DEN}", "watch bob",
}

// typedLines are what only a terminal has, and tabs what completes them.
var (
	typedLines = []string{"{DEN} hello", "{NEAR} hello", "#", "reply ok"}
	tabs       = []string{"{HEAD}\t", "/topic {HEAD}\t", "/in {HEAD}\t hello", "\t", "/r\t", "@b\t hi"}
)

var frames = []string{
	`{"CMD":"WHO"}`, `{"CMD":"INBOX"}`, `{"CMD":"HISTORY"}`, `{"CMD":"HISTORY","N":500,"WITH":"bob"}`,
	`{"CMD":"HISTORY","ROOM":"%s"}`, `{"CMD":"SEND","MSG":"hi","ROOM":"%s"}`,
	`{"CMD":"SEND","MSG":"hi","ROOM":"%s","KEY":"k1"}`, `{"CMD":"SEND","MSG":"hi","TO":"%s"}`,
	`{"CMD":"READ","IDS":["{ID}"]}`, `{"CMD":"JOINROOM","ROOM":"%s"}`, `{"CMD":"LEAVEROOM","ROOM":"%s"}`,
	`{"CMD":"LIST","ROOM":"%s"}`, `{"CMD":"WHO","ROOM":"%s"}`, `{"CMD":"SEND","MSG":"hi"}`,
	`{"CMD":"SEND","MSG":"hi","TO":["bob","carol"]}`,
}

func drawStep(t *rapid.T) step {
	pick := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, what) }
	s := step{how: pick("how", "inside", "inside", "inside", "inside", "public",
		"shell", "shell", "shell", "shell", "types", "types", "tabs", "frame", "erin")}
	switch s.how {
	case "inside":
		s.who, s.line = pick("who", "bob", "bob", "carol"), pick("line", insideLines...)
		if rapid.IntRange(0, 30).Draw(t, "restart") == 30 {
			s = step{how: "restart"}
		}
	case "public":
		s.who, s.line = pick("who", "bob", "carol"), pick("line", publicLines...)
	case "shell":
		s.who = pick("who", "dave", "eve", "ann", "olivia")
		s.line = pick("line", slices.Concat(roomLines, otherLines, shellLines)...)
	case "types":
		s.who = pick("who", "dave", "olivia", "gus")
		s.line = pick("line", slices.Concat(roomLines, otherLines, typedLines)...)
	case "tabs":
		s.how, s.who, s.line = "types", pick("who", "dave", "olivia"), pick("line", tabs...)
	case "frame":
		s.who, s.line = "eve", pick("line", frames...)
	case "erin":
		s.who, s.line = "erin", pick("line", slices.Concat(roomLines[:8], otherLines, shellLines)...)
	}
	name := pick("room", den, den, den, denNear, denLike, "#open", "#lobby")
	if strings.Contains(s.line, "join") || strings.Contains(s.line, "JOINROOM") {
		name = pick("joined", denNear, "#open") // that a name is taken can't be hidden
		if s.who == "gus" || s.who == "ann" {
			name = den // but from those who make none
		}
	}
	if s.how == "frame" {
		name = name[1:]
	}
	switch { // operators can
	case s.who == "olivia" && strings.HasSuffix(s.line, "close"):
		return step{"inside", "bob", "close"}
	case s.who == "olivia" && s.line == "mute carol": // who has to be heard
		s.line = "mute gus"
	}
	s.line = strings.NewReplacer("%s", name, "{DEN}", den, "{NEAR}", denNear, "{HEAD}", denHead).Replace(s.line)
	if s.how == "shell" && rapid.Bool().Draw(t, "json") {
		s.line = regexp.MustCompile(`^[a-z]+`).ReplaceAllString(s.line, "$0 --json")
	}
	return s
}

// world is a server, and those on it.
type world struct {
	*rig
	tried  *attempt
	hasDen bool
	n      int

	seats   map[string]*client // who stays: people, and programs by what they run
	answers []string           // what those outside were shown
	leaks   []string

	erinIn bool     // erin may read the room
	hidden []string // what was said in it while she might not
	ids    []string // those of messages in it that somebody outside asked for, each with what stands for it
}

var outside = []string{"dave", "olivia", "gus", "eve", "tail", "mentions", "direct"}

// plays has everything done on a server, with the private room or without.
func plays(t *testing.T, steps []step, hasDen bool) *world {
	tried := &attempt{TB: t}
	w := &world{tried: tried, rig: &rig{t: tried, dir: t.TempDir()}, hasDen: hasDen}
	tried.run(func() {
		w.start()
		defer w.stop()
		w.trust("olivia")
		for _, nick := range []string{"bob", "carol", "dave", "erin", "eve"} {
			w.registers(nick)
		}
		w.sit()
		w.begin()
		for _, s := range steps {
			w.take(s)
		}
		w.leave()
	})
	for line := range strings.Lines(tried.log.String()) {
		if secret.MatchString(line) {
			w.leaks = append(w.leaks, "the log: "+line)
		}
	}
	return w
}

// sit has everybody come.
func (w *world) sit() {
	w.seats = map[string]*client{"gus": connect(w.t, w.addr, dial{user: "gus"})}
	for _, nick := range []string{"bob", "carol", "dave", "olivia", "erin"} {
		w.seats[nick] = w.terminal(nick, w.addr)
	}
	for what, command := range map[string]string{
		"tail": "tail -n 0", "mentions": "tail --mentions -n 0", "direct": "tail --direct -n 0",
	} {
		w.seats[what] = w.follows("dave", command)
	}
	w.seats["eve"] = w.follows("eve", "json")
	w.seats["eve"].typed(`{"CMD":"JOIN"}` + "\n")
	w.seats["eve"].expects(`"CMD":"LIST"`)
	w.awaitVisits("dave", 4)
}

// begin makes the room, where there is one, so that something is said in every case.
func (w *world) begin() {
	for _, s := range []step{
		{"public", "dave", "join #open"},
		{"inside", "bob", "join " + den}, {"inside", "bob", "room " + den + " private"},
		{"inside", "bob", "topic " + den + " hush{N}"}, {"inside", "bob", "room " + den + " invite carol"},
		{"inside", "carol", "join " + den}, {"inside", "carol", "in " + den + " hush{N}"},
		{"inside", "bob", "room " + den + " invite erin"}, {"inside", "erin", "join " + den},
		{"inside", "bob", "in " + den + " hush{N}"}, {"inside", "bob", "room " + den + " remove erin"},
		{"inside", "carol", "types"}, {"inside", "bob", "in " + den + " hush{N} for dave, eve and erin"},
	} {
		if got := w.take(s); w.hasDen && got != "" && !strings.HasSuffix(got, "(exit status 0)") {
			w.t.Fatalf("%s, %s: %s", s.who, s.line, got)
		}
	}
}

// leave ends what everybody sees, once they have seen all of it.
func (w *world) leave() {
	w.n++
	direct, end := fmt.Sprint("the last ", w.n), fmt.Sprint("the end, dave ", w.n)
	w.runs("bob", "send dave "+direct)
	w.runs("bob", "say "+end)
	for _, who := range append([]string{"erin"}, outside...) {
		c := w.seats[who]
		if who == "direct" {
			end = direct
		}
		c.expects(end)
		seen := c.received()
		if c.Screen != nil {
			c.Look(func() { seen = strings.Join(c.Screen.All(), "\n") })
		}
		if who != "erin" {
			w.shown(who, "", seen)
			continue
		}
		for _, said := range w.hidden {
			if slices.Contains(secret.FindAllString(seen, -1), said) {
				w.leaks = append(w.leaks, "erin, who is outside, sees "+said)
			}
		}
	}
	for _, c := range w.seats {
		c.end()
	}
}

// same is what somebody was shown without what differs between two servers, in an order that does not depend on which
// receipt comes first. How many joins are announced together depends on the time, too.
func (w *world) same(seen string) string {
	seen = varying.ReplaceAllString(strings.NewReplacer(w.ids...).Replace(seen), "...")
	seen = slow.Replace(seen)
	rows := slices.DeleteFunc(strings.Split(seen, "\n"), announced.MatchString)
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}

// announced is that people came or went, without the name of a room.
var announced = regexp.MustCompile(`^ \* [^#]* (joined|left)$|^\{"CMD":"LIST"[^#]*$`)

// varying is what differs between two servers: times, ids, and the number of a guest whose name is not free yet.
// slow removes whether somebody's client answers in time, which it may not on a busy machine.
var slow = strings.NewReplacer(`,"SILENT":true`, "", ", not answering", "", "\tsilent\t", "\there\t")

var varying = regexp.MustCompile(changing.String() + `|\d\d:\d\d\b|~ann\d*|! whoelse: you are ~ann.*\n`)

// shown notes what somebody outside was shown.
func (w *world) shown(who, line, what string) {
	if secret.MatchString(what) {
		w.leaks = append(w.leaks, fmt.Sprintf("%s, %s: %s", who, line, what))
	}
	if who == "olivia" {
		what = operatorsSee.ReplaceAllString(what, "")
	}
	w.answers = append(w.answers, fmt.Sprintf("%s, %s: %s", who, line, w.same(what)))
}

// runs is one command from a shell, without input.
func (w *world) runs(who, line string) string {
	d := dial{user: who, key: who, command: line}
	if who == "ann" {
		d.key = ""
	}
	c := connect(w.t, w.addr, d)
	defer c.end()
	c.ch.CloseWrite()
	rows, ok := c.await(patience, func(rows []string) bool {
		return len(rows) > 0 && strings.HasPrefix(rows[len(rows)-1], "(")
	})
	if !ok {
		w.t.Fatalf("%s, %s goes on: %q", who, line, rows)
	}
	return strings.Join(rows, "\n")
}

// take has a step done. It returns the answer of what is done inside.
func (w *world) take(s step) string {
	w.n++
	id := w.newest()
	fill := strings.NewReplacer("{ID}", id, "{END}", id[5:], "{N}", fmt.Sprint(w.n))
	line := fill.Replace(s.line)
	w.ids = append(w.ids, id, "{ID}", id[5:], "{END}")
	switch s.how {
	case "inside":
		switch {
		case s.line == "types": // on both, since there is a line for all that says it was read
			w.types(s.who, w.denLine(fmt.Sprint(den, " hush", w.n)))
		case w.hasDen:
			return w.inside(s.who, line)
		}
	case "public":
		w.runs(s.who, line)
	case "shell":
		w.shown(s.who, s.line, w.runs(s.who, line))
	case "types":
		w.types(s.who, line)
	case "frame":
		said := fmt.Sprint("mark ", w.n)
		w.seats["eve"].typed(line + "\n" + `{"CMD":"SEND","MSG":"` + said + `"}` + "\n")
		w.seats["eve"].expects(`"` + said + `"`)
	case "erin":
		if w.erinIn && strings.HasPrefix(line, "tail") { // it would go on
			break
		}
		if got := w.runs("erin", line); secret.MatchString(got) && !w.erinIn {
			w.leaks = append(w.leaks, fmt.Sprintf("erin, who was removed, %s: %s", line, got))
		}
	case "restart":
		w.leave()
		w.stop()
		w.start()
		w.sit()
	}
	return ""
}

// operatorsSee is what operators see of the private room in a list.
var operatorsSee = regexp.MustCompile(`(?m)^` + den + `\tprivate\t\d\t.*\n|,?\{"ROOM":"` + den[1:] + `"[^{}]*\}|` +
	`^ \*   ` + den + `: \d (people|person), private\n|^ \* private \(only operators see these here\):\n`)

// newest is the id of the last message in the private room, or one that there is not.
func (w *world) newest() string {
	for m, err := range w.store.Tail(den, 1, nil) {
		w.must(err)
		return m.ID
	}
	return "1zzzzzzzzzz"
}

// denLine is what is typed for the private room, if there is one.
func (w *world) denLine(line string) string {
	if !w.hasDen {
		return "rooms"
	}
	if said := secret.FindString(line); said != "" && !w.erinIn {
		w.hidden = append(w.hidden, said)
	}
	return line
}

// inside does something in the private room.
func (w *world) inside(who, line string) (got string) {
	line = w.denLine(line)
	switch line {
	case "public": // and private again before anybody looks
		w.runs(who, "room "+den+" public")
		line = "room " + den + " private"
	case "close":
		w.erinIn = false
		w.runs("olivia", "room "+den+" close")
		w.runs(who, "join "+den)
		line = "room " + den + " private"
	case "join " + den: // and make it private, if it is new
		got = w.runs(who, line)
		w.runs(who, "room "+den+" private")
		return got
	}
	got = w.runs(who, line)
	done := strings.HasSuffix(got, "(exit status 0)")
	switch {
	case done && strings.HasSuffix(line, "invite erin"):
		w.erinIn = true
	case done && strings.HasSuffix(line, "remove erin"):
		w.erinIn = false
	}
	return got
}

// types has somebody type a line, and then say something so that all of it was read.
func (w *world) types(who, line string) {
	c, said := w.seats[who], fmt.Sprint("mark ", w.n)
	end := "\n"
	if c.Screen != nil {
		end = "\r"
	}
	if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "@") {
		line = "/" + strings.TrimPrefix(line, "/")
	}
	c.typed(line + end + "/broadcast " + said + end)
	c.expects(": " + said)
}

// attempt is a test that fails on its own, with a log of its own, and cleans up when it ends.
type attempt struct {
	testing.TB
	log bytes.Buffer

	mu     sync.Mutex // owns the fields below, and the log
	undo   []func()
	failed []string
}

func (a *attempt) run(f func()) {
	defer func() {
		for _, undo := range slices.Backward(a.undo) {
			undo()
		}
	}()
	defer func() {
		if failed := recover(); failed != nil && failed != any(a) {
			panic(failed)
		}
	}()
	f()
}

func (a *attempt) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.Write(p)
}

func (a *attempt) Output() io.Writer { return a }

func (a *attempt) Cleanup(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.undo = append(a.undo, f)
}

func (a *attempt) Errorf(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = append(a.failed, fmt.Sprintf(format, args...))
}

func (a *attempt) Error(args ...any)                 { a.Errorf("%s", fmt.Sprint(args...)) }
func (a *attempt) Fatal(args ...any)                 { a.Error(args...); panic(a) }
func (a *attempt) Fatalf(format string, args ...any) { a.Errorf(format, args...); panic(a) }
