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
	"whoelse/sessions/sshd"
	"whoelse/sessions/text"
)

// Exit statuses of a single command; the README lists them.
const (
	exitOK          = 0
	exitFailed      = 1 // it was refused, or could not be done
	exitUsage       = 2
	exitPartly      = 3  // done for some of several recipients
	exitUnknown     = 67 // EX_NOUSER: nobody has that nick
	exitUnconfirmed = 75 // EX_TEMPFAIL: nobody knows yet whether it is done, or the server is shutting down
)

// failures remembers that something was not done and, for a command, the words
// for its standard error. Safe for concurrent use.
type failures struct {
	collect bool // set once, before use

	mu       sync.Mutex // owns the fields below
	done     int        // recipients
	code     int        // exit status for all failures so far
	doubtful bool
	words    []string
}

// succeed notes a recipient for whom it was done.
func (f *failures) succeed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done++
}

// add notes a failure and reports whether its words are kept here.
func (f *failures) add(code int, words string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.code != exitOK && f.code != code {
		code = exitFailed
	}
	f.code = code
	if f.collect {
		f.words = append(f.words, words)
	}
	return f.collect
}

// doubt notes that it is not known whether something was done. Its words are for
// standard error in any case.
func (f *failures) doubt(words string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.doubtful = true
	f.words = append(f.words, words)
}

// status is how a command ends.
func (f *failures) status() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.doubtful:
		return exitUnconfirmed
	case f.code != exitOK && f.done > 0:
		return exitPartly
	}
	return f.code
}

// ofLines is how a pipe ends, with many lines.
func (f *failures) ofLines() int {
	status := f.status()
	if status == exitPartly || status == exitUnknown {
		return exitFailed
	}
	return status
}

// errors is what goes to standard error.
func (f *failures) errors() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var lines strings.Builder
	for _, words := range f.words {
		lines.WriteString("whoelse: " + words + "\n")
	}
	return lines.String()
}

// runCommand carries out the channel's command to its end, without the person
// being present: when it exits, all that the command acknowledged is on disk.
func (h *Host) runCommand(ch *sshd.Channel) {
	style := render.Style{Zone: zoneOf(ch.Env["TZ"])}
	ctx, stop := context.WithCancel(ch.Context())
	defer stop()
	a := &actor{
		ctx: ctx, host: h, login: ch.Login, from: ch.From(), at: ch.At(), out: newOutbox(ch, plainLines(ch), h.rhythm),
		seat:  h.cfg.Room.Visit(room.Who{Nick: ch.Login.Nick}),
		style: func() render.Style { return style },
	}
	a.failed.collect = true
	defer a.seat.Leave(room.Quit)
	over := h.running(a, stop)
	if over == nil {
		turnAway(ch, wordsShutdown, exitUnconfirmed)
		return
	}
	defer over()
	if err := h.admit(ch); err != nil {
		turnAway(ch, err.Error(), exitFailed)
		return
	}
	var writer sync.WaitGroup
	writer.Go(func() { a.writeOutput(ch, stop) })
	status := a.runLine(text.Clean(ch.Command), ch)
	a.out.close(errQuit)
	writer.Wait() // the library ends the channel with 0 when this returns
	if voluntary(a.out.why()) {
		ch.Exit(status)
	}
}

// writeOutput is a command's writing goroutine. It ends the channel of a command
// that is ended from outside, so that a reader who still waits for input wakes up.
func (a *actor) writeOutput(ch *sshd.Channel, stop func()) {
	defer a.host.survive(ch)
	a.out.run(func(cause error) (words, errors string) {
		if voluntary(cause) {
			errors = wordsKey(a.login, a.seat.Nick()) + a.failed.errors()
		} else if words := wordsEnd(cause); words != "" {
			errors = "whoelse: " + text.CleanLine(words) + "\n"
		}
		return "", string(crlf(ch, []byte(errors)))
	})
	if !voluntary(a.out.why()) {
		stop()
		ch.Exit(statusEnded(a.out.why()))
	}
}

// statusEnded is how a command ends that is ended from outside.
func statusEnded(cause error) int {
	if errors.Is(cause, errShutdown) {
		return exitUnconfirmed
	}
	return exitFailed
}

// runLine carries out one command; a text of "-" is read from ch, which may take longer
// than the person's key is good for.
func (a *actor) runLine(line string, ch *sshd.Channel) int {
	call, err := parse.Command(line)
	if inRoomOnly[call.Name] {
		err = errors.New(call.Name + " works only in the room; to enter it, connect without a command")
	}
	if err == nil && call.Text == "-" {
		call.Text, err = readText(ch)
	}
	if err != nil {
		a.misread(err)
		return exitUsage
	}
	if n := utf8.RuneCountInString(call.Text); n > maxText {
		a.fail(wordsTooLong(n))
		return exitUsage
	}
	if !a.host.pace.charge(a.seat.Nick(), weight(call), func() {}, a.ctx.Done()) || a.out.why() != nil {
		return exitFailed // half a text of somebody who was sent away, perhaps
	}
	if why, stale := ch.Stale(); stale {
		a.fail(why)
		return exitFailed
	}
	a.do(call)
	switch {
	case a.pending.wait(a.ctx, lastReceipts):
	case call.Name == "inbox":
		a.failed.doubt(wordsUnmarked)
	default:
		a.failed.doubt(wordsUnconfirmed)
	}
	return a.failed.status()
}

// readText reads one message from a command's input. What is too long is read no
// further than that shows.
func readText(in io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(in, 2*utf8.UTFMax*maxText))
	if err != nil {
		return "", err
	}
	message := strings.Trim(text.Clean(string(b)), "\n")
	if strings.TrimSpace(message) == "" {
		return "", errors.New("there is no text on the input")
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

// wordsKey tells who runs a command where that may be a surprise.
func wordsKey(l *sshd.Login, seated string) string {
	switch {
	case l.Key == nil && seated != l.Nick:
		return "whoelse: you are " + seated + " for this command (" + l.Nick + " is in use)\n"
	case l.Claimed:
		return "whoelse: the nick " + l.Nick + " is now your key's\n"
	case l.Key != nil && !strings.EqualFold(l.Asked, l.Nick):
		return "whoelse: you are " + l.Nick + ", by your key, not " + text.Quote(l.Asked, 32) + "\n"
	}
	return ""
}
