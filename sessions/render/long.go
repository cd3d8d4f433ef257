package render

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"whoelse/room"
	"whoelse/sessions/text"
)

// Messages renders messages in a row as viewer sees them, as of now. Receipts of one
// reader become one line.
func Messages(dst []byte, all []*room.Message, viewer string, st Style, now time.Time) []byte {
	for len(all) > 0 {
		n := sameReader(all)
		if n > 0 {
			dst = receipts(dst, all[:n], now, st)
		} else {
			n = 1
			dst = Message(dst, all[0], viewer, st, now)
		}
		all = all[n:]
	}
	return dst
}

// sameReader counts the receipts of one reader that all begins with.
func sameReader(all []*room.Message) (n int) {
	for n < len(all) && all[n].Kind == room.KindReceipt && all[n].Text == "" && all[n].From == all[0].From {
		n++
	}
	return n
}

// receipts tells what the reader of these has read.
func receipts(dst []byte, of []*room.Message, now time.Time, st Style) []byte {
	words, since := "your message of ", of[0].RefTime
	for _, m := range of {
		if m.RefTime.Before(since) {
			since = m.RefTime
		}
	}
	if len(of) > 1 {
		words = "your " + Count(len(of)) + " messages since "
	}
	return Notice(dst, of[0].From+" has read "+words+Clock(since, now, st), st)
}

// How many rows of one message are shown on a terminal unless asked for: nobody is to
// fill everybody's screen.
const (
	roomRows   = 12
	directRows = 40
)

func mostRows(kind room.Kind) int {
	if kind == room.KindDirect || kind == room.KindGroup {
		return directRows
	}
	return roomRows
}

// Weight is how many rows of 80 columns others see of such a text, as messages count
// against a rate: rowsPerLine of them are one.
func Weight(kind room.Kind, s string) int {
	const rowsPerLine, width = 3, 80
	rows := 0
	for line := range strings.Lines(s) {
		rows += 1 + utf8.RuneCountInString(line)/width
		if rows >= mostRows(kind) {
			rows = mostRows(kind)
			break
		}
	}
	return max(1, (rows+rowsPerLine-1)/rowsPerLine)
}

// shortIDLen is 20 bits of microseconds: enough to tell recent messages apart.
const shortIDLen = 4

// ShortID is what people type to be shown m.
func ShortID(m *room.Message) string { return m.ID[max(0, len(m.ID)-shortIDLen):] }

// cutRows cuts the rows of m's text, which begin at dst[from:], where they are too
// many for the terminal. Without a terminal nothing is cut.
func cutRows(dst []byte, from int, m *room.Message, indent int, st Style) []byte {
	most := mostRows(m.Kind)
	rows := 1 + bytes.Count(dst[from:], []byte{'\n'})
	if st.Width <= 0 || st.Whole || rows <= most+1 { // one more is as long as the word about it
		return dst
	}
	end := from
	for range most {
		end += 1 + bytes.IndexByte(dst[end:], '\n')
	}
	dst = dst[:end]
	if indent > st.Width/2 {
		indent = min(2, st.Width/4)
	}
	for range indent {
		dst = append(dst, ' ')
	}
	if st.Color {
		dst = append(dst, reset+grey...)
	}
	dst = text.AppendWrapped(dst, "... "+Count(rows-most)+" more lines; type /show "+ShortID(m)+" to see all", st.Width, indent, indent)
	if st.Color {
		dst = append(dst, reset...)
	}
	return dst
}
