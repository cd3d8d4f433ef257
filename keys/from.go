package keys

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"whoelse/keys/internal/sanitize"
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

func parseAddressList(s string) (list addressList, err error) {
	for one := range strings.SplitSeq(s, ",") {
		var p addressPattern
		one, p.negated = strings.CutPrefix(one, "!")
		if one == "" {
			return nil, errors.New("from= has an empty entry")
		}
		if a, err := netip.ParseAddr(one); err == nil {
			a = plain(a)
			p.block = netip.PrefixFrom(a, a.BitLen())
		} else if !strings.Contains(one, "/") {
			p.glob = strings.ToLower(one)
		} else if p.block, err = netip.ParsePrefix(one); err != nil {
			return nil, fmt.Errorf("from= has %s, which is not a CIDR block", sanitize.Quote(one))
		} else if p.block != p.block.Masked() { // refused by sshd, too: 10.0.0.1/8 means something else
			const text = "from= has %s, whose address goes beyond its mask; %s is the block"
			return nil, fmt.Errorf(text, sanitize.Quote(one), p.block.Masked())
		}
		list = append(list, p)
	}
	return list, nil
}

// SourceAllowed is sshd's rule for a certificate's source-address: of from='s forms only addresses
// and blocks, and one entry that is anything else spoils them all.
func SourceAllowed(list string, from netip.Addr) bool {
	parsed, err := parseAddressList(list)
	odd := func(p addressPattern) bool { return p.negated || !p.block.IsValid() }
	return err == nil && !slices.ContainsFunc(parsed, odd) && parsed.matches(from)
}

// plain makes one address of its several forms: 4-in-6, and with a zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// matches is sshd's rule: a negated entry that matches decides at once; else one
// that matches is needed. So a list of negations alone matches nobody.
func (list addressList) matches(a netip.Addr) bool {
	a = plain(a)
	found := false
	for _, p := range list {
		if !a.IsValid() || !p.matches(a) {
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
	matched, _ := path.Match(globSyntax.Replace(p.glob), a.String()) // without classes it can't be malformed
	return matched
}

// globSyntax keeps of path.Match's syntax what sshd has: '*' and '?'.
var globSyntax = strings.NewReplacer(`\`, `\\`, `[`, `\[`)

// isName tells a host name's pattern from an address's.
func (p addressPattern) isName() bool {
	return !p.block.IsValid() && strings.Trim(p.glob, "0123456789abcdef:.*?") != ""
}
