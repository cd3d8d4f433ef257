package sessions

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"

	"whoelse/internal/limit"
	"whoelse/keys"
	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/protocol"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/sshd"
	"whoelse/sessions/terminal"
)

// session is one person who gives commands, and where the results go: to a terminal, a
// pipe or the shell that a single command was given from. Its methods are for the
// reading goroutine, except where one says otherwise.
type session struct {
	ctx     context.Context // over when the session or command is to end, or the connection has
	stop    context.CancelFunc
	manager *Manager
	ch      *sshd.Channel
	login   *sshd.Login
	from    netip.AddrPort // the client's
	member  *room.Member
	seated  atomic.Pointer[string]       // the nick there, for other goroutines; nil before
	own     atomic.Pointer[render.Style] // as the client asks, of which style is made
	out     *outbox
	pending pending                 // results that are still to come
	tally   tally                   // of what was reported
	gaveUp  atomic.Bool             // by /key leave
	term    *terminal.Terminal      // nil without a pty, and of a command
	window  window                  // of the terminal
	program atomic.Pointer[program] // that has joined; nil of a person

	// Of a command, and constant.
	call   *parse.Call
	bad    error // what is wrong with it
	frames bool  // it is a program's, which is told in frames

	// asked is answered by frames of the results: a command with --json, constant, or the frame that a program's
	// reading goroutine handles.
	asked *protocol.Frame

	// Owned by the reading goroutine.
	erased    string        // what was typed last, if its row was erased for the line that comes of it
	replyTo   string        // who had written to the person last when they began to type the line; of a terminal
	warned    time.Time     // when the person was last told of being too fast
	namedRoom bool          // in a command
	toldAway  bool          // that they talk while they are away
	quits     bool          // by a command
	room      string        // where plain text goes; "" is the lobby
	tabs      *rate.Limiter // of complete; nil until the first one
}

// write is the writing goroutine, which lives only while there is something to write. It reports
// whether that was the end. With the last words it ends the channel, so that a reader who still
// waits for input wakes up.
func (s *session) write() (over bool) {
	over = true // also after a panic
	defer func() {
		if over {
			s.stop()
			s.ch.Exit(s.tally.exit(s.out.why()))
		}
	}()
	defer s.manager.recoverPanic(s.ch)
	over = s.out.flush(s.lastWords)
	return over
}

// turnAway ends a channel that gets no session, and says why.
func (s *session) turnAway(cause error) {
	s.out.close(cause)
	s.write()
}

// take notes the place in the room. A guest's name becomes clear only by it.
func (s *session) take(member *room.Member) {
	n := member.Nick()
	s.member = member
	s.seated.Store(&n)
}

// nick is under which name this session or command is known. Safe on any goroutine, as are
// tell, end and person.
func (s *session) nick() string {
	if n := s.seated.Load(); n != nil {
		return *n
	}
	return s.login.Nick
}

// tell shows what others did, unless this is a command, which is told nothing. It does not wait.
func (s *session) tell(r result.Result) {
	if p := s.program.Load(); p != nil {
		p.notice(r)
	} else if s.tally.source != fromShell {
		s.report(r)
	}
}

// end ends the session or command from outside, in words. It does not wait.
func (s *session) end(cause error) {
	s.out.close(s.endedBy(cause))
	s.stop()
}

// do carries out a call, if the person may and nothing is wrong with it, and shows what it gave back.
func (s *session) do(call parse.Call, bad error) {
	command := commandNamed(call.Name)
	r := s.refusal(command, call)
	failed, known := errors.AsType[result.Failure](bad)
	switch {
	case r != nil:
	case known:
		r = failed
	case bad != nil:
		r = result.Failure{Code: result.Usage, Err: bad}
	default:
		r = command.run(s, call)
	}
	if _, failed := r.(result.Failure); failed && s.erased != "" {
		s.out.print(s.erasedRow(), nil)
	}
	if r != nil {
		s.show(r)
	}
}

// refusal is why somebody may not give a command, nil if they may, or if there is no such command.
func (s *session) refusal(command *command, call parse.Call) result.Result {
	guest := s.member.Guest()
	switch {
	case command == nil:
		return nil
	case command.may == operators && !s.operator():
		return result.Failure{Code: result.NotAllowed, Reason: result.OperatorsOnly}
	case command.may == keyed && guest, command.may == keyedInShell && guest && s.member.Visiting():
		return result.Failure{Code: result.NotAllowed, Reason: result.KeysOnly, About: command.Name}
	case command.shellOnly && !s.member.Visiting():
		return result.Failure{Code: result.Usage, Reason: result.ShellOnly, About: command.Name}
	case command.roomOnly && s.member.Visiting():
		return result.Failure{Code: result.Usage, Reason: result.RoomOnly, About: command.Name}
	}
	if n := utf8.RuneCountInString(call.Text); n > maxText {
		return tooLong(n)
	}
	if command.speaks && !(command.silent && call.Text == "") {
		return s.muted()
	}
	return nil
}

