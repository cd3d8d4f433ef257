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
// Standard output has what was done, and is on disk by then, in lines whose first word says
// what happened. Failures are errors for main to show. Remarks are on standard error.
package command

import (
	"cmp"
	"encoding/json"
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
	// Hold takes the histories in DATA/history, and logs damage there.
	Hold func(dir string, log *slog.Logger) (Histories, error)
	// InUse is what Hold's error is (errors.Is) while a server has the folder.
	InUse error
}

// Histories is a folder of histories that no server gets until it is closed.
type Histories interface {
	// Check gives an error if Rename would fail: fs.ErrExist if to has a history.
	Check(from, to string) error
	// Rename can be called again after it was interrupted.
	Rename(from, to string) error
	// RestoreNick gives a nick back its retired history, if there is one. It fails with
	// fs.ErrExist if the nick has a history.
	RestoreNick(nick string) (restored bool, err error)
	Close() error
}

// commands is the state that they share; one of them runs.
type commands struct {
	Config
	data     string
	running  *cobra.Command
	reg      *keys.Registry
	reserved *reserved.List
	outErr   error // of writing to standard output
}

// New makes the command with its subcommands.
func New(cfg Config) *cobra.Command {
	k := &commands{Config: cfg}
	c := &cobra.Command{
		Use: "keys", Short: "Manage who holds which nick",
		Long: "DATA/authorized_keys says who holds which nick, one key a line: the nick is the\n" +
			"comment up to the first '@'. It may be edited while the server runs.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return k.Usage(fmt.Errorf("no command %q; %s --help lists them", args[0], c.CommandPath()))
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&k.data, "data", "data", "the server's `folder`")
	c.PersistentPreRunE = func(running *cobra.Command, _ []string) error {
		k.running = running
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

// framed completes c: run is called with the nicks or the fingerprint that were typed, and the
// registry open. The data folder is made, where create is set, for a server that has not run
// yet.
func (k *commands) framed(c *cobra.Command, create bool, run func(args []string) error) *cobra.Command {
	c.Args = k.arguments
	c.RunE = func(_ *cobra.Command, args []string) error {
		if err := k.open(create); err != nil {
			return err
		}
		err := run(args)
		return cmp.Or(k.outErr, err)
	}
	return c
}

// arguments compares them with the syntax, such as "rename OLD NEW", and folds nicks in
// their place.
func (k *commands) arguments(c *cobra.Command, args []string) (err error) {
	names := strings.Fields(c.Use)[1:]
	if strings.HasSuffix(c.Use, " [NICK...]") {
		names = make([]string, len(args))
	}
	switch {
	case len(args) < len(names):
		return k.Usage(fmt.Errorf("%s is missing; usage: %s", names[len(args)], c.UseLine()))
	case len(args) > len(names):
		return k.Usage(fmt.Errorf("unexpected argument %q; usage: %s", args[len(names)], c.UseLine()))
	}
	for i, name := range names {
		if name == nickOrFingerprint && strings.HasPrefix(args[i], "SHA256:") {
			continue
		}
		if args[i], err = nick.Parse(args[i]); err != nil && name == nickOrFingerprint {
			err = fmt.Errorf("%w; and a fingerprint begins with SHA256", err)
		}
		if err != nil {
			return k.Usage(err)
		}
	}
	return nil
}

// nickOrFingerprint is an argument that is a nick or a fingerprint.
const nickOrFingerprint = "NICK|FINGERPRINT"

func (k *commands) open(create bool) error {
	st, err := atomicfile.Stat(k.data)
	if create && err == nil && !st.Exists() {
		if err := os.MkdirAll(k.data, 0o700); err != nil {
			return fmt.Errorf("the data folder can't be made: %w", err)
		}
		if err := (atomicfile.Store{}).SyncDir(filepath.Dir(filepath.Clean(k.data))); err != nil {
			return fmt.Errorf("the data folder can't be made: %w", err)
		}
		k.remark("made the data folder %s", k.data)
		st, err = atomicfile.Stat(k.data)
	}
	switch {
	case err != nil:
		return fmt.Errorf("the data folder can't be used: %w", err)
	case !st.Exists():
		return fmt.Errorf("there is no data folder %s; name the server's with --data", k.data)
	}
	if err := mayWrite(k.data, os.Geteuid(), int(st.UID())); err != nil {
		return err
	}
	if k.reg, err = keys.Open(k.file("authorized_keys"), nil); err != nil {
		return err
	}
	if k.reserved, err = reserved.Open(k.file("reserved.json")); err != nil {
		return err
	}
	k.reg.Reserve(k.reserved.Until)
	return nil
}

func (k *commands) file(name string) string { return filepath.Join(k.data, name) }

// mayWrite keeps root from leaving files in the folder of a server that runs as another
// user, and could not read or lock them.
func mayWrite(data string, me, owner int) error {
	if me != 0 || owner == 0 {
		return nil
	}
	return fmt.Errorf("the data folder %s belongs to uid %d, which could not use what root writes there; "+
		"run this as that user, with sudo -u '#%d'", data, owner, owner)
}

func (k *commands) invitations() *invites.Store { return invites.Open(k.file("invites.json")) }

// hold takes the histories, for a command that needs the server stopped.
func (k *commands) hold() (Histories, error) {
	log := slog.New(slog.NewTextHandler(k.running.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	h, err := k.Hold(k.file("history"), log)
	if errors.Is(err, k.InUse) {
		return nil, fmt.Errorf("a whoelse is running on the data folder %s; stop it, %s, and start it again",
			k.data, k.running.Name())
	}
	return h, err
}

func (k *commands) held(n string) error {
	if !k.reg.Held(n) {
		return fmt.Errorf("nobody holds %s; whoelse keys list shows who there is", n)
	}
	return nil
}

// mostShown is longer than any line that the commands print.
const mostShown = 32 << 10

// remark writes to standard error what is not a failure.
func (k *commands) remark(format string, args ...any) {
	fmt.Fprintf(k.running.ErrOrStderr(), "whoelse: %s\n", sanitize.Most(fmt.Sprintf(format, args...), mostShown))
}

// print writes to standard output. Its failure is the command's, since scripts rely on it.
func (k *commands) print(text string) {
	_, err := io.WriteString(k.running.OutOrStdout(), text)
	k.outErr = cmp.Or(k.outErr, err)
}

func (k *commands) say(lines ...string) {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(sanitize.Most(line, mostShown) + "\n")
	}
	k.print(text.String())
}

// sayJSON prints v for another program.
func (k *commands) sayJSON(v any) error {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	k.print(text.String())
	return err
}

// count is "1 line", "2 lines".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
