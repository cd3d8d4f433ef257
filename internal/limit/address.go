package limit

import (
	"net/netip"
	"slices"
)

// BlockOf is the block that a is in, of so many leading bits of an IPv4 address or of an IPv6
// one, at most as many as there are. Zones do not count, an IPv4-mapped address is the IPv4
// address, and the zero Addr is in the zero Prefix.
func BlockOf(a netip.Addr, v4, v6 int) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := v4
	if a.Is6() {
		bits = v6
	}
	block, _ := a.Prefix(bits) // the zero Addr's is zero
	return block
}

// AddressOf is what counts as one address: an IPv4 address, or an IPv6 /64, which is what one
// customer has, and every host in it can be the same person.
func AddressOf(a netip.Addr) netip.Prefix { return BlockOf(a, 32, 64) }

// networkOf is what probably has one owner, who has many addresses.
func networkOf(a netip.Addr) netip.Prefix { return BlockOf(a, 24, 48) }

// IsExempt reports whether a is in one of the networks, none of which is IPv4-mapped, or is
// no address at all: a unix socket's.
func IsExempt(a netip.Addr, networks []netip.Prefix) bool {
	a = a.Unmap().WithZone("")
	return !a.IsValid() || slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}
