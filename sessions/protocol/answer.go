package protocol

import (
	"cmp"
	"slices"
	"time"

	"whoelse/keys/bans"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

// Answer is an ACK with the data of a command: Data is a slice of one of the types below.
type Answer struct {
	Frame
	Data any `json:"DATA"`
}

// Key is one of the caller's ssh keys.
type Key struct {
	Key      string `json:"KEY"` // fingerprint
	Type     string `json:"TYPE,omitempty"`
	Label    string `json:"LABEL,omitempty"`
	Current  bool   `json:"CURRENT,omitempty"` // in use here
	Added    string `json:"ADDED,omitempty"`
	Used     string `json:"USED,omitempty"`
	From     string `json:"FROM,omitempty"`
	Until    string `json:"UNTIL,omitempty"`
	Disabled string `json:"DISABLED,omitempty"` // why
	Pending  bool   `json:"PENDING,omitempty"`  // not confirmed
}

// Ban is a ban; without Until it is permanent.
type Ban struct {
	Target string `json:"TARGET"`
	By     string `json:"BY"`
	Since  string `json:"SINCE,omitempty"`
	Until  string `json:"UNTIL,omitempty"`
	Reason string `json:"REASON,omitempty"`
}

// Action is an operator's action.
type Action struct {
	Target    string   `json:"TARGET"`
	Seconds   int      `json:"SECONDS,omitempty"` // how long it lasts
	Reason    string   `json:"REASON,omitempty"`
	Sessions  int      `json:"SESSIONS,omitempty"`  // number that were ended,
	Nicks     []string `json:"NICKS,omitempty"`     // whose they were,
	Addresses []string `json:"ADDRESSES,omitempty"` // and where from
}

// Invitation is a one-time code, and the command that uses it.
type Invitation struct {
	UID     string `json:"UID"`
	Code    string `json:"CODE"`
	Join    string `json:"JOIN"`
	Seconds int    `json:"SECONDS"`
}

// Command is a command, as help describes it.
type Command struct {
	Name    string   `json:"NAME"`
	Usage   []string `json:"USAGE"`
	Help    string   `json:"HELP"`
	More    string   `json:"MORE,omitempty"`
	Example string   `json:"EXAMPLE,omitempty"`
	Aliases []string `json:"ALIASES,omitempty"`
}

// Room is a room, as the person sees it.
type Room struct {
	Room     string   `json:"ROOM"`
	Topic    string   `json:"TOPIC,omitempty"`
	Owners   []string `json:"OWNERS,omitempty"`
	People   int      `json:"PEOPLE,omitempty"` // in it and online
	Private  bool     `json:"PRIVATE,omitempty"`
	Joined   bool     `json:"JOINED,omitempty"`
	Muted    bool     `json:"MUTED,omitempty"`  // by the person
	Unread   int      `json:"UNREAD,omitempty"` // lines,
	More     bool     `json:"MORE,omitempty"`   // or more than so many
	Mentions int      `json:"MENTIONS,omitempty"`
}

// Settings are the caller's settings.
type Settings struct {
	Away    bool     `json:"AWAY,omitempty"`
	Since   string   `json:"SINCE,omitempty"`
	Reason  string   `json:"REASON,omitempty"`
	Blocked []string `json:"BLOCKED"`
	Bell    string   `json:"BELL"`
	Joins   string   `json:"JOINS"`
	Zone    string   `json:"ZONE"`
}

// CodeOf is the CODE of a failure: its reason, or its kind where that says more to a program.
func CodeOf(f result.Failure) Code {
	switch {
	case f.Reason == result.TooLong: // of a text; in frames it is a line that is
		return TextTooLong
	case f.Reason == "", f.Code == result.Storage, f.Code == result.Limit, f.Code == result.Unconfirmed:
		return Code(f.Code)
	}
	return Code(f.Reason)
}

// AppendResult appends the result of a command as frames. f has the command's name as CMD, "" if
// there is no such command. words are for the REASON of a failure.
func AppendResult(dst []byte, f Frame, r result.Result, words string) []byte {
	ack := f.Done()
	var data any // of an Answer
	switch r := r.(type) {
	case result.Failure:
		ack = f.Failed(CodeOf(r), words)
		ack.Room = cmp.Or(f.Room, r.Room)
		if f.CMD == "" {
			ack = Frame{CMD: Err, Code: UnknownCmd, Reason: words}
		}
	case result.Receipt:
		ack = f.OfReceipt(r, words)
	case result.Done:
		ack.Code, ack.Room = Code(r.What), r.Room
		if r.What != result.KeyRemoved {
			ack.UID = r.Nick
		}
	case result.Online:
		ack = Frame{CMD: Who, Ref: f.Ref, Data: each(r.People, whoIs)}
	case result.Lately:
		ack = Frame{CMD: Who, Ref: f.Ref, N: r.More, Data: each(r.People, whoWas)}
	case result.Back:
		ack.N = r.Unread.Messages
	case result.BlockList:
		ack.Data = each(r.Nicks, func(n string) Person { return Person{UN: n, UID: n} })
	case result.MOTD:
		ack.Msg = text.Clean(r.Text)
	case result.Version:
		ack.Msg = r.Version
	case result.Settings:
		data = []Settings{settingsOf(r)}
	case result.Identity:
		ack.UID, data = r.Nick, ownKey(r.Fingerprint)
	case result.Keys:
		data = each(r.List, func(k result.Key) Key { return keyOf(k, r.In) })
	case result.KeysAdded:
		ack.UID, data = r.Nick, each(r.List, func(k result.Key) Key { return keyOf(k, "") })
	case result.Bans:
		data = each(r.List, banOf)
	case result.Moderation:
		data = []Action{actionOf(r)}
	case result.Invitation:
		data = []Invitation{{UID: r.Nick, Code: r.Code, Join: r.Join, Seconds: int(r.For / time.Second)}}
	case result.RoomInfo:
		ack.Code, ack.Room, data = Code(r.What), r.Name, []Room{roomOf(r.RoomSummary)}
	case result.Rooms:
		data = each(append(slices.Clone(r.List), r.Hidden...), roomOf)
	case result.Help:
		data = each(r.Commands, commandOf)
	case result.HelpOn:
		data = []Command{commandOf(r.Syntax)}
	default:
		return dst
	}
	if data != nil {
		return appendLine(dst, Answer{ack, data})
	}
	return Append(dst, ack)
}

// each converts all of list; the result is not nil.
func each[T, To any](list []T, convert func(T) To) []To {
	all := make([]To, len(list))
	for i, one := range list {
		all[i] = convert(one)
	}
	return all
}

func settingsOf(r result.Settings) Settings {
	away := r.Absence
	return Settings{
		Away: away.Away(), Since: Time(away.Since), Reason: text.CleanLine(away.Reason),
		Blocked: append([]string{}, r.Blocked...),
		Bell:    cmp.Or(r.Display.Bell, parse.Mentions), Joins: cmp.Or(r.Display.Joins, parse.On), Zone: r.Zone.String(),
	}
}

// ownKey is the ssh key of this login; guests have none.
func ownKey(fingerprint string) []Key {
	if fingerprint == "" {
		return []Key{}
	}
	return []Key{{Key: fingerprint, Current: true}}
}

func keyOf(k result.Key, in string) Key {
	return Key{
		Key: k.Fingerprint, Type: k.Type, Label: k.Label, Current: k.Fingerprint == in, Added: Time(k.Added), Used: Time(k.Used),
		From: k.From, Until: Time(k.Expires), Disabled: text.CleanLine(k.Disabled), Pending: k.Pending,
	}
}

func banOf(b bans.Ban) Ban {
	return Ban{
		Target: b.Target.String(), By: b.By, Since: Time(b.Made), Until: Time(b.Until), Reason: text.CleanLine(b.Reason),
	}
}

func actionOf(m result.Moderation) Action {
	return Action{
		Target: text.CleanLine(m.Whom), Seconds: int(m.For / time.Second), Reason: text.CleanLine(m.Why),
		Sessions: m.Sessions, Nicks: m.Hit, Addresses: m.From,
	}
}

func roomOf(r room.RoomSummary) Room {
	return Room{
		Room: r.Name, Topic: text.CleanLine(r.Topic), Owners: r.Owners, People: r.People, Private: r.Private,
		Joined: r.Joined, Muted: r.Muted, Unread: r.Unread, More: r.More, Mentions: r.Mentions,
	}
}

func commandOf(c *parse.Syntax) Command {
	return Command{Name: c.Name, Usage: c.Forms(), Help: c.Help, More: c.More, Example: c.Example, Aliases: c.Aliases}
}

// whoIs is somebody who is here.
func whoIs(p result.Person) Person {
	return Person{
		UN: p.Nick, UID: p.Nick, Bot: p.Bot, Since: Time(p.Since), Active: Time(p.Active), Sessions: p.Sessions,
		Away: p.Away, Reason: text.CleanLine(p.Reason), Silent: p.Silent,
	}
}

// whoWas is somebody who is here, or has left.
func whoWas(p room.Presence) Person {
	who := whoIs(result.Person{Presence: p})
	if !p.Online {
		who.Left, who.Active, who.Lost = Time(p.Active), "", p.Lost
	}
	return who
}
