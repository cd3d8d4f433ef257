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

// showing is what to show of a history.
type showing struct {
	json, room, presence bool
	n                    int
}

func historyCommand(cfg Config) *cobra.Command {
	var s showing
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
			case s.room && s.presence:
				return cfg.Usage(errors.New("--room and --presence are two histories; name one of them"))
			case s.n < 0:
				return cfg.Usage(errors.New("-n: a number of 0 or more is needed"))
			case s.room || s.presence:
				return cfg.exactly()(c, args)
			}
			return cfg.exactly("NICK")(c, args)
		},
	}
	f := c.Flags()
	f.BoolVar(&s.json, "json", false, "the lines as they are in the file")
	f.BoolVar(&s.room, "room", false, "what was said to everyone")
	f.BoolVar(&s.presence, "presence", false, "who came and went")
	f.IntVarP(&s.n, "number", "n", 0, "only the newest `N`; 0 is all")
	return framed(cfg, c, func(k *command, args []string) error {
		switch {
		case s.room:
			return k.history(s, room.RoomHistory, "the room")
		case s.presence:
			return k.history(s, room.PresenceHistory, "who came and went")
		}
		return k.history(s, strings.ToLower(args[0]), history.Clean(args[0]))
	})
}

func (k *command) history(s showing, owner, called string) error {
	dir, err := k.histories(false)
	if err != nil {
		return err
	}
	look, err := history.OpenLook(dir, owner)
	if errors.Is(err, fs.ErrNotExist) {
		hint := ""
		if owner == "room" || owner == "presence" {
			hint = fmt.Sprintf("; whoelse history --%s prints the one of all", owner)
		}
		return fmt.Errorf("no history of %s in %s%s", called, k.data, hint)
	}
	if err != nil {
		return k.failed("the history of "+called+" can't be read", err, "")
	}
	defer func() { _ = look.Close() }() // it was only read
	out := bufio.NewWriter(k.out)
	err = look.Each(s.n, s.want, func(f history.Finding) {
		_ = out.Flush() // it fails again below
		k.remark("left out: history/%s", f)
	}, func(l history.Line) error {
		text := l.Text
		if !s.json {
			text = line(l.Message, l.Unread)
		}
		_, err := fmt.Fprintf(out, "%s\n", text)
		return err
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

// want leaves out what is not a message, and marks of who is still there, which say nothing
// to people.
func (s showing) want(l history.Line) bool {
	return s.json || l.Message != nil && l.Message.Kind != room.KindAlive
}

// withZone is how times are printed.
const withZone = time.DateTime + " MST"

// line is a message in one line, harmless on a terminal.
func line(m *room.Message, unread bool) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", m.Time.Local().Format(withZone), m.Kind, m.From)
	if len(m.To) > 0 {
		fmt.Fprintf(&b, " -> %s", strings.Join(m.To, ","))
	}
	if m.Text != "" {
		fmt.Fprintf(&b, ": %s", m.Text)
	}
	if m.Kind == room.KindReceipt {
		fmt.Fprintf(&b, " has read the message of %s", m.RefTime.Local().Format(withZone))
	}
	mark := "  "
	if unread {
		mark = "* "
	}
	return []byte(mark + history.Clean(b.String()))
}
