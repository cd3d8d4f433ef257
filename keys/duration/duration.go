// Package duration reads and writes how long something is to last, as people say it:
// "90d", "2w", "1h30m", "24h". Its functions are pure.
package duration

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Max is the longest duration: what is to last longer lasts for ever, and is said by
// giving none.
const Max = 100 * 365 * 24 * time.Hour

const day = 24 * time.Hour

var units = map[byte]time.Duration{
	's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': day, 'w': 7 * day, 'y': 365 * day,
}

// Parse reads whole numbers, each followed by one of s, m, h, d, w and y. A duration is
// longer than nothing and at most Max. The error is fit to be shown.
func Parse(s string) (time.Duration, error) {
	var sum time.Duration
	for rest := s; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		var unit time.Duration
		if digits < len(rest) {
			unit = units[rest[digits]|0x20] // a small letter
		}
		if err != nil || unit == 0 || n > int64((Max-sum)/unit) {
			sum = 0
			break
		}
		sum, rest = sum+time.Duration(n)*unit, rest[digits+1:]
	}
	if sum == 0 {
		shown := strconv.QuoteToASCII(s[:min(len(s), 20)])
		return 0, fmt.Errorf("%s is not a duration; write 30m, 24h, 90d or 2w, at most 100y", shown)
	}
	return sum, nil
}

// Format writes the two largest units, rounded down: "2d 3h", "45s".
func Format(d time.Duration) string {
	var parts []string
	for _, unit := range "dhms" {
		size := units[byte(unit)]
		if n := d / size; n > 0 && len(parts) < 2 {
			parts = append(parts, fmt.Sprintf("%d%c", n, unit))
			d %= size
		}
	}
	if parts == nil {
		return "0s"
	}
	return strings.Join(parts, " ")
}
