package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"whoelse/keys"
	"whoelse/keys/invites"
	"whoelse/keys/nick"
)

func (k *commands) remove() *cobra.Command {
	return &cobra.Command{
		Use: "remove NICK|FINGERPRINT", Short: "Remove all keys of a nick, or one key", Args: k.exactly("NICK|FINGERPRINT"),
		Long: "Removes the keys that hold the nick, and closes its open invitations; or removes the\n" +
			"key with the fingerprint (SHA256:...). A server ends the sessions of removed keys.",
		RunE: func(c *cobra.Command, args []string) error { return k.runRemove(c, args[0]) },
	}
}

// runRemove takes the keys away first: nothing that is wrong with the invitations is
// to keep somebody in. If it is interrupted in between, removing again closes them.
func (k *commands) runRemove(c *cobra.Command, typed string) error {
	meant, err := selector(typed)
	if err != nil {
		return k.Usage(err)
	}
	reg, err := k.registry()
	if err != nil {
		return err
	}
	gone, err := reg.Remove(meant)
	missing := errors.Is(err, keys.ErrNoSuchKey)
	if err != nil && !missing {
		return err
	}
	var lines []string
	for _, e := range gone {
		lines = append(lines, did("removed", e))
	}
	if err := say(c, lines...); err != nil {
		return err
	}
	closed, closing := k.closeInvitations(c, meant.Nick)
	if closing != nil {
		return closing
	}
	if missing && closed == 0 {
		return fmt.Errorf("%w; whoelse keys list shows which there are", err)
	}
	freed(c, reg, gone)
	return nil
}

func selector(typed string) (keys.Selector, error) {
	if strings.HasPrefix(typed, "SHA256:") {
		return keys.Selector{Fingerprint: typed}, nil
	}
	n, err := nick.Parse(typed)
	if err != nil {
		return keys.Selector{}, fmt.Errorf("%w; and a fingerprint begins with SHA256", err)
	}
	return keys.Selector{Nick: n}, nil
}

// closeInvitations closes those of a nick, if one was named, and tells how many.
func (k *commands) closeInvitations(c *cobra.Command, n string) (closed int, err error) {
	if n == "" {
		return 0, nil
	}
	if open, err := k.invited(n); err != nil || !open {
		return 0, err // and makes no file where none is needed
	}
	closed, err = k.invitations().Revoke(n)
	if err != nil || closed == 0 {
		return closed, err
	}
	return closed, say(c, fmt.Sprintf("closed %s for %s", count(closed, "invitation"), n))
}

// invited tells whether there is an open invitation for n.
func (k *commands) invited(n string) (bool, error) {
	open, err := k.invitations().List()
	return slices.ContainsFunc(open, func(one invites.Invite) bool { return one.Nick == n }), err
}

// freed tells what it means that a nick has no key left.
func freed(c *cobra.Command, reg *keys.Registry, gone []keys.Entry) {
	told := map[string]bool{"": true}
	for _, e := range gone {
		if !told[e.Nick] && !reg.Held(e.Nick) {
			remark(c, "nobody holds %s now; a server sets its history and inbox aside, and reserves the nick; give both back with: whoelse keys restore %s --key FILE", e.Nick, e.Nick)
		}
		told[e.Nick] = true
	}
}
