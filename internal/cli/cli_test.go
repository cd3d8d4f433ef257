package cli

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Root must not write among the files of another user.
func TestRootKeepsOut(t *testing.T) {
	dir := t.TempDir()
	if err := CheckOwner(dir, os.Geteuid()); err != nil {
		t.Errorf("one's own folder: %v", err)
	}
	if err := CheckOwner(filepath.Join(dir, "missing"), 0); err != nil {
		t.Errorf("a new folder: %v", err)
	}
	if os.Geteuid() == 0 { // else it belongs to somebody who is not root anyway
		if err := os.Chown(dir, 1000, 1000); err != nil {
			t.Fatal(err)
		}
	}
	if err := CheckOwner(dir, 0); err == nil || !strings.Contains(err.Error(), dir+" belongs to uid ") {
		t.Errorf("root in another user's folder: %v", err)
	}
	if err := CheckOwner(dir, 1001); err != nil {
		t.Errorf("an ordinary user in another's folder, which the file system decides: %v", err)
	}
}

// ran executes a command with the arguments.
func ran(c *cobra.Command, args ...string) (out, errs string, err error) {
	var o, e bytes.Buffer
	c.SetOut(&o)
	c.SetErr(&e)
	c.SetArgs(args)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetFlagErrorFunc(FlagError)
	err = c.Execute()
	return o.String(), e.String(), err
}

// What is typed wrongly has an exit status of its own, and so has a failure.
func TestExitStatus(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		args   []string
		status int
		words  string
	}{
		{[]string{"bob", "--data", dir}, 0, ""},
		{[]string{"--data", dir}, 2, "NICK is missing; usage: try NICK"},
		{[]string{"", "--data", dir}, 2, "NICK is missing"},
		{[]string{"bob", "carol"}, 2, `unexpected argument "carol"; see try --help`},
		{[]string{"bob", "--data", ""}, 2, "--data: a folder is needed"},
		{[]string{"bob", "--date", dir}, 2, "unknown flag: --date; try --help lists the flags"},
		{[]string{"bob", "-n", "x", "--data", dir}, 2, "--number x: must be a number; try --help lists the flags"},
		{[]string{"bob", "--data", filepath.Join(dir, "missing")}, 1, "there is no data folder"},
		{[]string{"bob", "--data", os.Args[0]}, 1, "is not a folder"},
		{[]string{"bob", "--data", filepath.Join(os.Args[0], "below")}, 1, "the data folder can't be used"},
	} {
		c := Command(&cobra.Command{Use: "try NICK", Args: Args("NICK")}, func(r *Run, _ []string) error {
			return r.CheckFolder(false)
		})
		c.Flags().IntP("number", "n", 0, "")
		_, _, err := ran(c, tt.args...)
		if got := ExitStatus(err); got != tt.status || err != nil && !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%q: %d, %v", tt.args, got, err)
		}
	}
	t.Setenv("WHOELSE_DATA", dir)
	out, _, err := ran(Command(&cobra.Command{Use: "try"}, func(r *Run, _ []string) error {
		r.Say("%s", r.Data)
		return nil
	}))
	if out != dir+"\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

// A variable that sets nothing is found.
func TestMistyped(t *testing.T) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.String("message-rate", "", "")
	before := Mistyped(f) // of whoever runs the tests
	t.Setenv("WHOELSE_MESSAGE_RATE", "7")
	t.Setenv("WHOELSE_MESAGE_RATE", "7")
	t.Setenv("NOWHOELSE_X", "7")
	got := slices.DeleteFunc(Mistyped(f), func(name string) bool { return slices.Contains(before, name) })
	if !slices.Equal(got, []string{"WHOELSE_MESAGE_RATE"}) {
		t.Errorf("%q", got)
	}
}

// Results, remarks and what a server would log are one clean line each.
func TestOutput(t *testing.T) {
	out, errs, err := ran(Command(&cobra.Command{Use: "try"}, func(r *Run, _ []string) error {
		r.Say("caf\u00e9 %s", "\x1b[2J\u202e\r")
		r.Remark("%s", "a\nb")
		r.Log().Warn("history: odd", "file", "a\x07")
		r.Log().Info("fine")
		return nil
	}))
	if err != nil || out != "caf\u00e9 ?[2J??\n" || !strings.HasPrefix(errs, "whoelse: a; b\ntime=") ||
		!strings.HasSuffix(errs, ` level=WARN msg="history: odd" file="a\a"`+"\n") {
		t.Errorf("%q, %q, %v", out, errs, err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, fs.ErrClosed }

// Output that goes nowhere is a failure, even of a command that does not look.
func TestOutputFails(t *testing.T) {
	c := Command(&cobra.Command{Use: "try"}, func(r *Run, _ []string) error {
		r.Say("done")
		return errors.New("nothing said why")
	})
	c.SetOut(full{})
	c.SetArgs(nil)
	c.SilenceErrors, c.SilenceUsage = true, true
	if err := c.Execute(); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"0 bytes": Count(0, "byte"), "1 history": Count(1, "history"), "2 histories": Count(int64(2), "history"), "3 keys": Count(3, "key"),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
