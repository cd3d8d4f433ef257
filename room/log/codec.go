package log

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"whoelse/room"
	"whoelse/room/internal/jsonl"
)

// lineVersion is the member v of every line. Members that only add something don't
// change it, see [room.Event.Extra].
const lineVersion = 1

// maxSeq bounds sequence numbers, so that counting on never overflows.
const maxSeq = 1 << 62

// members are the names that a line gives a meaning to.
var members = []string{
	"seq", "v", "id", "time", "kind", "from", "to", "text", "ref", "reftime",
	"room", "max", "read", "receipts", "crc",
}

// AppendLine appends the line of an event with its newline. All that is not printable
// is escaped. The error wraps [room.ErrInvalid] where no line can hold the event; b is
// then returned as it was.
func AppendLine(b []byte, seq uint64, e *room.Event) ([]byte, error) {
	if err := encodable(e); err != nil {
		return b, fmt.Errorf("%w: %w", room.ErrInvalid, err)
	}
	from := len(b)
	b = strconv.AppendUint(append(b, `{"seq":`...), seq, 10)
	b = strconv.AppendInt(append(b, `,"v":`...), lineVersion, 10)
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
	for _, name := range slices.Sorted(maps.Keys(e.Extra)) {
		b = append(jsonl.AppendString(append(b, ','), name), ':')
		b = appendRaw(b, e.Extra[name])
	}
	b = jsonl.Seal(b, from)
	if n := len(b) - from; n > jsonl.MaxLine {
		return b[:from], fmt.Errorf("%w: %d bytes, over the limit of %d", room.ErrInvalid, n, jsonl.MaxLine)
	}
	return b, nil
}

// encodable makes sure that ParseLine will understand e.
func encodable(e *room.Event) error {
	if e.Kind == "" {
		return errors.New("no kind")
	}
	for _, m := range append([]*room.Message{&e.Message}, e.Receipts...) {
		if m == nil || !jsonl.Writable(m.Time) || !jsonl.Writable(m.RefTime) {
			return errors.New("a time that can't be written down")
		}
	}
	for name, raw := range e.Extra {
		if slices.Contains(members, name) || !utf8.ValidString(name) || !json.Valid(raw) {
			return fmt.Errorf("the member %q can't be added", name)
		}
	}
	return nil
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
	if m.Ref != "" {
		b = jsonl.AppendString(append(b, `,"ref":`...), m.Ref)
	}
	if !m.RefTime.IsZero() {
		b = jsonl.AppendTime(append(b, `,"reftime":`...), m.RefTime)
	}
	return b
}

// appendRaw appends valid JSON on one line and printable. What is not printable can
// only be in strings of it.
func appendRaw(b []byte, raw json.RawMessage) []byte {
	var compact bytes.Buffer
	_ = json.Compact(&compact, raw) // it is valid
	for _, r := range compact.String() {
		if r < utf8.RuneSelf && r != 0x7f || unicode.IsPrint(r) {
			b = utf8.AppendRune(b, r)
			continue
		}
		quoted := jsonl.AppendString(nil, string(r))
		b = append(b, quoted[1:len(quoted)-1]...)
	}
	return b
}

// ParseLine is the inverse of [AppendLine]; line has no newline. It reports false where
// the checksum is wrong or missing, or the rest is not what AppendLine writes.
func ParseLine(line []byte) (room.Entry, bool) {
	var o object
	if !jsonl.Sealed(line) || json.Unmarshal(line, &o.members) != nil {
		return room.Entry{}, false
	}
	en := room.Entry{Event: &room.Event{}}
	var v int
	var crc string
	var receipts []map[string]json.RawMessage
	o.take("seq", &en.Seq)
	o.take("v", &v)
	o.message(&en.Message)
	o.take("room", &en.Room)
	o.take("max", &en.Max)
	o.take("read", &en.Read)
	o.take("receipts", &receipts)
	o.take("crc", &crc)
	for _, r := range receipts {
		ro, m := object{members: r}, &room.Message{}
		ro.message(m)
		en.Receipts = append(en.Receipts, m)
		o.bad = o.bad || ro.bad
	}
	if len(o.members) > 0 {
		en.Extra = o.members
	}
	return en, !o.bad && v == lineVersion && en.Seq > 0 && en.Seq < maxSeq && en.Kind != ""
}

// object is a JSON object that is taken apart. encoding/json would take members whose
// names differ in case for known ones.
type object struct {
	members map[string]json.RawMessage
	bad     bool
}

func (o *object) take(name string, into any) {
	if raw, ok := o.members[name]; ok {
		delete(o.members, name)
		o.bad = json.Unmarshal(raw, into) != nil || o.bad
	}
}

func (o *object) time(name string, into *time.Time) {
	var s string
	if o.take(name, &s); s == "" {
		return
	}
	t, err := time.Parse(jsonl.TimeLayout, s)
	*into = t
	o.bad = err != nil || o.bad
}

func (o *object) message(m *room.Message) {
	o.take("id", &m.ID)
	o.time("time", &m.Time)
	o.take("kind", &m.Kind)
	o.take("from", &m.From)
	o.take("to", &m.To)
	o.take("text", &m.Text)
	o.take("ref", &m.Ref)
	o.time("reftime", &m.RefTime)
}
