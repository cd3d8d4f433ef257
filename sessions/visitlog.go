package sessions

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// visitLog is a handler for logs that leaves out lines about sessions that begin and end
// where there are too many within a minute: of one nick, of one address, and in all. What
// is left out is counted, and said in one line at the minute's end:
//
//	msg="too many session lines within a minute; some were left out" nick=bob lines=428
//
// These lines are known by their attributes: a logger's own nick and "from".
type visitLog struct {
	slog.Handler
	nick, from string
	*visitCounts
}

// What is listed within a minute.
const (
	listedOfNick    = 20
	listedOfAddress = 40
	listedInAll     = 400
)

// visitCounts are of one minute. Safe for concurrent use.
type visitCounts struct {
	out slog.Handler // for what is said at the minute's end

	mu       sync.Mutex // owns the rest
	nicks    map[string]int
	address  map[string]int
	listed   int
	left     map[string]int // left out, by nick
	leftMore int            // of more nicks than are named
	end      *time.Timer    // runs while anything is counted
}

// namedMost is how many nicks are named in the lines at the minute's end.
const namedMost = 20

const wordsUnlisted = "too many session lines within a minute; some were left out"

func newVisitLog(log *slog.Logger) visitLog {
	return visitLog{Handler: log.Handler(), visitCounts: &visitCounts{out: log.Handler()}}
}

// WithAttrs implements slog.Handler.
func (l visitLog) WithAttrs(attrs []slog.Attr) slog.Handler {
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

// addressOf is what counts as one address: an IPv4 address, or an IPv6 /64, in which
// one customer has as many as they like.
func addressOf(from string) string {
	ap, err := netip.ParseAddrPort(from)
	if err != nil {
		return from
	}
	addr := ap.Addr().Unmap()
	if addr.Is4() {
		return addr.String()
	}
	block, _ := addr.WithZone("").Prefix(64)
	return block.String()
}

// Handle implements slog.Handler.
func (l visitLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn && l.nick != "" && l.from != "" && !l.list(l.nick, l.from) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// list counts a line and reports whether it is listed.
func (c *visitCounts) list(nick, address string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == nil {
		c.nicks, c.address, c.left = map[string]int{}, map[string]int{}, map[string]int{}
		c.listed, c.leftMore = 0, 0
		c.end = time.AfterFunc(time.Minute, c.minuteOver)
	}
	if c.listed < listedInAll && c.nicks[nick] < listedOfNick && c.address[address] < listedOfAddress {
		c.listed++
		c.nicks[nick]++
		c.address[address]++
		return true
	}
	if _, named := c.left[nick]; named || len(c.left) < namedMost {
		c.left[nick]++
	} else {
		c.leftMore++
	}
	return false
}

// minuteOver tells what was left out.
func (c *visitCounts) minuteOver() {
	c.mu.Lock()
	left, more := c.left, c.leftMore
	c.end, c.left, c.leftMore = nil, nil, 0
	c.mu.Unlock()
	log := slog.New(c.out)
	for _, nick := range slices.Sorted(maps.Keys(left)) {
		log.Info(wordsUnlisted, "nick", nick, "lines", left[nick])
	}
	if more > 0 {
		log.Info(wordsUnlisted, "nick", "others", "lines", more)
	}
}

// flush tells at once.
func (c *visitCounts) flush() {
	c.mu.Lock()
	counting := c.end != nil && c.end.Stop()
	c.mu.Unlock()
	if counting {
		c.minuteOver()
	}
}
