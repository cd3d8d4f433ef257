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

	"whoelse/keys"
	"whoelse/keys/duration"
)

// commandLine is who invites here. It is nobody's nick.
const commandLine = "(command line)"

// inviting is what invite was told.
type inviting struct {
	expires, host string
	port          int
}

func (k *commands) invite() *cobra.Command {
	var in inviting
	c := &cobra.Command{
		Use: "invite NICK", Short: "Make a one-time code with which somebody enrols a key", Args: k.exactly("NICK"),
		Long: "Prints a code, and the line with which it is used: the first key that comes with the\n" +
			"code gets the nick. The code is shown once and stored nowhere. Removing the nick\n" +
			"(whoelse keys remove NICK) closes the invitation.",
		RunE: func(c *cobra.Command, args []string) error { return k.runInvite(c, args[0], in) },
	}
	f := c.Flags()
	f.StringVar(&in.expires, "expires", "24h", "how `long` the code is good for: 30m, 24h, 7d")
	f.StringVar(&in.host, "host", "HOST", "`name` of the server, for the line that is printed")
	f.IntVar(&in.port, "port", 2222, "`port` of the server, for the line that is printed")
	return c
}

func (k *commands) runInvite(c *cobra.Command, typed string, in inviting) error {
	n, err := k.nick(typed)
	if err != nil {
		return err
	}
	lasts, err := in.check(c)
	if err != nil {
		return k.Usage(err)
	}
	reg, err := k.newRegistry(c)
	if err != nil {
		return err
	}
	err = reg.Available(n)
	if errors.Is(err, keys.ErrHeld) {
		return fmt.Errorf("%s is held already, and an invitation would let a second person in as %s; add a key of the same person with: whoelse keys add %s", n, n, n)
	}
	if err != nil {
		return err
	}
	code, err := k.invitations().Create(n, commandLine, lasts)
	if err != nil {
		return err
	}
	return say(c,
		fmt.Sprintf("invited %s until %s", n, time.Now().Add(lasts).UTC().Format(time.RFC3339)),
		"code "+code,
		fmt.Sprintf("ssh -p %d %s+%s@%s", in.port, n, code, in.host))
}

// check completes what was typed from the address the server is told to listen on, and
// the name it is told to have, if these are in the environment.
func (in *inviting) check(c *cobra.Command) (lasts time.Duration, err error) {
	if lasts, err = duration.Parse(in.expires); err != nil {
		return 0, fmt.Errorf("--expires: %w", err)
	}
	host, port := listening(os.Getenv("WHOELSE_LISTEN"))
	if name := os.Getenv("WHOELSE_HOSTNAME"); name != "" {
		host = name
		if h, p := listening(name); p != 0 {
			host, port = h, p
		}
	}
	if !c.Flags().Changed("host") && host != "" {
		in.host = host
	}
	if !c.Flags().Changed("port") && port != 0 {
		in.port = port
	}
	if in.host == "" || strings.ContainsAny(in.host, " \t\r\n@") || in.host[0] == '-' {
		return 0, errors.New("--host: a name or an address is needed")
	}
	if in.port < 1 || in.port > 65535 {
		return 0, errors.New("--port: a number from 1 to 65535 is needed")
	}
	return lasts, nil
}

// listening takes an address apart; what it does not say is empty.
func listening(addr string) (host string, port int) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	port, _ = strconv.Atoi(service)
	return host, port
}
