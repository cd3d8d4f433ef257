package command

import (
	"strings"
	"testing"
)

// Whatever the files say, what the commands print moves no cursor and forges no line.
func TestOutputIsClean(t *testing.T) {
	bob, dave, erin, frank := keyText(newKey(t))+" bob", keyText(newKey(t))+" dave", keyText(newKey(t))+" erin", keyText(newKey(t))+" frank"
	r := newRig(t,
		bob+"@home \x1b]0;owned\x07\u202e\u009b2J caf\u00e9",
		"from=\"10.0.0.\x1b\" "+dave, // made fit to show it would let in others
		strings.ReplaceAll(erin, " ", "\t"),
		"\x1b[2Jbogus "+frank,
	)
	r.write("renaming.json", `{"from":"bob\u001b[2J","to":"carol"}`)
	for _, args := range [][]string{{"export"}, {"export", "bob"}, {"list"}, {"list", "--json"}, {"check"}, {"check", "--json"}, {"rename", "bob", "robert"}} {
		got := r.run("", args...)
		text := got.out + got.remarks
		if got.err != nil {
			text += got.err.Error()
		}
		if i := strings.IndexAny(text, "\x1b\x07\u202e\u009b\t"); i >= 0 {
			t.Errorf("%q: %q", args, text)
		}
	}
	out := r.run("", "export").out
	for _, want := range []string{bob + "@home ?]0;owned???2J caf\u00e9\n", " erin\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %q", want, out)
		}
	}
	if strings.Contains(out, "dave") {
		t.Errorf("%q", out)
	}
}
