package keys

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// addressList is the value of from=: addresses, CIDR blocks and wildcard patterns,
// any of them negated with '!'. Names are not looked up, as with sshd's default of
// UseDNS no, so a pattern only ever sees the address as it is written.
type addressList []addressPattern

type addressPattern struct {
	negated bool
	block   netip.Prefix // where it is an address or a CIDR block
	glob    string       // otherwise, in lower case
}

func parseAddressList(s string) (addressList, error) {
	var list addressList
	for one := range strings.SplitSeq(s, ",") {
		p, err := parseAddressPattern(one)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func parseAddressPattern(s string) (addressPattern, error) {
	var p addressPattern
	body, negated := strings.CutPrefix(s, "!")
	p.negated = negated
	if body == "" {
		return p, errors.New("from= has an empty entry")
	}
	if strings.Contains(body, "/") {
		block, err := parseBlock(body)
		p.block = block
		return p, err
	}
	if a, err := netip.ParseAddr(body); err == nil {
		a = plain(a)
		p.block = netip.PrefixFrom(a, a.BitLen())
		return p, nil
	}
	p.glob = strings.ToLower(body)
	return p, nil
}

// parseBlock refuses, as sshd does, a block with bits set behind its mask: whoever
// wrote 10.0.0.1/8 meant something else.
func parseBlock(s string) (netip.Prefix, error) {
	block, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("from= has %s, which is no CIDR block", show(s))
	}
	if block.Masked() != block {
		return netip.Prefix{}, fmt.Errorf("from= has %s, whose address goes beyond its mask; %s is the block", show(s), block.Masked())
	}
	return block, nil
}

// plain makes one address of its several forms: 4-in-6, and with a zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// matches is sshd's rule: a negated entry that matches decides at once; else one
// that matches is needed. So a list of negations alone matches nobody.
func (list addressList) matches(a netip.Addr) bool {
	a = plain(a)
	if !a.IsValid() {
		return false
	}
	found := false
	for _, p := range list {
		if !p.matches(a) {
			continue
		}
		if p.negated {
			return false
		}
		found = true
	}
	return found
}

func (p addressPattern) matches(a netip.Addr) bool {
	if p.block.IsValid() {
		return p.block.Contains(a)
	}
	return glob(p.glob, a.String())
}

// glob matches '*' and '?' without backtracking over more than the last '*', so
// that no pattern is slow.
func glob(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
