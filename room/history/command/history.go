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
)

func historyCommand() *cobra.Command {
	var asJSON, ofRoom, ofPresence bool
	var n int
	c := &cobra.Command{
		Use:   "history {NICK|'#ROOM'|--room|--presence} [-n N] [--json] [--data FOLDER]",
		Short: "Print a nick's history, or a room's",
		Long: "Prints all that NICK sent and received, or what was said in '#ROOM' (quoted for the shell), or with\n" +
			"--room in the lobby, or with --presence joins and leaves; oldest first. A * marks unread messages.\n" +
			"Times are local. A server may be running; events that only the log has after a crash are included,\n" +
			"and nothing is changed. Damaged lines are reported on standard error and left out.\n\n" +
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
		return look.Each(n, want, func(f history.Problem) {
			r.Remark("left out: history/%s", f)
		}, func(l history.Line) error {
			text := string(l.Text)
			if !asJSON {
				text = line(l)
			}
			_, err := fmt.Fprintln(r, text)
			return err
		})
	})
}

// line is a message in one line, harmless on a terminal.
func line(l history.Line) string {
	m, mark := l.Message, " "
	if l.Unread {
		mark = "*"
	}
	text := fmt.Sprintf("%s %s %s %s", mark, local(m.Time), m.Kind, m.From)
	if len(m.To) > 0 {
		text += " -> " + strings.Join(m.To, ",")
	}
	if m.Text != "" {
		text += ": " + m.Text
	}
	if m.File != nil {
		text += fmt.Sprintf(": file %s, %s", m.File.Name, cli.Count(int(m.File.Size), "byte"))
	}
	if m.Kind == room.KindReceipt {
		text += " has read the message of " + local(m.RefTime)
	}
	return history.Clean(text)
}
