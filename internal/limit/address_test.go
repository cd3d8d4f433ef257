package limit

import (
	"net/netip"
	"testing"
)

func TestBlocks(t *testing.T) {
	for _, c := range []struct{ addr, one, network, wide string }{
		{"192.0.2.77", "192.0.2.77/32", "192.0.2.0/24", "192.0.0.0/16"},
		{"::ffff:192.0.2.77", "192.0.2.77/32", "192.0.2.0/24", "192.0.0.0/16"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8::/32"},
		{"2001:db8:1:2::", "2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8::/32"},
		{"fe80::1%eth0", "fe80::/64", "fe80::/48", "fe80::/32"},
		{"::ffff:192.0.2.77%eth0", "192.0.2.77/32", "192.0.2.0/24", "192.0.0.0/16"},
	} {
		a := netip.MustParseAddr(c.addr)
		for got, want := range map[netip.Prefix]string{AddressOf(a): c.one, networkOf(a): c.network, BlockOf(a, 16, 32): c.wide} {
			if got.String() != want {
				t.Errorf("%s is in %s, want %s", c.addr, got, want)
			}
		}
	}
	var none netip.Prefix
	if got := AddressOf(netip.Addr{}); got != none {
		t.Errorf("no address is in %s", got)
	}
}
