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
)

// MaxLen is the length of the longest nick, in bytes, without a guest's mark.
const MaxLen = 32

// GuestMark stands before a guest's name. It is not part of the nick alphabet, so a
// guest's name is never equal to a nick that a key holds.
const GuestMark = "~"

// ErrBad is what every error of this package is (errors.Is).
var ErrBad = errors.New("not a nick")

// allowed is the one place that says in words what Parse checks.
const allowed = "a nick has 1 to 32 characters of a-z, 0-9, '.', '_' and '-', and begins with a letter or a digit"

// Error says why something is not a nick. Its text is plain ASCII whatever the
// input was, short, and fit to show to the person who typed it.
type Error struct {
	shown string
	why   string
	hint  string
}

func (e *Error) Error() string {
	return e.shown + " cannot be a nick: " + e.why + "; " + e.hint
}

// Is makes every *Error an ErrBad.
func (e *Error) Is(target error) bool { return target == ErrBad }

// Parse folds ASCII capitals and gives the nick, or an *Error.
func Parse(s string) (string, error) {
	n := fold(s)
	if why := fault(n); why != "" {
		return "", &Error{shown: show(s), why: why, hint: allowed}
	}
	if isReserved(n) {
		return "", &Error{shown: show(s), why: "it is reserved", hint: "choose another name"}
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
	case !alnum(n[0]) && inAlphabet(n[0]):
		return fmt.Sprintf("it begins with %q", n[0])
	}
	for i := 0; i < len(n); i++ {
		if !inAlphabet(n[i]) {
			r, _ := utf8.DecodeRuneInString(n[i:])
			return strconv.QuoteRuneToASCII(r) + " is not allowed"
		}
	}
	return ""
}

func alnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func inAlphabet(c byte) bool { return alnum(c) || c == '.' || c == '_' || c == '-' }

// showMax bounds how much of an offending input is repeated to anybody.
const showMax = 24

// show quotes the beginning of s in pure ASCII: no control byte, direction mark,
// look-alike or stack of combining marks of the input ever reaches a screen.
func show(s string) string {
	cut := s
	for i, n := 0, 0; i < len(s); n++ {
		if n == showMax {
			cut = s[:i]
			break
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	q := strconv.QuoteToASCII(cut)
	if len(cut) < len(s) {
		q += "..."
	}
	return q
}
