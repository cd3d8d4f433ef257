package sessions

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"whoelse/sessions/parse"
	"whoelse/sessions/protocol"
	"whoelse/sessions/result"
	"whoelse/sessions/scp"
	"whoelse/sessions/sshd"
	"whoelse/sessions/text"
)

// parseCommand makes a call of the command line, which is a shell's.
func (s *session) parseCommand() {
	call, err := Grammar.Command(text.Clean(s.ch.Command))
	s.call, s.bad = &call, err
	s.frames = call.Name == "json" && err == nil
	if call.JSON || s.frames {
		s.asked = &protocol.Frame{CMD: strings.ToUpper(call.Name)}
	}
}

// runCommand carries out one command, and says why it ends. A text of "-" is read from the channel, which may take
// longer than the person's key is good for.
func (s *session) runCommand() error {
	if to, is, wrong := scp.Sink(s.ch.Command); is || s.ch.Subsystem {
		return s.runDrop(to, wrong)
	}
	call, err := *s.call, s.bad
	if err == nil && (call.Name == "say" || call.Name == "broadcast") {
		call, err = s.addressed(call)
	}
	_, _, _, pty := s.ch.Pty()
	dash := call.Text == "-" && call.Name != "topic" // which it clears
	switch {
	case err != nil || !dash && call.Name != "paste":
	case pty: // what is typed there has no echo, and no end
		err = result.Failure{Code: result.Usage, Reason: result.InputOnTerminal}
	case dash:
		call.Text, err = readText(s.ch)
	}
	cause := s.handle(call, err)
	if !s.pending.wait(s.ctx, lastReceipts) { // all that was acknowledged is on disk
		s.show(unconfirmed(call))
	}
	return cmp.Or(cause, errQuit)
}

// addressed is call, or the call of "in" if its text begins with a room, or what the person means as one because the
// rest is "-" for standard input.
func (s *session) addressed(call parse.Call) (parse.Call, error) {
	in, err := Grammar.Addressed(call)
	if in.Name == call.Name || in.Text != "-" && !s.meansRoom(in.Room) {
		return call, nil
	}
	if e, ok := errors.AsType[*parse.Error](err); ok {
		e.Hint = "to say it to everyone: ssh HOST in '#lobby' TEXT"
	}
	return in, err
}

// readText reads one message from a command's input. What is too long is read no further than that shows.
func readText(in io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(in, 2*utf8.UTFMax*maxText))
	message := strings.Trim(text.Clean(string(b)), "\n")
	if err == nil && strings.TrimSpace(message) == "" {
		err = result.Failure{Code: result.Usage, Reason: result.NoInput}
	}
	return message, err
}

// crlf puts in the carriage returns that a terminal wants.
func crlf(ch *sshd.Channel, lines []byte) []byte {
	if _, _, _, pty := ch.Pty(); pty {
		return bytes.ReplaceAll(lines, []byte("\n"), []byte("\r\n"))
	}
	return lines
}
