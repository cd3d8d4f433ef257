package room

import (
	"encoding/base32"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// Kind says what a message is. The strings are in the history files, so they
// never change their meaning.
type Kind string

const (
	KindSay     Kind = "room"    // said in a room
	KindMe      Kind = "me"      // said in a room, in the third person
	KindNotice  Kind = "notice"  // an operator's word to a room, also to those who block them
	KindDirect  Kind = "direct"  // to one nick
	KindGroup   Kind = "group"   // to several nicks
	KindReceipt Kind = "receipt" // tells To that From has read the message Ref, or never will: see ReceiptGone
	KindJoin    Kind = "join"    // presence: From became a member
	KindLeave   Kind = "leave"   // presence: From is no member any more; Text says if the connection was lost
	KindAlive   Kind = "alive"   // presence: the server was still up at Time, and From online if set
)

// ReceiptGone is the text of a receipt for a message that was never read, since its
// recipient's nick has no holder any more. Other receipts have none.
const ReceiptGone = "gone"

// Message is one thing said, or one change of presence. It is shared by everyone
// it concerns and never changed after it was handed to a [Log].
type Message struct {
	// ID is unique for ever. They are in the log's order, but a change of presence can have a smaller one than what is
	// before it.
	ID   string
	Time time.Time // when the room took it, UTC, millisecond precision
	Kind Kind
	From string   // canonical nick; a guest's starts with '~'
	Room string   // where it was said, without '#'; "" for what is not said in a room
	To   []string // recipients of direct, group and receipt; empty otherwise
	Text string   // cleaned; lines are separated by '\n'
	Key  string   // From's retry key, "" without one
	// Ref and RefTime name the message that a receipt is about.
	Ref     string
	RefTime time.Time
	// File is what a direct or group message carries instead of a text, nil for none.
	File *File
	// Extra has the members of a newer version that this one does not know, as in the log:
	// ,"name":value for each member. It is kept, and nothing else.
	Extra []byte `json:"-"`
}

// File is a fact about a file that was sent; its bytes are elsewhere.
type File struct {
	Name string // as the sender named it, cleaned
	Size int64  // bytes
	Ref  string // under which the bytes are stored; has their SHA-256
}

// For reports whether m is addressed to nick by somebody else, which makes it
// count as unread in nick's history until it is marked as read.
func (m *Message) For(nick string) bool {
	return m.From != nick && slices.Contains(m.To, nick)
}

func idsOf(messages []*Message) []string {
	ids := make([]string, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	return ids
}

// idEncoding is Crockford's base 32 in lower case: it sorts as its values do and
// has no letters that are taken for digits.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// idLen holds 55 bits: microseconds since 1970 until the year 3111.
const idLen = 11

// idSource gives message ids: microseconds since 1970, or one more than the last
// id when the clock stops or goes back, so none is given twice.
// Safe for concurrent use.
type idSource struct {
	mu   sync.Mutex
	last uint64
}

func (s *idSource) next(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last+1, uint64(max(now.UnixMicro(), 0)))
	return encodeID(s.last)
}

// NextID returns an ID for the message after the one with the ID last, at the given time. It is greater than last.
func NextID(last string, at time.Time) string {
	s := idSource{last: decodeID(last)}
	return s.next(at)
}

func encodeID(v uint64) string {
	return idEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, v<<9))[:idLen]
}

// decodeID is encodeID's inverse; what is not an id counts as 0.
func decodeID(id string) uint64 {
	b, err := idEncoding.DecodeString(id + "00")
	if err != nil || len(id) != idLen || len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b) >> 9
}
