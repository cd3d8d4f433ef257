package sessions

import (
	"bytes"
	"context"
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

// failures remembers that something was not done. Safe for concurrent use.
type failures struct {
	mu  sync.Mutex
	any bool
}

func (f *failures) set() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.any = true
}

func (f *failures) status() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.any {
		return exitFailed
	}
	return exitOK
}

// runCommand carries out the channel's command to its end, without the person
// being present: when it exits, all that the command acknowledged is on disk.
func (h *Host) runCommand(ch *sshd.Channel) {
	style := render.Style{Zone: zoneOf(ch.Env["TZ"])}
	a := &actor{
		host: h, login: ch.Login, out: newOutbox(ch, plainLines(ch)),
		seat:  h.cfg.Room.Visit(room.Who{Nick: ch.Login.Nick}),
		style: func() render.Style { return style },
	}
	go a.out.run(func(error) string { return "" })
	status := a.runLine(text.Clean(ch.Command))
	a.out.close(errQuit)
	<-a.out.done
	ch.Exit(status)
}

func (a *actor) runLine(line string) int {
	call, err := parse.Command(line)
	if err != nil {
		a.note(err.Error())
		return exitUsage
	}
	if len(call.Text) > maxText {
		a.note(wordsTooLong(len(call.Text)))
		return exitUsage
	}
	ctx := context.Background()
	if err := a.host.pace.wait(ctx, a.seat.Nick(), func() {}); err != nil {
		return exitFailed
	}
	a.do(call)
	a.pending.wait(ctx, lastReceipts)
	return a.failed.status()
}

// plainLines composes what a command prints. A terminal wants carriage returns.
func plainLines(ch *sshd.Channel) composer {
	return func(items []item, buf []byte, _ bool) []byte {
		for _, it := range items {
			buf = append(buf, it.text...)
		}
		if _, _, _, pty := ch.Pty(); pty {
			return bytes.ReplaceAll(buf, []byte("\n"), []byte("\r\n"))
		}
		return buf
	}
}
