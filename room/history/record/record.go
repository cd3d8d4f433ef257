// Package record is the lines of the histories: docs/storage.md describes them.
package record

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"whoelse/room"
	"whoelse/room/internal/jsonl"
	"whoelse/room/log"
)

// Record is one decoded line. Exactly one of Message, Read and State is set.
type Record struct {
	Seq     uint64 // of the event it was made from; of a state, the last one before it
	Off     int64  // where it is in its file
	Len     int    // how long it is there, without a newline
	Message *room.Message
	Read    []string // ids of messages that the owner has read
	State   *State
}

// State says what was unread at some point of a history. If it has [MaxListed] messages, there may be more
// after the last of these.
type State struct {
	Unread []Place // nil in lines of older programs, which listed them in another way
}

// Place says where a message is in a history: the number of its event, and the byte at which its line begins.
type Place [2]uint64

// KindState is the kind of a line that holds a State.
const KindState room.Kind = "state"

// MaxListed bounds the messages in one state line, to keep it below [jsonl.MaxLine].
const MaxListed = 3000

// AppendMessage appends the line of a message, which is the same for every owner. The
// error wraps [room.ErrInvalid].
func AppendMessage(b []byte, seq uint64, m *room.Message) ([]byte, error) {
	switch {
	case m.Kind == "" || m.Kind == room.KindRead || m.Kind == KindState || m.Kind == room.KindRetired:
		return b, fmt.Errorf("%w: kind %q is no message's", room.ErrInvalid, m.Kind)
	case !jsonl.Writable(m.Time) || !jsonl.Writable(m.RefTime):
		return b, fmt.Errorf("%w: a time that can't be written down", room.ErrInvalid)
	}
	from := len(b)
	b = slices.Grow(b, 176+len(m.Text)+24*len(m.To))
	return sealed(log.AppendMessage(append(appendSeq(b, seq), ','), m), from)
}

// AppendRead appends a mark that the owner has read the messages with these ids, with extra as in
// [room.Message]. The error wraps [room.ErrInvalid].
func AppendRead(b []byte, seq uint64, at time.Time, ids []string, extra []byte) ([]byte, error) {
	if len(ids) == 0 || !jsonl.Writable(at) {
		return b, fmt.Errorf("%w: an empty read mark, or its time", room.ErrInvalid)
	}
	from := len(b)
	b = jsonl.AppendTime(append(appendSeq(b, seq), `,"time":`...), at)
	b = jsonl.AppendStrings(append(b, `,"kind":"read","ids":`...), ids)
	return sealed(append(b, extra...), from)
}

// AppendState appends a state line. unread is in the order of the file; only [MaxListed] of it are listed.
func AppendState(b []byte, seq uint64, at time.Time, unread []Place) []byte {
	from := len(b)
	b = jsonl.AppendTime(append(appendSeq(b, seq), `,"time":`...), at)
	b = append(b, `,"kind":"state","at":[`...)
	for i, p := range unread[:min(len(unread), MaxListed)] {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "[%d,%d]", p[0], p[1])
	}
	return jsonl.Seal(append(b, ']'), from)
}

func appendSeq(b []byte, seq uint64) []byte {
	return strconv.AppendUint(append(b, `{"seq":`...), seq, 10)
}

func sealed(b []byte, from int) ([]byte, error) {
	b = jsonl.Seal(b, from)
	if n := len(b) - from; n > jsonl.MaxLine {
		return b[:from], fmt.Errorf("%w: a record of %d bytes, over the limit of %d", room.ErrInvalid, n, jsonl.MaxLine)
	}
	return b, nil
}

// Parse decodes a line. It returns what good records are in it: where a newline was lost there are
// two. whole reports that it is one good record and nothing else; if not, the line is damaged.
func Parse(l jsonl.Line) (found []Record, whole bool) {
	objects, whole := jsonl.Records(l.Data)
	for _, o := range objects {
		r, ok := parse(o.Data)
		if !ok {
			whole = false
			continue
		}
		r.Off, r.Len = l.Off+o.Off, len(o.Data)
		found = append(found, r)
	}
	return found, whole
}

// parse decodes a sealed object. Its members have the names of the fields in small letters, which
// encoding/json takes for them.
func parse(data []byte) (Record, bool) {
	var l struct {
		Seq uint64
		room.Message
		IDs []string
		At  []Place
	}
	if json.Unmarshal(data, &l) != nil || l.Kind == "" || l.Seq == 0 {
		return Record{}, false
	}
	r := Record{Seq: l.Seq}
	switch l.Kind {
	case room.KindRead:
		r.Read = l.IDs
		return r, len(l.IDs) > 0
	case KindState:
		r.State = &State{l.At}
	default:
		l.Time, l.RefTime, l.Room = l.Time.UTC(), l.RefTime.UTC(), "" // the history says which room
		r.Message = &l.Message
	}
	return r, true
}
