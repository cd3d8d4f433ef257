// Package command is `whoelse keys`: who holds which nick, managed from the command
// line.
//
//	root.AddCommand(command.New(command.Config{
//		Usage: ..., Environment: ..., Hold: ..., InUse: history.ErrInUse,
//	}))
//
// The commands work on the data folder, with or without a server running on it: both
// take the same locks for each change, and the server notices changes by itself. Only
// rename and restore need the server stopped, since that holds the histories.
//
// What a command did is on standard output, in lines whose first word says what
// happened; it is on disk then. What it could not do is an error for main to show.
// Remarks are on standard error.
package command

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"whoelse/internal/atomicfile"
	"whoelse/keys"
	"whoelse/keys/internal/sanitize"
	"whoelse/keys/invites"
	"whoelse/keys/nick"
	"whoelse/keys/reserved"
)

// Config is what the commands need of the program that they are part of.
type Config struct {
	// Usage marks an error as one about what was typed, for the exit status.
	Usage func(error) error
	// Environment sets the flags that were not given from their variables.
	Environment func(*pflag.FlagSet) error
	// Hold takes the folder of histories, DATA/history. log is told of what was
	// damaged there.
	Hold func(dir string, log *slog.Logger) (Histories, error)
	// InUse is what Hold's error is (errors.Is) while a server has the folder.
	InUse error
}

// Histories is a folder of histories that no server gets until it is closed.
type Histories interface {
	// Check tells what would keep Rename from giving from's history to to. It is an
	// fs.ErrExist if to has one already.
	Check(from, to string) error
	// Rename can be called again after it was interrupted.
	Rename(from, to string) error
	// RestoreNick gives a nick back what was set aside, if anything was. It is an
	// fs.ErrExist if the nick has a history.
	RestoreNick(nick string) (restored bool, err error)
	Close() error
}

// commands is what they have in common.
type commands struct {
	Config
	data     string
	reserved *reserved.List // opened with the registry
}

// New makes the command with all that are below it.
func New(cfg Config) *cobra.Command {
	k := &commands{Config: cfg}
	c := &cobra.Command{
		Use: "keys", Short: "Manage who holds which nick", Args: k.noArguments,
		Long: "Who holds which nick stands in DATA/authorized_keys, one key a line: the nick is the\n" +
			"comment up to the first '@'. It may be edited while the server runs.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&k.data, "data", "data", "the server's `folder`")
	c.PersistentPreRunE = func(*cobra.Command, []string) error {
		if err := k.Environment(c.PersistentFlags()); err != nil {
			return err
		}
		if k.data == "" {
			return k.Usage(errors.New("--data: a folder is needed"))
		}
		return nil
	}
	c.AddCommand(k.list(), k.add(), k.remove(), k.rename(), k.restore(), k.check(), k.invite(), k.export())
	return c
}

func (k *commands) noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return k.Usage(fmt.Errorf("no command %q; %s --help lists them", args[0], c.CommandPath()))
	}
	return nil
}

// exactly asks for one argument for each of the names.
func (k *commands) exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return k.Usage(fmt.Errorf("%s is missing; usage: %s", names[len(args)], c.UseLine()))
		case len(args) > len(names):
			return k.Usage(fmt.Errorf("unexpected argument %q; usage: %s", args[len(names)], c.UseLine()))
		}
		return nil
	}
}

// nick reads one that was typed.
func (k *commands) nick(typed string) (string, error) {
	n, err := nick.Parse(typed)
	if err != nil {
		return "", k.Usage(err)
	}
	return n, nil
}

// registry opens authorized_keys in a data folder that has to be there.
func (k *commands) registry() (*keys.Registry, error) {
	switch st, err := atomicfile.Stat(k.data); {
	case err != nil:
		return nil, fmt.Errorf("the data folder can't be used: %w", err)
	case !st.Exists():
		return nil, fmt.Errorf("there is no data folder %s; name the server's with --data", k.data)
	default:
		if err := mayWrite(k.data, os.Geteuid(), int(st.UID())); err != nil {
			return nil, err
		}
	}
	reg, err := keys.Open(filepath.Join(k.data, "authorized_keys"), nil)
	if err != nil {
		return nil, err
	}
	if k.reserved, err = reserved.Open(filepath.Join(k.data, "reserved.json")); err != nil {
		return nil, err
	}
	reg.Reserve(k.reserved.Until)
	return reg, nil
}

// mayWrite keeps root from leaving files in a server's folder that the server, being
// somebody else, could not read or lock then.
func mayWrite(data string, me, owner int) error {
	if me != 0 || owner == 0 {
		return nil
	}
	return fmt.Errorf("the data folder %s belongs to uid %d, which could not use what root writes there; run this as that user, with sudo -u '#%d'", data, owner, owner)
}

// newRegistry is registry for a server that may not have run yet.
func (k *commands) newRegistry(c *cobra.Command) (*keys.Registry, error) {
	if st, err := atomicfile.Stat(k.data); err == nil && !st.Exists() {
		err := os.MkdirAll(k.data, 0o700)
		if err == nil {
			err = atomicfile.Store{}.SyncDir(filepath.Dir(filepath.Clean(k.data)))
		}
		if err != nil {
			return nil, fmt.Errorf("the data folder can't be made: %w", err)
		}
		remark(c, "made the data folder %s", k.data)
	}
	return k.registry()
}

func (k *commands) invitations() *invites.Store {
	return invites.Open(filepath.Join(k.data, "invites.json"))
}

// mostShown is longer than any line that the commands print.
const mostShown = 32 << 10

// remark tells something on standard error that is no failure.
func remark(c *cobra.Command, format string, args ...any) {
	fmt.Fprintf(c.ErrOrStderr(), "whoelse: %s\n", sanitize.Most(fmt.Sprintf(format, args...), mostShown))
}

// say writes to standard output, which can fail: who reads it is to be told so.
func say(c *cobra.Command, lines ...string) error {
	if len(lines) == 0 {
		return nil
	}
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(sanitize.Most(line, mostShown) + "\n")
	}
	_, err := io.WriteString(c.OutOrStdout(), text.String())
	return err
}
