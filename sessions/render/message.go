package render

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"whoelse/room"
	"whoelse/sessions/text"
)

// Messages renders messages in a row as viewer sees them, as of now. Receipts of one
// reader become one line.
func Messages(dst []byte, all []*room.Message, viewer string, st Style, now time.Time) []byte {
	isRead := func(m *room.Message) bool { return m.Kind == room.KindReceipt && m.Text == "" }
	for len(all) > 0 {
		n := 1
		for isRead(all[0]) && n < len(all) && isRead(all[n]) && all[n].From == all[0].From {
			n++
		}
		if n > 1 {
			dst = receipts(dst, all[:n], st, now)
		} else {
			dst = Message(dst, all[0], viewer, st, now)
		}
		all = all[n:]
	}
	return dst
}

// receipts renders the receipts of one person for messages that were kept for them.
func receipts(dst []byte, of []*room.Message, st Style, now time.Time) []byte {
	oldest := slices.MinFunc(of, func(a, b *room.Message) int { return a.RefTime.Compare(b.RefTime) })
	from, since := of[0].From, Clock(oldest.RefTime, now, st)
	switch {
	case of[0].Text == room.ReceiptGone:
		return Notice(dst, from+"'s nick was removed; your message of "+since+" was not read", st)
	case len(of) > 1:
		return Notice(dst, from+" has read your "+Count(len(of))+" messages since "+since, st)
	}
	return Notice(dst, from+" has read your message of "+since, st)
}

// Message renders one message as viewer sees it, as of now, which decides whether
// the time needs its date.
func Message(dst []byte, m *room.Message, viewer string, st Style, now time.Time) []byte {
	clock := Clock(m.Time, now, st)
	switch m.Kind {
	case room.KindReceipt:
		return receipts(dst, []*room.Message{m}, st, now)
	case room.KindNotice:
		return starred(dst, "", clock+" "+roomTag(m.Room)+m.From+" announces: "+m.Text, 0, red, st)
	}
	begin := len(dst)
	if m.File != nil { // like a notice: no row of what somebody typed begins so
		dst = append(dst, " * "...)
	}
	mark := marked(m, viewer, st)
	if mark && !st.Color {
		dst = append(dst, "! "...)
	}
	dst = append(append(append(dst, clock...), ' '), roomTag(m.Room)...)
	switch m.Kind {
	case room.KindMe:
		dst = append(Nick(append(dst, "* "...), m.From, st), ' ')
	case room.KindDirect, room.KindGroup:
		dst = addresses(dst, m, viewer, st)
	default:
		dst = append(Nick(dst, m.From, st), ": "...)
	}
	column := text.Width(string(dst[begin:]))
	if mark {
		dst = colored(dst, bold, st)
	}
	begin = len(dst)
	dst = text.AppendWrapped(dst, text.Clean(body(m, st)), st.Width, column)
	dst = cutRows(dst, begin, m, column, st)
	if mark {
		dst = colored(dst, reset, st)
	}
	return append(dst, '\n')
}

// body is the text of m, or of a file with the command to get it. That writes to a file, since bytes of others are not
// for a terminal, and not to one of the sender's name, which a shell could misread.
func body(m *room.Message, st Style) string {
	if m.File == nil {
		return m.Text
	}
	return "sent " + File(m.File) + ": " + cmp.Or(st.Fetch, "ssh HOST fetch ") + shortID(m) + " > FILE"
}

// File renders the name and the size of a file: notes.txt (1.2 KB). What could be taken for the
// size and the command that follow a name is quoted.
func File(f *room.File) string {
	name := text.CleanLine(f.Name)
	if strings.ContainsAny(name, `:()"`) {
		name = strconv.Quote(name)
	}
	return name + " (" + Bytes(f.Size) + ")"
}

// Bytes renders a size: 1 byte, 850 bytes, 1.2 KB, 3.0 MB.
func Bytes(n int64) string {
	switch {
	case n < 1000:
		return Number(int(n), "byte", "bytes")
	case n < 1000<<10:
		return fmt.Sprintf("%.1f KB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}

// shortID is the end of m's ID: 20 bits of microseconds, enough to tell recent messages apart.
func shortID(m *room.Message) string { return m.ID[max(0, len(m.ID)-4):] }

// addresses appends "[bob -> you, carol] ". A long list is cut.
func addresses(dst []byte, m *room.Message, viewer string, st Style) []byte {
	const most = 8
	put := func(before, nick string) {
		dst = append(dst, before...)
		if nick == viewer {
			dst = append(dst, "you"...)
		} else {
			dst = Nick(dst, nick, st)
		}
	}
	put("[", m.From)
	to := m.To
	if i := slices.Index(to, viewer); i > 0 { // oneself comes first
		to = slices.Concat(to[i:i+1], to[:i], to[i+1:])
	}
	before := " -> "
	for _, nick := range to[:min(len(to), most)] {
		put(before, nick)
		before = ", "
	}
	if len(to) > most {
		dst = append(dst, ", ..."...)
	}
	return append(dst, "] "...)
}

// mostRows is the number of rows of one message that a terminal shows unless asked for
// more: nobody is to fill everybody's screen.
func mostRows(kind room.Kind) int {
	if kind == room.KindDirect || kind == room.KindGroup {
		return 40
	}
	return 12
}

// cutRows cuts the rows of m's text, which begin at dst[from:] in column, where they are
// too many for the terminal. Without a terminal nothing is cut.
func cutRows(dst []byte, from int, m *room.Message, column int, st Style) []byte {
	most := mostRows(m.Kind)
	rows := 1 + bytes.Count(dst[from:], []byte{'\n'})
	if st.Width <= 0 || st.Whole || rows <= most+1 { // one more is as long as the word about it
		return dst
	}
	end := from
	for range most {
		end += 1 + bytes.IndexByte(dst[end:], '\n')
	}
	dst = colored(dst[:end-1], reset+grey, st)
	words := "\n... " + Count(rows-most) + " more lines; type /show " + shortID(m) + " to see all"
	return colored(text.AppendWrapped(dst, words, st.Width, column), reset, st)
}

// Weight is the number of messages that a text counts as against the rate: one for each
// rowsPerLine rows of 80 columns that others see of it.
func Weight(kind room.Kind, s string) int {
	const rowsPerLine, width = 3, 80
	rows := 0
	for line := range strings.Lines(s) {
		rows += 1 + utf8.RuneCountInString(line)/width
	}
	rows = min(rows, mostRows(kind))
	return max(1, (rows+rowsPerLine-1)/rowsPerLine)
}
