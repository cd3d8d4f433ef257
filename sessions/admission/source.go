package admission

import (
	"encoding/binary"
	"net/netip"

	"whoelse/internal/netaddr"
)

// source is what counts as one address, see netaddr.Of. It holds no pointers and half of
// what a netip.Prefix does, because there are many.
type source struct {
	bits uint64 // the IPv4 address, or the upper half of the IPv6 address
	v6   bool
}

// sourceOf returns the source that an address belongs to.
func sourceOf(a netip.Addr) source {
	switch a = netaddr.Of(a).Addr(); {
	case a.Is4():
		b := a.As4()
		return source{bits: uint64(binary.BigEndian.Uint32(b[:]))}
	case a.Is6():
		b := a.As16()
		return source{bits: binary.BigEndian.Uint64(b[:8]), v6: true}
	}
	return source{}
}

// networkOf is what the address probably shares an owner with, who may have a lot: an IPv4
// /16 or an IPv6 /32.
func networkOf(a netip.Addr) netip.Prefix { return netaddr.Block(a, 16, 32) }
