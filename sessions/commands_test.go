package sessions

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/sshd"
)

// codeSpan is how a table of the README gives a form of a command.
var codeSpan = regexp.MustCompile("`([^`]+)`")

// inReadme lists the forms of commands in the README's table below that line.
func inReadme(t *testing.T, readme, heading string) (forms []string) {
	t.Helper()
	_, rest, ok := strings.Cut(readme, "\n"+heading+"\n")
	_, rest, found := strings.Cut(rest, "\n| --- | --- |\n")
	if !ok || !found {
		t.Fatalf("no table below %q in the README", heading)
	}
	table, _, _ := strings.Cut(rest, "\n\n")
	for row := range strings.Lines(strings.ReplaceAll(table, `\|`, "\x00")) {
		for _, m := range codeSpan.FindAllStringSubmatch(strings.Split(row, "|")[1], -1) {
			forms = append(forms, strings.ReplaceAll(m[1], "\x00", "|"))
		}
	}
	return forms
}

// The README's tables and the table of commands say the same: every form of every
// command stands in the README as help shows it, and nothing else; and every alias.
func TestReadmeListsTheCommands(t *testing.T) {
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	tables := map[bool][]string{
		false: inReadme(t, string(b), "## What to type"),
		true:  inReadme(t, string(b), "### For operators"),
	}
	for _, c := range commands {
		for _, form := range c.Forms() {
			if !slices.Contains(tables[c.may == operators], form) {
				t.Errorf("%s: the README's table of commands lacks `%s`, a form of its Usage", c.Name, form)
			}
		}
		for _, alias := range append(slices.Clone(c.Aliases), c.BareWords...) {
			if !strings.Contains(string(b), "`/"+alias+"`") && !strings.Contains(string(b), "`"+alias+"`") {
				t.Errorf("%s: the README lacks `%s`", c.Name, alias)
			}
		}
	}
	for operator, forms := range tables {
		for _, form := range forms {
			name, _, _ := strings.Cut(strings.TrimPrefix(form, "ssh HOST "), " ")
			c := Grammar.Find(strings.NewReplacer("@NICK", "send", "#ROOM", "in").Replace(name))
			switch {
			case c == nil:
				t.Errorf("the README has `%s`, and there is no such command", form)
			case (commandNamed(c.Name).may == operators) != operator:
				t.Errorf("the README has `%s` in the other table", form)
			}
		}
	}
}

// Every command can be run and has a name of its own.
func TestTableOfCommands(t *testing.T) {
	var names []string
	for _, c := range commands {
		if c.run == nil || c.Args == nil || c.Usage == "" || c.Help == "" || c.echoes && !c.speaks && !c.roomOnly {
			t.Errorf("%s is not complete: it needs run, Args, Usage and Help, and for echoes also speaks or roomOnly", c.Name)
		}
		if c.ToNick && len(c.BareWords) == 0 {
			t.Errorf("%s has ToNick, which is for names that work without '/' (BareWords): a line that begins like %s would not be said", c.Name, c.Name)
		}
		names = append(append(names, c.Name), c.Aliases...)
	}
	slices.Sort(names)
	for i, n := range names[1:] {
		if n == names[i] {
			t.Errorf("two commands are called %s", n)
		}
	}
}

// Every command that speaks is refused to the muted, also one that makes its text itself.
func TestMutedCommands(t *testing.T) {
	muted, err := bans.OpenMutes(filepath.Join(t.TempDir(), "mutes.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := muted.Add("bob", "olivia", time.Hour); err != nil {
		t.Fatal(err)
	}
	c := &session{
		manager: New(Config{Mutes: muted, Log: slog.New(slog.DiscardHandler)}),
		login:   &sshd.Login{Nick: "bob", Role: keys.RoleOperator},
		member:  new(room.Room).Visit(room.Identity{Nick: "bob"}),
	}
	for _, command := range commands {
		for _, text := range []string{"", "text"} {
			want := command.speaks && (text != "" || !command.silent)
			r := c.refusal(command, parse.Call{Name: command.Name, Text: text})
			if f, refused := r.(result.Failure); (refused && f.Reason == result.Muted) != want {
				t.Errorf("%s %q: %+v, muted: want %v", command.Name, text, r, want)
			}
		}
	}
}

// The list of commands can be read at 80 columns, by operators too: what a command does
// stands in one column, and little of it is wrapped.
func TestHelpFitsTheScreen(t *testing.T) {
	for _, operator := range []bool{false, true} {
		help := render.Result(nil, result.Help{Commands: commandsFor(operator)}, render.Style{Width: 80}, time.Time{})
		rows := strings.Split(strings.TrimSuffix(string(help), "\n"), "\n")
		wrapped, column := 0, strings.Index(rows[1], "list everyone")
		for _, row := range rows {
			switch text := strings.TrimLeft(row, " "); {
			case len(row) > 80:
				t.Errorf("operator %v: too wide: %q", operator, row)
			case strings.HasPrefix(text, "*"):
			case len(row)-len(text) != column:
				t.Errorf("operator %v: not in the column: %q", operator, row)
			default:
				wrapped++
			}
		}
		if wrapped > 4 {
			t.Errorf("operator %v: %d rows are wrapped, and at most 4 may be; shorten Help:\n%s", operator, wrapped, strings.Join(rows, "\n"))
		}
	}
}
