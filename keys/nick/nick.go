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
	"regexp"
	"strings"

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

// allowed is what a folded nick is. Parse has it in words.
var allowed = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// Parse folds ASCII capitals and gives the nick.
func Parse(s string) (string, error) {
	n := fold(s)
	why := ""
	if !allowed.MatchString(n) {
		why = "a nick has 1 to 32 characters of a-z, 0-9, '.', '_' and '-', and begins with a letter or a digit"
	} else if reserved[Skeleton(n)] == n {
		why = "it is reserved; choose another name"
	}
	if why != "" {
		return "", fmt.Errorf("%s %w: %s", sanitize.Quote(s), ErrBad, why)
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
