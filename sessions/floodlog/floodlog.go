// Package floodlog bounds how many lines a log gets about who comes and goes, or is
// refused: so that a flood of them fills no disk, and hides nothing else.
package floodlog

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"whoelse/internal/netaddr"
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
	nick, from string
	*counts
}

// What is listed within a minute.
const (
	listedOfNick    = 20
	listedOfAddress = 40
	listedInAll     = 400
)

// counts are of one minute. Safe for concurrent use.
type counts struct {
	out   slog.Handler // for what is said at the minute's end
	words string       // which is this

	mu       sync.Mutex // owns the rest
	nicks    map[string]int
	address  map[string]int
	listed   int
	left     map[who]int // left out
	leftMore int         // of more than are named
	end      *time.Timer // runs while anything is counted
}

// who is named at the minute's end: by nick or, where there is none, by address.
type who struct{ key, name string }

// namedMost is how many nicks and addresses are named in the lines at the minute's end.
const namedMost = 20

// New returns a handler in front of log's. words say at a minute's end that lines were
// left out.
func New(log *slog.Logger, words string) Handler {
	return Handler{Handler: log.Handler(), counts: &counts{out: log.Handler(), words: words}}
}

// WithAttrs implements slog.Handler.
func (l Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		switch a.Key {
		case "nick":
			l.nick = a.Value.String()
		case "from":
			l.from = addressOf(a.Value.String())
		}
	}
	l.Handler = l.Handler.WithAttrs(attrs)
	return l
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
func (l Handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn && l.from != "" && !l.list(l.nick, l.from) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// list counts a line and reports whether it is listed.
func (c *counts) list(nick, address string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == nil {
		c.nicks, c.address, c.left = map[string]int{}, map[string]int{}, map[who]int{}
		c.listed, c.leftMore = 0, 0
		c.end = time.AfterFunc(time.Minute, c.minuteOver)
	}
	if c.listed < listedInAll && (nick == "" || c.nicks[nick] < listedOfNick) && c.address[address] < listedOfAddress {
		c.listed++
		c.nicks[nick]++
		c.address[address]++
		return true
	}
	w := who{"nick", nick}
	if nick == "" {
		w = who{"from", address}
	}
	if _, named := c.left[w]; named || len(c.left) < namedMost {
		c.left[w]++
	} else {
		c.leftMore++
	}
	return false
}

// minuteOver tells what was left out.
func (c *counts) minuteOver() {
	c.mu.Lock()
	left, more := c.left, c.leftMore
	c.end, c.left, c.leftMore = nil, nil, 0
	c.mu.Unlock()
	log := slog.New(c.out)
	byName := func(a, b who) int { return strings.Compare(a.key+a.name, b.key+b.name) }
	for _, w := range slices.SortedFunc(maps.Keys(left), byName) {
		log.Info(c.words, w.key, w.name, "lines", left[w])
	}
	if more > 0 {
		log.Info(c.words, "others", true, "lines", more)
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