// muted is the refusal of what would put a text before others, nil if the person is not muted.
func (s *session) muted() result.Result {
	if m, muted := s.manager.cfg.Mutes.Find(s.member.Nick()); muted {
		return result.Failure{Code: result.NotAllowed, Reason: result.Muted, Nick: m.By, Until: m.Until}
	}
	return nil
}

func (s *session) operator() bool { return s.login.Role == keys.RoleOperator }

// show shows a result, of whatever length, which counts against the rate as what is read does. It waits for that, and
// while much is queued.
func (s *session) show(r result.Result) {
	lines := s.rendered(r)
	if n := len(lines) / messageWorth; lines == "" || n > 0 && !s.paced(n) {
		return
	}
	s.out.print(lines, nil)
}

// report shows a result that came later, or while a command runs. It does not wait and
// may be called on any goroutine, such as the log's.
func (s *session) report(r result.Result) {
	if lines := s.rendered(r); lines != "" {
		s.out.tell(lines)
	}
}

// rendered counts a result and is what goes to standard output for it.
func (s *session) rendered(r result.Result) string {
	if s.frames { // a program's frames have no exit status
		return s.frame(*s.asked, r)
	}
	failed := s.tally.add(r) // for standard error
	switch {
	case s.asked != nil:
		return s.frame(*s.asked, r)
	case failed:
		return ""
	case s.tally.source == fromShell:
		return string(render.Facts(nil, r, s.style(), time.Now()))
	}
	return string(render.Result(nil, r, s.style(), time.Now()))
}

// frame is what answers f with a result: a line, or none.
func (s *session) frame(f protocol.Frame, r result.Result) string {
	return string(protocol.AppendResult(nil, f, r, render.Reason(r, s.style(), time.Now())))
}

// nobody is that nobody has this nick, and who may have been meant.
func (s *session) nobody(n string) result.Failure {
	return result.Failure{Code: result.NotFound, Reason: result.NoSuchNick, Nick: n, Near: s.nearest(n)}
}

// nearest is who may have been meant by a nick that nobody has, "" for nobody.
func (s *session) nearest(n string) string {
	bare := strings.TrimPrefix(n, nick.GuestMark)
	among := append(s.nicksAround(bare, nearby, nearby), s.nicksAround(nick.GuestMark+bare, nearby, nearby)...)
	near, _ := nick.Nearest(n, among)
	return near
}

// nearby is how many nicks on either side, in the alphabet, are compared with one that
// nobody has. Up to so many nicks it is all of them; with more, a slip in the first
// letters may find nobody. It takes half a millisecond (BenchmarkSuggest in keys).
const nearby = 2000

// nicksAround gives whom one can write to, who is here or holds a key: up to before
// on one side of name and up to after on the other, of each kind. Who is both is in
// it twice.
func (s *session) nicksAround(name string, before, after int) []string {
	all := s.manager.cfg.Room.NicksAround(name, before, after)
	if !nick.IsGuest(name) { // which no key holds
		all = append(all, s.manager.cfg.Registry.NicksAround(name, before, after)...)
	}
	return slices.DeleteFunc(all, func(n string) bool { return n == s.member.Nick() })
}

// known reports whether there is somebody called n: here, lately, or with a key.
func (s *session) known(n string) bool {
	return s.manager.cfg.Registry.Registered(n) || s.manager.cfg.Room.Known(n)
}

// charge asks whether so much more may be stored for this person, and counts it. If not,
// nothing is counted, and the error is the Failure. It waits a moment for a limit: a file may be more
// than a minute's bytes, which fit once the little that was sent before is forgotten.
func (s *session) charge(bytes int64) error {
	cfg := &s.manager.cfg
	err := cfg.Space.Messages(s.member.Guest())
	if err == nil {
		err = cfg.Quota.Charge(s.payer(), bytes)
	}
	if full, ok := errors.AsType[*limit.Refusal](err); ok && full.Wait < chargeWithin && s.waits(full.Wait+time.Millisecond) {
		err = cfg.Quota.Charge(s.payer(), bytes)
	}
	if err != nil {
		return result.Failure{Code: result.Limit, Reason: result.NotAffordable, Err: err}
	}
	cfg.Space.Add(bytes)
	return nil
}

// refund takes back what was charged and is not stored. It may be called on any goroutine.
func (s *session) refund(bytes int64) {
	s.manager.cfg.Quota.Refund(s.payer(), bytes)
	s.manager.cfg.Space.Add(-bytes)
}

func (s *session) payer() limit.Who {
	return limit.Who{Nick: s.member.Nick(), Addr: s.from.Addr()}
}

// pending counts what a person has asked for and not yet been told of. Safe for
// concurrent use, but for wait.
type pending struct {
	n    atomic.Int64
	none chan struct{} // has one when n got to 0
	idle func()        // called then
}

func (p *pending) add(n int) {
	if p.n.Add(int64(n)) > 0 {
		return
	}
	p.idle()
	select {
	case p.none <- struct{}{}:
	default:
	}
}

// wait waits until nothing is pending, and reports whether that came before ctx was
// over and limit had passed.
func (p *pending) wait(ctx context.Context, limit time.Duration) bool {
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	for p.n.Load() > 0 {
		select {
		case <-p.none:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
