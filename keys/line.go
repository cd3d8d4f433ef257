package keys

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"whoelse/keys/nick"

	"github.com/gliderlabs/ssh"
)

// lineMax is the longest line that is read. An RSA key of 16384 bits fits.
const lineMax = 16 << 10

// line is one line of the file that is neither blank nor a comment. It does not
// change once parsed, and its text stays in the file's bytes, not here.
type line struct {
	num      int
	key      PublicKey // nil where no key could be read
	opts     options
	comment  string // as it stands in the file
	nick     string // who holds the key; empty for an authority and where nobody is named
	disabled string // why the line is not in force whoever asks, or empty
	// maybe are nicks that a line without a readable key was probably for. They stay
	// held: a slip of the hand in bob's line must not make bob free to take.
	maybe []string
}

// parseLine reads the text of one line, without its end. It never fails: what is
// wrong becomes the line's disabled.
func parseLine(num int, text []byte) *line {
	l := &line{num: num}
	if err := l.parse(text); err != nil {
		l.disabled = err.Error()
	}
	if l.key == nil {
		l.maybe = probableNicks(text)
	}
	return l
}

func (l *line) parse(text []byte) error {
	switch {
	case len(text) > lineMax:
		return fmt.Errorf("it is %d bytes long, more than %d", len(text), lineMax)
	case bytes.IndexByte(text, 0) >= 0:
		return errors.New("it has a NUL byte")
	case bytes.IndexByte(text, '\r') >= 0:
		return errors.New("it has a carriage return in the middle; is the file from an old Macintosh?")
	}
	key, comment, list, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return errors.New("no key can be read from it (" + parseReason(err) + ")")
	}
	l.key, l.comment = key, comment
	opts, err := parseOptions(list)
	// Who a line is for matters also where its options are wrong.
	named := l.name(opts, list)
	l.opts = opts
	return first(err, CheckKey(key), named)
}

// first gives the first error: a reason is one line.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// parseReason puts the parser's error into words for people.
func parseReason(err error) string {
	switch s := err.Error(); {
	case strings.HasSuffix(s, "no key found"):
		return "type, base64 and comment are expected"
	case strings.Contains(s, "unknown key algorithm"):
		return "its type is not known"
	case strings.Contains(s, "type mismatch"):
		return "its base64 is of another type than it says"
	}
	return "its base64 is cut off or mistyped"
}

// name finds the nick: NICK= where given, else the comment up to its first '@'.
func (l *line) name(opts options, list []string) error {
	switch {
	case opts.authority:
		return nil
	case opts.nick != "":
		l.nick = opts.nick
		return nil
	}
	if given := environmentNick(list); given != "" {
		l.nick = given // NICK= is fine, and another option is not
		return nil
	}
	text, _, _ := strings.Cut(l.comment, "@")
	n, err := nick.Parse(strings.TrimSpace(text))
	if err != nil {
		return fmt.Errorf("its comment names nobody: %w", err)
	}
	l.nick = n
	return nil
}

// environmentNick finds a good NICK= among options that may be bad otherwise.
func environmentNick(list []string) string {
	for _, one := range list {
		var o options
		name, value, _ := strings.Cut(one, "=")
		if strings.EqualFold(name, "environment") && o.setValue("environment", value) == nil && o.nick != "" {
			return o.nick
		}
	}
	return ""
}

// probableNicks guesses whom a broken line was for: its last word, its third one,
// and NICK=.
func probableNicks(text []byte) []string {
	if len(text) > lineMax {
		text = text[len(text)-lineMax:]
	}
	words := strings.Fields(string(text))
	var found []string
	try := func(s string) {
		s, _, _ = strings.Cut(s, "@")
		if n, err := nick.Parse(s); err == nil {
			found = append(found, n)
		}
	}
	if len(words) > 1 {
		try(words[len(words)-1])
	}
	if len(words) > 3 {
		try(words[2])
	}
	if _, after, ok := strings.Cut(string(text), `"NICK=`); ok {
		given, _, _ := strings.Cut(after, `"`)
		try(given)
	}
	return found
}

// holds are all nicks that nobody else may claim because of this line.
func (l *line) holds() []string {
	if l.nick != "" {
		return []string{l.nick}
	}
	return l.maybe
}

// refusal says why the line does not let its key in at now, or nothing. Where the
// key comes from is asked apart, by refusalFrom.
func (l *line) refusal(now time.Time) string {
	switch {
	case l.disabled != "":
		return "the line is disabled: " + l.disabled
	case l.opts.authority:
		return "as a certificate authority, and does not log in itself"
	case !l.opts.expires.IsZero() && !now.Before(l.opts.expires):
		return "it expired on " + l.opts.expires.Format("2006-01-02 15:04 MST")
	}
	return ""
}

func (l *line) refusalFrom(a netip.Addr, now time.Time) string {
	if why := l.refusal(now); why != "" {
		return why
	}
	if l.opts.from != nil && !l.opts.from.matches(a) {
		return "not for the address you come from"
	}
	return ""
}
