// Package nick decides what a nick is, and nothing else.
//
// A nick is [a-z0-9][a-z0-9._-]{0,31} after ASCII folding. Nothing else is ever
// folded: a Kelvin sign is not a k, a dotted capital I is not an i, and a Cyrillic
// a is not an a. That is why a nick can be used as a file name, in a log and on a
// screen without any further care.
//
//	n, err := nick.Parse(username)   // "Alice" gives "alice"; err is fit to show
//	g, err := nick.Guest("visitor")  // "~visitor", which no key can ever hold
//	n, err = nick.ParseAny("~bob")   // either form, for addressing somebody
//
// All functions are pure and may be called from any goroutine.
package nick

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"whoelse/keys/internal/sanitize"
)

// MaxLen is the length of the longest nick, in bytes, without a guest's mark.
const MaxLen = 32

// GuestMark is the first character of a guest's name. It is not part of the nick alphabet,
// so a guest's name is never equal to a nick that a key holds.
const GuestMark = "~"

// ErrBad is wrapped by every error of this package. Their texts are plain ASCII whatever the
// input was, short, and fit to show to the person who typed it.
var ErrBad = errors.New("cannot be a nick")

// allowed is the one place that says in words what Parse checks.
const allowed = "a nick has 1 to 32 characters of a-z, 0-9, '.', '_' and '-', and begins with a letter or a digit"

// Parse folds ASCII capitals and gives the nick.
func Parse(s string) (string, error) {
	n := fold(s)
	why, hint := fault(n), allowed
	if why == "" && reserved[Skeleton(n)] == n {
		why, hint = "it is reserved", "choose another name"
	}
	if why != "" {
		return "", fmt.Errorf("%s %w: %s; %s", sanitize.Quote(s), ErrBad, why, hint)
	}
	return n, nil
}

// Guest gives the name by which a guest is shown and addressed, "~name", from
// "name" or "~name". What may follow the mark is what may be a nick.
func Guest(s string) (string, error) {
	n, err := Parse(strings.TrimPrefix(s, GuestMark))
	if err != nil {
		return "", err
	}
	return GuestMark + n, nil
}

// IsGuest tells whether s is written as a guest's name. It does not validate.
func IsGuest(s string) bool { return strings.HasPrefix(s, GuestMark) }

// ParseAny accepts a nick or a guest's name and gives it folded.
func ParseAny(s string) (string, error) {
	if IsGuest(s) {
		return Guest(s)
	}
	return Parse(s)
}

// fold maps ASCII capitals only. It works on bytes, so that no Unicode rule can
// turn something else into a letter.
func fold(s string) string {
	if len(s) > MaxLen {
		return s // refused for its length; not worth a copy
	}
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// fault names the first thing wrong with a folded nick, or nothing.
func fault(n string) string {
	switch {
	case n == "":
		return "it is empty"
	case len(n) > MaxLen:
		return fmt.Sprintf("it is %d bytes long", len(n))
	case isSeparator(n[0]):
		return fmt.Sprintf("it begins with %q", n[0])
	}
	for i := range len(n) {
		if c := n[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || isSeparator(c)) {
			r, _ := utf8.DecodeRuneInString(n[i:])
			return strconv.QuoteRuneToASCII(r) + " is not allowed"
		}
	}
	return ""
}

func isSeparator(c byte) bool { return c == '.' || c == '_' || c == '-' }
