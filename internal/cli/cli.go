// Package cli is what the commands of the binary share: arguments, flags and their variables, the data
// folder, output and exit statuses.
//
//	c := cli.Command(&cobra.Command{Use: "check", Args: cli.Args()}, func(r *cli.Run, _ []string) error {
//		if err := r.CheckFolder(false); err != nil {
//			return err
//		}
//		r.Say("%s checked", cli.Count(n, "file"))
//		return nil
//	})
//
// Results go to standard output, remarks to standard error. A failure is the command's error, which
// main shows.
package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"whoelse/internal/disk"
)

// usageError is about something to type differently.
type usageError struct{ error }

// Usage is an error about what was typed, which has an exit status of its own.
func Usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// ExitStatus is what the process ends with.
func ExitStatus(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	} else if err != nil {
		return 1
	}
	return 0
}

// Args asks for one argument for each of the names, and none for a command with subcommands.
func Args(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		for i, name := range names {
			if len(args) <= i || args[i] == "" {
				return Usage("%s is missing; usage: %s", name, c.UseLine())
			}
		}
		switch {
		case len(args) == len(names):
			return nil
		case c.HasSubCommands():
			return Usage("no command %q; %s --help lists them", args[0], c.CommandPath())
		}
		return Usage("unexpected argument %q; see %s --help", args[len(names)], c.CommandPath())
	}
}

// Environment sets every flag that was not given from its variable, if there is one:
// --message-rate from WHOELSE_MESSAGE_RATE. The error is about the first variable that does not fit.
func Environment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "WHOELSE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		text, set := os.LookupEnv(name)
		if !set || f.Changed || f.Name == "help" || f.Name == "version" {
			return
		}
		if err := flags.Set(f.Name, text); err != nil && failed == nil {
			failed = Usage("environment variable %s=%s: %w", name, text, cause(err))
		}
	})
	return failed
}

// Mistyped returns the variables that are named like those of flags, and set none of these.
func Mistyped(flags *pflag.FlagSet) (names []string) {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		flag, ours := strings.CutPrefix(name, "WHOELSE_")
		if ours && flags.Lookup(strings.ToLower(strings.ReplaceAll(flag, "_", "-"))) == nil {
			names = append(names, name)
		}
	}
	return names
}

// FlagError is for cobra: it says in plain words which text does not fit which flag.
func FlagError(c *cobra.Command, err error) error {
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		err = fmt.Errorf("--%s %s: %w", bad.GetFlag().Name, bad.GetValue(), cause(err))
	}
	return Usage("%w; %s --help lists the flags", err, c.CommandPath())
}

// cause is what is wrong with a flag's text, in plain words where the flag is one of pflag's own.
func cause(err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	switch {
	case !ok:
		return err
	case bad.GetFlag().Value.Type() == "bool":
		return errors.New("must be true or false")
	case bad.GetFlag().Value.Type() == "int":
		return errors.New("must be a number")
	}
	return bad.Unwrap()
}

// Run is a command while it runs. One goroutine at a time may use it.
type Run struct {
	*cobra.Command
	Data   string // the data folder
	failed error  // of writing to standard output

	next  time.Time // when progress is shown again
	shown bool      // it is
}

// Command gives c the flag --data, and has it call run.
func Command(c *cobra.Command, run func(r *Run, args []string) error) *cobra.Command {
	r := &Run{Command: c}
	data := pflag.NewFlagSet("", pflag.ContinueOnError)
	data.StringVar(&r.Data, "data", "data", "the server's data `folder`; also by WHOELSE_DATA")
	c.Flags().AddFlagSet(data)
	c.DisableFlagsInUseLine = true // some name their own
	c.RunE = func(_ *cobra.Command, args []string) error {
		if err := Environment(data); err != nil {
			return err
		}
		if r.Data == "" {
			return Usage("--data: a folder is needed")
		}
		r.next = time.Now().Add(progressEvery)
		err := run(r, args)
		return cmp.Or(r.failed, err)
	}
	return c
}

// Write writes to standard output as it is. A failure is the command's in the end, since scripts rely
// on what it prints.
func (r *Run) Write(text []byte) (int, error) {
	r.clear()
	n, err := r.OutOrStdout().Write(text)
	r.failed = cmp.Or(r.failed, err)
	return n, err
}

// Width is how many columns the terminal has that standard output is; 0 if it is none.
func (r *Run) Width() int {
	f, ok := r.OutOrStdout().(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Say writes a line to standard output.
func (r *Run) Say(format string, args ...any) {
	fmt.Fprintln(r, Clean(fmt.Sprintf(format, args...)))
}

// Remark writes a line to standard error that is not about a failure.
func (r *Run) Remark(format string, args ...any) {
	r.clear()
	fmt.Fprintln(r.ErrOrStderr(), "whoelse:", Clean(fmt.Sprintf(format, args...)))
}

// progressEvery is how far apart progress is shown.
const progressEvery = 200 * time.Millisecond

// Progress shows how far a long command is, on a terminal only, in a line that whatever is printed next
// replaces.
func (r *Run) Progress(format string, args ...any) {
	f, ok := r.ErrOrStderr().(*os.File)
	if now := time.Now(); ok && now.After(r.next) && term.IsTerminal(int(f.Fd())) {
		r.next, r.shown = now.Add(progressEvery), true
		fmt.Fprintf(f, "\r%s\x1b[K", Clean(fmt.Sprintf(format, args...)))
	}
}

func (r *Run) clear() {
	if r.shown {
		r.shown = false
		fmt.Fprint(r.ErrOrStderr(), "\r\x1b[K")
	}
}

// Log has the warnings of what a server does as well.
func (r *Run) Log() *slog.Logger {
	return slog.New(slog.NewTextHandler(r.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// CheckFolder fails without a data folder, and for writing if it is another user's.
func (r *Run) CheckFolder(write bool) error {
	info, err := os.Stat(r.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no data folder %s; name the server's with --data", r.Data)
	case err == nil && !info.IsDir():
		return fmt.Errorf("the data folder can't be used: %s is not a folder", r.Data)
	case err != nil:
		return fmt.Errorf("the data folder can't be used: %w", err)
	case write:
		return CheckOwner(r.Data, os.Geteuid())
	}
	return nil
}

// CheckOwner keeps root from leaving files in another user's folder: a server that runs as that user
// could not read or lock them. uid is who would write; a missing folder is nobody's.
func CheckOwner(folder string, uid int) error {
	owner := Owner(folder)
	if uid != 0 || owner <= 0 {
		return nil
	}
	return fmt.Errorf("%s belongs to uid %d, which could not use what root writes there; run this as that user, "+
		"with sudo -u '#%d', or give root all of the data folder with chown -R", folder, owner, owner)
}

// Owner is the uid that a file belongs to, or -1 if that can't be known.
func Owner(path string) int {
	if st, err := disk.StatOf(path); err == nil && st.Exists() {
		return int(st.UID)
	}
	return -1
}

// Clean makes one line of text that moves no cursor, wherever it comes from.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ReplaceAll(text, "\n", "; "))
}

// Count is "1 line", "2 lines", "3 histories".
func Count[T int | int64](n T, what string) string {
	if n != 1 {
		what = strings.Replace(what+"s", "rys", "ries", 1)
	}
	return fmt.Sprintf("%d %s", n, what)
}
