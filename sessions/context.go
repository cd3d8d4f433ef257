package sessions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/keys/invites"
	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/quota"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/sshd"
	"whoelse/sessions/text"
)

// commandContext is who gives commands, and where their results go: to a terminal, a
// pipe or the shell that a single command was given from. Its methods are for the
// reading goroutine, except where one says otherwise.
type commandContext struct {
	ctx     context.Context // over when the session or command is to end, or the connection has
	stop    context.CancelFunc
	manager *Manager
	ch      *sshd.Channel
	login   *sshd.Login
	from    string // the client's address and port
	seat    *room.Member
	style   func() render.Style
	out     *outbox
	pending pending       // results that are still to come
	tally   tally         // of what was reported
	gaveUp  atomic.Bool   // by /key leave
	tabs    *rate.Limiter // of complete; nil until the first one
	frames  atomic.Bool   // a program is told in frames: see program
}

// newContext returns the context of ch's person, without a seat and a style, which
// follow.
func newContext(m *Manager, ch *sshd.Channel, compose composer) commandContext {
	ctx, stop := context.WithCancel(ch.Context())
	out := newOutbox(ch, compose, m.flushInterval)
	return commandContext{
		ctx: ctx, stop: stop, manager: m, ch: ch, login: ch.Login, from: ch.From(),
		out: out, pending: pending{idle: out.hurry},
	}
}

// write is the writing goroutine. It ends the channel after the last words, so
// that a reader who still waits for input wakes up.
func (c *commandContext) write(last func(cause error) (words, errors string)) {
	defer func() {
		c.stop()
		c.ch.Exit(c.tally.exit(c.out.why()))
	}()
	defer c.manager.recoverPanic(c.ch)
	c.out.run(last)
}

// turnAway ends the channel of who has no session, in words, if they are taken.
func (c *commandContext) turnAway(cause error) {
	newWriter(c.ch.Abort).write(c.ch.Stderr(), []byte("whoelse: "+text.CleanLine(endWords(cause))+"\r\n"), goodbyeLimit)
	c.ch.Exit(c.tally.exit(cause))
}

// end ends the session or command from outside, in words. It does not wait.
func (c *commandContext) end(cause error) {
	c.out.close(c.endedBy(cause))
	c.stop()
}

// do carries out a call, if the person may, and shows what it gave back.
func (c *commandContext) do(call parse.Call) (r result.Result) {
	command := commandNamed(call.Name)
	if r = c.refusal(command, call); r == nil {
		r = command.run(c, call)
	}
	switch r := r.(type) {
	case nil, result.Quit, result.Clear: // the session's business
	case result.Pages:
		c.showPages(r)
	default:
		c.show(r)
	}
	return r
}

// refusal is why somebody may not give a command, nil if they may.
func (c *commandContext) refusal(command *command, call parse.Call) result.Result {
	guest := c.seat.Guest()
	switch {
	case command.may == operators && !c.operator():
		return result.Failure{Code: result.NotAllowed, Reason: result.OperatorsOnly}
	case command.may == keyed && guest, command.may == keyedInShell && guest && c.seat.Visiting():
		return result.Failure{Code: result.NotAllowed, Reason: result.KeysOnly, About: command.Name}
	case command.shellOnly && !c.seat.Visiting():
		return result.Failure{Code: result.Usage, Reason: result.ShellOnly, About: command.Name}
	case command.speaks && !(command.silent && call.Text == ""):
		if m, muted := c.manager.cfg.Mutes.Find(c.seat.Nick()); muted {
			return result.Failure{Code: result.NotAllowed, Reason: result.Muted, Nick: m.By, Until: m.Until}
		}
	}
	return nil
}

// misread is what is wrong with a line.
func (c *commandContext) misread(err error) result.Result {
	if e, ok := errors.AsType[*parse.Error](err); ok && e.Command != "" && commandNamed(e.Command).may == operators && !c.operator() {
		return result.Failure{Code: result.NotAllowed, Reason: result.OperatorsOnly}
	}
	return result.Failure{Code: result.Usage, Err: err}
}

// roleOperator is what the login of an operator says.
const roleOperator = "operator"

func (c *commandContext) operator() bool { return c.login.Role == roleOperator }

// show shows a result, of whatever length. It waits while much is queued.
func (c *commandContext) show(r result.Result) {
	if !c.tally.add(r) {
		c.print(string(render.Result(nil, r, c.style(), time.Now())), nil)
	}
}

// report shows a result that came later, or while a command runs. It does not wait and
// may be called on any goroutine, such as the log's.
func (c *commandContext) report(r result.Result) {
	if !c.tally.add(r) {
		c.out.tell(string(render.Result(nil, r, c.style(), time.Now())))
	}
}

