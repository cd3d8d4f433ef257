package sessions

import (
	"errors"

	"whoelse/room"
	"whoelse/sessions/protocol"
	"whoelse/sessions/render"
	"whoelse/sessions/text"
)

// ending is why a session or command ends, and what its client is told then. Its Error is for the log.
type ending struct {
	why   string
	words string        // for people; "" if there is nobody any more to be told
	code  protocol.Code // of BYE; "" as well
	exit  int           // of a command
}

func (e *ending) Error() string { return e.why }

// Why a session ends.
var (
	errQuit       error = &ending{"the person left", render.Bye, "quit", exitOK}
	errInputEnd   error = &ending{"the input ended", render.Bye, "quit", exitOK}
	errShutdown   error = &ending{"the server is shutting down", render.Shutdown, "shutdown", exitUnconfirmed}
	errSlow       error = &ending{"too slow to take what is said", render.TooSlow, "too-slow", exitFailed}
	errLost       error = &ending{"the connection was lost", "", "", exitFailed}
	errBadLines   error = &ending{badLines, badLines, "bad-lines", exitFailed}
	errUploadSlow error = &ending{uploadSlow, uploadSlow, "ended", exitFailed}
)

const (
	badLines   = "too many lines in a row that are no frames"
	uploadSlow = "the file did not arrive within 5 minutes"
)

// expelled ends a session by somebody's decision, in these words.
func expelled(words string) error { return &ending{words, words, "ended", exitNotAllowed} }

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
