// Package floodlog bounds how many lines a log gets about who comes and goes, or is
// refused: so that a flood of them fills no disk, and hides nothing else.
package floodlog

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"whoelse/internal/netaddr"
)

// What is listed within a minute.
const (
	listedOfNick    = 20
	listedOfAddress = 40
	listedInAll     = 400
)

// Handler leaves out lines about people where there are too many within a minute: of
// one nick, of one address, and in all. What is left out is counted, and said in one
// line at the minute's end. Whose lines these were is told by those that are listed.
//
// These lines are known by the attributes of a logger's own (With): an address, which is
// "from", and perhaps a nick. Warnings and errors are never left out.
type Handler struct {
	slog.Handler
	nick, from string
	*counts
}

// counts are of one minute. Safe for concurrent use.
type counts struct {
	log   *slog.Logger // for what is said at the minute's end
	words string       // which is this

	mu     sync.Mutex     // owns the rest
	listed map[string]int // by nick and by address; no nick reads like an address's block
	inAll  int
	left   int         // left out
	end    *time.Timer // runs while anything is counted
}

// New returns a handler in front of log's. words say at a minute's end that lines were
// left out.
func New(log *slog.Logger, words string) Handler {
	return Handler{Handler: log.Handler(), counts: &counts{log: log, words: words}}
}

// WithAttrs implements slog.Handler.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		switch a.Key {
		case "nick":
			h.nick = a.Value.String()
		case "from":
			from, _ := netip.ParseAddrPort(a.Value.String()) // what has no address counts as one
			h.from = netaddr.Of(from.Addr()).String()
		}
	}
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// Handle implements slog.Handler.
func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn && h.from != "" && !h.list(h.nick, h.from) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// list counts a line and reports whether it is listed.
func (c *counts) list(nick, from string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == nil {
		c.listed, c.inAll, c.left = map[string]int{}, 0, 0
		c.end = time.AfterFunc(time.Minute, c.minuteOver)
	}
	if c.inAll >= listedInAll || c.listed[nick] >= listedOfNick || c.listed[from] >= listedOfAddress {
		c.left++
		return false
	}
	c.inAll++
	c.listed[from]++
	if nick != "" {
		c.listed[nick]++
	}
	return true
}

// minuteOver tells what was left out.
func (c *counts) minuteOver() {
	c.mu.Lock()
	left := c.left
	c.end = nil
	c.mu.Unlock()
	if left > 0 {
		c.log.Info(c.words, "lines", left)
	}
}

// Flush tells at once.
func (c *counts) Flush() {
	c.mu.Lock()
	counting := c.end != nil && c.end.Stop()
	c.mu.Unlock()
	if counting {
		c.minuteOver()
	}
}
