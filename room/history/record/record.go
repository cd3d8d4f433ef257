// Package record is the lines of the histories: docs/storage.md describes them.
package record

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
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

// State says what was unread at some point of a history: of the messages up to Then
// those at Unread, and of those that follow, what no read mark names.
type State struct {
	Unread []Place
	Then   uint64
}

// Place says where a message is in a history: it is line Index, from 0, of those that the event
// with the number Seq has there. Only receipts can have an Index above 0.
type Place struct {
	Seq   uint64
	Index int
}

// MaxIndex is the greatest Index.
const MaxIndex = 999

// Compare is -1 for places before q, 0 for q and 1 for those after it.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Seq, q.Seq), cmp.Compare(p.Index, q.Index))
}

// UnmarshalJSON reads 44, or 44.001 for Index 1.
func (p *Place) UnmarshalJSON(b []byte) (err error) {
	seq, index, _ := strings.Cut(string(b), ".")
	if p.Seq, err = strconv.ParseUint(seq, 10, 64); err == nil && len(index) > 0 {
		p.Index, err = strconv.Atoi(index)
	}
	return err
}

// KindState is the kind of a line that holds a State.
const KindState room.Kind = "state"

// MaxListed bounds the numbers in one state line, to keep it well below
// [jsonl.MaxLine].
const MaxListed = 4096

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

// AppendState appends a state line. unread is in ascending order; only [MaxListed] of it
// are listed.
func AppendState(b []byte, seq uint64, at time.Time, unread []Place) []byte {
	then, from := seq, len(b)
	if len(unread) > MaxListed {
		// What has the number of the last one listed may be more than one message.
		then = unread[MaxListed-1].Seq - 1
		n, _ := slices.BinarySearchFunc(unread, Place{Seq: then + 1}, Place.Compare)
		unread = unread[:n]
	}
	b = jsonl.AppendTime(append(appendSeq(b, seq), `,"time":`...), at)
	b = append(b, `,"kind":"state","unread":[`...)
	for i, p := range unread {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, p.Seq, 10)
		if p.Index > 0 {
			b = fmt.Appendf(b, ".%03d", p.Index)
		}
	}
	b = strconv.AppendUint(append(b, `],"then":`...), then, 10)
	return jsonl.Seal(b, from)
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
		IDs    []string
		Unread []Place
		Then   uint64
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
		r.State = &State{l.Unread, l.Then}
	default:
		l.Time, l.RefTime, l.Room = l.Time.UTC(), l.RefTime.UTC(), "" // the history says which room
		r.Message = &l.Message
	}
	return r, true
}
