package sessions

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/sshd"
	"whoelse/sessions/terminal"
	"whoelse/sessions/text"
)

func newSession(m *Manager, ch *sshd.Channel) *session {
	s := &session{manager: m, ch: ch, login: ch.Login, from: ch.From()}
	s.ctx, s.stop = context.WithCancel(ch.Context())
	s.out = newOutbox(ch, s.compose, m.flushInterval)
	s.pending.idle, s.pending.none = s.out.hurry, make(chan struct{}, 1)
	termName, width, height, pty := ch.Pty()
	style := styleOf(ch, termName, width, pty && ch.Command == "")
	style.Colors = &m.colors
	style.Fetch = m.cfg.JoinLine(ch.Login.Nick, ch.At()) + " fetch "
	s.own.Store(&style)
	switch {
	case ch.Command != "":
		s.tally.source = fromShell
		s.parseCommand()
	case pty:
		s.tally.source = fromTerminal
		s.term = terminal.New(ch, terminal.Config{
			Width: width, Height: height, MaxText: maxLine,
			Complete: s.complete, Wake: s.out.poke,
			Begin: func() { s.replyTo = s.member.ReplyTo() },
		})
		s.window.poke = s.out.poke
		ch.OnResize(s.window.changed)
	}
	return s
}

func styleOf(ch *sshd.Channel, termName string, width int, pty bool) render.Style {
	st := render.Style{Zone: zoneOf(ch.Env["TZ"])}
	if pty {
		st.Width = terminal.ClampWidth(width)
		st.Bell = render.ForViewer
		st.Color = termName != "dumb" && termName != "" && ch.Env["NO_COLOR"] == ""
	}
	return st
}

// run is the reading goroutine: it joins, handles lines until the input ends, and
// leaves. A command is carried out without the person being present.
func (s *session) run() {
	if s.tally.source == fromShell {
		s.take(s.manager.cfg.Room.Visit(room.Identity{Nick: s.login.Nick}))
		s.serve(s.runCommand)
		return
	}
	member, welcome, err := s.manager.cfg.Room.Join(room.Identity{Nick: s.login.Nick, Quiet: quiet(s.ch)}, s.out)
	if member == nil {
		s.turnAway(err)
		return
	}
	s.take(member)
	s.manager.colors.Enter(member.Nick())
	defer s.manager.colors.Leave(member.Nick())
	s.log("session began", "terminal", s.term != nil)
	s.greet(welcome, err)
	s.serve(s.readAll)
	s.log("session ended", "cause", s.out.why())
}

// log writes a line about the session, with an attribute.
func (s *session) log(what, name string, value any) {
	s.manager.cfg.Log.With("nick", s.member.Nick(), "from", s.ch.From()).Info(what, name, value)
}

// serve reads while the writing goroutine writes, and leaves the room before it waits for
// that one, which a peer who takes nothing can hold up.
func (s *session) serve(read func() error) {
	defer func() { // after a panic; else both were done
		s.out.close(errLost)
		s.member.Leave(room.Broke)
	}()
	exited := make(chan struct{})
	s.out.start(func() {
		if s.write() {
			close(exited)
		}
	})
	s.out.close(read())
	<-s.out.done
	s.member.Leave(s.leaving())
	<-exited // the library ends the channel with status 0 when the handler returns
}

// quiet reports whether a program asks that nobody be told when it comes and goes:
// ssh -o SetEnv=WHOELSE_QUIET=1.
func quiet(ch *sshd.Channel) bool {
	v := ch.Env["WHOELSE_QUIET"]
	return v != "" && v != "0"
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
	if s.term != nil {
		return s.endedWith(s.readTerminal())
	}
	return s.endedWith(s.readPipe())
}

