package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Hostname is how people reach the server: a name or an address, and a port that is 0
// where it is the one that is listened on. Without a name it is unknown.
type Hostname struct {
	name string
	port int
}

// parseHostname reads what --hostname was told: NAME or NAME:PORT; "" is unknown.
func parseHostname(s string) (h Hostname, err error) {
	h.name = s
	if name, port, err := net.SplitHostPort(s); err == nil {
		h.name = name
		if h.port, err = strconv.Atoi(port); err != nil || h.port < 1 || h.port > 65535 {
			return Hostname{}, errors.New("the port is a number from 1 to 65535")
		}
	} else if _, err := netip.ParseAddr(s); err != nil && strings.Contains(s, ":") {
		return Hostname{}, errors.New("a name looks like chat.example.org or chat.example.org:22")
	}
	if strings.ContainsAny(h.name, " \t\r\n@/[]") || strings.HasPrefix(h.name, "-") || h.name == "" && s != "" {
		return Hostname{}, errors.New("a name looks like chat.example.org or chat.example.org:22")
	}
	return h, nil
}

// JoinLine is what a person types to join as user. A hostname that is unknown is the
// address that somebody's connection came in on, at. listen is the port that is listened
// on, for where neither has one.
func (h Hostname) JoinLine(user string, at netip.AddrPort, listen int) string {
	host := at.Addr().Unmap().WithZone("")
	name := host.String()
	if !host.IsValid() || host.IsUnspecified() || host.IsLoopback() {
		name = "localhost"
	}
	name = cmp.Or(h.name, name)
	port := cmp.Or(h.port, int(at.Port()), listen)
	if port == 22 {
		return fmt.Sprintf("ssh %s@%s", user, name)
	}
	return fmt.Sprintf("ssh -p %d %s@%s", port, user, name)
}
