package door

import (
	"encoding/binary"
	"net/netip"
)

// source is what counts as one address. It holds no pointers and half of what a
// netip.Prefix does, because there are many.
type source struct {
	bits uint64 // the IPv4 address, or the upper half of the IPv6 address
	v6   bool
}

// sourceOf returns the source that an unmapped address belongs to.
func sourceOf(a netip.Addr) source {
	switch {
	case a.Is4():
		b := a.As4()
		return source{bits: uint64(binary.BigEndian.Uint32(b[:]))}
	case a.Is6():
		b := a.As16()
		return source{bits: binary.BigEndian.Uint64(b[:8]), v6: true}
	}
	return source{}
}

// network is what the source probably shares an owner with: an IPv4 /16 or an
// IPv6 /32.
func (s source) network() source {
	if s.v6 {
		return source{bits: s.bits >> 32 << 32, v6: true}
	}
	return source{bits: s.bits >> 16 << 16}
}
