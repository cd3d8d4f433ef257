package render_test

import (
	"fmt"
	"strings"
	"testing"

	"whoelse/room"
	"whoelse/sessions/render"
)

func numbered(n int) string {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprint(i+1))
	}
	return strings.Join(lines, "\n")
}

// Nobody fills everybody's screen: of a long message the first rows are shown, and how
// to see the rest.
func TestLongMessagesAreCut(t *testing.T) {
	whole, pipe := plain, render.Style{}
	whole.Whole = true
	for name, tt := range map[string]struct {
		message *room.Message
		style   render.Style
		rows    int
		end     string
	}{
		"as long as may be":    {message(room.KindSay, "bob", numbered(12)), plain, 12, "           12\n"},
		"one row more":         {message(room.KindSay, "bob", numbered(13)), plain, 13, "           13\n"},
		"cut":                  {message(room.KindSay, "bob", numbered(14)), plain, 14, "           12\n           ... 2 more lines; type /show\n           7f3k to see all\n"},
		"very long":            {message(room.KindMe, "bob", numbered(2000)), plain, 14, "... 1,988 more lines; type\n            /show 7f3k to see all\n"},
		"one long line":        {message(room.KindSay, "bob", strings.Repeat("word ", 1999)), plain, 14, "... 322 more lines; type\n           /show 7f3k to see all\n"},
		"direct":               {message(room.KindDirect, "bob", numbered(41), "me"), plain, 41, " 41\n"},
		"direct, cut":          {message(room.KindGroup, "bob", numbered(50), "me", "al"), plain, 42, "... 10 more lines; type /show 7f3k to\n  see all\n"},
		"what one asks for":    {message(room.KindSay, "bob", numbered(2000)), whole, 2000, " 2000\n"},
		"without a terminal":   {message(room.KindSay, "bob", numbered(2000)), pipe, 2000, " 2000\n"},
		"an operator's notice": {message(room.KindNotice, "bob", numbered(30)), plain, 30, " 30\n"},
	} {
		tt.message.ID = "01kd4m07f3k"
		got := string(render.Message(nil, tt.message, "me", tt.style, noon))
		if rows := strings.Count(got, "\n"); rows != tt.rows || !strings.HasSuffix(got, tt.end) {
			t.Errorf("%s: %d rows, want %d, ending in %q", name, rows, tt.rows, got[max(0, len(got)-80):])
		}
	}
}

func TestWeight(t *testing.T) {
	for _, tt := range []struct {
		kind room.Kind
		text string
		want int
	}{
		{room.KindSay, "", 1}, {room.KindSay, "hello", 1}, {room.KindSay, numbered(3), 1}, {room.KindSay, numbered(4), 2},
		{room.KindSay, numbered(12), 4}, {room.KindSay, numbered(2000), 4}, {room.KindSay, strings.Repeat("é", 10_000), 4},
		{room.KindSay, strings.Repeat("é", 79), 1}, {room.KindSay, strings.Repeat("é", 240), 2},
		{room.KindDirect, numbered(12), 4}, {room.KindDirect, numbered(2000), 14},
	} {
		if got := render.Weight(tt.kind, tt.text); got != tt.want {
			t.Errorf("%s of %d bytes: %d, want %d", tt.kind, len(tt.text), got, tt.want)
		}
	}
}
