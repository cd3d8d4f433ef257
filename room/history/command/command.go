// Package command is what the operator does about storage from the command line:
// `whoelse check`, `backup`, `restore` and `history`.
//
//	root.AddCommand(command.New(command.Config{Usage: ..., Environment: ..., Version: ...})...)
//
// What a command found or did is on standard output. What it could not do is an error
// for main to show. Remarks and progress are on standard error.
package command

import (
	"cmp"
	"context"
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

// command is one of them while it runs.
type command struct {
	Config
	*output
	ctx  context.Context
	data string
}

// New makes the commands.
func New(cfg Config) []*cobra.Command {
	return []*cobra.Command{check(cfg), backupCommand(cfg), restore(cfg), historyCommand(cfg)}
}

// framed gives c the flag --data, and has it run run.
func framed(cfg Config, c *cobra.Command, run func(k *command, args []string) error) *cobra.Command {
	k := &command{Config: cfg}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.StringVar(&k.data, "data", "data", "the server's data `folder`; also by WHOELSE_DATA")
	c.Flags().AddFlagSet(flags)
	c.DisableFlagsInUseLine = true // each names its own
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := k.Environment(flags); err != nil {
			return err
		}
		if k.data == "" {
			return k.Usage(errors.New("--data: a folder is needed"))
		}
		k.ctx, k.output = c.Context(), newOutput(c)
		err := run(k, args)
		k.clear()
		return cmp.Or(err, k.outErr)
	}
	return c
}

// exactly asks for one argument for each of the names.
func (cfg Config) exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		for i, name := range names {
			if len(args) <= i || args[i] == "" {
				return cfg.Usage(fmt.Errorf("%s is missing; usage: %s", name, c.UseLine()))
			}
		}
		if len(args) > len(names) {
			return cfg.Usage(fmt.Errorf("unexpected argument %q; usage: %s", args[len(names)], c.UseLine()))
		}
		return nil
	}
}

// histories is the folder below the data folder. Both have to be there, and be ours for writing.
func (k *command) histories(write bool) (string, error) {
	info, err := os.Stat(k.data)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir():
		return "", fmt.Errorf("there is no data folder %s; name the server's with --data", k.data)
	case err != nil:
		return "", fmt.Errorf("the data folder can't be used: %w", err)
	}
	dir := filepath.Join(k.data, "history")
	info, err = os.Stat(dir)
	_, keyErr := os.Lstat(filepath.Join(k.data, "host_key"))
	switch {
	case errors.Is(err, fs.ErrNotExist) && keyErr == nil:
		return "", fmt.Errorf("there is no folder %s, though a server has run with this data folder: "+
			"it was removed, moved away, or is not mounted", dir)
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there are no histories in %s; no server has run with this data folder, "+
			"name another one with --data", k.data)
	case err != nil:
		return "", k.failed("the histories can't be read", err, "")
	case !info.IsDir():
		return "", fmt.Errorf("the histories can't be read: %s is not a folder; move it away", dir)
	case write:
		return dir, mayWrite(k.data, os.Geteuid(), k.owner())
	}
	return dir, nil
}

// owner is the uid that the data folder belongs to.
func (k *command) owner() int {
	if info, err := os.Stat(k.data); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			return int(st.Uid)
		}
	}
	return os.Geteuid()
}

// mayWrite keeps root from leaving files in a server's folder that the server, being
// another user, could not read or lock then.
func mayWrite(data string, me, owner int) error {
	if me != 0 || owner == 0 {
		return nil
	}
	return fmt.Errorf("the data folder %s belongs to uid %d, which could not use what root writes there; "+
		"run this as that user, with sudo -u '#%d'", data, owner, owner)
}

// failed says what went wrong, and what helps; then is what to do after an interruption.
func (k *command) failed(what string, err error, then string) error {
	owner := k.owner()
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted%s", then)
	case errors.Is(err, history.ErrInUse):
		return fmt.Errorf("a whoelse is running on the data folder %s, and holds the history; "+
			"stop it, repair, and start it again", k.data)
	case errors.Is(err, history.ErrBackup):
		return fmt.Errorf("%s: %w", k.data, history.ErrBackup)
	case errors.Is(err, fs.ErrPermission) && owner != os.Geteuid():
		return fmt.Errorf("%s: %w; the data folder %s belongs to uid %d, run this as that user", what, err, k.data, owner)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s, the disk is full: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// quoted is a path as a shell takes it.
func quoted(path string) string {
	if strings.ContainsAny(path, "\t\n !\"#$&'()*;<>?[\\]^`{|}~") || strings.HasPrefix(path, "-") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
