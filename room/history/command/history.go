package command

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"whoelse/room"
	"whoelse/room/history"
)

func historyCommand(cfg Config) *cobra.Command {
	var asJSON, ofRoom, ofPresence bool
	var n int
	c := &cobra.Command{
		Use:   "history {NICK|--room|--presence} [-n N] [--json] [--data FOLDER]",
		Short: "Print what somebody sent and got, or what was said to all",
		Long: "Prints what NICK sent and got, or with --room or --presence what was said to everyone or\n" +
			"who came and went; oldest first. A * stands before what NICK has not read. Times are local.\n" +
			"A server may be running, and after a crash what only the log has is there too; nothing\n" +
			"is changed. Damaged lines are reported on standard error and left out.\n\n" +
			"With --json the lines are as they are in the file, those that are no messages included.",
		Example: "  whoelse history carol -n 20\n" +
			"  whoelse history --room --json | jq -r 'select(.text) | \"\\(.from): \\(.text)\"'",
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case ofRoom && ofPresence:
				return cfg.Usage(errors.New("--room and --presence are two histories; name one of them"))
			case n < 0:
				return cfg.Usage(errors.New("-n: a number of 0 or more is needed"))
			case ofRoom || ofPresence:
				return cfg.exactly()(c, args)
			}
			return cfg.exactly("NICK")(c, args)
		},
	}
	f := c.Flags()
	f.BoolVar(&asJSON, "json", false, "the lines as they are in the file")
	f.BoolVar(&ofRoom, "room", false, "what was said to everyone")
	f.BoolVar(&ofPresence, "presence", false, "who came and went")
	f.IntVarP(&n, "number", "n", 0, "only the newest `N`; 0 is all")
	return framed(cfg, c, func(k *command, args []string) error {
		look, err := k.look(ofRoom, ofPresence, args)
		if err != nil {
			return err
		}
		defer func() { _ = look.Close() }() // it was only read
		out := bufio.NewWriter(k.out)
		want := func(l history.Line) bool { // marks of who is still there say nothing to people
			return asJSON || l.Message != nil && l.Message.Kind != room.KindAlive
		}
		err = look.Each(n, want, func(f history.Problem) {
			_ = out.Flush() // it fails again below
			k.remark("left out: history/%s", f)
		}, func(l history.Line) error {
			text := string(l.Text)
			if !asJSON {
				text = line(l)
			}
			_, err := out.WriteString(text + "\n")
			return err
		})
		if err != nil {
			return err
		}
		return out.Flush()
	})
}

// look opens the history that is asked for.
func (k *command) look(ofRoom, ofPresence bool, args []string) (*history.Look, error) {
	dir, err := k.histories(false)
	if err != nil {
		return nil, err
	}
	var owner, called string
	switch {
	case ofRoom:
		owner, called = room.RoomHistory, "the room"
	case ofPresence:
		owner, called = room.PresenceHistory, "who came and went"
	default:
		owner, called = strings.ToLower(args[0]), history.Clean(args[0])
	}
	look, err := history.OpenLook(dir, owner)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (owner == "room" || owner == "presence"):
		return nil, fmt.Errorf("no history of %s in %s; whoelse history --%s prints the one of all", called, k.data, owner)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no history of %s in %s", called, k.data)
	case err != nil:
		return nil, k.failed("the history of "+called+" can't be read", err, "")
	}
	return look, nil
}

// withZone is how times are printed.
const withZone = time.DateTime + " MST"

// line is a message in one line, harmless on a terminal.
func line(l history.Line) string {
	m, mark := l.Message, " "
	if l.Unread {
		mark = "*"
	}
	text := fmt.Sprintf("%s %s %s %s", mark, m.Time.Local().Format(withZone), m.Kind, m.From)
	if len(m.To) > 0 {
		text += " -> " + strings.Join(m.To, ",")
	}
	if m.Text != "" {
		text += ": " + m.Text
	}
	if m.Kind == room.KindReceipt {
		text += " has read the message of " + m.RefTime.Local().Format(withZone)
	}
	return history.Clean(text)
}
