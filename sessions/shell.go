package sessions

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/sshd"
	"whoelse/sessions/text"
)

// runCommand carries out the channel's command to its end, without the person
// being present: when it exits, all that the command acknowledged is on disk.
func (h *Host) runCommand(ch *sshd.Channel) {
	style := render.Style{Zone: zoneOf(ch.Env["TZ"])}
	ctx, stop := context.WithCancel(ch.Context())
	defer stop()
	c := &commandContext{
		ctx: ctx, host: h, login: ch.Login, from: ch.From(), at: ch.At(), out: newOutbox(ch, plainLines(ch), h.rhythm),
		seat:  h.cfg.Room.Visit(room.Who{Nick: ch.Login.Nick}),
		style: func() render.Style { return style },
	}
	c.tally.shell = true
	defer c.seat.Leave(room.Quit)
	over := h.running(c, stop)
	if over == nil {
		turnAway(ch, endWords(errShutdown), exitUnconfirmed)
		return
	}
	defer over()
	if err := h.admit(ch); err != nil {
		turnAway(ch, err.Error(), exitFailed)
		return
	}
	var writer sync.WaitGroup
	writer.Go(func() { c.writeOutput(ch, stop) })
	status := c.runLine(text.Clean(ch.Command), ch)
	c.out.close(errQuit)
	writer.Wait() // the library ends the channel with 0 when this returns
	if voluntary(c.out.why()) {
		ch.Exit(status)
	}
}

// writeOutput is a command's writing goroutine. It ends the channel of a command
// that is ended from outside, so that a reader who still waits for input wakes up.
func (c *commandContext) writeOutput(ch *sshd.Channel, stop func()) {
	defer c.host.survive(ch)
	c.out.run(func(cause error) (words, errors string) {
		if voluntary(cause) {
			if words = render.CommandAs(c.welcome(nil)); words != "" {
				errors = "whoelse: " + words + "\n"
			}
			errors += c.tally.stderr(c.style())
		} else if words := endWords(cause); words != "" {
			errors = "whoelse: " + text.CleanLine(words) + "\n"
		}
		return "", string(crlf(ch, []byte(errors)))
	})
	if !voluntary(c.out.why()) {
		stop()
		ch.Exit(exitEnded(c.out.why()))
	}
}

// runLine carries out one command, and returns the exit status; a text of "-" is read
// from ch, which may take longer than the person's key is good for.
func (c *commandContext) runLine(line string, ch *sshd.Channel) int {
	call, err := Grammar.Command(line)
	if err == nil && call.Text == "-" {
		call.Text, err = readText(ch)
	}
	if bad := c.unfit(call, err); bad != nil {
		c.show(bad)
		return c.tally.exit()
	}
	if !c.host.rate.charge(c.seat.Nick(), weight(call), func() {}, c.ctx.Done()) || c.out.why() != nil {
		return exitFailed // half a text of somebody who was sent away, perhaps
	}
	if why, stale := ch.Stale(); stale {
		c.show(result.Failure{Code: result.NotAllowed, Err: errors.New(why)})
		return c.tally.exit()
	}
	c.do(call)
	if !c.pending.wait(c.ctx, lastReceipts) {
		c.show(unconfirmed(call))
	}
	return c.tally.exit()
}

// unfit is what is wrong with a call as a command from a shell, or nil.
func (c *commandContext) unfit(call parse.Call, err error) result.Result {
	switch {
	case err != nil:
		return c.misread(err)
	case commandNamed(call.Name).roomOnly:
		return result.Failure{Code: result.Usage, Reason: result.RoomOnly, Command: call.Name}
	}
	return tooLong(call.Text)
}

var errNoInput = errors.New("no text on the input")

// readText reads one message from a command's input. What is too long is read no
// further than that shows.
func readText(in io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(in, 2*utf8.UTFMax*maxText))
	if err != nil {
		return "", err
	}
	message := strings.Trim(text.Clean(string(b)), "\n")
	if strings.TrimSpace(message) == "" {
		return "", errNoInput
	}
	return message, nil
}

// plainLines composes what a command prints.
func plainLines(ch *sshd.Channel) composer {
	return func(items []item, buf []byte, _ bool) ([]byte, int) {
		lines, whole := piece(items, buf, nil) // the room puts nothing to a command
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
