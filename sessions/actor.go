package sessions

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/quota"
	"whoelse/sessions/render"
	"whoelse/sessions/sshd"
)

// actor is a person who asks something of the room, from a terminal, a pipe or
// with a single command. Its methods are for the session's reading goroutine,
// except where one says otherwise.
type actor struct {
	ctx     context.Context // over when the session or command is to end, or the connection has
	host    *Host
	login   *sshd.Login
	from    string         // the client's address and port
	at      netip.AddrPort // where its connection came in
	seat    *room.Seat
	style   func() render.Style
	out     *outbox
	pending pending       // receipts that are still to come
	failed  failures      // what was not done
	gaveUp  atomic.Bool   // by /key leave
	tabs    *rate.Limiter // of complete; nil until the first one
	whole   bool          // long messages are not cut: show
}

// do carries out a call.
func (a *actor) do(call parse.Call) {
	run := commands[call.Name]
	switch {
	case parse.Find(call.Name).Operators && !a.operator():
		a.fail(wordsOperators)
	case a.silenced(call):
	default:
		run(a, call)
	}
}

// misread shows what is wrong with a line that begins like a command.
func (a *actor) misread(err error) {
	if e, ok := errors.AsType[*parse.Error](err); ok && e.Operators && !a.operator() {
		a.fail(wordsOperators)
		return
	}
	a.fail(err.Error())
}

// roleOperator is what the login of an operator says.
const roleOperator = "operator"

func (a *actor) operator() bool { return a.login.Role == roleOperator }

// inRoomOnly is what a session does by itself, and nothing else can.
var inRoomOnly = map[string]bool{"quit": true, "clear": true}

// commands is what a line can ask for beside that, by canonical name.
var commands map[string]func(*actor, parse.Call)

func init() { // help lists the commands, so the table can't be initialised in place
	commands = map[string]func(*actor, parse.Call){
		"say":       (*actor).say,
		"me":        (*actor).say,
		"broadcast": (*actor).broadcast,
		"send":      (*actor).send,
		"reply":     (*actor).reply,
		"whoelse":   (*actor).whoelse,
		"wholast":   (*actor).wholast,
		"inbox":     (*actor).inbox,
		"history":   (*actor).history,
		"show":      (*actor).show,
		"away":      setting((*actor).away),
		"back":      setting((*actor).back),
		"block":     setting((*actor).block),
		"unblock":   setting((*actor).unblock),
		"blocked":   (*actor).blocked,
		"nick":      (*actor).whoami,
		"help":      (*actor).help,
		"motd":      (*actor).motd,
		"key":       (*actor).key,
		"invite":    (*actor).invite,
		"kick":      (*actor).kick,
		"ban":       (*actor).ban,
		"unban":     (*actor).unban,
		"bans":      (*actor).bans,
		"mute":      (*actor).mute,
		"unmute":    (*actor).unmute,
		"announce":  (*actor).announce,
	}
}

// note shows a word from the server.
func (a *actor) note(words string) {
	a.out.print(string(render.Notice(nil, words, a.style())), nil)
}

// tell is note for goroutines that must not wait, such as the log's.
func (a *actor) tell(words string) {
	a.out.tell(string(render.Notice(nil, words, a.style())))
}

// fail shows why something was not done. It does not wait and may be called on
// any goroutine.
func (a *actor) fail(words string) { a.failAs(exitFailed, words) }

// failAs is fail for what has an exit status of its own.
func (a *actor) failAs(code int, words string) {
	if !a.failed.add(code, words) {
		a.out.tell(string(render.Refusal(nil, words, a.style())))
	}
}

// trouble shows an error of the storage, in words, and logs it whole.
func (a *actor) trouble(what string, err error) {
	a.host.complain(what+" failed", a.seat.Nick(), err)
	a.fail(what + " failed: " + plainError(err))
}

func plainError(err error) string {
	if errors.Is(err, room.ErrStorage) {
		return wordsStorage
	}
	return err.Error()
}

func (a *actor) say(call parse.Call) {
	kind := room.KindSay
	if call.Name == "me" {
		kind = room.KindMe
	}
	a.sayAs(kind, call.Text)
}

func (a *actor) sayAs(kind room.Kind, words string) {
	bytes := quota.Record(words, nil)
	if err := a.charge(bytes); err != nil {
		a.fail(wordsUnaffordable(err))
		return
	}
	a.sayCharged(kind, words, bytes)
}

// sayCharged says what bytes were charged for.
func (a *actor) sayCharged(kind room.Kind, words string, bytes int64) {
	a.pending.add(1)
	a.seat.Say(kind, words, func(err error) {
		defer a.pending.add(-1)
		if err != nil {
			a.refund(bytes)
			a.host.complain("a room message was not sent", a.seat.Nick(), err)
			a.fail("not sent: " + wordsStorage)
		}
	})
}

func (a *actor) broadcast(call parse.Call) {
	if len(call.To) > 0 {
		a.send(call)
		return
	}
	a.say(call)
}

func (a *actor) reply(call parse.Call) {
	to, err := a.lastFrom()
	if err != nil {
		a.trouble("finding who wrote to you", err)
		return
	}
	if to == "" {
		a.fail("nobody has written to you yet; write to someone with send NICK TEXT")
		return
	}
	call.To = []string{to}
	a.send(call)
}

