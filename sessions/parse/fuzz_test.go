package parse_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whoelse/keys/nick"
	"whoelse/sessions"
	"whoelse/sessions/parse"
)

// FuzzLine asserts what everybody relies on: whatever is typed, no message gets to
// somebody else than meant, and no text is made up.
func FuzzLine(f *testing.F) {
	for _, s := range []string{
		"", " ", "hello", " /x", "/", "//", "/say x", "/sned bob hi", "@bob hi", "@", "send bob,carol hi", "send", "broadcast user bob, carol hi",
		"broadcast user", "send bob , carol hi", "@bob ,carol\t, dave hi", "broadcast user bob ,, x", "inbox bob 3", "wholast 60", "help me", "QUIT", `\q`, "whoelse is coming?", "/me\twaves", "a\nb", "\n@bob x", "sEnd\nbob\nx", "\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		call, err := sessions.Grammar.Line(line)
		if err != nil {
			if call.Text != "" {
				t.Fatalf("%q: an error and %+v", line, call)
			}
			checkError(t, line, call, err)
			return
		}
		checkCall(t, line, call)
		if call.Name == "say" && beginsLikeCommand(line) {
			t.Fatalf("%q is said to everyone", line)
		}
		if again, err := sessions.Grammar.Line(" " + line); err != nil || again.Name != "say" && again.Name != "" {
			t.Fatalf("%q with a space in front is %+v, %v", line, again, err)
		}
	})
}

func FuzzCommand(f *testing.F) {
	for _, s := range []string{"", "send bob it's", "@bob x", "who", "say x", "send --id 1 --wait 5s bob x", "say --json --id 2 -- --id", "say -- --id", "tail -n 3 --direct", "tail --mentions --since 1hm8p2kq4t0", "watch ~bob", "/history 3", " @bob,carol x", "inbox bob 3 --json", "say --json x --json", "ban bob 1h --json", "#ops x", "broadcast #ops x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		call, err := sessions.Grammar.Command(line)
		if err != nil {
			return
		}
		checkCall(t, line, call)
		if call.Name == "" {
			t.Fatalf("%q is nothing", line)
		}
		checkJSON(t, line, call)
	})
}

// checkJSON asserts that --json behind the name changes nothing but the form of the answer.
func checkJSON(t *testing.T, line string, call parse.Call) {
	t.Helper()
	line = strings.TrimSpace(line)
	if call.JSON || line[0] == '@' || line[0] == '#' { // the text begins behind it
		return
	}
	name := firstWord(line)
	again, err := sessions.Grammar.Command(name + " --json" + line[len(name):])
	if call.JSON = true; err != nil || !cmp.Equal(again, call) {
		t.Fatalf("%q with --json: %+v, %v", line, again, err)
	}
}

// checkCall asserts that call is whole, and that its text is a piece of line.
func checkCall(t *testing.T, line string, call parse.Call) {
	t.Helper()
	literal := line != "" && (line[0] == ' ' || line[0] == '\n') // keeps what it is indented by
	if !strings.Contains(line, call.Text) || call.Text != strings.TrimSpace(call.Text) && !literal {
		t.Fatalf("%q becomes the text %q", line, call.Text)
	}
	if call.Name != "" && sessions.Grammar.Find(call.Name) == nil {
		t.Fatalf("%q is the unknown command %q", line, call.Name)
	}
	for _, n := range append(slices.Clone(call.To), call.Nick) {
		if known, err := nick.ParseAny(n); n != "" && (err != nil || known != n) {
			t.Fatalf("%q is for %q", line, n)
		}
	}
	checkList(t, line, call)
	needs := slices.Contains([]string{"say", "me", "send", "reply", "broadcast"}, call.Name)
	if needs && strings.TrimSpace(call.Text) == "" || call.Name == "send" && len(call.To) == 0 || call.N < 0 {
		t.Fatalf("%q becomes %+v", line, call)
	}
}

// checkList asserts that a comma of the list is never taken for text, and that white
// space around it makes no difference, except behind an '@'.
func checkList(t *testing.T, line string, call parse.Call) {
	t.Helper()
	if len(call.To) == 0 {
		return
	}
	if strings.HasPrefix(call.Text, ",") {
		t.Fatalf("%q has the text %q", line, call.Text)
	}
	for _, comma := range []string{",", " ,", ", ", " ,\t"} {
		for _, command := range []string{"@", "send ", "broadcast user "} {
			if command == "@" && comma != "," {
				continue
			}
			again, err := sessions.Grammar.Line(command + strings.Join(call.To, comma) + " " + call.Text)
			if err != nil || !slices.Equal(again.To, call.To) || again.Text != call.Text {
				t.Fatalf("%q with %q between them: %+v, %v", line, command+comma, again, err)
			}
		}
	}
}

// beginsLikeCommand reports, by rules of its own, whether a line must not be said
// as it stands.
func beginsLikeCommand(line string) bool {
	if line[0] == '@' || line[0] == '/' && !strings.EqualFold(firstWord(line), "/say") {
		return true
	}
	switch w := strings.ToLower(firstWord(line)); w {
	case "whoelse", "wholast", "send", "broadcast", "inbox":
		return true
	case "help", "quit", "exit", `\q`, ":q", ":q!", "?":
		return strings.TrimSpace(line) == firstWord(line)
	}
	return false
}

func firstWord(line string) string {
	if i := strings.IndexAny(line, " \t\n"); i >= 0 {
		return line[:i]
	}
	return line
}
