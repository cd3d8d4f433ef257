// Package jsonl reads and writes files of JSON lines that each end with a checksum of
// their own, so that a damaged line is known as such and costs nothing but itself:
//
//	{"seq":7,"id":"01k...","text":"hi","crc":"1a2b3c4d"}
package jsonl

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"
	"unicode"
	"unicode/utf16"
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
	return append(appendTrailer(b, b[from:]), '\n')
}

// Sealed reports whether a line, without its newline, ends with its own checksum.
func Sealed(line []byte) bool {
	body := len(line) - Trailer
	var want [Trailer]byte
	return body >= 0 && bytes.Equal(line[body:], appendTrailer(want[:0], line[:body]))
}

func appendTrailer(b, body []byte) []byte {
	sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, castagnoli))
	b = append(b, crcOpen...)
	return append(hex.AppendEncode(b, sum), crcClose...)
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

// Unknown returns the members that object has and known has not, as they are: ,"name":value each.
// Both are JSON objects.
func Unknown(object, known []byte) (members []byte) {
	var names map[string]json.RawMessage
	err := json.Unmarshal(known, &names)
	d := json.NewDecoder(bytes.NewReader(object))
	if err == nil {
		_, err = d.Token()
	}
	for err == nil && d.More() {
		var value json.RawMessage
		var name json.Token
		if name, err = d.Token(); err == nil {
			err = d.Decode(&value)
		}
		if word, ok := name.(string); ok && err == nil && names[word] == nil {
			members = append(append(AppendString(append(members, ','), word), ':'), value...)
		}
	}
	return members
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
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\t':
			b = append(b, '\\', 't')
		case r >= ' ' && r < 0x7f:
			b = append(b, byte(r))
		case !unicode.IsPrint(r):
			for _, unit := range utf16.AppendRune(nil, r) {
				b = fmt.Appendf(b, `\u%04x`, unit)
			}
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
