// Package floodlog bounds how many lines a log gets about who comes and goes, or is
// refused: so that a flood of them fills no disk, and hides nothing else.
package floodlog

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"whoelse/internal/netaddr"
)

// What is listed within a minute, and how many nicks and addresses are named at its end.
const (
	listedOfNick    = 20
	listedOfAddress = 40
	listedInAll     = 400
	namedMost       = 20
)

// Handler leaves out lines about people where there are too many within a minute: of
// one nick, of one address, and in all. What is left out is counted, and said in one
// line at the minute's end:
//
//	msg="too many session lines within a minute; some were left out" nick=bob lines=428
//
// These lines are known by the attributes of a logger's own (With): an address, which is
// "from", and perhaps a nick. Where there is none it is the address that is named at the
// minute's end. Warnings and errors are never left out.
type Handler struct {
	slog.Handler
	nick, from name
	*counts
}

// name is an attribute that tells who a line is about.
type name struct{ key, value string }

// counts are of one minute. Safe for concurrent use.
type counts struct {
	log   *slog.Logger // for what is said at the minute's end
	words string       // which is this

	mu     sync.Mutex // owns the rest
	listed map[name]int
	inAll  int
	left   map[name]int // left out; those that are not named are counted under the zero name
	end    *time.Timer  // runs while anything is counted
}

// New returns a handler in front of log's. words say at a minute's end that lines were
// left out.
func New(log *slog.Logger, words string) Handler {
	return Handler{Handler: log.Handler(), counts: &counts{log: log, words: words}}
}

// WithAttrs implements slog.Handler.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		switch value := a.Value.String(); a.Key {
		case "nick":
			h.nick = name{"nick", value}
		case "from":
			h.from = name{"from", addressOf(value)}
		}
	}
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// addressOf is what counts as one address, as it is written in a log.
func addressOf(from string) string {
	ap, err := netip.ParseAddrPort(from)
	if err != nil {
		return from
	}
	block := netaddr.Of(ap.Addr())
	if block.IsSingleIP() {
		return block.Addr().String()
	}
	return block.String()
}

// Handle implements slog.Handler.
func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn && h.from != (name{}) && !h.list(h.nick, h.from) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// list counts a line and reports whether it is listed.
func (c *counts) list(nick, from name) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == nil {
		c.listed, c.inAll, c.left = map[name]int{}, 0, map[name]int{}
		c.end = time.AfterFunc(time.Minute, c.minuteOver)
	}
	if c.inAll < listedInAll && c.listed[nick] < listedOfNick && c.listed[from] < listedOfAddress {
		c.inAll++
		c.listed[from]++
		if nick != (name{}) {
			c.listed[nick]++
		}
		return true
	}
	who := cmp.Or(nick, from)
	if _, named := c.left[who]; !named && len(c.left) >= namedMost {
		who = name{}
	}
	c.left[who]++
	return false
}

// minuteOver tells what was left out.
func (c *counts) minuteOver() {
	c.mu.Lock()
	left := c.left
	c.end, c.left = nil, nil
	c.mu.Unlock()
	others := left[name{}]
	delete(left, name{})
	byName := func(a, b name) int { return cmp.Compare(a.key+a.value, b.key+b.value) }
	for _, who := range slices.SortedFunc(maps.Keys(left), byName) {
		c.log.Info(c.words, who.key, who.value, "lines", left[who])
	}
	if others > 0 {
		c.log.Info(c.words, "others", true, "lines", others)
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
