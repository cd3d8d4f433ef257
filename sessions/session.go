package sessions

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/sshd"
	"whoelse/sessions/terminal"
	"whoelse/sessions/text"
)

// Why a session ends.
var (
	errQuit     = errors.New("the person left")
	errInputEnd = errors.New("the input ended")
	errShutdown = errors.New("the server is shutting down")
	errSlow     = errors.New("too slow to take what is said")
	errLost     = errors.New("the connection was lost")
)

// session is one person's terminal or pipe.
type session struct {
	actor
	ch   *sshd.Channel
	term *terminal.Terminal // nil without a pty
	stop context.CancelFunc

	// Owned by the reading goroutine.
	warned   time.Time // when the person was last told of being too fast
	toldAway bool      // that they talk while they are away

	mu    sync.Mutex // owns style
	style render.Style
	size  chan struct{} // has one when the window changed
}

func newSession(h *Host, ch *sshd.Channel) *session {
	s := &session{ch: ch, size: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(ch.Context())
	s.stop = stop
	s.actor = actor{ctx: ctx, host: h, login: ch.Login, out: newOutbox(ch, s.compose, h.rhythm), style: s.styleNow, from: ch.From(), at: ch.At()}
	termName, width, height, pty := ch.Pty()
	s.style = styleOf(ch, termName, width, pty)
	s.style.Colors = &h.colors
	if pty {
		s.term = terminal.New(ch, terminal.Config{
			Width: width, Height: height, Prompt: "> ", MaxText: maxLine, MaxOutput: queueLimit,
			Complete: s.complete, Wake: s.out.poke,
		})
		ch.OnResize(s.resized)
	}
	return s
}

func (s *session) styleNow() render.Style {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.style
}

// run is the reading goroutine: it joins, handles lines until the input ends, and
// leaves. The writing goroutine is waited for.
func (s *session) run() {
	defer s.stop()
	seat, welcome, err := s.host.cfg.Room.Join(room.Who{Nick: s.login.Nick, Quiet: quiet(s.ch)}, s.out)
	if seat == nil {
		s.seat = s.host.cfg.Room.Visit(room.Who{Nick: s.login.Nick})
		defer s.seat.Leave(room.Quit)
		s.out.close(err)
		s.out.run(s.lastWords)
		s.ch.Exit(1)
		return
	}
	s.seat = seat
	s.host.seated(s)
	s.host.colors.Enter(seat.Nick())
	defer s.host.colors.Leave(seat.Nick())
	log := s.host.cfg.Log.With("nick", seat.Nick(), "from", s.ch.From())
	log.Info("session began", "terminal", s.term != nil)
	s.greet(welcome, err)
	var writing sync.WaitGroup
	writing.Go(s.write)
	cause := s.readAll()
	s.out.close(cause)
	<-s.out.done
	seat.Leave(s.leaving())
	log.Info("session ended", "cause", s.out.why())
	writing.Wait() // the library ends the channel with status 0 when this returns
}

// quiet reports whether a program asks that nobody be told when it comes and goes:
// ssh -o SetEnv=WHOELSE_QUIET=1.
func quiet(ch *sshd.Channel) bool {
	v := ch.Env["WHOELSE_QUIET"]
	return v != "" && v != "0"
}

// write is the writing goroutine. It ends the channel after the last words, so
// that a reader who still waits for input wakes up.
func (s *session) write() {
	defer func() {
		s.stop()
		s.ch.Exit(s.exitStatus())
	}()
	defer s.host.survive(s.ch)
	s.out.run(s.lastWords)
}

// exitStatus is for scripts: a pipe fails when a line of it did.
func (s *session) exitStatus() int {
	switch {
	case !voluntary(s.out.why()):
		return exitFailed
	case s.term == nil:
		return s.failed.ofLines()
	}
	return exitOK
}

// end ends the session from outside, in words. It does not wait.
func (s *session) end(cause error) {
	s.out.close(s.endedBy(cause))
	s.stop()
}

// leaving says how the session ended, once it has.
func (s *session) leaving() room.Cause {
	cause := s.out.why()
	if errors.Is(cause, errSlow) || errors.Is(cause, errLost) && s.ch.Broke() {
		return room.Broke
	}
	return room.Quit
}

// readAll handles lines until the input or the session ends, and says why.
func (s *session) readAll() error {
	var err error
	if s.term != nil {
		err = s.readTerminal()
	} else {
		err = s.readPipe()
		if !s.pending.wait(s.ctx, lastReceipts) {
			s.failed.doubt(wordsUnconfirmed)
		}
	}
	cause := s.out.why()
	switch {
	case cause != nil:
		return cause
	case err != io.EOF:
		return err
	case s.ch.Broke():
		return errLost
	}
	return errInputEnd
}

func (s *session) readTerminal() error {
	for {
		line, err := s.term.ReadLine(s.saysSomething)
		if errors.Is(err, terminal.ErrOverflow) {
			return errSlow
		}
		if err != nil {
			return err
		}
		if line.Over > 0 {
			s.fail(wordsTooLong(line.Over))
			continue
		}
		if err := s.handle(line.Text); err != nil {
			return err
		}
	}
}

// saysSomething decides whether a typed row is replaced by the line that the room
// makes of it. What goes to nobody who is known stays, as there is no such line.
func (s *session) saysSomething(line terminal.Line) bool {
	if line.Over > 0 {
		return true // it would fill the screen
	}
	call, err := s.parse(line.Text)
	if err != nil || !speaks[call.Name] {
		return false
	}
	return len(call.To) == 0 || slices.ContainsFunc(call.To, func(n string) bool { return n != s.seat.Nick() && s.known(n) })
}

// speaks has the commands whose text comes back as a line of the room. An empty
// line leaves no trace either.
var speaks = map[string]bool{"": true, "say": true, "me": true, "send": true, "reply": true, "broadcast": true, "clear": true}

// readPipe handles lines of plain input. What was typed is handled to its end,
// also a last line without a newline, and receipts are waited for.
func (s *session) readPipe() error {
	lines := newLineReader(s.ch)
	for {
		line, size, err := lines.next()
		if err != nil {
			return err
		}
		if size > maxLine {
			s.fail(wordsTooLong(size))
			continue
		}
		if err := s.handle(line); err != nil {
			return err
		}
	}
}

// handle carries out one line. The error ends the session.
func (s *session) handle(line string) error {
	line = text.Clean(line)
	if strings.TrimSpace(line) == "" {
		return nil
	}
	if cause := s.out.why(); cause != nil {
		return cause // nobody who was sent away says another word
	}
	if why, stale := s.ch.Stale(); stale {
		return expelled(why)
	}
	s.seat.Active()
	call, err := s.parse(line)
	if !s.host.pace.charge(s.seat.Nick(), weight(call), s.tooFast, s.ctx.Done()) {
		return s.out.why()
	}
	if err != nil {
		s.misread(err)
		return nil
	}
	if n := utf8.RuneCountInString(call.Text); n > maxText {
		s.fail(wordsTooLong(n))
		return nil
	}
	switch call.Name {
	case "quit":
		return errQuit
	case "clear":
		if s.term != nil {
			s.term.Clear()
		}
		return nil
	}
	s.mentionAway(speaks[call.Name])
	s.do(call)
	return nil
}

// parse is parse.Line, but for what was probably meant for one person and would be said
// to everyone because of a slip in the command.
func (s *session) parse(line string) (parse.Call, error) {
	to, slip := parse.Misspelt(line)
	if slices.ContainsFunc(to, func(n string) bool { return s.known(n) || s.known(nick.GuestMark+n) }) {
		return parse.Call{}, slip
	}
	return parse.Line(line)
}

// mentionAway tells whoever talks while they are away that they are, once until they are
// back.
func (s *session) mentionAway(talking bool) {
	switch {
	case !s.seat.IsAway():
		s.toldAway = false
	case talking && !s.toldAway:
		s.toldAway = true
		s.note("you are still away; /back to return")
	}
}

// weight is how many messages a call counts as against the rate.
func weight(call parse.Call) int {
	switch {
	case len(call.To) > 0 || call.Name == "reply":
		return render.Weight(room.KindDirect, call.Text)
	case speaks[call.Name]:
		return render.Weight(room.KindSay, call.Text)
	}
	return 1
}

func (s *session) tooFast() {
	if time.Since(s.warned) < tellTooFast {
		return
	}
	s.warned = time.Now()
	s.note(wordsTooFast(s.host.cfg.MessageRate))
}

// resized notes a change of the window for the writer. It must not block.
func (s *session) resized() {
	select {
	case s.size <- struct{}{}:
	default:
	}
	s.out.poke()
}

// compose makes one write of what is queued. It runs on the writing goroutine.
func (s *session) compose(items []item, buf []byte, last bool) (out []byte, whole int) {
	s.followSize()
	style := s.styleNow()
	lines, whole := piece(items, buf, func(dst []byte, events []item) []byte {
		if len(events) == 1 {
			return render.Event(dst, events[0].event, s.seat.Nick(), style)
		}
		receipts := make([]*room.Message, len(events))
		for i, it := range events {
			receipts[i] = it.event.Message
		}
		return render.Messages(dst, receipts, s.seat.Nick(), style, receipts[0].Time)
	})
	if s.term == nil {
		return lines, whole
	}
	if len(lines) > 0 {
		s.term.Print(lines)
	}
	out = s.term.Take(lines[:0])
	if last && whole == len(items) {
		out = append(out, s.term.Restore()...)
	}
	return out, whole
}

func (s *session) followSize() {
	select {
	case <-s.size:
	default:
		return
	}
	_, width, height, _ := s.ch.Pty()
	s.mu.Lock()
	s.style.Width = terminal.ClampWidth(width)
	s.mu.Unlock()
	s.term.Resize(width, height)
}
