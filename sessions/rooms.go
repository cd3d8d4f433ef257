package sessions

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"whoelse/keys/audit"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/quota"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

// RoomMakers says who may make rooms.
type RoomMakers string

// The values of [Config.RoomMakers].
const (
	NobodyMakes    RoomMakers = "off"
	OperatorsMake  RoomMakers = "operators"
	EverybodyMakes RoomMakers = "everyone" // with a key
)

// here is the room that a call is about: the one it names, or else the person's current one.
func (s *session) here(call parse.Call) string { return cmp.Or(call.Room, s.room, room.Lobby) }

// enterRoom makes a room the current one. What is typed goes there, which the prompt shows.
func (s *session) enterRoom(name string) {
	if s.room = name; name == room.Lobby {
		s.room = ""
	}
	if s.term != nil {
		s.term.SetPrompt(s.prompt())
		s.member.WritesIn(name)
	}
}

// resume makes the room current at a terminal where the person's lost session wrote, if they are still in it. It returns
// where they write if they might not expect that, else "".
func (s *session) resume(w *room.Welcome) string {
	in := func(r room.RoomSummary) bool { return r.Name == w.WroteIn }
	switch {
	case s.term == nil || s.member.Guest():
		return ""
	case slices.ContainsFunc(w.Rooms, in):
		s.enterRoom(w.WroteIn)
		return w.WroteIn
	}
	s.enterRoom(room.Lobby)
	if w.WroteIn == room.Lobby || w.WroteIn == "" && len(w.Rooms) == 0 {
		return ""
	}
	return room.Lobby
}

// prompt shows the current room unless it is the lobby.
func (s *session) prompt() string {
	if s.room == "" {
		return "> "
	}
	return "#" + s.room + "> "
}

func (s *session) join(call parse.Call) result.Result {
	made, failed := s.enterNamed(call.Room)
	if failed != nil {
		return failed
	}
	s.enterRoom(call.Room)
	if made {
		return result.Done{What: result.RoomMade, Room: call.Room}
	}
	r := s.describe(result.RoomJoined, call.Room)
	info, ok := r.(result.RoomInfo)
	if !ok || s.term == nil || call.Room == room.Lobby {
		return r
	}
	s.lastLines(call.Room)
	others, _ := s.member.In(call.Room) // with an error none are shown
	info.Others = slices.DeleteFunc(others, func(p room.Presence) bool { return p.Bot || p.Nick == s.member.Nick() })
	return info
}

// lastLines shows the newest lines of a room, as many as fit into half the screen, which reads them.
func (s *session) lastLines(name string) {
	upTo, style, now := s.manager.cfg.Room.LastID(), s.style(), time.Now()
	var lines []*room.Message
	err := s.eachPage(s.member.HistoryOf(s.ctx, name, room.RecentLines), func(page []*room.Message) (size int) {
		lines = append(lines, page...)
		for _, m := range page {
			size += len(m.Text)
		}
		return size
	})
	if failed := s.readFailed(name, result.ReadingRoom, err); failed != nil && !errors.Is(err, room.ErrSearchLimit) {
		s.show(failed)
	}
	if shown := s.fitting(lines, style, now); len(shown) > 0 {
		s.out.print(string(render.Messages(nil, shown, s.member.Nick(), style, now)), nil)
		_ = s.member.MarkShown(name, shown[0].ID, upTo) // or it is unread again
	}
}

// enterNamed has the person join a room, or make it.
func (s *session) enterNamed(name string) (made bool, failed result.Result) {
	makers := s.manager.cfg.RoomMakers
	muted := s.muted() // the name of a new room would be read by others
	made, err := s.member.JoinRoom(name, muted == nil && (makers == EverybodyMakes || makers == OperatorsMake && s.operator()))
	switch {
	case muted != nil && errors.Is(err, room.ErrNoRoom):
		return false, muted
	case s.member.Guest() && errors.Is(err, room.ErrNoRoom): // also if there is one that they can't know of
		return false, result.Failure{Code: result.Refused, Reason: result.NoSuchRoom, Room: name, About: "guest"}
	case err != nil:
		return false, s.roomFailed(name, err)
	}
	if made {
		s.manager.cfg.Log.Info("a room was made", "room", name, "nick", s.member.Nick())
	}
	return made, nil
}

// describe is a result with the facts about a room.
func (s *session) describe(what result.RoomWhat, name string) result.Result {
	rooms, err := s.member.Rooms()
	if err != nil {
		return s.failed(result.Failure{Reason: result.ReadingRoom, Err: err})
	}
	i := slices.IndexFunc(rooms, func(r room.RoomSummary) bool { return r.Name == name })
	if i < 0 {
		return s.roomFailed(name, room.ErrNoRoom)
	}
	return result.RoomInfo{What: what, RoomSummary: rooms[i]}
}

// leave leaves a room or, in the lobby, the server.
func (s *session) leave(call parse.Call) result.Result {
	name := s.here(call)
	switch lobby := call.Room == "" && name == room.Lobby; {
	case lobby && s.member.Visiting():
		return result.Failure{Code: result.Usage, Err: errors.New("leave: missing room; usage: ssh HOST leave '#ROOM'")}
	case lobby:
		return s.quit(call)
	}
	err := s.member.LeaveRoom(name)
	if name == s.room && (err == nil || notThere(err)) {
		s.enterRoom(room.Lobby)
		err = nil
	}
	if err != nil {
		return s.roomFailed(name, err)
	}
	return result.Done{What: result.RoomLeft, Room: name, About: cmp.Or(s.room, room.Lobby)}
}

