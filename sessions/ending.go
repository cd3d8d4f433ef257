package sessions

import (
	"cmp"
	"errors"

	"whoelse/room"
	"whoelse/sessions/protocol"
	"whoelse/sessions/render"
	"whoelse/sessions/text"
)

// ending is why a session or command ends, and what its client is told then.
type ending struct {
	words string        // for people; "" if there is nobody any more to be told
	code  protocol.Code // of BYE; "" as well
	exit  int           // of a command
	why   string        // for the log, unless it is the words
}

// Error implements error.
func (e *ending) Error() string { return cmp.Or(e.why, e.words) }

// Why a session ends.
var (
	errQuit       error = &ending{render.Bye, "quit", exitOK, "the person left"}
	errInputEnd   error = &ending{render.Bye, "quit", exitOK, "the input ended"}
	errShutdown   error = &ending{render.Shutdown, "shutdown", exitUnconfirmed, "the server is shutting down"}
	errSlow       error = &ending{render.TooSlow, "too-slow", exitFailed, "too slow to take what is said"}
	errLost       error = &ending{"", "", exitFailed, "the connection was lost"}
	errBadLines   error = &ending{"too many lines in a row that are not frames", "bad-lines", exitFailed, ""}
	errUploadSlow error = &ending{"the file did not arrive within 5 minutes", "ended", exitFailed, ""}
)

// expelled ends a session by somebody's decision, in these words.
func expelled(words string) error { return &ending{words, "ended", exitNotAllowed, ""} }

// endingOf is what the client of a session is told that ends for cause.
func endingOf(cause error) *ending {
	if e, ok := errors.AsType[*ending](cause); ok {
		return e
	}
	e := &ending{words: render.Error(cause), code: "ended", exit: exitFailed}
	if errors.Is(cause, room.ErrClosed) {
		e.code = "shutdown"
	}
	return e
}

// bye is the last frame, "" if the connection is lost.
func (e *ending) bye() string {
	f := protocol.Frame{CMD: protocol.Bye, Code: e.code, Reason: text.CleanLine(e.words)}
	switch {
	case e == errLost:
		return ""
	case voluntary(e):
		f.Reason = ""
	}
	return string(protocol.Append(nil, f))
}

// lastWords is what a session is shown at its end, and what is on standard error then.
func (s *session) lastWords(cause error) (words, errors string) {
	e, wanted, command := endingOf(cause), voluntary(cause), s.tally.source == fromShell
	first := e.words // on standard error
	switch {
	case s.frames:
		return e.bye(), ""
	case command && wanted:
		first = render.CommandAs(s.welcome(nil))
	case s.asked != nil:
		words = e.bye()
	case s.term != nil || !command && s.member != nil: // it was let in
		first = ""
		if e.words != "" && (s.term != nil || !wanted) {
			words = string(render.Notice(nil, e.words, s.style()))
		}
	}
	if first != "" {
		errors = "whoelse: " + text.CleanLine(first) + "\n"
	}
	return words, string(crlf(s.ch, []byte(errors+s.tally.stderr(s.style()))))
}
