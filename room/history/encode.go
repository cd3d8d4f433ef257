package history

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"whoelse/room"
)

// maxLine bounds a line with its newline. The longest text, with every byte
// escaped, and hundreds of recipients stay well below it.
const maxLine = 128 << 10

// Kinds of lines that are no messages.
const (
	kindRead  room.Kind = "read"  // the messages with these ids are read
	kindState room.Kind = "state" // what is unread here, see stateLine
	kindTrim  room.Kind = "trim"  // something was removed here, see trimLine
)

const timeLayout = "2006-01-02T15:04:05.000Z"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A line's last member is its checksum, over all bytes before the comma.
const (
	crcOpen  = `,"crc":"`
	crcClose = `"}`
	crcLen   = len(crcOpen) + 8 + len(crcClose)
)

// seal appends the checksum of b[from:], which lacks only its closing brace,
// and the newline.
func seal(b []byte, from int) []byte {
	sum := crc32.Checksum(b[from:], castagnoli)
	b = append(b, crcOpen...)
	b = appendHex(b, sum)
	return append(b, crcClose+"\n"...)
}

func appendHex(b []byte, v uint32) []byte {
	const digits = "0123456789abcdef"
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[v>>shift&15])
	}
	return b
}

// messageLine encodes m as its line, which is the same for every owner.
func messageLine(m *room.Message) ([]byte, error) {
	switch {
	case m.Kind == kindRead || m.Kind == kindState || m.Kind == kindTrim:
		return nil, fmt.Errorf("kind %q is no message's", m.Kind)
	case !writable(m.Time) || !writable(m.RefTime):
		return nil, errors.New("a time that can't be written down")
	}
	b := make([]byte, 0, 160+len(m.Text)+24*len(m.To))
	b = appendString(append(b, `{"id":`...), m.ID)
	b = appendTime(append(b, `,"time":`...), m.Time)
	b = appendString(append(b, `,"kind":`...), string(m.Kind))
	b = appendString(append(b, `,"from":`...), m.From)
	if len(m.To) > 0 {
		b = appendStrings(append(b, `,"to":`...), m.To)
	}
	if m.Text != "" {
		b = appendString(append(b, `,"text":`...), m.Text)
	}
	if m.Ref != "" {
		b = appendString(append(b, `,"ref":`...), m.Ref)
	}
	if !m.RefTime.IsZero() {
		b = appendTime(append(b, `,"reftime":`...), m.RefTime)
	}
	b = seal(b, 0)
	if len(b) > maxLine {
		return nil, fmt.Errorf("a record of %d bytes, over the limit of %d", len(b), maxLine)
	}
	return b, nil
}

// readLines encodes that the messages with these ids are read, in as many lines
// as it takes.
func readLines(now time.Time, ids []string) ([][]byte, error) {
	var lines [][]byte
	for len(ids) > 0 {
		b := appendTime([]byte(`{"time":`), now)
		b = append(b, `,"kind":"read","ids":[`...)
		n := 0
		for n < len(ids) && len(b)+6*len(ids[n])+crcLen+8 < maxLine {
			b = append(appendString(b, ids[n]), ',')
			n++
		}
		if n == 0 {
			return nil, errors.New("an id that is too long")
		}
		b[len(b)-1] = ']'
		lines = append(lines, seal(b, 0))
		ids = ids[n:]
	}
	return lines, nil
}

// maxListed bounds the offsets in one state line, to keep it under maxLine.
const maxListed = 4096

// stateLine says which messages are unread where it stands, at offset at: those
// at the offsets listed, and what a reader finds who goes on from the offset
// "then". That is at itself, unless there were too many to list.
func stateLine(now time.Time, at int64, unread []ref) []byte {
	then := at
	if len(unread) > maxListed {
		then = unread[maxListed].off
		unread = unread[:maxListed]
	}
	b := appendTime([]byte(`{"time":`), now)
	b = strconv.AppendInt(append(b, `,"kind":"state","at":`...), at, 10)
	b = append(b, `,"unread":[`...)
	for i, r := range unread {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, r.off, 10)
	}
	b = strconv.AppendInt(append(b, `],"then":`...), then, 10)
	return seal(b, 0)
}

// trimLine is the first line of a history that was shortened: what stands at
// offset at would stand at offset was if nothing had ever been removed. Between
// this line and at are messages from before was, which nobody has read yet.
func trimLine(now time.Time, mark trimMark) []byte {
	b := appendTime([]byte(`{"time":`), now)
	b = strconv.AppendInt(append(b, `,"kind":"trim","at":`...), mark.at, 10)
	b = strconv.AppendInt(append(b, `,"was":`...), mark.was, 10)
	return seal(b, 0)
}

// writable reports whether the year has the four digits that the layout needs.
func writable(t time.Time) bool { y := t.UTC().Year(); return y >= 0 && y <= 9999 }

func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, timeLayout)
	return append(b, '"')
}

func appendStrings(b []byte, list []string) []byte {
	for i, s := range list {
		sep := byte(',')
		if i == 0 {
			sep = '['
		}
		b = appendString(append(b, sep), s)
	}
	return append(b, ']')
}

// appendString encodes s as a JSON string. All that is not printable is
// escaped, so that showing a file on a terminal is harmless; what is not UTF-8
// becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	plain := 0 // s[plain:i] is still to be copied as it is
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		broken := r == utf8.RuneError && size == 1
		if r == '"' || r == '\\' || broken || !printable(r) {
			b = append(b, s[plain:i]...)
			b = appendEscape(b, r)
			plain = i + size
		}
		i += size
	}
	b = append(b, s[plain:]...)
	return append(b, '"')
}

func printable(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r < 0x7f
	}
	return unicode.IsPrint(r)
}

func appendEscape(b []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r))
	case r == '\n':
		return append(b, '\\', 'n')
	case r == '\t':
		return append(b, '\\', 't')
	case r > 0xffff:
		r -= 0x10000
		b = appendEscape(b, 0xd800+r>>10)
		r = 0xdc00 + r&0x3ff
	}
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
