// Package render makes lines of text of messages, events and results. Its functions
// are pure and may be called concurrently. Every line they make ends in '\n'.
//
// Text comes cleaned from the room, and is cleaned once more here, so that text that got
// into a history in another way can't move a cursor either.
package render

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"whoelse/room"
	"whoelse/sessions/text"
)

// Style is how one session wants to see things. It is comparable: two sessions
// with equal styles see the same bytes of what is said to everyone. A zone has one
// *time.Location for all.
type Style struct {
	Width int  // cells in a row; 0 is no wrapping
	Color bool // ANSI colours
	Bell  Bell

	HideJoins bool   // nothing about others who join and leave
	Whole     bool   // long messages are not cut
	Fetch     string // begins the command that fetches a file, whose ID follows; "" where it is not known
	Zone      *time.Location

	Colors *Colors // of nicks; may be nil
}

// Bell says which lines of others ring the terminal's bell (BEL).
type Bell int

const (
	Silent     Bell = iota
	ForViewer       // direct messages, mentions and announcements
	ForAnybody      // these and all else that is said
)

// rings reports whether it does for m, which is marked for viewer or not.
func (b Bell) rings(m *room.Message, mark bool, viewer string) bool {
	switch {
	case m.From == viewer || m.Kind == room.KindReceipt:
		return false
	case mark || m.Kind == room.KindNotice:
		return b >= ForViewer
	}
	return b == ForAnybody
}

// in gives t in the person's zone.
func (st Style) in(t time.Time) time.Time {
	if st.Zone == nil {
		return t.UTC()
	}
	return t.In(st.Zone)
}

// Event renders e for viewer and appends it to dst.
func Event(dst []byte, e *room.Update, viewer string, st Style) []byte {
	m := e.Message
	if m == nil {
		c := e.Presence
		if st.HideJoins && !c.Owner && !c.Removed {
			return dst
		}
		if slices.Contains(c.Joined, viewer) || slices.Contains(c.Left, viewer) || slices.Contains(c.Lost, viewer) {
			return change(dst, c, viewer, st)
		}
		return shared(dst, e, st)
	}
	mark := marked(m, viewer, st)
	if st.Bell.rings(m, mark, viewer) {
		dst = append(dst, '\a')
	}
	if !mark && (m.Kind == room.KindSay || m.Kind == room.KindMe || m.Kind == room.KindNotice) {
		return shared(dst, e, st)
	}
	return Message(dst, m, viewer, st, m.Time)
}

// marked reports whether m is for viewer in particular, and so set apart on a terminal.
func marked(m *room.Message, viewer string, st Style) bool {
	if st.Width <= 0 || m.From == viewer {
		return false
	}
	switch m.Kind {
	case room.KindDirect, room.KindGroup:
		return true
	case room.KindSay, room.KindMe:
		return Mentions(m.Text, viewer)
	}
	return false
}

// mostStyles is the number of styles in which an event is kept rendered. There usually
// are a few; with hundreds, each of another width, there would be a copy for each.
const mostStyles = 4

// shared appends the rendering of an event that is the same for all sessions of a style. It
// is made once, by the first of them, while the others wait: in a burst, hundreds would
// make the same.
func shared(dst []byte, e *room.Update, st Style) []byte {
	key := st
	key.Fetch, key.Bell, key.HideJoins = "", Silent, false // nothing that is said to everyone has a file
	once, ok := e.Rendered.Load(key)
	if !ok {
		forAll := func() []byte {
			if e.Message != nil {
				return bytes.Clone(Message(nil, e.Message, "", st, e.Message.Time))
			}
			return bytes.Clone(change(nil, e.Presence, "", st))
		}
		if e.Styles.Add(1) > mostStyles {
			return append(dst, forAll()...)
		}
		once, _ = e.Rendered.LoadOrStore(key, sync.OnceValue(forAll))
	}
	return append(dst, once.(func() []byte)()...)
}

// change renders joins and leaves, without the viewer's own. On a terminal a line names some
// people of many; for programs it names all.
func change(dst []byte, c *room.Change, viewer string, st Style) []byte {
	if c.Owner {
		return Notice(dst, "you own #"+c.Room+" now; /help room lists what owners can do", st)
	}
	if c.Removed {
		return Notice(dst, "you are no longer in #"+c.Room+"; /join #lobby takes you back to the lobby", st)
	}
	most := 5
	if st.Width <= 0 {
		most = math.MaxInt - 1
	}
	in := when(c.Room != "", " #"+c.Room)
	var parts []string
	for i, nicks := range [][]string{c.Joined, c.Left, c.Lost} {
		if slices.Contains(nicks, viewer) {
			nicks = slices.DeleteFunc(slices.Clone(nicks), func(n string) bool { return n == viewer })
		}
		named := make([]string, len(nicks))
		for i, n := range nicks {
			named[i] = n + when(c.Bots[n], asBot)
		}
		people := People(named, most)
		switch {
		case len(nicks) == 0:
		case i == 0:
			parts = append(parts, people+" joined"+in)
		case i == 1:
			parts = append(parts, people+" left"+in)
		case len(nicks) == 1:
			parts = append(parts, people+"'s connection was lost")
		default:
			parts = append(parts, "the connections of "+people+" were lost")
		}
	}
	if len(parts) == 0 {
		return dst
	}
	return Notice(dst, strings.Join(parts, ", "), st)
}

// Notice renders a word from the server: " * text", grey.
func Notice(dst []byte, s string, st Style) []byte { return starred(dst, "", s, 0, grey, st) }

// starred renders a notice with body in a column of its own: next to head, or below it
// where head is too long.
func starred(dst []byte, head, body string, column int, color string, st Style) []byte {
	const star = " * "
	dst = append(colored(dst, color, st), star...)
	if space := column - text.Width(head); space >= 2 || column == 0 {
		head += strings.Repeat(" ", space)
	} else {
		body = "\n" + body
	}
	dst = text.AppendWrapped(dst, head, st.Width, len(star))
	dst = text.AppendWrapped(dst, text.Clean(body), st.Width, len(star)+column)
	return append(colored(dst, reset, st), '\n')
}

const (
	grey  = "\x1b[90m"
	red   = "\x1b[31m"
	bold  = "\x1b[1m"
	reset = "\x1b[0m"
)

func colored(dst []byte, color string, st Style) []byte {
	if !st.Color {
		return dst
	}
	return append(dst, color...)
}

// Clock renders t in the person's zone: hours and minutes, with the date when it
// is not today's.
func Clock(t, now time.Time, st Style) string {
	t, now = st.in(t), st.in(now)
	switch {
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04")
	case t.Year() == now.Year():
		return t.Format("2 Jan 15:04")
	}
	return t.Format("2 Jan 2006 15:04")
}
