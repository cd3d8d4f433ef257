package config

import (
	"cmp"
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

// hostname is a flag: NAME or NAME:PORT; "" is unknown.
func hostname(to *Hostname) *value[Hostname] {
	return &value[Hostname]{to, "a name such as chat.example.org or chat.example.org:22", parseHostname, func(h Hostname) string { return h.name }}
}

func parseHostname(s string) (h Hostname, ok bool) {
	h.name = s
	if name, port, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if h.name, h.port = name, int(n); err != nil || n == 0 {
			return h, false
		}
	} else if _, err := netip.ParseAddr(s); err != nil && strings.Contains(s, ":") {
		return h, false
	}
	return h, !strings.ContainsAny(h.name, " \t\r\n@/[]") && !strings.HasPrefix(h.name, "-") && (h.name != "" || s == "")
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
