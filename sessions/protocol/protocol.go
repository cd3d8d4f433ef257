// Package protocol has the frames that programs and the server exchange: one JSON object per line,
// as docs/protocol.md says. It knows nothing of ssh.
package protocol

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"whoelse/room"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

// Limits of a line and of what is in it.
const (
	MaxLine    = 64 << 10 // bytes
	maxRef     = 64       // characters, of a KEY, too
	maxTo      = 100      // recipients
	MaxHistory = 10_000   // messages
)

// The values of CMD: first those of programs, then those of the server.
const (
	Join      = "JOIN"
	JoinRoom  = "JOINROOM"
	LeaveRoom = "LEAVEROOM"
	Send      = "SEND"
	Read      = "READ"
	Inbox     = "INBOX"
	History   = "HISTORY"
	Who       = "WHO" // the answer, too
	Ping      = "PING"
	Quit      = "QUIT"

	Ack    = "ACK"
	List   = "LIST"
	Msg    = "MSG"
	Status = "STATUS"
	Pong   = "PONG"
	Err    = "ERROR"
	Bye    = "BYE"
)

// The values of TYPE.
const (
	Okay    = "OKAY"
	Fail    = "FAIL"
	All     = "ALL"
	Private = "PRIVATE"
	Group   = "GROUP"
)

// Code says why something failed. The strings are stable.
type Code string

// Codes of lines that are no frames, and of ERROR. Others are those of failures: see [CodeOf].
const (
	NotJSON     Code = "not-json"
	TooLong     Code = "too-long"
	TextTooLong Code = "text-too-long"
	UnknownCmd  Code = "unknown-cmd"
	BadField    Code = "bad-field"
	Gap         Code = "gap"
	Storage     Code = "storage"
	Notice      Code = "notice" // words from the server or its operators
)

// Names is one string, or a list of them.
type Names []string

// UnmarshalJSON takes a list, or a string for a list of one.
func (n *Names) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		*n = make(Names, 1)
		return json.Unmarshal(b, &(*n)[0])
	}
	return json.Unmarshal(b, (*[]string)(n))
}

// Person is an entry of LIST, WHO or a list of nicks. Only WHO has more than UN, UID and BOT.
type Person struct {
	UN       string `json:"UN"`
	UID      string `json:"UID"`
	Bot      bool   `json:"BOT,omitempty"`
	Since    string `json:"SINCE,omitempty"`
	Active   string `json:"ACTIVE,omitempty"`
	Sessions int    `json:"SESSIONS,omitempty"`
	Away     bool   `json:"AWAY,omitempty"`
	Reason   string `json:"REASON,omitempty"`
	Silent   bool   `json:"SILENT,omitempty"`
	Left     string `json:"LEFT,omitempty"` // when they left; "" if they are here
	Lost     bool   `json:"LOST,omitempty"` // by a broken connection
}

// Frame is one line, either way. docs/protocol.md says which fields belong to which CMD.
type Frame struct {
	CMD    string   `json:"CMD"`
	Type   string   `json:"TYPE,omitempty"`
	Of     string   `json:"OF,omitempty"`
	Ref    string   `json:"REF,omitempty"`
	UN     string   `json:"UN,omitempty"`
	UID    string   `json:"UID,omitempty"`
	Hidden bool     `json:"HIDDEN,omitempty"`
	Since  string   `json:"SINCE,omitempty"`
	Rooms  Names    `json:"ROOMS,omitempty"`
	From   string   `json:"FROM,omitempty"`
	Msg    string   `json:"MSG,omitempty"`
	To     Names    `json:"TO,omitempty"`
	Me     bool     `json:"ME,omitempty"`
	Key    string   `json:"KEY,omitempty"`
	IDs    Names    `json:"IDS,omitempty"`
	N      int      `json:"N,omitempty"`
	With   string   `json:"WITH,omitempty"`
	Status string   `json:"STATUS,omitempty"`
	Code   Code     `json:"CODE,omitempty"`
	Reason string   `json:"REASON,omitempty"`
	ID     string   `json:"ID,omitempty"`
	At     string   `json:"AT,omitempty"`
	Room   string   `json:"ROOM,omitempty"`
	Kind   string   `json:"KIND,omitempty"`
	Replay bool     `json:"REPLAY,omitempty"`
	File   *File    `json:"FILE,omitempty"`
	Data   []Person `json:"DATA,omitzero"`
}

// File is a file in MSG. "ssh HOST fetch ID" prints its bytes.
type File struct {
	Name string `json:"NAME"`
	Size int64  `json:"SIZE"` // bytes
}

// Failed answers f with FAIL.
func (f Frame) Failed(code Code, reason string) Frame {
	return Frame{CMD: Ack, Type: Fail, Of: f.CMD, Ref: f.Ref, Code: code, Reason: reason}
}

// Done answers f with OKAY.
func (f Frame) Done() Frame { return Frame{CMD: Ack, Type: Okay, Of: f.CMD, Ref: f.Ref} }

