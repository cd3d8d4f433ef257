package parse_test

import (
	"testing"

	"whoelse/sessions"
)

// --json is an option directly after the name, and without a text anywhere. A text is never changed,
// and in the room it is nothing special.
func TestJSONOption(t *testing.T) {
	for line, want := range map[string]struct {
		json bool
		text string
	}{
		"whoelse --json":             {true, ""},
		"/whoelse --json":            {true, ""},
		"inbox bob --json 20":        {true, ""},
		"tail -n 3 --json":           {true, ""},
		"show 1k14 --json":           {true, "1k14"},
		"away --json":                {true, ""},
		"away lunch --json":          {false, "lunch --json"},
		"say --json":                 {true, ""},
		"say hi --json":              {false, "hi --json"},
		"say --json --json  is  new": {true, "--json  is  new"},
		"say --jsonp":                {false, "--jsonp"},
		"SEND --json bob  hi":        {true, "hi"},
		"send bob --json":            {false, "--json"},
		"@bob --json hi":             {false, "--json hi"},
		"dance --json":               {true, ""},
		"wholast x --json":           {true, ""},
		"":                           {false, ""},
	} {
		if call, _ := sessions.Grammar.Command(line); call.JSON != want.json || call.Text != want.text {
			t.Errorf("%q: %+v", line, call)
		}
	}
	if call, err := sessions.Grammar.Line("/whoelse --json"); err == nil {
		t.Errorf("in the room: %+v", call)
	}
}
