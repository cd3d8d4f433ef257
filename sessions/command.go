package sessions

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/sshd"
	"whoelse/sessions/text"
)

// Exit statuses of a single command.
const (
	exitOK     = 0
	exitFailed = 1 // it was refused, for somebody at least, or could not be done
	exitUsage  = 2
)

// failures remembers that something was not done and, for a command, the words
// for its standard error. Safe for concurrent use.
type failures struct {
	collect bool // set once, before use

	mu    sync.Mutex
	any   bool
	words []string
}

// add notes a failure and reports whether its words are kept here.
func (f *failures) add(words string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.any = true
	if f.collect {
		f.words = append(f.words, words)
	}
	return f.collect
}

// status is exitFailed if there was a failure.
func (f *failures) status() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.any {
		return exitFailed
	}
	return exitOK
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
	a := &actor{
		host: h, login: ch.Login, from: ch.From(), out: newOutbox(ch, plainLines(ch), h.rhythm),
		seat:  h.cfg.Room.Visit(room.Who{Nick: ch.Login.Nick}),
		style: func() render.Style { return style },
	}
	a.failed.collect = true
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	defer h.running(a, ch, stop)()
	if err := h.admit(ch); err != nil {
		turnAway(ch, err.Error())
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer h.survive(ch)
		a.out.run(func(error) string { return "" })
		a.sentAway(ch)
	}()
	status := a.runLine(ctx, text.Clean(ch.Command), ch)
	a.out.close(errQuit)
	<-ended
	io.WriteString(ch.Stderr(), crlf(ch, wordsKey(ch.Login)+a.failed.errors()))
	ch.Exit(status)
}

// sentAway ends a command that somebody ended from outside: the channel first, so
// that a reader who waits for input wakes up. It runs when nobody writes any more.
func (a *actor) sentAway(ch *sshd.Channel) {
	if words, ok := errors.AsType[expelled](a.out.why()); ok {
		turnAway(ch, string(words))
	}
}

// runLine carries out one command; a text of "-" is read from in.
func (a *actor) runLine(ctx context.Context, line string, in io.Reader) int {
	call, err := parse.Command(line)
	if err == nil && call.Text == "-" {
		call.Text, err = readText(in)
	}
	if err != nil {
		a.misread(err)
		return exitUsage
	}
	if len(call.Text) > maxText {
		a.fail(wordsTooLong(len(call.Text)))
		return exitUsage
	}
	if a.host.pace.wait(ctx, a.seat.Nick(), func() {}) != nil || a.out.why() != nil {
		return exitFailed // half a text of somebody who was sent away, perhaps
	}
	a.do(call)
	a.pending.wait(ctx, lastReceipts)
	return a.failed.status()
}

// readText reads one message from a command's input. What is too long is read no
// further than that shows.
func readText(in io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(in, 2*maxText))
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
	return func(items []item, buf []byte, _ bool) []byte {
		for _, it := range items {
			buf = append(buf, crlf(ch, it.text)...)
		}
		return buf
	}
}

// crlf puts in the carriage returns that a terminal wants.
func crlf(ch *sshd.Channel, lines string) string {
	if _, _, _, pty := ch.Pty(); pty {
		return strings.ReplaceAll(lines, "\n", "\r\n")
	}
	return lines
}

// wordsKey tells who runs a command where that may be a surprise.
func wordsKey(l *sshd.Login) string {
	switch {
	case l.Claimed:
		return "whoelse: the nick " + l.Nick + " is now your key's\n"
	case l.Key != nil && !strings.EqualFold(l.Asked, l.Nick):
		return "whoelse: you are " + l.Nick + ", by your key, not " + text.Quote(l.Asked, 32) + "\n"
	}
	return ""
}
