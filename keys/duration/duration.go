// Package duration reads and writes how long something is to last, as people say it:
// "90d", "2w", "1h30m", "24h". Its functions are pure.
package duration

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Max is the longest span: what is to last longer lasts for ever, and is said by
// giving none.
const Max = 100 * 365 * 24 * time.Hour

var units = map[byte]time.Duration{
	's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour, 'y': 365 * 24 * time.Hour,
}

// Parse reads whole numbers, each followed by one of s, m, h, d, w and y. A span is
// longer than nothing and at most Max. The error is fit to be shown.
func Parse(s string) (time.Duration, error) {
	var sum time.Duration
	rest := s
	for rest != "" {
		d, tail, ok := one(rest)
		if !ok || d > Max-sum {
			return 0, bad(s)
		}
		sum, rest = sum+d, tail
	}
	if sum <= 0 {
		return 0, bad(s)
	}
	return sum, nil
}

func one(s string) (d time.Duration, rest string, ok bool) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	if i == 0 || i == len(s) {
		return 0, "", false
	}
	n, err := strconv.ParseInt(s[:i], 10, 64)
	unit := units[s[i]|0x20]
	if err != nil || unit == 0 || n > math.MaxInt64/int64(unit) {
		return 0, "", false
	}
	return time.Duration(n) * unit, s[i+1:], true
}

func bad(s string) error {
	return fmt.Errorf("%s is not a duration; write 30m, 24h, 90d or 2w, at most 100y", strconv.QuoteToASCII(s[:min(len(s), 20)]))
}

// Format writes the two largest units, rounded down: "2d 3h", "45s".
func Format(d time.Duration) string {
	if d < time.Second {
		return "0s"
	}
	var parts []string
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if n := d / u.size; n > 0 {
			parts = append(parts, strconv.FormatInt(int64(n), 10)+u.name)
			d -= n * u.size
		}
	}
	return strings.Join(parts[:min(len(parts), 2)], " ")
}
