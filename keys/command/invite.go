package command

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"whoelse/internal/cli"
	"whoelse/keys"
	"whoelse/keys/duration"
)

func invite() *cobra.Command {
	lasts := 24 * time.Hour
	host, port := serverAddress()
	c := &cobra.Command{
		Use: "invite NICK", Short: "Make a one-time invitation for a nick",
		Long: "Prints a one-time code, and the ssh command that uses it: the first key to connect with\n" +
			"the code gets the nick. The code is shown once and only its hash is stored. Removing the\n" +
			"nick (whoelse keys remove NICK) closes the invitation.",
	}
	f := c.Flags()
	f.Func("expires", "`duration` for which the code is valid: 30m, 24h, 7d (default 24h)", func(text string) (err error) {
		lasts, err = duration.Parse(text)
		return err
	})
	f.StringVar(&host, "host", host, "`name` of the server, for the printed command")
	f.IntVar(&port, "port", port, "`port` of the server, for the printed command")
	return unopened(c, func(k *command, args []string) error {
		n := args[0]
		if host == "" || strings.ContainsAny(host, " \t\r\n@") || host[0] == '-' {
			return cli.Usage("--host: a name or an address is needed")
		}
		if port < 1 || port > 65535 {
			return cli.Usage("--port: a number from 1 to 65535 is needed")
		}
		if err := k.create(); err != nil {
			return err
		}
		if err := k.reg.Available(n); errors.Is(err, keys.ErrHeld) {
			return fmt.Errorf("%s is held already; add a key of the same person with: whoelse keys add %s", n, n)
		} else if err != nil {
			return err
		}
		code, err := k.invitations().Create(n, "(command line)", lasts) // which is nobody's nick
		if err != nil {
			return err
		}
		k.Say("invited %s until %s", n, time.Now().Add(lasts).UTC().Format(time.RFC3339))
		k.Say("code %s", code)
		k.Say("ssh -p %d %s+%s@%s", port, n, code, host)
		k.remarkCluster()
		return nil
	})
}

// serverAddress is the server's as far as the environment has it: the address to listen
// on, and the name, which goes first.
func serverAddress() (host string, port int) {
	host, port = "HOST", 2222
	for _, variable := range []string{"WHOELSE_LISTEN", "WHOELSE_HOSTNAME"} {
		text := os.Getenv(variable)
		h, service, err := net.SplitHostPort(text)
		if err != nil && variable == "WHOELSE_HOSTNAME" {
			h = text
		}
		if ip := net.ParseIP(h); h != "" && (ip == nil || !ip.IsUnspecified()) {
			host = h
		}
		if p, _ := strconv.Atoi(service); p != 0 {
			port = p
		}
	}
	return host, port
}

// remove takes the keys away first: a broken list of invitations must not keep anybody
// in. If it is interrupted in between, removing again closes them.
func remove() *cobra.Command {
	return framed(&cobra.Command{
		Use: "remove " + nickOrFingerprint, Short: "Remove all keys of a nick, or one key",
		Long: "Removes all keys of the nick, and closes its open invitations; or removes the key with\n" +
			"the fingerprint (SHA256:...). A running server ends the sessions of removed keys.",
	}, func(k *command, args []string) error {
		meant := keys.Selector{Nick: args[0]}
		if strings.HasPrefix(args[0], "SHA256:") {
			meant = keys.Selector{Fingerprint: args[0]}
		}
		gone, err := k.reg.Remove(meant)
		missing := errors.Is(err, keys.ErrNoSuchKey)
		if err != nil && !missing {
			return err
		}
		k.report("removed", gone)
		closed, closing := k.closeInvitations(meant.Nick)
		if closing != nil {
			return closing
		}
		if missing && closed == 0 {
			return fmt.Errorf("%w; whoelse keys list shows which there are", err)
		}
		way := "give all of it back"
		if k.inCluster() {
			way = "give back the nick alone"
		}
		reported := map[string]bool{"": true}
		for _, e := range gone {
			if !reported[e.Nick] && !k.reg.Registered(e.Nick) {
				k.Remark("nobody holds %s now; a server sets its history and inbox aside, and reserves the nick; "+
					"%s with: whoelse keys restore %s --key FILE", e.Nick, way, e.Nick)
			}
			reported[e.Nick] = true
		}
		return nil
	})
}

// closeInvitations closes those of a nick and reports how many. It makes no file where none
// is needed.
func (k *command) closeInvitations(n string) (closed int, err error) {
	if n == "" { // a single key was named
		return 0, nil
	}
	if open, err := k.invitations().Invited(n); err != nil || !open {
		return 0, err
	}
	closed, err = k.invitations().Revoke(n)
	if err == nil {
		k.Say("closed %s for %s", cli.Count(closed, "invitation"), n)
	}
	return closed, err
}
