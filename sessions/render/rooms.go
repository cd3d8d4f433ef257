package render

import (
	"fmt"
	"slices"

	"whoelse/room"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

// roomTag is what goes before the sender of a line that was not said in the lobby.
func roomTag(name string) string { return when(name != "" && name != room.Lobby, "#"+name+" ") }

// roomInfo renders what a room is.
func roomInfo(r result.RoomInfo) []string {
	name := "#" + r.Name
	switch {
	case r.What == result.RoomIs:
		owned := when(len(r.Owners) > 0, "owned by "+People(r.Owners, listed))
		return []string{when(r.Joined, "you are in ") + roomLine(r.RoomSummary), topicOf(r.RoomSummary), owned}
	case r.What == result.RoomTopic && r.Name == room.Lobby:
		return []string{"the lobby has no topic"}
	case r.What == result.RoomTopic && r.Topic == "":
		return []string{name + " has no topic; its owners set one with /topic TEXT"}
	case r.What == result.RoomTopic:
		return []string{topicOf(r.RoomSummary)}
	case r.Name == room.Lobby:
		return []string{"you are in the lobby"}
	}
	joined := "you are in " + name + "; what you type goes there; /join #lobby takes you back, /leave leaves " + name
	return []string{joined, topicOf(r.RoomSummary), when(r.Others != nil, areIn(r.Others, "in "+name))}
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
	line := func(one room.RoomSummary) string {
		return roomLine(one) + when(one.Topic != "", "; "+text.CleanLine(one.Topic))
	}
	joined, others := split(r.List, func(one room.RoomSummary) bool { return one.Joined })
	return slices.Concat(
		list("you are in:", "", joined, line),
		list("you can /join:", "", others, line),
		list("private (only operators see these here):", "", r.Hidden, line),
	)
}

// waiting has a line for each room that a newcomer is in.
func waiting(rooms []room.RoomSummary) (lines []string) {
	for _, r := range rooms {
		all := when(r.Unread > 50, fmt.Sprintf(" %d", r.Unread)) // /history alone shows so many
		lines = append(lines, roomLine(r)+when(r.Unread > 0, ": /history #"+r.Name+all))
	}
	return lines
}
