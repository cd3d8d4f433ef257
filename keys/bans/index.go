package bans

import (
	"net/netip"
	"time"
)

// index finds a ban without looking at them all. It does not change once made.
type index struct {
	all    []Ban
	nicks  map[string]Ban
	keys   map[string]Ban
	blocks map[netip.Prefix]Ban
	bits4  map[int]bool // the prefix lengths there are, so that only these are tried
	bits6  map[int]bool
}

func newIndex(all []Ban) index {
	x := index{
		all: all, nicks: make(map[string]Ban), keys: make(map[string]Ban), blocks: make(map[netip.Prefix]Ban),
		bits4: make(map[int]bool), bits6: make(map[int]bool),
	}
	for _, b := range all {
		switch t := b.Target; {
		case t.Nick != "":
			x.nicks[t.Nick] = b
		case t.Key != "":
			x.keys[t.Key] = b
		case t.Block.IsValid():
			x.blocks[t.Block] = b
			x.bits(t.Block.Addr())[t.Block.Bits()] = true
		}
	}
	return x
}

func (x index) bits(a netip.Addr) map[int]bool {
	if a.Is4() {
		return x.bits4
	}
	return x.bits6
}

func (x index) find(who Who, now time.Time) (Ban, bool) {
	if b, ok := x.nicks[who.Nick]; ok && !b.Over(now) {
		return b, true
	}
	if b, ok := x.keys[who.Key]; ok && !b.Over(now) {
		return b, true
	}
	if !who.Addr.IsValid() {
		return Ban{}, false
	}
	a := who.Addr.Unmap().WithZone("")
	for bits := range x.bits(a) {
		p, _ := a.Prefix(bits)
		if b, ok := x.blocks[p]; ok && !b.Over(now) {
			return b, true
		}
	}
	return Ban{}, false
}
