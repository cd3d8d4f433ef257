package render

import (
	"fmt"

	"whoelse/room"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

// roomTag is what goes before the sender of a line that was not said in the lobby.
func roomTag(name string) string { return when(name != "" && name != room.Lobby, "#"+name+" ") }

// roomDone renders the result of a command about a room.
func roomDone(r result.RoomDone) []string {
	name := "#" + r.Room
	switch r.What {
	case result.RoomMade:
		return []string{"you made " + name + " and own it; what you type goes there; /join #lobby takes you back; " +
			"/room private closes it to others"}
	case result.RoomJoined:
		if r.Room == room.Lobby {
			return []string{"you are in the lobby"}
		}
		return []string{"you are in " + name + "; what you type goes there; /join #lobby takes you back, /leave leaves " + name, topicOf(r.Summary)}
	case result.RoomLeft:
		return []string{"you left " + name + "; what you type goes to the lobby"}
	case result.RoomIs:
		return []string{"you are in " + roomLine(r.Summary), topicOf(r.Summary),
			when(len(r.Summary.Owners) > 0, "owned by "+People(r.Summary.Owners, listed))}
	case result.RoomTopic:
		if r.Summary.Topic == "" {
			return []string{name + " has no topic; its owners set one with /topic TEXT"}
		}
		return []string{topicOf(r.Summary)}
	case result.RoomTopicSet:
		return []string{"the topic of " + name + " is set"}
	case result.RoomMuted:
		return []string{"lines of " + name + " are counted, not shown; /unmute " + name + " shows them again"}
	case result.RoomUnmuted:
		return []string{"lines of " + name + " are shown again"}
	case result.RoomClosed:
		return []string{name + " is closed; what was said in it is set aside"}
	}
	if r.Guests {
		return []string{"guests can join " + name}
	}
	return []string{fill(changed[r.Verb], "{room}", name, "{nick}", r.Nick)}
}

// changed has the words for what /room did.
var changed = map[string]string{
	"private": "{room} is private: people who are in it and online stay; others need /room invite NICK. Of all others, only operators see that it exists",
	"public":  "{room} is public; what was said in it while it was private is set aside",
	"invite":  "{nick} can now join {room}, and read what was said in it",
	"remove":  "{nick} is removed from {room}",
	"owner":   "{nick} is now an owner of {room}, too",
	"mute":    "{nick} can read {room}, but not write in it",
	"unmute":  "{nick} can write in {room} again",
	"guests":  "{room} takes no guests",
}

func topicOf(r room.RoomSummary) string {
	return when(r.Topic != "", "topic of #"+r.Name+": "+text.CleanLine(r.Topic))
}

// roomLine is one room in a list: "#ops: 3 people, private, 12 unread".
func roomLine(r room.RoomSummary) string {
	return "#" + r.Name + ": " + commas(Number(r.People, "person", "people"), when(r.Private, "private"), when(r.Own, "yours"),
		when(r.Muted, "muted"), unreadIn(r))
}

// unreadIn counts the lines of a room that one has not seen.
func unreadIn(r room.RoomSummary) string {
	if r.Unread == 0 {
		return ""
	}
	words := Count(r.Unread) + when(r.More, "+") + " unread"
	return words + when(r.Mentions > 0, fmt.Sprintf(", %s you", Number(r.Mentions, "mentions", "mention")))
}

func rooms(r result.Rooms) []string {
	var lines []string
	part := func(head string, all []room.RoomSummary, want func(room.RoomSummary) bool) {
		headed := false
		for _, one := range all {
			if want(one) {
				if !headed {
					lines = append(lines, head)
				}
				headed = true
				lines = append(lines, "  "+roomLine(one)+when(one.Topic != "", "; "+text.CleanLine(one.Topic)))
			}
		}
	}
	part("you are in:", r.List, func(one room.RoomSummary) bool { return one.Joined })
	part("you can /join:", r.List, func(one room.RoomSummary) bool { return !one.Joined })
	part("private (only operators see these here):", r.Hidden, func(room.RoomSummary) bool { return true })
	return lines
}

// waiting has a line for each room that a newcomer is in.
func waiting(rooms []room.RoomSummary) (lines []string) {
	for _, r := range rooms {
		lines = append(lines, roomLine(r)+when(r.Unread > 0, ": /history #"+r.Name))
	}
	return lines
}