// note reports words that are no command's.
func (c *commandContext) note(words string) { c.report(result.Text{Words: words}) }

// print prints output in pieces that fit the queue. shown is for the last.
func (c *commandContext) print(lines string, shown func(bool)) {
	const piece = 16 << 10
	for len(lines) > piece {
		cut := strings.LastIndexByte(lines[:piece], '\n') + 1
		if cut == 0 {
			cut = piece
		}
		c.out.print(lines[:cut], nil)
		lines = lines[cut:]
	}
	c.out.print(lines, shown)
}

// publicErrors are the errors of keys that are in words for people.
var publicErrors = []error{
	keys.ErrKeyKnown, keys.ErrConfusable, keys.ErrHeld, keys.ErrReserved, keys.ErrKeyRefused, keys.ErrFull, keys.ErrLastKey,
	bans.ErrTooMany, bans.ErrTooManyMutes, invites.ErrTooMany, nick.ErrBad,
}

// failed completes a failure whose Err has the cause: a Failure of its own, an error in words for
// people, or else trouble with the storage, which is logged.
func (c *commandContext) failed(f result.Failure) result.Failure {
	if known, ok := errors.AsType[result.Failure](f.Err); ok {
		return known
	}
	if slices.ContainsFunc(publicErrors, func(known error) bool { return errors.Is(f.Err, known) }) {
		return result.Failure{Code: result.Refused, Err: f.Err}
	}
	c.manager.complain(string(f.Reason)+" failed", c.seat.Nick(), f.Err)
	f.Code, f.Err = result.Storage, fmt.Errorf("%w: %w", room.ErrStorage, f.Err)
	return f
}

// nobody is that nobody has this nick, and who may have been meant.
func (c *commandContext) nobody(n string) result.Failure {
	return result.Failure{Code: result.NotFound, Reason: result.NoSuchNick, Nick: n, Near: c.nearest(n)}
}

// nearest is who may have been meant by a nick that nobody has, "" for nobody.
func (c *commandContext) nearest(n string) string {
	bare := strings.TrimPrefix(n, nick.GuestMark)
	among := append(c.nicksAround(bare, nearby, nearby), c.nicksAround(nick.GuestMark+bare, nearby, nearby)...)
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
func (c *commandContext) nicksAround(name string, before, after int) []string {
	all := c.manager.cfg.Room.NicksAround(name, before, after)
	if !nick.IsGuest(name) { // which no key holds
		all = append(all, c.manager.cfg.Registry.NicksAround(name, before, after)...)
	}
	return slices.DeleteFunc(all, func(n string) bool { return n == c.seat.Nick() })
}

// known reports whether there is somebody called n: here, lately, or with a key.
func (c *commandContext) known(n string) bool {
	return c.manager.cfg.Registry.Held(n) || c.manager.cfg.Room.Known(n)
}

// charge asks whether so much more may be stored for this person, and counts it. If not,
// nothing is counted, and the error is the Failure.
func (c *commandContext) charge(bytes int64) error {
	cfg := &c.manager.cfg
	err := cfg.Space.Messages(c.seat.Guest())
	if err == nil {
		err = cfg.Quota.Charge(c.payer(), bytes)
	}
	if err != nil {
		return result.Failure{Code: result.Limit, Reason: result.NotAffordable, Err: err}
	}
	cfg.Space.Add(bytes)
	return nil
}

// refund takes back what was charged and is not stored. It may be called on any goroutine.
func (c *commandContext) refund(bytes int64) {
	c.manager.cfg.Quota.Refund(c.payer(), bytes)
	c.manager.cfg.Space.Add(-bytes)
}

func (c *commandContext) payer() quota.Who {
	return quota.Who{Nick: c.seat.Nick(), Addr: addrOf(c.from)}
}

func (c *commandContext) person() bans.Who { return personOf(c.login, c.seat.Nick(), c.from) }

// pending counts what a person has asked for and not yet been told of. Safe for
// concurrent use.
type pending struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed and dropped when n gets to 0; nil unless waited for
	idle func()        // called when n gets to 0; fixed
}

func (p *pending) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n += n
	if p.n > 0 {
		return
	}
	if p.none != nil {
		close(p.none)
		p.none = nil
	}
	if p.idle != nil {
		p.idle()
	}
}

// wait waits until nothing is pending, and reports whether that came before ctx was
// over and limit had passed.
func (p *pending) wait(ctx context.Context, limit time.Duration) bool {
	p.mu.Lock()
	if p.n == 0 {
		p.mu.Unlock()
		return true
	}
	if p.none == nil {
		p.none = make(chan struct{})
	}
	none := p.none
	p.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-none:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}
