package sessions

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"whoelse/room"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/sshd"
	"whoelse/sessions/text"
)

// newCommand returns the context of ch's command.
func newCommand(m *Manager, ch *sshd.Channel) *commandContext {
	c := newContext(m, ch, plainLines(m, ch))
	style := render.Style{Zone: zoneOf(ch.Env["TZ"])}
	c.style = func() render.Style { return style }
	c.tally.source = fromShell
	return &c
}

// runCommand carries out the channel's command to its end, without the person
// being present: when it exits, all that the command acknowledged is on disk.
func (c *commandContext) runCommand() {
	c.seat = c.manager.cfg.Room.Visit(room.Identity{Nick: c.login.Nick})
	defer c.seat.Leave(room.Quit)
	c.manager.seated(c)
	var writer sync.WaitGroup
	writer.Go(func() { c.write(c.lastLines) })
	c.runLine(text.Clean(c.ch.Command))
	c.out.close(errQuit)
	writer.Wait() // the library ends the channel with 0 when this returns
}

// lastLines is what goes to standard error at a command's end.
func (c *commandContext) lastLines(cause error) (words, errors string) {
	if c.frames.Load() {
		return bye(cause), ""
	}
	if voluntary(cause) {
		words = render.CommandAs(c.welcome(nil))
		errors = c.tally.stderr(c.style())
	} else {
		words = text.CleanLine(endWords(cause))
	}
	if words != "" {
		errors = "whoelse: " + words + "\n" + errors
	}
	return "", string(crlf(c.ch, []byte(errors)))
}

// runLine carries out one command. A text of "-" is read from the channel, which may take
// longer than the person's key is good for.
func (c *commandContext) runLine(line string) {
	call, err := Grammar.Command(line)
	switch {
	case err != nil:
		c.show(c.misread(err))
		return
	case commandNamed(call.Name).roomOnly:
		c.show(result.Failure{Code: result.Usage, Reason: result.RoomOnly, About: call.Name})
		return
	case call.Text == "-":
		if call.Text, err = readText(c.ch); err != nil {
			c.show(result.Failure{Code: result.Usage, Err: err})
			return
		}
		if call.Text == "" {
			c.show(result.Failure{Code: result.Usage, Reason: result.NoInput})
			return
		}
	}
	if long := tooLong(call.Text); long != nil {
		c.show(long)
		return
	}
	if !c.manager.rate.charge(c.seat.Nick(), weight(call), func() {}, c.ctx.Done()) || c.out.why() != nil {
		return // half a text of somebody who was sent away, perhaps
	}
	if why, stale := c.ch.Stale(); stale {
		c.show(result.Failure{Code: result.NotAllowed, Err: errors.New(why)})
		return
	}
	c.do(call)
	if !c.pending.wait(c.ctx, lastReceipts) {
		c.show(unconfirmed(call))
	}
}

// readText reads one message from a command's input, "" if it is blank. What is too long
// is read no further than that shows.
func readText(in io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(in, 2*utf8.UTFMax*maxText))
	message := strings.Trim(text.Clean(string(b)), "\n")
	if strings.TrimSpace(message) == "" {
		message = ""
	}
	return message, err
}

// plainLines composes what a command prints. The room puts nothing to one, but for a program.
func plainLines(m *Manager, ch *sshd.Channel) composer {
	return func(items []item, buf []byte, _ bool) ([]byte, int) {
		lines, whole := piece(items, buf, m.frames)
		return crlf(ch, lines), whole
	}
}

// crlf puts in the carriage returns that a terminal wants.
func crlf(ch *sshd.Channel, lines []byte) []byte {
	if _, _, _, pty := ch.Pty(); pty {
		return bytes.ReplaceAll(lines, []byte("\n"), []byte("\r\n"))
	}
	return lines
}
