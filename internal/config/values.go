package config

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"whoelse/keys/duration"
)

// value is a flag whose text is checked as it is set. It implements pflag.Value.
type value[T any] struct {
	to   *T
	kind string // follows "must be " in the error
	read func(text string) (T, bool)
	show func(T) string
}

// Set implements pflag.Value.
func (v *value[T]) Set(text string) error {
	t, ok := v.read(text)
	if !ok {
		return fmt.Errorf("must be %s", v.kind)
	}
	*v.to = t
	return nil
}

// String implements pflag.Value.
func (v *value[T]) String() string { return v.show(*v.to) }

// Type implements pflag.Value.
func (v *value[T]) Type() string { return v.kind }

func verbatim(s string) string { return s }

// number is a count from least to most; a most of 0 is no limit.
func number(to *int, otherwise, least, most int) *value[int] {
	*to = otherwise
	kind := fmt.Sprintf("a number of %d or more", least)
	if most > 0 {
		kind = fmt.Sprintf("a number from %d to %d", least, most)
	}
	return &value[int]{to, kind, func(s string) (int, bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= least && (most == 0 || n <= most)
	}, strconv.Itoa}
}

// perSecond is a rate; 0 is no limit.
func perSecond(to *float64, otherwise float64) *value[float64] {
	*to = otherwise
	return &value[float64]{to, "a number of 0 or more", func(s string) (float64, bool) {
		n, err := strconv.ParseFloat(s, 64)
		return n, err == nil && n >= 0 && !math.IsInf(n, 0)
	}, func(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }}
}

// choice is one of several words.
func choice(to *string, otherwise string, words ...string) *value[string] {
	*to = otherwise
	return &value[string]{to, strings.Join(words, " or "), func(s string) (string, bool) {
		return s, s == otherwise || slices.Contains(words, s)
	}, verbatim}
}

// address is where to listen.
func address(to *string, otherwise string) *value[string] {
	*to = otherwise
	return &value[string]{to, "an address with a port from 0 to 65535, such as :2222, 127.0.0.1:2222 or [::1]:2222", func(s string) (string, bool) {
		_, port, err := net.SplitHostPort(s)
		_, bad := strconv.ParseUint(port, 10, 16)
		return s, s == otherwise || err == nil && bad == nil
	}, verbatim}
}

// size is a number of bytes, at least least; 0 is no limit.
func size(to *int64, otherwise, least int64) *value[int64] {
	*to = otherwise
	kind := "a size of " + formatSize(least) + " or more, such as " + formatSize(max(16<<20, least<<10)) + ", or 0 for no limit"
	return &value[int64]{to, kind, func(s string) (int64, bool) {
		n, ok := parseSize(s)
		return n, ok && (n == 0 || n >= least)
	}, formatSize}
}

// The units that a size can have, the largest first.
var sizeUnits = []struct {
	letter string
	bytes  int64
}{{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}}

func parseSize(s string) (n int64, ok bool) {
	unit := int64(1)
	for _, u := range sizeUnits {
		if digits, found := strings.CutSuffix(strings.ToUpper(s), u.letter); found {
			s, unit = digits, u.bytes
			break
		}
	}
	u, err := strconv.ParseUint(s, 10, 63)
	return int64(u) * unit, err == nil && int64(u) <= math.MaxInt64/unit
}

// formatSize uses the largest unit that says n exactly.
func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.letter
		}
	}
	return strconv.FormatInt(n, 10)
}

// span is how long something lasts, at least least; zero says what 0 means, "" that it can't be 0.
func span(to *time.Duration, otherwise, least time.Duration, zero string) *value[time.Duration] {
	*to = otherwise
	kind := "a duration of " + duration.Format(least) + " or more, such as 90d"
	if zero != "" {
		kind += ", or 0 for " + zero
	}
	return &value[time.Duration]{to, kind, func(s string) (time.Duration, bool) {
		if s == "0" && zero != "" {
			return 0, true
		}
		d, err := duration.Parse(s)
		return d, err == nil && d >= least
	}, func(d time.Duration) string {
		if d == 0 {
			return "0"
		}
		return strings.ReplaceAll(duration.Format(d), " ", "")
	}}
}

// networks is a flag that may be given several times, and its text may name several. IPv4-mapped networks become the IPv4
// that they mean, as addresses do before they are compared.
func networks(to *[]netip.Prefix, otherwise ...netip.Prefix) *value[[]netip.Prefix] {
	*to = otherwise
	set := false // by the user: what follows adds to it
	kind := "addresses or networks such as 192.0.2.0/24, or none"
	return &value[[]netip.Prefix]{to, kind, func(text string) (nets []netip.Prefix, ok bool) {
		for s := range strings.SplitSeq(text, ",") {
			if s = strings.TrimSpace(s); s == "none" || s == "" {
				continue
			}
			p, err := netip.ParsePrefix(s)
			if a, e := netip.ParseAddr(s); e == nil {
				p, err = netip.PrefixFrom(a, a.BitLen()), nil
			}
			if err != nil {
				return nil, false
			}
			if p.Addr().Is4In6() && p.Bits() >= 96 {
				p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
			}
			nets = append(nets, p.Masked())
		}
		if set {
			nets = append(*to, nets...)
		}
		set = true
		return nets, true
	}, func(nets []netip.Prefix) string {
		words := make([]string, len(nets))
		for i, p := range nets {
			words[i] = p.String()
		}
		return strings.Join(words, ",")
	}}
}
