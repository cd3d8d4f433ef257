// Package netaddr says what counts as one address where people are counted by where they
// come from, and what as one network. Addresses are compared without zone, and an
// IPv4-mapped one is the IPv4 address.
package netaddr

import (
	"net/netip"
	"slices"
)

// Of is what counts as one address: an IPv4 address, or an IPv6 /64, which is what one
// customer has, and every host in it can be the same person. Of the zero Addr it is the
// zero Prefix.
func Of(a netip.Addr) netip.Prefix { return Block(a, 32, 64) }

// Network is what probably has one owner, who has many addresses: an IPv4 /24, or an
// IPv6 /48.
func Network(a netip.Addr) netip.Prefix { return Block(a, 24, 48) }

// Block is the block that a is in, of so many leading bits of an IPv4 address or of an
// IPv6 one. They have to be as many as there can be.
func Block(a netip.Addr, v4, v6 int) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := v4
	if a.Is6() {
		bits = v6
	}
	block, _ := a.Prefix(bits) // the zero Addr's is zero
	return block
}

// Exempt reports whether a is in one of the networks, none of which is IPv4-mapped, or is
// no address at all: a unix socket's.
func Exempt(a netip.Addr, networks []netip.Prefix) bool {
	a = a.Unmap().WithZone("")
	return !a.IsValid() || slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}
