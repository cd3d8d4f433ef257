package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
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

func (k *commands) history() *cobra.Command {
	var s showing
	c := &cobra.Command{
		Use: "history {NICK|--room|--presence} [-n N] [--json] [--data FOLDER]", Short: "Print what somebody sent and got, or what was said to all",
		Long: "Prints what NICK sent and got, or with --room or --presence what was said to everyone or\n" +
			"who came and went; oldest first. A * stands before what NICK has not read. Times are local.\n" +
			"A server may be running, and after a crash what only the log has is there too; nothing\n" +
			"is changed. Damaged lines are reported on standard error and left out.\n\n" +
			"With --json the lines are as they are in the file, those that are no messages included.",
		Example: "  whoelse history carol -n 20\n" +
			"  whoelse history --room --json | jq -r 'select(.text) | \"\\(.from): \\(.text)\"'",
		Args: func(c *cobra.Command, args []string) error {
			if s.room && s.presence {
				return k.Usage(errors.New("--room and --presence are two histories; name one of them"))
			}
			if s.room || s.presence {
				return k.exactly()(c, args)
			}
			return k.exactly("NICK")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if s.n < 0 {
				return k.Usage(errors.New("-n: a number of 0 or more is needed"))
			}
			return k.runHistory(c, s, strings.Join(args, ""))
		},
	}
	f := c.Flags()
	f.BoolVar(&s.json, "json", false, "the lines as they are in the file")
	f.BoolVar(&s.room, "room", false, "what was said to everyone")
	f.BoolVar(&s.presence, "presence", false, "who came and went")
	f.IntVarP(&s.n, "number", "n", 0, "only the newest `N`; 0 is all")
	return c
}

// owner is whose history is asked for, and how to call it.
func (s showing) owner(nick string) (owner, called string) {
	switch {
	case s.room:
		return room.RoomHistory, "the room"
	case s.presence:
		return room.PresenceHistory, "who came and went"
	}
	return fold(nick), history.Clean(nick)
}

// fold makes capitals small, as for nicks everywhere. No other letter is folded.
func fold(nick string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, nick)
}

func (k *commands) runHistory(c *cobra.Command, s showing, nick string) error {
	dir, err := k.histories()
	if err != nil {
		return err
	}
	owner, called := s.owner(nick)
	if strings.HasPrefix(nick, "#") { // the shared histories have flags
		owner = ""
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
		return k.because(fmt.Errorf("the history of %s can't be read: %w", called, err), "")
	}
	defer func() { _ = look.Close() }() // it was only read
	out := bufio.NewWriter(c.OutOrStdout())
	damaged := func(f history.Finding) {
		_ = out.Flush() // it fails again below
		remark(c, "left out: history/%s", f)
	}
	if err := look.Each(s.n, s.want, damaged, func(l history.Line) error { return s.print(out, l) }); err != nil {
		return err
	}
	return out.Flush()
}

// want leaves out what is no message, and marks of who is still there, which say nothing
// to people.
func (s showing) want(l history.Line) bool {
	return s.json || l.Message != nil && l.Message.Kind != room.KindAlive
}

func (s showing) print(w io.Writer, l history.Line) error {
	if s.json {
		_, err := fmt.Fprintf(w, "%s\n", l.Text)
		return err
	}
	mark := " "
	if l.Unread {
		mark = "*"
	}
	_, err := fmt.Fprintf(w, "%s %s\n", mark, line(l.Message))
	return err
}

// withZone is how times are printed.
const withZone = time.DateTime + " MST"

// line is a message in one line, harmless on a terminal.
func line(m *room.Message) string {
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
	return history.Clean(b.String())
}
