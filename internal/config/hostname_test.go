package config

import (
	"net/netip"
	"testing"
)

func TestJoinLine(t *testing.T) {
	for _, c := range []struct{ hostname, at, want string }{
		{"", "203.0.113.5:2222", "ssh -p 2222 bob@203.0.113.5"},
		{"", "[2001:db8::5]:2222", "ssh -p 2222 bob@2001:db8::5"},
		{"", "[::ffff:203.0.113.5]:22", "ssh bob@203.0.113.5"},
		{"", "127.0.0.1:2222", "ssh -p 2222 bob@localhost"},
		{"", "[::]:2222", "ssh -p 2222 bob@localhost"},
		{"chat.example.org", "203.0.113.5:2222", "ssh -p 2222 bob@chat.example.org"},
		{"chat.example.org", "203.0.113.5:0", "ssh -p 2200 bob@chat.example.org"},
		{"chat.example.org:22", "172.17.0.2:2222", "ssh bob@chat.example.org"},
		{"2001:db8::1", "172.17.0.2:2222", "ssh -p 2222 bob@2001:db8::1"},
		{"[2001:db8::1]:2022", "172.17.0.2:2222", "ssh -p 2022 bob@2001:db8::1"},
	} {
		h, ok := parseHostname(c.hostname)
		if !ok {
			t.Errorf("%q is refused", c.hostname)
		}
		if got := h.JoinLine("bob", netip.MustParseAddrPort(c.at), 2200); got != c.want {
			t.Errorf("%q at %s: %q, want %q", c.hostname, c.at, got, c.want)
		}
	}
	for _, bad := range []string{"chat.example.org:", "a:b:c", "bob@chat", "-oProxyCommand=x", ":22", "a b", "chat:0", "chat:70000", "https://chat"} {
		if h, ok := parseHostname(bad); ok {
			t.Errorf("%q is %v", bad, h)
		}
	}
}
