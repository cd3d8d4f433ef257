// Package command is what the operator does about storage from the command line:
// `whoelse check`, `backup`, `restore` and `history`.
//
//	root.AddCommand(command.New(command.Config{Usage: ..., Environment: ..., Version: ...})...)
//
// What a command found or did is on standard output. What it could not do is an error
// for main to show. Remarks and progress are on standard error.
package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"whoelse/room/history"
)

// Config is what the commands need of the program that they are part of.
type Config struct {
	// Usage marks an error as one about what was typed, for the exit status.
	Usage func(error) error
	// Environment sets the flags that were not given from their variables.
	Environment func(*pflag.FlagSet) error
	// Version is the program's, for backups.
	Version string
}

// commands is what they have in common.
type commands struct {
	Config
	data string
}

// New makes the commands.
func New(cfg Config) []*cobra.Command {
	var list []*cobra.Command
	for _, make := range []func(*commands) *cobra.Command{
		(*commands).check, (*commands).backup, (*commands).restore, (*commands).history,
	} {
		k := &commands{Config: cfg}
		list = append(list, k.withData(make(k)))
	}
	return list
}

// withData gives c the flag --data, and has it looked at before c runs.
func (k *commands) withData(c *cobra.Command) *cobra.Command {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.StringVar(&k.data, "data", "data", "the server's data `folder`; also by WHOELSE_DATA")
	c.Flags().AddFlagSet(flags)
	c.DisableFlagsInUseLine = true // each names its own
	c.PreRunE = func(*cobra.Command, []string) error {
		if err := k.Environment(flags); err != nil {
			return err
		}
		if k.data == "" {
			return k.Usage(errors.New("--data: a folder is needed"))
		}
		return nil
	}
	return c
}

// exactly asks for one argument for each of the names.
func (k *commands) exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		for i, name := range names {
			if len(args) <= i || args[i] == "" {
				return k.Usage(fmt.Errorf("%s is missing; usage: %s", name, c.UseLine()))
			}
		}
		if len(args) > len(names) {
			return k.Usage(fmt.Errorf("unexpected argument %q; usage: %s", args[len(names)], c.UseLine()))
		}
		return nil
	}
}

// histories is the folder below the data folder. Both have to be there.
func (k *commands) histories() (string, error) {
	if err := k.exists(); err != nil {
		return "", err
	}
	dir := filepath.Join(k.data, "history")
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(filepath.Join(k.data, "host_key")); err == nil {
			return "", fmt.Errorf("there is no folder %s, though a server has run with this data folder: it was removed, moved away, or is not mounted", dir)
		}
		return "", fmt.Errorf("there are no histories in %s; no server has run with this data folder, name another one with --data", k.data)
	case err != nil:
		return "", k.because(fmt.Errorf("the histories can't be read: %w", err), "")
	case !info.IsDir():
		return "", fmt.Errorf("the histories can't be read: %s is not a folder; move it away", dir)
	}
	return dir, nil
}

func (k *commands) exists() error {
	info, err := os.Stat(k.data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no data folder %s; name the server's with --data", k.data)
	case err != nil:
		return fmt.Errorf("the data folder can't be used: %w", err)
	case !info.IsDir():
		return fmt.Errorf("the data folder can't be used: %s is not a folder; name the server's with --data", k.data)
	}
	return nil
}

// mayWrite keeps root from leaving files in a server's folder that the server, being
// somebody else, could not read or lock then.
func (k *commands) mayWrite() error {
	owner, err := k.owner()
	if err != nil {
		return err
	}
	return writing(k.data, os.Geteuid(), owner)
}

// owner is the uid of whom the data folder belongs to.
func (k *commands) owner() (int, error) {
	info, err := os.Stat(k.data)
	if err != nil {
		return 0, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), nil
	}
	return os.Geteuid(), nil
}

func writing(data string, me, owner int) error {
	if me != 0 || owner == 0 {
		return nil
	}
	return fmt.Errorf("the data folder %s belongs to uid %d, which could not use what root writes there; run this as that user, with sudo -u '#%d'", data, owner, owner)
}

// because puts what stands in the way of work on the histories into words.
func (k *commands) because(err error, what string) error {
	switch {
	case errors.Is(err, history.ErrInUse):
		return fmt.Errorf("a whoelse is running on the data folder %s, and holds the history; stop it, %s, and start it again", k.data, what)
	case errors.Is(err, history.ErrBackup):
		return fmt.Errorf("%s: %w", k.data, history.ErrBackup)
	case errors.Is(err, fs.ErrPermission):
		if owner, e := k.owner(); e == nil && owner != os.Geteuid() {
			return fmt.Errorf("%w; the data folder %s belongs to uid %d, run this as that user", err, k.data, owner)
		}
	}
	return err
}

// again is how to call another command for the same data folder.
func (k *commands) again(what string) string {
	if k.data == "data" {
		return "whoelse " + what
	}
	return "whoelse " + what + " --data " + quoted(k.data)
}

// quoted is a path as a shell takes it.
func quoted(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:@%=", r)
	}
	if strings.TrimFunc(path, plain) == "" && !strings.HasPrefix(path, "-") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// remark tells something on standard error that is no failure.
func remark(c *cobra.Command, format string, args ...any) {
	fmt.Fprintf(c.ErrOrStderr(), "whoelse: "+format+"\n", args...)
}

// say writes a line to standard output, which can fail: who reads it is to be told so.
func say(c *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(c.OutOrStdout(), format+"\n", args...)
	return err
}

// count is "1 line", "2 lines".
func count[T int | int64](n T, what string) string {
	switch {
	case n == 1:
	case what == "history":
		what = "histories"
	default:
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
