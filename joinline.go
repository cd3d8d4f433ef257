package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// hostname is how people reach the server: a name or an address, and a port that is 0
// where it is the one that is listened on.
type hostname struct {
	name string
	port int
}

// parseHostname reads what --hostname was told: NAME or NAME:PORT; "" is unknown.
func parseHostname(s string) (h hostname, err error) {
	h.name = s
	if name, port, err := net.SplitHostPort(s); err == nil {
		h.name = name
		if h.port, err = strconv.Atoi(port); err != nil || h.port < 1 || h.port > 65535 {
			return hostname{}, errors.New("the port is a number from 1 to 65535")
		}
	} else if _, err := netip.ParseAddr(s); err != nil && strings.Contains(s, ":") {
		return hostname{}, errors.New("a name looks like chat.example.org or chat.example.org:22")
	}
	if strings.ContainsAny(h.name, " \t\r\n@/[]") || strings.HasPrefix(h.name, "-") || h.name == "" && s != "" {
		return hostname{}, errors.New("a name looks like chat.example.org or chat.example.org:22")
	}
	return h, nil
}

// joinLine is what a person types to join as user. Without --hostname the server is
// called by the address that somebody's connection came in on, at.
func (s *server) joinLine(user string, at netip.AddrPort) string {
	host := at.Addr().Unmap().WithZone("")
	name := host.String()
	if !host.IsValid() || host.IsUnspecified() || host.IsLoopback() {
		name = "localhost"
	}
	name = cmp.Or(s.hostname.name, name)
	port := cmp.Or(s.hostname.port, int(at.Port()), s.listener.Addr().(*net.TCPAddr).Port)
	if port == 22 {
		return fmt.Sprintf("ssh %s@%s", user, name)
	}
	return fmt.Sprintf("ssh -p %d %s@%s", port, user, name)
}
