// Package floodlog bounds how many lines a log gets about who comes and goes, or is
// refused: so that a flood of them fills no disk, and hides nothing else.
package floodlog

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"whoelse/internal/limit"
)

// What is listed at once, and then within a minute.
const (
	listedOfNick    = 20
	listedOfAddress = 40
	listedInAll     = 400
)

// Handler leaves out lines about people where there are too many: of one nick, of one
// address, and in all. What is left out is counted, and said in one line within a
// minute. Whose lines these were is told by those that are listed.
//
// These lines are known by the attributes of a logger's own (With): an address, which is
// "from", and perhaps a nick. Warnings and errors are never left out.
type Handler struct {
	slog.Handler
	about  limit.Who
	person bool // it has an address
	*omitted
}

// omitted counts what is left out. Safe for concurrent use.
type omitted struct {
	log    *slog.Logger // for what is said of it
	words  string       // which is this
	listed *limit.Limiter

	mu    sync.Mutex // owns the rest
	lines int
	tell  *time.Timer // runs while there are any
}

// New returns a handler in front of log's. words say that lines were left out.
func New(log *slog.Logger, words string) Handler {
	return Handler{Handler: log.Handler(), omitted: &omitted{log: log, words: words, listed: limit.New(limit.Limits{
		Buckets: map[limit.Scope]limit.Buckets{
			limit.Nick:    {{Size: listedOfNick, Per: time.Minute}},
			limit.Address: {{Size: listedOfAddress, Per: time.Minute}},
			limit.All:     {{Size: listedInAll, Per: time.Minute}},
		},
	})}}
}

// WithAttrs implements slog.Handler.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		switch a.Key {
		case "nick":
			h.about.Nick = a.Value.String()
		case "from":
			from, _ := netip.ParseAddrPort(a.Value.String())
			h.about.Addr, h.person = from.Addr(), true
		}
	}
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// Handle implements slog.Handler.
func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn && h.person && h.listed.Charge(h.about, 1) != nil {
		h.omit()
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// omit counts a line that is left out.
func (o *omitted) omit() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lines++; o.lines == 1 {
		o.tell = time.AfterFunc(time.Minute, o.Flush)
	}
}

// Flush tells at once what was left out.
func (o *omitted) Flush() {
	o.mu.Lock()
	lines := o.lines
	if o.lines = 0; lines > 0 {
		o.tell.Stop()
	}
	o.mu.Unlock()
	if lines > 0 {
		o.log.Info(o.words, "lines", lines)
	}
}
