package command

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"whoelse/internal/cli"
	"whoelse/room"
	"whoelse/room/history"
	"whoelse/sessions/text"
)

func historyCommand() *cobra.Command {
	var asJSON, ofRoom, ofPresence bool
	var n int
	c := &cobra.Command{
		Use:   "history {NICK|'#ROOM'|--room|--presence} [-n N] [--json] [--data FOLDER]",
		Short: "Print a nick's history, or a room's",
		Long: "Prints all that NICK sent and received, or what was said in '#ROOM' (quoted for the shell), or with\n" +
			"--room in the lobby, or with --presence joins and leaves; oldest first. A * marks unread messages.\n" +
			"On a terminal, rows that go on with a message are indented. Times are local. A server may be\n" +
			"running; events that only the log has after a crash are included, and nothing is changed. Damaged\n" +
			"lines are reported on standard error and left out.\n\n" +
			"With --json the lines are as they are in the file, read marks and state lines included.",
		Example: "  whoelse history carol -n 20\n" +
			"  whoelse history '#ops' -n 20\n" +
			"  whoelse history --room --json | jq -r 'select(.text) | \"\\(.from): \\(.text)\"'",
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case ofRoom && ofPresence:
				return cli.Usage("--room and --presence are two histories; name one of them")
			case n < 0:
				return cli.Usage("-n: a number of 0 or more is needed")
			case ofRoom || ofPresence:
				return cli.Args()(c, args)
			}
			return cli.Args("NICK")(c, args)
		},
	}
	f := c.Flags()
	f.BoolVar(&asJSON, "json", false, "print the lines as they are in the file")
	f.BoolVar(&ofRoom, "room", false, "the history of the lobby, the room where everybody is")
	f.BoolVar(&ofPresence, "presence", false, "joins and leaves")
	f.IntVarP(&n, "number", "n", 0, "only the newest `N`; 0 is all")
	return cli.Command(c, func(r *cli.Run, args []string) error {
		dir, err := historiesIn(r, false)
		if err != nil {
			return err
		}
		var owner, called string
		switch {
		case ofRoom:
			owner, called = room.RoomHistory, "the lobby"
		case ofPresence:
			owner, called = room.PresenceHistory, "who came and went"
		default:
			owner, called = strings.ToLower(args[0]), args[0]
		}
		look, err := history.OpenLook(dir, owner)
		switch {
		case errors.Is(err, fs.ErrNotExist) && (owner == "room" || owner == "presence"):
			return fmt.Errorf("no history of %s in %s; whoelse history --%s prints the one of all", called, r.Data, owner)
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("no history of %s in %s", called, r.Data)
		case err != nil:
			return explain(r, "the history of "+called+" can't be read", err, "")
		}
		defer func() { _ = look.Close() }() // it was only read
		want := func(l history.Line) bool { // marks of who is still there say nothing to people
			return asJSON || l.Message != nil && l.Message.Kind != room.KindAlive
		}
		width := r.Width()
		return look.Each(n, want, func(f history.Problem) {
			r.Remark("left out: history/%s", f)
		}, func(l history.Line) error {
			words := string(l.Text)
			if !asJSON {
				words = rows(line(l), width)
			}
			_, err := fmt.Fprintln(r, words)
			return err
		})
	})
}

// rows breaks a line into the rows of a terminal that has so many columns, 0 for none. The first two columns of all but the
// first are blank, and the next two, in which a line's time begins: padding in a text looks like no other line.
func rows(line string, width int) string {
	const begin = len("* 20")
	return string(text.AppendWrapped([]byte(line[:begin]), line[begin:], width, begin))
}

// line is a message in one line, harmless on a terminal.
func line(l history.Line) string {
	m, mark := l.Message, " "
	if l.Unread {
		mark = "*"
	}
	words := fmt.Sprintf("%s %s %s %s", mark, local(m.Time), m.Kind, m.From)
	if len(m.To) > 0 {
		words += " -> " + strings.Join(m.To, ",")
	}
	if m.Text != "" {
		words += ": " + m.Text
	}
	if m.File != nil {
		words += fmt.Sprintf(": file %s, %s", m.File.Name, cli.Count(int(m.File.Size), "byte"))
	}
	if m.Kind == room.KindReceipt {
		words += " has read the message of " + local(m.RefTime)
	}
	return history.Clean(words)
}