// Decode reads a program's line. wrong is the ERROR that answers a line that is not a valid frame, otherwise nil.
func Decode(line []byte) (f Frame, wrong *Frame) {
	bad := func(code Code, reason string) (Frame, *Frame) {
		return f, &Frame{CMD: Err, Code: code, Reason: reason, Ref: refOf(f)}
	}
	switch {
	case len(line) > MaxLine:
		return bad(TooLong, "a line has at most 64 KiB")
	case !utf8.Valid(line):
		return bad(NotJSON, "the line is not UTF-8")
	}
	if err := json.Unmarshal(line, &f); err != nil {
		e, ok := err.(*json.UnmarshalTypeError)
		if !ok {
			return bad(NotJSON, "the line is not a JSON object: "+text.CleanLine(err.Error()))
		}
		if e.Field != "" {
			var asked struct{ Ref string }
			_ = json.Unmarshal(line, &asked) // which may stand behind what is wrong
			f.Ref = asked.Ref
			value, _, _ := strings.Cut(e.Value, " ") // without the number
			return bad(BadField, e.Field+" has the wrong type: "+value)
		}
	}
	if !bytes.HasPrefix(bytes.TrimLeft(line, " \t\r\n"), []byte("{")) { // a list, or null, which Go takes for no change
		return bad(NotJSON, "the line is not a JSON object")
	}
	switch f.CMD {
	case Join, JoinRoom, LeaveRoom, Send, Read, Inbox, History, Who, Ping, Quit:
	case "":
		return bad(BadField, "CMD is missing")
	default:
		return bad(UnknownCmd, "there is no CMD "+text.Quote(f.CMD, 24))
	}
	switch {
	case refOf(f) != f.Ref:
		return bad(BadField, fmt.Sprintf("REF takes at most %d printable characters", maxRef))
	case !printable(f.Key):
		return bad(BadField, fmt.Sprintf("KEY takes at most %d printable characters", maxRef))
	case len(f.To) > maxTo:
		return bad(BadField, fmt.Sprintf("TO has at most %d recipients", maxTo))
	case f.Me && len(f.To) > 0:
		return bad(BadField, "ME is for what is said to everyone")
	case slices.Contains(f.To, ""):
		return bad(BadField, "a name in TO is empty")
	case len(f.Rooms) > room.MaxJoined:
		return bad(BadField, fmt.Sprintf("ROOMS has at most %d rooms", room.MaxJoined))
	case (f.CMD == JoinRoom || f.CMD == LeaveRoom) && f.Room == "":
		return bad(BadField, "ROOM is missing")
	case f.CMD == Read && f.IDs == nil:
		return bad(BadField, "IDS is missing")
	case f.N < 0 || f.N > MaxHistory:
		return bad(BadField, fmt.Sprintf("N is from 1 to %d", MaxHistory))
	}
	return f, nil
}

// refOf is f's REF, "" if it is not one.
func refOf(f Frame) string {
	if !printable(f.Ref) {
		return ""
	}
	return f.Ref
}

// printable reports whether s can be a REF or KEY.
func printable(s string) bool {
	return utf8.RuneCountInString(s) <= maxRef && text.CleanLine(s) == s
}

// Append appends f as a line. LIST and WHO have DATA even if it is empty.
func Append(dst []byte, f Frame) []byte { return appendLine(dst, f) }

func appendLine(dst []byte, f any) []byte {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(f); err != nil {
		panic(err) // a Frame or Answer has nothing that can't be encoded
	}
	return append(dst, line.Bytes()...)
}

// Time is how frames have times.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// OfMessage is the frame of a message, or of a receipt: news of an earlier message.
func OfMessage(m *room.Message) Frame {
	if m.Kind == room.KindReceipt {
		f := Frame{CMD: Status, ID: m.Ref, UID: m.From, Status: "read"}
		if m.Text == room.ReceiptGone {
			f.Status, f.Code = "refused", "gone"
		}
		return f
	}
	f := Frame{CMD: Msg, Type: All, From: m.From, Msg: text.Clean(m.Text), ID: m.ID, At: Time(m.Time)}
	if m.File != nil {
		f.Msg = text.CleanLine(m.File.Name)
		f.File = &File{Name: f.Msg, Size: m.File.Size}
	}
	switch m.Kind {
	case room.KindDirect:
		f.Type, f.To = Private, m.To
	case room.KindGroup:
		f.Type, f.To = Group, m.To
	case room.KindMe, room.KindNotice:
		f.Kind = string(m.Kind)
	}
	if f.Type == All {
		f.Room = cmp.Or(m.Room, room.Lobby)
	}
	return f
}

// outcomes has STATUS and CODE of receipts.
var outcomes = map[room.Outcome]struct {
	status string
	code   Code
}{
	room.Delivered:      {"delivered", ""},
	room.KeptOffline:    {"kept", "offline"},
	room.KeptAway:       {"kept", "away"},
	room.KeptBroken:     {"kept", "lost"},
	room.KeptSilent:     {"kept", "silent"},
	room.RefusedSelf:    {"refused", "self"},
	room.RefusedUnknown: {"refused", "unknown-nick"},
	room.RefusedGone:    {"refused", "gone"},
	room.RefusedBlocked: {"refused", "blocked"},
	room.RefusedYours:   {"refused", "you-block"},
	room.RefusedFull:    {"refused", "inbox-full"},
	room.Failed:         {"unknown", Storage},
}

// OfReceipt answers f for one recipient. words are for the REASON of a refusal.
func (f Frame) OfReceipt(r result.Receipt, words string) Frame {
	o := outcomes[r.Outcome]
	ack := f.Done()
	ack.UID, ack.Status, ack.Code, ack.Reason, ack.ID = r.To, o.status, o.code, text.CleanLine(r.Reason), r.ID
	if !r.Taken() {
		ack.Type, ack.Reason = Fail, words
	}
	return ack
}

// ListOf is the LIST of these people.
func ListOf(all []room.Presence) Frame {
	person := func(p room.Presence) Person { return Person{UN: p.Nick, UID: p.Nick, Bot: p.Bot} }
	return Frame{CMD: List, Data: each(all, person)}
}

// IsNick reports whether name stands for nick: with or without a guest's mark.
func IsNick(name, nick string) bool {
	return name == "" || strings.EqualFold(strings.TrimPrefix(name, "~"), strings.TrimPrefix(nick, "~"))
}
