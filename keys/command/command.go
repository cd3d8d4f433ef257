// Package command is `whoelse keys`, which manages the nicks' keys in a data folder.
//
// A server may be running: both take the same locks for each change, and the server notices changes
// by itself. Only rename and restore need it stopped, since it holds the histories.
//
// Lines on standard output begin with a word for what was done, and is on disk by then.
package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"whoelse/internal/cli"
	"whoelse/internal/disk"
	"whoelse/keys"
	"whoelse/keys/invites"
	"whoelse/keys/nick"
	"whoelse/keys/reserved"
)

// command is one of them while it runs.
type command struct {
	*cli.Run
	reg      *keys.Registry
	reserved *reserved.List
}

// New makes the command with its subcommands.
func New() *cobra.Command {
	c := &cobra.Command{
		Use: "keys", Short: "Manage keys and nicks", Args: cli.Args(),
		Long: "DATA/authorized_keys maps keys to nicks, one key per line: the nick is the comment up\n" +
			"to the first '@'. It can be edited while the server runs.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(list(), add(), remove(), rename(), restore(), check(), invite(), export())
	return c
}

// framed completes c: run is called with the nicks or the fingerprint that were typed, and the
// files open.
func framed(c *cobra.Command, run func(k *command, args []string) error) *cobra.Command {
	return unopened(c, func(k *command, args []string) error {
		if err := k.open(); err != nil {
			return err
		}
		return run(k, args)
	})
}

// unopened is framed for what has to see to something before the files are opened.
func unopened(c *cobra.Command, run func(k *command, args []string) error) *cobra.Command {
	c.Args = nicks
	return cli.Command(c, func(r *cli.Run, args []string) error { return run(&command{Run: r}, args) })
}

// nicks compares arguments with the syntax, such as "rename OLD NEW", and folds nicks in their place.
func nicks(c *cobra.Command, args []string) (err error) {
	names := strings.Fields(c.Use)[1:]
	if strings.HasSuffix(c.Use, " [NICK...]") {
		names = make([]string, len(args))
	}
	if err := cli.Args(names...)(c, args); err != nil {
		return err
	}
	for i, name := range names {
		if name == nickOrFingerprint && strings.HasPrefix(args[i], "SHA256:") {
			continue
		}
		if args[i], err = nick.Parse(args[i]); err != nil && name == nickOrFingerprint {
			err = fmt.Errorf("%w; and a fingerprint begins with SHA256", err)
		}
		if err != nil {
			return cli.Usage("%w", err)
		}
	}
	return nil
}

// nickOrFingerprint is an argument that is a nick or a fingerprint.
const nickOrFingerprint = "NICK|FINGERPRINT"

// create is open for a data folder that is made if no server has run there yet.
func (k *command) create() error {
	if err := k.makeFolder(); err != nil {
		return err
	}
	return k.open()
}

// makeFolder makes the data folder, durably, if it is missing.
func (k *command) makeFolder() error {
	if _, err := os.Stat(k.Data); errors.Is(err, fs.ErrNotExist) {
		if err := (disk.Store{}).MakeDir(k.Data); err != nil {
			return fmt.Errorf("the data folder can't be made: %w", err)
		}
		k.Remark("made the data folder %s", k.Data)
	}
	return nil
}

func (k *command) open() (err error) {
	if err := k.CheckFolder(true); err != nil {
		return err
	}
	if k.reg, err = keys.Open(k.file("authorized_keys"), nil); err != nil {
		return err
	}
	if k.reserved, err = reserved.Open(k.file("reserved.json")); err != nil {
		return err
	}
	k.reg.Reserve(k.reserved.By)
	return nil
}

func (k *command) file(name string) string { return filepath.Join(k.Data, name) }

// inCluster reports whether the data folder belongs to a server of a cluster.
func (k *command) inCluster() bool {
	_, err := os.Lstat(k.file("cluster"))
	return err == nil
}

// remarkCluster tells when a change reaches the other servers of a cluster: until then they accept a removed key.
func (k *command) remarkCluster() {
	if k.inCluster() {
		k.Remark("the other servers of the cluster get this within two seconds, or, if this one is stopped, once it starts")
	}
}

func (k *command) invitations() *invites.Store { return invites.Open(k.file("invites.json")) }

func (k *command) checkHeld(n string) error {
	if !k.reg.Registered(n) {
		return fmt.Errorf("nobody holds %s; whoelse keys list shows who there is", n)
	}
	return nil
}

// printJSON prints v for another program.
func (k *command) printJSON(v any) error {
	e := json.NewEncoder(k)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
