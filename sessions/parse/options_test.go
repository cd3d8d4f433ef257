package parse_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whoelse/sessions"
	"whoelse/sessions/parse"
)

// Options are for what is sent from a shell; typed in the room they are text.
func TestOptions(t *testing.T) {
	key := strings.Repeat("é", 64)
	for line, want := range map[string]parse.Call{
		"send --id 1 bob hi":              {Name: "send", To: []string{"bob"}, Text: "hi", Key: "1"},
		"send --id=a=b  bob hi":           {Name: "send", To: []string{"bob"}, Text: "hi", Key: "a=b"},
		"/msg --id 1 --wait 5s bob --id":  {Name: "send", To: []string{"bob"}, Text: "--id", Key: "1", Wait: 5 * time.Second},
		"send --wait=10m bob,carol hi":    {Name: "send", To: []string{"bob", "carol"}, Text: "hi", Wait: 10 * time.Minute},
		"broadcast --id " + key + " hi":   {Name: "broadcast", Text: "hi", Key: key},
		"broadcast --wait 1m user bob hi": {Name: "broadcast", Verb: "user", To: []string{"bob"}, Text: "hi", Wait: time.Minute},
		"say --id 1 -- --id":              {Name: "say", Text: "--id", Key: "1"},
		"say -- --wait":                   {Name: "say", Text: "--wait"},
		"say -- the end":                  {Name: "say", Text: "-- the end"},
		"say --verbose":                   {Name: "say", Text: "--verbose"},
		"me --id 1 waves":                 {Name: "me", Text: "waves", Key: "1"},
		"reply --id 1":                    {Name: "reply", Text: "--id 1"},
	} {
		if got, err := sessions.Grammar.Command(line); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: %+v, %v", line, got, err)
		}
	}
	for line, want := range map[string]string{
		"send --id": "1 to 64 printable", "send --id= bob hi": "1 to 64 printable", "send --id " + key + "x bob hi": "1 to 64 printable",
		"send --id a\u202e bob hi": "1 to 64 printable", "send --id 1": "missing nick", "send --id 1 bob": "missing text",
		"send --wait bob hi": "up to 10m", "send --wait 601s bob hi": "up to 10m", "send --wait": "up to 10m",
		"say --wait 5s hi": "not for the room", "broadcast --wait 5s hi": "not for the room", "send --retry bob hi": "--retry",
	} {
		if call, err := sessions.Grammar.Command(line); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 500 {
			t.Errorf("%s: %+v, %v", line, call, err)
		}
	}
	if call, err := sessions.Grammar.Line("/say --id 1 hi"); err != nil || call.Text != "--id 1 hi" {
		t.Errorf("in the room: %+v, %v", call, err)
	}
}