// notThere reports whether err says that the person is not in a room.
func notThere(err error) bool {
	return errors.Is(err, room.ErrNoRoom) || errors.Is(err, room.ErrNotJoined) ||
		errors.Is(err, room.ErrRemoved) || errors.Is(err, room.ErrNoGuests)
}

func (s *session) rooms(parse.Call) result.Result {
	rooms, err := s.member.Rooms()
	if err != nil {
		return s.failed(result.Failure{Reason: result.ReadingRoom, Err: err})
	}
	list := result.Rooms{List: rooms}
	if s.operator() {
		for _, r := range s.manager.cfg.Room.AllRooms() {
			if !slices.ContainsFunc(rooms, func(own room.RoomSummary) bool { return own.Name == r.Name }) {
				list.Hidden = append(list.Hidden, r)
			}
		}
	}
	return list
}

// noTopic, as a topic, clears it.
const noTopic = "-"

// maxLabel is how many characters a topic, or a reason for being away, has at most: everybody sees it in a list.
const maxLabel = room.MaxReason

func (s *session) topic(call parse.Call) result.Result {
	name := s.here(call)
	if call.Text == "" {
		return s.describe(result.RoomTopic, name)
	}
	if n := utf8.RuneCountInString(call.Text); n > maxLabel {
		return result.Failure{Code: result.Refused, Reason: result.TopicTooLong, N: n, Most: maxLabel}
	}
	topic, what := text.CleanLine(call.Text), result.RoomTopicSet
	if topic == noTopic {
		topic, what = "", result.RoomTopicGone
	}
	if err := s.member.SetTopic(name, topic); err != nil {
		return s.roomFailed(name, err)
	}
	return result.Done{What: what, Room: name}
}

// muteRoom has a room's lines counted instead of shown, or ends that.
func (s *session) muteRoom(call parse.Call, muted bool) result.Result {
	if err := s.member.MuteRoom(call.Room, muted); err != nil {
		return s.roomFailed(call.Room, err)
	}
	what := result.RoomUnmuted
	if muted {
		what = result.RoomMuted
	}
	return result.Done{What: what, Room: call.Room}
}

// roomCommand is /room.
func (s *session) roomCommand(call parse.Call) result.Result {
	name, words := s.here(call), "" // for the other person
	switch call.Verb {
	case "":
		return s.describe(result.RoomIs, name)
	case "close":
		return s.closeRoom(name)
	case "private", "public":
		if private, err := s.member.IsPrivate(name); err == nil && private == (call.Verb == "private") {
			return result.Done{What: result.RoomUnchanged, Room: name, About: call.Verb}
		}
	case "invite":
		words = "I invite you to #" + name + "; to join, type /join #" + name
	case "owner":
		if !s.manager.cfg.Room.Here(call.Nick) { // else the room says so
			words = "you own #" + name + " now"
		}
	}
	if words != "" {
		if muted := s.muted(); muted != nil {
			return muted
		}
		if !s.known(call.Nick) {
			return s.nobody(call.Nick)
		}
	}
	if failed := s.changeRoom(name, call); failed != nil {
		return failed
	}
	done := result.Done{
		What: result.RoomChanged, Room: name, Nick: call.Nick, About: strings.TrimSpace(call.Verb + " " + call.Text),
	}
	if words == "" {
		return done
	}
	s.show(done)
	return s.send(parse.Call{Name: "send", To: []string{call.Nick}, Text: words})
}

// changeRoom makes an owner's change. It is recorded in the audit log first; since that is never shortened, the record
// is charged like messages.
func (s *session) changeRoom(name string, call parse.Call) result.Result {
	if err := s.member.MayChange(name); err != nil {
		return s.roomFailed(name, err)
	}
	entry := audit.Entry{Who: s.member.Nick(), What: "room-" + call.Verb, Whom: call.Nick, Room: "#" + name, Why: call.Text}
	if err := s.charge(quota.Record(entry.What+entry.Why, []string{call.Nick})); err != nil {
		return s.failed(result.Failure{Err: err})
	}
	return s.act(entry, func() (err error) {
		switch call.Verb {
		case "private", "public":
			err = s.member.SetPrivate(name, call.Verb == "private")
		case "invite":
			err = s.member.Invite(name, call.Nick)
		case "owner":
			err = s.member.AddOwner(name, call.Nick)
		case "remove":
			err = s.member.Remove(name, call.Nick)
		case "mute", "unmute":
			err = s.member.MuteIn(name, call.Nick, call.Verb == "mute")
		case "guests":
			err = s.member.GuestsIn(name, call.Text == "on")
		}
		if err != nil {
			return s.failed(result.Failure{Reason: result.ChangingRoom, Room: name, Nick: call.Nick, About: call.Verb, Err: err})
		}
		return nil
	})
}

// closeRoom is for operators, who see that a private room exists.
func (s *session) closeRoom(name string) result.Result {
	if !s.operator() {
		return result.Failure{Code: result.NotAllowed, Reason: result.OperatorsOnly}
	}
	failed := s.act(audit.Entry{Who: s.member.Nick(), What: "close-room", Whom: "#" + name}, func() error {
		if err := s.manager.cfg.Room.CloseRoom(name, s.member.Nick()); err != nil {
			return s.roomFailed(name, err)
		}
		return nil
	})
	if failed != nil {
		return failed
	}
	return result.Done{What: result.RoomClosed, Room: name}
}
