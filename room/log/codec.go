package log

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"

	"whoelse/room"
	"whoelse/room/internal/jsonl"
)

// lineVersion is the member v of every line. Members that only add something don't
// change it: programs that don't know them keep them, see room.Message.Extra.
const lineVersion = 1

// maxSeq bounds sequence numbers, so that counting on never overflows.
const maxSeq = 1 << 62

// numberRoom is how many bytes a line without a number leaves for one.
const numberRoom = len(`"seq":4611686018427387904,`)

// AppendLine appends the line of an event with its newline. All that is not printable
// is escaped. The number 0 is none: another log gives it, and the line leaves room for it. The
// error wraps [room.ErrInvalid] if no line can hold the event; then b is returned unchanged.
func AppendLine(b []byte, seq uint64, e *room.Event) ([]byte, error) {
	if !writable(e) {
		return b, fmt.Errorf("%w: no kind, or a time that can't be written down", room.ErrInvalid)
	}
	from, most := len(b), jsonl.MaxLine
	b = append(b, '{')
	if seq == 0 {
		most -= numberRoom
	} else {
		b = append(strconv.AppendUint(append(b, `"seq":`...), seq, 10), ',')
	}
	b = strconv.AppendInt(append(b, `"v":`...), lineVersion, 10)
	b = AppendMessage(append(b, ','), &e.Message)
	if e.Room != "" {
		b = jsonl.AppendString(append(b, `,"room":`...), e.Room)
	}
	if e.Max != 0 {
		b = strconv.AppendInt(append(b, `,"max":`...), int64(e.Max), 10)
	}
	if len(e.Read) > 0 {
		b = jsonl.AppendStrings(append(b, `,"read":`...), e.Read)
	}
	sep := `,"receipts":[`
	for _, m := range e.Receipts {
		b = AppendMessage(append(append(b, sep...), '{'), m)
		b = append(b, '}')
		sep = ","
	}
	if len(e.Receipts) > 0 {
		b = append(b, ']')
	}
	if e.Doc != "" {
		b = jsonl.AppendString(append(b, `,"doc":`...), e.Doc)
	}
	if len(e.Data) > 0 {
		b = base64.StdEncoding.AppendEncode(append(b, `,"data":"`...), e.Data)
		b = append(b, '"')
	}
	b = jsonl.Seal(b, from)
	if n := len(b) - from; n > most {
		return b[:from], fmt.Errorf("%w: %d bytes, over the limit of %d", room.ErrInvalid, n, most)
	}
	return b, nil
}

// writable reports whether a line can hold e.
func writable(e *room.Event) bool {
	for _, m := range append([]*room.Message{&e.Message}, e.Receipts...) {
		if m == nil || !jsonl.Writable(m.Time) || !jsonl.Writable(m.RefTime) {
			return false
		}
	}
	return e.Kind != ""
}

// AppendMessage appends the members of m without braces, as the log and the histories write
// a message. Its times have to be [jsonl.Writable].
func AppendMessage(b []byte, m *room.Message) []byte {
	b = jsonl.AppendString(append(b, `"id":`...), m.ID)
	b = jsonl.AppendTime(append(b, `,"time":`...), m.Time)
	b = jsonl.AppendString(append(b, `,"kind":`...), string(m.Kind))
	b = jsonl.AppendString(append(b, `,"from":`...), m.From)
	if len(m.To) > 0 {
		b = jsonl.AppendStrings(append(b, `,"to":`...), m.To)
	}
	if m.Text != "" {
		b = jsonl.AppendString(append(b, `,"text":`...), m.Text)
	}
	if m.Key != "" {
		b = jsonl.AppendString(append(b, `,"key":`...), m.Key)
	}
	if m.Ref != "" {
		b = jsonl.AppendString(append(b, `,"ref":`...), m.Ref)
	}
	if !m.RefTime.IsZero() {
		b = jsonl.AppendTime(append(b, `,"reftime":`...), m.RefTime)
	}
	if f := m.File; f != nil {
		b = jsonl.AppendString(append(b, `,"file":{"name":`...), f.Name)
		b = strconv.AppendInt(append(b, `,"size":`...), f.Size, 10)
		b = append(jsonl.AppendString(append(b, `,"ref":`...), f.Ref), '}')
	}
	return append(b, m.Extra...)
}

// ParseLine is the inverse of [AppendLine]; line has no newline. It reports false where
// the checksum is wrong or missing, or no event is what is left. The members have the names of the
// fields in small letters, which encoding/json takes for them.
func ParseLine(line []byte) (room.Entry, bool) {
	e, ok := parse(line)
	return e, ok && e.Seq > 0
}

// ParseEvent is ParseLine for a line without a number.
func ParseEvent(line []byte) (*room.Event, bool) {
	e, ok := parse(line)
	return e.Event, ok && e.Seq == 0
}

func parse(line []byte) (room.Entry, bool) {
	var l struct {
		Seq uint64
		V   int
		room.Event
	}
	ok := jsonl.Sealed(line) && json.Unmarshal(line, &l) == nil && l.V == lineVersion
	ok = ok && l.Seq < maxSeq && writable(&l.Event)
	if ok {
		keepUnknown(line, l.Seq, &l.Event)
	}
	return room.Entry{Seq: l.Seq, Event: &l.Event}, ok
}

// IsNewer reports whether line is whole and of a version that this program does not know.
func IsNewer(line []byte) bool {
	var l struct{ V int }
	return jsonl.Sealed(line) && json.Unmarshal(line, &l) == nil && l.V > lineVersion
}

// keepUnknown adds to e and its receipts the members of their line that this version does not know.
func keepUnknown(line []byte, seq uint64, e *room.Event) {
	ours, err := AppendLine(nil, seq, e)
	if err != nil || bytes.Equal(ours[:len(ours)-1], line) {
		return
	}
	e.Extra = jsonl.Unknown(line, ours)
	var raw struct{ Receipts []json.RawMessage }
	_ = json.Unmarshal(line, &raw) // it was decoded before
	for i, m := range e.Receipts {
		m.Extra = jsonl.Unknown(raw.Receipts[i], append(AppendMessage([]byte("{"), m), '}'))
	}
}
