// Package jsonl reads and writes files of JSON lines that each end with a checksum of
// their own, so that a damaged line is known as such and costs nothing but itself:
//
//	{"seq":7,"id":"01k...","text":"hi","crc":"1a2b3c4d"}
package jsonl

import (
	"bytes"
	"hash/crc32"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxLine bounds a line with its newline, in bytes. What is longer is damaged.
const MaxLine = 128 << 10

// TimeLayout is how times are written: UTC, milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A line's last member is the CRC-32C of all bytes before the comma.
const (
	crcOpen  = `,"crc":"`
	crcClose = `"}`

	// Trailer is how many bytes of a line, without its newline, are its checksum.
	Trailer = len(crcOpen) + 8 + len(crcClose)
)

// Seal appends the checksum of b[from:], a JSON object that lacks only its closing
// brace, and the newline.
func Seal(b []byte, from int) []byte {
	sum := crc32.Checksum(b[from:], castagnoli)
	b = append(b, crcOpen...)
	const digits = "0123456789abcdef"
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[sum>>shift&15])
	}
	return append(b, crcClose+"\n"...)
}

// Sealed reports whether a line, without its newline, ends with its own checksum.
func Sealed(line []byte) bool {
	body := len(line) - Trailer
	if body < 0 {
		return false
	}
	sum, ok := checksum(line[body:])
	return ok && sum == crc32.Checksum(line[:body], castagnoli)
}

// checksum reads the last Trailer bytes of a line.
func checksum(b []byte) (uint32, bool) {
	digits := b[len(crcOpen) : len(crcOpen)+8]
	// No capitals: a flipped bit in a digit must not go unnoticed.
	if !bytes.HasPrefix(b, []byte(crcOpen)) || string(b[Trailer-len(crcClose):]) != crcClose || bytes.ContainsAny(digits, "ABCDEF+-_") {
		return 0, false
	}
	v, err := strconv.ParseUint(string(digits), 16, 32)
	return uint32(v), err == nil
}

// Record is a sealed object within a line.
type Record struct {
	Off  int64 // of its first byte, from the line's
	Data []byte
}

// Records returns the sealed objects in a line that may be damaged: where a newline
// was lost or changed, two of them are in one line, and both are found. whole reports
// that the line is one of them and nothing else.
func Records(line []byte) (found []Record, whole bool) {
	if Sealed(line) {
		return []Record{{0, line}}, true
	}
	for start := 0; start < len(line); {
		open := bytes.Index(line[start:], []byte(crcOpen))
		end := start + open + Trailer
		if open < 0 || end > len(line) {
			break
		}
		// At most the byte that was a newline stands before the record.
		for _, from := range []int{start, start + 1} {
			if data := line[min(from, end):end]; Sealed(data) {
				found = append(found, Record{int64(from), data})
				break
			}
		}
		start = end
	}
	return found, false
}

// Writable reports whether the year of t has the four digits that the layout needs.
func Writable(t time.Time) bool { y := t.UTC().Year(); return y >= 0 && y <= 9999 }

// AppendTime appends t in quotes.
func AppendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, TimeLayout)
	return append(b, '"')
}

// AppendStrings appends a list that has at least one string.
func AppendStrings(b []byte, list []string) []byte {
	for i, s := range list {
		sep := byte(',')
		if i == 0 {
			sep = '['
		}
		b = AppendString(append(b, sep), s)
	}
	return append(b, ']')
}

// AppendString encodes s as a JSON string. All that is not printable is
// escaped, so that showing a file on a terminal is harmless; what is not UTF-8
// becomes U+FFFD.
func AppendString(b []byte, s string) []byte {
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