// endedWith is why a session ends whose input ended with err.
func (s *session) endedWith(err error) error {
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

// readTerminal handles lines of a terminal. It waits for keys with little on the stack, so that
// the stack of a person who types nothing can shrink.
func (s *session) readTerminal() error {
	for {
		s.term.Await()
		if err := s.readTyped(); err != nil {
			return err
		}
	}
}

// readTyped handles the next line of a terminal.
func (s *session) readTyped() error {
	var call parse.Call
	var bad error
	line, err := s.term.ReadLine(func(l terminal.Line) (erase bool) {
		if l.Over > 0 {
			return true // it would fill the screen
		}
		call, bad = s.parse(l.Text)
		if erase = s.echoes(call, bad); erase {
			s.erased = l.Text
			s.out.hold() // the row goes in the write that brings the room's line
		}
		return erase
	})
	switch {
	case err != nil:
		return err
	case line.Over > 0:
		s.show(tooLong(line.Over))
		return nil
	}
	cause := s.handle(call, bad)
	s.erased = "" // it may be long
	return cause
}

// echoes decides whether a typed row is replaced by the line that the room makes of
// it. What goes to nobody who is known stays, as there is no such line; an empty line
// leaves no trace either.
func (s *session) echoes(call parse.Call, bad error) bool {
	switch {
	case bad != nil:
		return false
	case call.Name == "":
		return true
	case !commandNamed(call.Name).echoes:
		return false
	}
	return len(call.To) == 0 || slices.ContainsFunc(call.To, func(n string) bool { return n != s.member.Nick() && s.known(n) })
}

// readPipe handles lines of plain input. What was typed is handled to its end,
// also a last line without a newline, and receipts are waited for.
func (s *session) readPipe() error {
	err := eachLine(s.ch, utf8.UTFMax*maxLine, func(line string, size int) error {
		if size > maxLine {
			s.show(tooLong(size))
			return nil
		}
		return s.handle(s.parse(line))
	})
	if !s.pending.wait(s.ctx, lastReceipts) {
		s.show(unconfirmed(parse.Call{}))
	}
	return err
}

// parse cleans and parses a line. What was probably meant as a command, and would be said to everyone because of a slip
// in it, is an error.
func (s *session) parse(line string) (parse.Call, error) {
	line = text.Clean(line)
	slip := Grammar.Misspelt(line,
		func(n string) bool { return s.known(n) || s.known(nick.GuestMark+n) },
		func() bool { return s.member.ReplyTo() != "" })
	if slip != nil {
		s.namedRoom = s.namedRoom || strings.Contains(line, nick.RoomMark)
		return parse.Call{}, slip
	}
	if in, err, ok := Grammar.InRoom(line); ok && s.meansRoom(in.Room) {
		return in, err
	}
	call, err := Grammar.Line(line)
	s.namedRoom = s.namedRoom || call.Room != ""
	if call.Name == "broadcast" {
		if in, wrong := Grammar.Addressed(call); in.Name == "in" && s.meansRoom(in.Room) {
			call, err = in, wrong
		}
	}
	return call, err
}

// meansRoom reports whether #NAME before a text is a room for this person: one that is open to them, or any if
// they have been in one beside the lobby, or have named one in a command. A private room must make no difference
// for others.
func (s *session) meansRoom(name string) bool {
	set, err := s.member.Preferences()
	return err != nil || set.KnowsRooms || s.namedRoom || slices.Contains(s.member.RoomNames(), name)
}

// handle carries out what a line asks for; bad is what is wrong with it. The error ends
// the session.
func (s *session) handle(call parse.Call, bad error) error {
	if call.Name == "" && bad == nil {
		return nil
	}
	if cause := s.admit(weight(call)); cause != nil {
		return cause
	}
	if s.tally.source != fromShell {
		s.member.Active()
	}
	if bad == nil {
		s.mentionAway(call)
	}
	s.do(call, bad)
	if s.quits {
		return errQuit
	}
	return nil
}

// admit waits until the person may send so many messages. It returns an error if their session has to end, so that
// nothing more is carried out for them.
func (s *session) admit(messages int) error {
	wait := s.manager.rate.count(s.member.Nick(), messages)
	if wait > 0 {
		s.tooFast()
	}
	if !s.waits(wait) {
		return s.endedWith(io.EOF)
	}
	if why, stale := s.ch.Stale(); stale {
		return expelled(why)
	}
	return nil
}

// tooLong is that a text of n characters is too long for a message.
func tooLong(n int) result.Failure {
	return result.Failure{Code: result.Refused, Reason: result.TooLong, N: n, Most: maxText}
}

// mentionAway reminds people who talk in the room while they are marked away, once until they are back.
func (s *session) mentionAway(call parse.Call) {
	switch c := commandNamed(call.Name); {
	case !s.member.IsAway():
		s.toldAway = false
	case c.speaks && c.echoes && s.tally.source != fromShell && !s.toldAway:
		s.toldAway = true
		s.show(result.Done{What: result.StillAway})
	}
}

// weight is how many messages a call counts as against the rate.
func weight(call parse.Call) int {
	switch c := commandNamed(call.Name); {
	case c == nil || !c.speaks:
		return 1
	case len(call.To) > 0 || call.Name == "reply":
		return render.Weight(room.KindDirect, call.Text)
	}
	return render.Weight(room.KindSay, call.Text)
}

// tooFast tells people who type that what they type waits.
func (s *session) tooFast() {
	if s.tally.source == fromShell || time.Since(s.warned) < tellTooFast {
		return
	}
	s.warned = time.Now()
	s.report(result.Text{Words: render.TooFast(s.manager.rate.of(s.member.Nick()).perSecond)})
}

// compose makes one write of what is queued. It runs on the writing goroutine.
func (s *session) compose(items []item, buf []byte, last bool) (out []byte, whole int) {
	resized := s.term != nil && s.window.due()
	if resized {
		_, width, height, _ := s.ch.Pty()
		own := *s.own.Load()
		own.Width = terminal.ClampWidth(width)
		s.own.Store(&own)
		s.term.Resize(width, height)
	}
	style := s.style()
	lines, whole := piece(items, buf, func(dst []byte, events []item) []byte {
		switch {
		case s.frames:
			return s.manager.frames(dst, events)
		case len(events) == 1 && s.tally.source != fromShell:
			return render.Event(dst, events[0].event, s.member.Nick(), style)
		}
		messages := make([]*room.Message, len(events))
		for i, it := range events {
			messages[i] = it.event.Message
		}
		if s.tally.source == fromShell {
			return append(dst, s.facts(messages, false)...)
		}
		return render.Messages(dst, messages, s.member.Nick(), style, messages[0].Time)
	})
	if s.term == nil {
		return crlf(s.ch, lines), whole
	}
	if len(lines) > 0 {
		s.term.Print(lines)
	}
	if last && whole == len(items) {
		s.term.Close()
	}
	out = s.term.Take(lines[:0])
	if resized {
		s.window.drawn(len(out))
	}
	return out, whole
}
