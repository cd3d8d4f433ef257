package bans

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"

	"whoelse/keys/internal/sanitize"
	"whoelse/keys/nick"
)

// Target is what a ban is about: exactly one of its fields is set.
type Target struct {
	Nick  string       // also a guest's, "~name"
	Key   string       // a fingerprint, "SHA256:..."
	Block netip.Prefix // a network, or a single address
}

// Who is a person, as far as known.
type Who struct {
	Nick string
	Key  string
	Addr netip.Addr
}

const sha256Mark = "SHA256:"

// minBits is of the broadest network that can be banned. A broader one is a mistake, or
// closes the room.
func minBits(a netip.Addr) int {
	if a.Is4() {
		return 8
	}
	return 16
}

// ParseTarget reads a nick, a fingerprint, an address or a CIDR block. An address is
// one even where it could be a nick too. The error is fit to be shown.
func ParseTarget(s string) (Target, error) {
	digest, fingerprint := strings.CutPrefix(s, sha256Mark)
	a, err := netip.ParseAddr(s)
	switch {
	case fingerprint:
		sum, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(digest, "="))
		if err != nil || len(sum) != 32 {
			return Target{}, fmt.Errorf("%s is not a fingerprint (SHA256: and 43 characters)", sanitize.Quote(s))
		}
		return Target{Key: sha256Mark + base64.RawStdEncoding.EncodeToString(sum)}, nil
	case strings.Contains(s, "/"):
		return parseBlock(s)
	case err == nil:
		a = a.Unmap().WithZone("")
		return Target{Block: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	n, err := nick.ParseAny(s)
	return Target{Nick: n}, err
}

func parseBlock(s string) (Target, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return Target{}, fmt.Errorf("%s is not a network; write it as 203.0.113.0/24 or 2001:db8::/48", sanitize.Quote(s))
	}
	if p.Addr().Is4In6() {
		p = netip.PrefixFrom(p.Addr().Unmap(), max(p.Bits()-96, 0))
	}
	if least := minBits(p.Addr()); p.Bits() < least {
		return Target{}, fmt.Errorf("%s is too broad; at least /%d is needed", sanitize.Quote(s), least)
	}
	return Target{Block: p.Masked()}, nil
}

// String is what ParseTarget reads.
func (t Target) String() string {
	switch {
	case t.Nick != "":
		return t.Nick
	case t.Key != "":
		return t.Key
	case t.Block.IsValid() && t.Block.IsSingleIP():
		return t.Block.Addr().String()
	case t.Block.IsValid():
		return t.Block.String()
	}
	return ""
}

// Covers reports whether a ban of t would keep who out. An unknown field is not covered.
func (t Target) Covers(who Who) bool {
	switch {
	case t.Nick != "":
		return t.Nick == who.Nick
	case t.Key != "":
		return t.Key == who.Key
	}
	return t.Block.IsValid() && t.Block.Contains(who.Addr.Unmap().WithZone(""))
}

// MarshalText and UnmarshalText make a Target its string in JSON.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is ParseTarget.
func (t *Target) UnmarshalText(b []byte) (err error) {
	*t, err = ParseTarget(string(b))
	return err
}
