package history

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"strconv"
	"time"

	"whoelse/room"
)

// entry is one decoded line: exactly one of its pointers or ids is set.
type entry struct {
	off  int64         // where it stands, relative to what was decoded
	msg  *room.Message // a message
	ids  []string      // a read mark
	mark *stateMark    // a state mark
	trim *trimMark     // a trim mark
}

// stateMark is what a state line says; see stateLine.
type stateMark struct {
	at, then int64
	unread   []int64
}

// trimMark is what a trim line says; see trimLine. The zero mark is that of a
// file from which nothing was removed.
type trimMark struct{ at, was int64 }

// shift is what is added to an offset in the file to get the offset that
// journals use, in which nothing is ever removed.
func (m trimMark) shift() int64 { return m.was - m.at }

// wire is every member a line can have.
type wire struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Kind    room.Kind `json:"kind"`
	From    string    `json:"from"`
	To      []string  `json:"to"`
	Text    string    `json:"text"`
	Ref     string    `json:"ref"`
	RefTime time.Time `json:"reftime"`
	IDs     []string  `json:"ids"`
	At      int64     `json:"at"`
	Unread  []int64   `json:"unread"`
	Then    int64     `json:"then"`
	Was     int64     `json:"was"`
}

// decode decodes one whole line without its newline. It reports false when the
// checksum is wrong or missing, or the rest is not what this package writes.
func decode(line []byte) (entry, bool) {
	if !sealed(line) {
		return entry{}, false
	}
	w, ok := parseWire(line)
	if !ok && json.Unmarshal(line, &w) != nil || w.Kind == "" {
		return entry{}, false
	}
	switch w.Kind {
	case kindRead:
		return entry{ids: w.IDs}, len(w.IDs) > 0
	case kindState:
		return entry{mark: &stateMark{w.At, w.Then, w.Unread}}, true
	case kindTrim:
		return entry{trim: &trimMark{w.At, w.Was}}, w.At >= 0 && w.Was >= w.At
	}
	return entry{msg: &room.Message{
		ID: w.ID, Time: w.Time.UTC(), Kind: w.Kind, From: w.From, To: w.To,
		Text: w.Text, Ref: w.Ref, RefTime: w.RefTime.UTC(),
	}}, true
}

// sealed reports whether line ends with its own checksum.
func sealed(line []byte) bool {
	body := len(line) - crcLen
	if body < 0 {
		return false
	}
	sum, ok := trailer(line[body:])
	return ok && sum == crc32.Checksum(line[:body], castagnoli)
}

// trailer reads the checksum of a line from its last crcLen bytes.
func trailer(b []byte) (uint32, bool) {
	if !bytes.HasPrefix(b, []byte(crcOpen)) || string(b[crcLen-len(crcClose):crcLen]) != crcClose {
		return 0, false
	}
	return parseHex(b[len(crcOpen) : len(crcOpen)+8])
}

// parseHex reads eight digits the way appendHex writes them: no capitals, so
// that a flipped bit in a digit never goes unnoticed.
func parseHex(b []byte) (uint32, bool) {
	if bytes.ContainsAny(b, "ABCDEF+-_") {
		return 0, false
	}
	v, err := strconv.ParseUint(string(b), 16, 32)
	return uint32(v), err == nil
}

// decodeLine decodes a line that may be damaged. Where a newline was lost or
// changed, two records stand in one line: it finds both. whole reports that
// the line is one good record and nothing else.
func decodeLine(line []byte) (found []entry, whole bool) {
	if e, ok := decode(line); ok {
		return []entry{e}, true
	}
	for start := 0; start < len(line); {
		open := bytes.Index(line[start:], []byte(crcOpen))
		end := start + open + crcLen
		if open < 0 || end > len(line) {
			break
		}
		// At most the byte that was a newline stands before the record.
		for _, from := range []int{start, start + 1} {
			if e, ok := decode(line[min(from, end):end]); ok {
				e.off = int64(from)
				found = append(found, e)
				break
			}
		}
		start = end
	}
	return found, false
}