// lastFrom is who last wrote to the person, "" when nobody did. Who only runs a
// command was told nothing: for them it is in the history.
func (a *actor) lastFrom() (string, error) {
	if to := a.seat.ReplyTo(); to != "" {
		return to, nil
	}
	var last string
	for page, err := range a.seat.Past(a.ctx, "", defaultLines) {
		if err != nil && !errors.Is(err, room.ErrSearchLimit) {
			return "", err
		}
		for _, m := range page.Messages {
			if m.For(a.seat.Nick()) {
				last = m.From
			}
		}
	}
	return last, nil
}

func (a *actor) send(call parse.Call) {
	post := postageOf(a.seat.Nick(), call.To, call.Text)
	if err := a.charge(post.total(call.To)); err != nil {
		a.fail(wordsUnaffordable(err))
		return
	}
	refusing := a.refusing(post, len(call.To))
	a.pending.add(len(call.To))
	lone := len(call.To) == 1
	var suggested atomic.Bool // receipts come on any goroutine
	a.seat.Send(call.To, call.Text, func(r room.Receipt) {
		defer a.pending.add(-1)
		refusing(r)
		if r.Outcome == room.RefusedUnknown && suggested.Swap(true) {
			a.failAs(exitUnknown, "not sent to "+r.To+": nobody is called "+r.To) // one suggestion for each line is enough
			return
		}
		a.receipt(r, lone)
	})
}

// receipt shows what became of a message. It does not wait: the log's
// goroutine may call it.
func (a *actor) receipt(r room.Receipt, lone bool) {
	words, ok := wordsReceipt(r)
	code := exitFailed
	if r.Outcome == room.RefusedUnknown {
		words, code = a.wordsNobody(r.To), exitUnknown
	}
	if r.Err != nil {
		a.host.complain("a message was not sent", a.seat.Nick(), r.Err)
	}
	switch {
	case ok:
		a.failed.succeed()
		a.tell(words)
	case lone:
		a.failAs(code, "not sent: "+words)
	default:
		a.failAs(code, "not sent to "+r.To+": "+words)
	}
}

// wordsNobody says that nobody has this nick, and who may have been meant.
func (a *actor) wordsNobody(n string) string {
	bare := strings.TrimPrefix(n, nick.GuestMark)
	among := append(a.nicksAround(bare, nearby, nearby), a.nicksAround(nick.GuestMark+bare, nearby, nearby)...)
	words := "nobody is called " + n
	if near, found := nick.Nearest(n, among); found {
		words += "; did you mean " + near + "?"
	}
	return words
}

// nearby is how many nicks on either side, in the alphabet, are compared with one that
// nobody has. Up to so many nicks it is all of them; with more, a slip in the first
// letters may find nobody. It takes half a millisecond (BenchmarkSuggest in keys).
const nearby = 2000

// nicksAround gives whom one can write to, who is here or holds a key: up to before
// on one side of name and up to after on the other, of each kind. Who is both is in
// it twice.
func (a *actor) nicksAround(name string, before, after int) []string {
	all := a.host.cfg.Room.NicksAround(name, before, after)
	if !nick.IsGuest(name) { // which no key holds
		all = append(all, a.host.cfg.Registry.NicksAround(name, before, after)...)
	}
	return slices.DeleteFunc(all, func(n string) bool { return n == a.seat.Nick() })
}

// known reports whether there is somebody called n: here, lately, or with a key.
func (a *actor) known(n string) bool {
	return a.host.cfg.Registry.Held(n) || a.host.cfg.Room.Known(n)
}

func (a *actor) whoelse(parse.Call) {
	others := a.seat.Others()
	if len(others) == 0 {
		a.note("nobody else is here")
		return
	}
	silent := a.host.silent()
	a.notes(wordsCount(len(others), "other person is", "other people are")+" here", others, func(p room.Presence) string {
		return a.wordsOnline(p, silent[p.Nick])
	})
}

func (a *actor) wholast(call parse.Call) {
	minutes := call.N
	if minutes == 0 {
		minutes = 60
	}
	all := a.seat.OnlineSince(time.Now().Add(-time.Duration(minutes) * time.Minute))
	span := "within the last " + wordsCount(minutes, "minute", "minutes")
	if len(all) == 0 {
		a.note("nobody else was here " + span)
		return
	}
	a.notes(span, all, wordsLast)
}

// notes shows a heading and a line for each of people.
func (a *actor) notes(heading string, people []room.Presence, words func(room.Presence) string) {
	lines := render.Notice(nil, heading+":", a.style())
	for _, p := range people {
		lines = render.Notice(lines, "  "+words(p), a.style())
	}
	a.printAll(string(lines), nil)
}

// printAll prints long output in pieces that fit the queue. shown is for the last.
func (a *actor) printAll(lines string, shown func(bool)) {
	const piece = 16 << 10
	for len(lines) > piece {
		cut := strings.LastIndexByte(lines[:piece], '\n') + 1
		if cut == 0 {
			cut = piece
		}
		a.out.print(lines[:cut], nil)
		lines = lines[cut:]
	}
	a.out.print(lines, shown)
}

func (a *actor) whoami(call parse.Call) {
	if call.Nick != "" && call.Nick != a.seat.Nick() {
		a.fail(a.wordsRename(call.Nick))
		return
	}
	a.note(wordsIdentity(a.login, a.seat))
}

func (a *actor) help(call parse.Call) {
	if call.Text == "" {
		a.printAll(helpAll(a.operator(), a.style()), nil)
		return
	}
	c := parse.Find(strings.ToLower(call.Text))
	switch {
	case c == nil:
		a.fail("no such command; type help for a list of commands")
	case c.Operators && !a.operator():
		a.fail(wordsOperators)
	default:
		a.out.print(helpOne(c, a.style()), nil)
	}
}
