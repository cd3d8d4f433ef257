package render_test

import (
	"strings"
	"testing"
	"time"

	"whoelse/room"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// What was said meanwhile is counted for who returns; a connection that was lost is named.
func TestMissed(t *testing.T) {
	now := time.Now()
	said := func(n int, text string, at time.Time) (all []*room.Message) {
		for range n {
			all = append(all, &room.Message{From: "carol", Text: text, Time: at})
		}
		return all
	}
	before, since := said(3, "bob!", now.Add(-time.Hour)), said(3, "hi bob", now)
	left := now.Add(-time.Minute)
	style := render.Style{}
	lost := "your connection was lost at " + render.Clock(left, now, style) + "; "
	for _, c := range []struct {
		recent []*room.Message
		left   time.Time
		lost   bool
		shown  int
		want   string
	}{
		{since, time.Time{}, false, 0, ""},
		{since, left, false, 3, ""},
		{append(before, since...), left, false, 1, "2 more lines above, 2 mention you: /history 3"},
		{since, left, false, 0, "3 lines since you left, 3 mention you: /history 3"},
		{before, left, true, 3, lost + "nothing was said in the room since then"},
		{append(before, since[:1]...), left, true, 4, lost + "1 message in the room since then"},
		{since, left, true, 2, lost + "3 messages in the room since then, 1 mentions you: /history 3"},
		{since, left, true, 0, lost + "3 messages in the room since then, 3 mention you: /history 3"},
		{said(1, "hi", left.Truncate(time.Millisecond)), left.Truncate(time.Millisecond).Add(time.Microsecond), true, 1, lost + "1 message in the room since then"}, // times of messages are cut
		{said(room.MissedLines, "hi", now), left, true, 2, lost + "at least 500 messages in the room since then: /history 500"},
		{said(room.MissedLines, "hi", now), left, false, 2, "at least 498 more lines above: /history 500"},
	} {
		w := result.Welcome{Welcome: &room.Welcome{Recent: c.recent, Left: c.left, LeftLost: c.lost}, Nick: "bob", Shown: c.shown}
		got := strings.TrimSuffix(strings.TrimPrefix(string(render.Missed(nil, w, style, now)), " * "), "\n")
		if got != c.want {
			t.Errorf("of %d lines, %d shown, lost %v: %q, want %q", len(c.recent), c.shown, c.lost, got, c.want)
		}
	}
	w := result.Welcome{Welcome: &room.Welcome{Recent: since, Left: left, LeftLost: true}, Nick: "dave", Writes: "ops"}
	if got := string(render.Missed(nil, w, style, now)); !strings.HasSuffix(got, " in the room since then: /history #lobby 3\n") {
		t.Errorf("for one who writes in a room: %q", got)
	}
}

// The lines of a room that are more than /history shows by itself are to be asked for.
func TestUnreadOfRooms(t *testing.T) {
	rooms := []room.RoomSummary{{Name: "ops", Unread: 50}, {Name: "den", Unread: 51}, {Name: "all", Unread: 1000, More: true}}
	w := result.Welcome{Welcome: &room.Welcome{Rooms: rooms}, Nick: "bob"}
	got := string(render.Greeting(nil, w, render.Style{}, time.Now()))
	for _, want := range []string{"50 unread: /history #ops\n", "51 unread: /history #den 51\n", "1,000+ unread: /history #all 1000\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}
