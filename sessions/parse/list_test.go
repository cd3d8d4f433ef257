package parse_test

import (
	"slices"
	"testing"

	"whoelse/sessions"
)

// White space around the commas of a list makes no difference behind a word: a message
// goes to all who are named, and no comma is sent.
func TestSpacesAroundCommas(t *testing.T) {
	for _, list := range []string{"bob,carol", "bob, carol", "bob ,carol", "bob , carol", "bob\t,\n carol"} {
		for _, command := range []string{"send ", "broadcast user "} {
			line := command + list + " hi, you two"
			call, err := sessions.Grammar.Line(line)
			if err != nil || !slices.Equal(call.To, []string{"bob", "carol"}) || call.Text != "hi, you two" {
				t.Errorf("%q: %+v, %v", line, call, err)
			}
		}
	}
	for _, line := range []string{"send bob ,", "send bob , , hi", "send , bob hi", "@bob , carol", "@ ,bob hi"} {
		if call, err := sessions.Grammar.Line(line); err == nil {
			t.Errorf("%q: %+v", line, call)
		}
	}
}
