// Package render makes what a person reads of messages and events. Its functions
// are pure and may be called concurrently. Every line they make ends in '\n'.
//
// Text comes cleaned from the room, and is cleaned once more here, so that nothing
// that found its way into a history by another road can move a cursor either.
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
// with equal styles see the same bytes of what is said to everyone.
type Style struct {
	Width int  // cells in a row; 0 is no wrapping
	Color bool // ANSI colours
	Bell  bool // BEL on a mention or a direct message
	Whole bool // long messages are not cut
	Zone  *time.Location

	Colors *Colors // of nicks; nil: those that nicks have by themselves
}

// Event renders e for viewer and appends it to dst.
func Event(dst []byte, e *room.Update, viewer string, st Style) []byte {
	if e.Presence != nil {
		return presence(dst, e, viewer, st)
	}
	return message(dst, e, viewer, st)
}

func message(dst []byte, e *room.Update, viewer string, st Style) []byte {
	m := e.Message
	switch m.Kind {
	case room.KindSay, room.KindMe, room.KindNotice:
		if st.Bell && m.Kind == room.KindNotice && m.From != viewer {
			dst = append(dst, '\a')
		}
		if !marked(m, viewer, st) {
			return shared(dst, e, st)
		}
	}
	if st.Bell && marked(m, viewer, st) {
		dst = append(dst, '\a')
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

// mostStyles is in how many styles an event is kept rendered. Those who chat together
// have a few; hundreds, each of another width, would keep a copy each.
const mostStyles = 4

// styleKey is a Style that can be compared: each session has a *time.Location of its own.
type styleKey struct {
	Style
	zone string
}

// shared appends what all sessions of the same style see of an event. It is made once,
// by the first of them, while others wait: a burst would have hundreds make the same.
func shared(dst []byte, e *room.Update, st Style) []byte {
	key := styleKey{Style: st, zone: st.Zone.String()}
	key.Zone = nil
	once, ok := e.Rendered.Load(key)
	if !ok {
		if e.Styles.Add(1) > mostStyles {
			return forAll(dst, e, st)
		}
		once, _ = e.Rendered.LoadOrStore(key, sync.OnceValue(func() []byte { return bytes.Clone(forAll(nil, e, st)) }))
	}
	return append(dst, once.(func() []byte)()...)
}

// forAll renders an event as those see it whom it does not name.
func forAll(dst []byte, e *room.Update, st Style) []byte {
	if e.Message != nil {
		return Message(dst, e.Message, "", st, e.Message.Time)
	}
	return change(dst, e.Presence, "", st)
}

// Message renders one message as viewer sees it, as of now, which decides whether
// the time needs its date.
func Message(dst []byte, m *room.Message, viewer string, st Style, now time.Time) []byte {
	if m.Kind == room.KindReceipt && m.Text == room.ReceiptGone {
		return Notice(dst, m.From+" is gone; your message of "+Clock(m.RefTime, now, st)+" was not read", st)
	}
	if m.Kind == room.KindReceipt {
		return receipts(dst, []*room.Message{m}, now, st)
	}
	if m.Kind == room.KindNotice {
		return Refusal(dst, Clock(m.Time, now, st)+" "+m.From+" announces: "+m.Text, st)
	}
	col := 0
	mark := marked(m, viewer, st)
	if mark && !st.Color {
		dst, col = append(dst, "! "...), 2
	}
	clock := Clock(m.Time, now, st)
	dst = append(append(dst, clock...), ' ')
	col += len(clock) + 1
	switch m.Kind {
	case room.KindMe:
		dst = append(dst, "* "...)
		dst = Nick(dst, m.From, st)
		dst = append(dst, ' ')
		col += 3 + len(m.From)
	case room.KindDirect, room.KindGroup:
		var n int
		dst, n = addresses(dst, m, viewer, st)
		col += n
	default:
		dst = Nick(dst, m.From, st)
		dst = append(dst, ": "...)
		col += 2 + len(m.From)
	}
	from := len(dst)
	if mark && st.Color {
		dst = append(dst, bold...)
	}
	dst = text.AppendWrapped(dst, text.Clean(m.Text), st.Width, col, col)
	dst = cutRows(dst, from, m, col, st)
	if mark && st.Color {
		dst = append(dst, reset...)
	}
	return append(dst, '\n')
}

// addresses appends "[bob -> you, carol] " and returns its width. A long list is cut.
func addresses(dst []byte, m *room.Message, viewer string, st Style) ([]byte, int) {
	const most = 8
	width := 0
	put := func(nick string) {
		if nick == viewer {
			dst, width = append(dst, "you"...), width+3
			return
		}
		dst, width = Nick(dst, nick, st), width+len(nick)
	}
	plain := func(s string) { dst, width = append(dst, s...), width+len(s) }
	plain("[")
	put(m.From)
	plain(" -> ")
	for i, nick := range yourselfFirst(m.To, viewer) {
		if i == most {
			plain(", ...")
			break
		}
		if i > 0 {
			plain(", ")
		}
		put(nick)
	}
	plain("] ")
	return dst, width
}

func yourselfFirst(to []string, viewer string) []string {
	i := slices.Index(to, viewer)
	if i <= 0 {
		return to
	}
	return append([]string{viewer}, slices.Delete(slices.Clone(to), i, i+1)...)
}

// Clock renders t in the person's zone: hours and minutes, with the date when it
// is not today's.
func Clock(t, now time.Time, st Style) string {
	zone := st.Zone
	if zone == nil {
		zone = time.UTC
	}
	t, now = t.In(zone), now.In(zone)
	switch {
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04")
	case t.Year() == now.Year():
		return t.Format("2 Jan 15:04")
	}
	return t.Format("2 Jan 2006 15:04")
}

// Notice renders a word from the server: " * text", grey.
func Notice(dst []byte, s string, st Style) []byte { return starred(dst, s, grey, st) }

// Refusal renders why something was not done, or an announcement: as a notice, but
// not to be missed.
func Refusal(dst []byte, s string, st Style) []byte { return starred(dst, s, red, st) }

func starred(dst []byte, s, color string, st Style) []byte {
	return hanging(dst, s, 3, color, st)
}

// Entry renders a notice of two columns: body begins at column, counted like head's, and
// in a row of its own when head is too long.
func Entry(dst []byte, head, body string, column int, st Style) []byte {
	head = text.Clean(head)
	if width := text.Width(head); width+2 > column {
		head += "\n"
	} else {
		head += strings.Repeat(" ", column-width)
	}
	return hanging(dst, head+body, 3+column, grey, st)
}

// hanging renders s behind a star, with indent before all rows but the first.
func hanging(dst []byte, s string, indent int, color string, st Style) []byte {
	if st.Color {
		dst = append(dst, color...)
	}
	dst = append(dst, " * "...)
	dst = text.AppendWrapped(dst, text.Clean(s), st.Width, 3, indent)
	if st.Color {
		dst = append(dst, reset...)
	}
	return append(dst, '\n')
}

// mostNames is how many people a line about joins and leaves names on a terminal.
// Without one, for programs, it names all.
func mostNames(st Style) int {
	if st.Width <= 0 {
		return math.MaxInt - 1
	}
	return 5
}

// presence renders who came and went. Only who is named in it sees another line
// than the others.
func presence(dst []byte, e *room.Update, viewer string, st Style) []byte {
	if c := e.Presence; named(c.Joined, viewer, st) || named(c.Left, viewer, st) || named(c.Lost, viewer, st) {
		return change(dst, e.Presence, viewer, st)
	}
	return shared(dst, e, st)
}

func named(nicks []string, viewer string, st Style) bool {
	return slices.Contains(nicks[:min(len(nicks), mostNames(st)+1)], viewer)
}

func change(dst []byte, c *room.Change, viewer string, st Style) []byte {
	var parts []string
	for _, half := range []struct {
		nicks []string
		verb  string
		lost  bool
	}{{nicks: c.Joined, verb: " joined"}, {nicks: c.Left, verb: " left"}, {nicks: c.Lost, lost: true}} {
		others := half.nicks
		if named(others, viewer, st) {
			others = slices.DeleteFunc(slices.Clone(others), func(n string) bool { return n == viewer })
		}
		switch {
		case len(others) == 0:
		case half.lost && len(others) == 1:
			parts = append(parts, others[0]+"'s connection was lost")
		case half.lost:
			parts = append(parts, "the connections of "+People(others, mostNames(st))+" were lost")
		default:
			parts = append(parts, People(others, mostNames(st))+half.verb)
		}
	}
	if len(parts) == 0 {
		return dst
	}
	return Notice(dst, strings.Join(parts, ", "), st)
}
