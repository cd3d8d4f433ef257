package keys

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"whoelse/keys/internal/sanitize"
	"whoelse/keys/nick"

	"github.com/gliderlabs/ssh"
)

// lineMax is the longest line that is read. An RSA key of 16384 bits fits.
const lineMax = 16 << 10

// line is one line of the file that is neither blank nor a comment. It does not change
// once parsed.
type line struct {
	Entry          // without its Fingerprint
	start, end int // its text in the file, with the line end
	noTouch    bool
	// maybe are nicks that a line without a readable key was probably for. They stay
	// held: a slip of the hand in bob's line must not make bob free to take.
	maybe []string
}

// parseLine reads the text of one line, without its end. It never fails: what is
// wrong becomes the line's Disabled.
func parseLine(num int, text []byte) *line {
	l := &line{Entry: Entry{Line: num}}
	if err := l.parse(text); err != nil {
		l.Disabled = err.Error()
	}
	if l.key == nil {
		l.maybe = probableNicks(text)
	}
	return l
}

func (l *line) parse(text []byte) error {
	key, comment, options, err := readKey(text, "no key can be read from it (%s)")
	if err != nil {
		return err
	}
	l.key, l.Type, l.Comment, l.Added = key, key.Type(), sanitize.Text(comment), added(comment)
	// Who a line is for matters also where its options are wrong.
	return cmp.Or(l.setOptions(options), CheckKey(key), l.setNick(comment))
}

// readKey reads a line of authorized_keys or of a .pub file. noKey is the error where the
// parser finds none, for the reason in words for people.
func readKey(text []byte, noKey string) (key PublicKey, comment string, options []string, err error) {
	if len(text) > lineMax {
		return nil, "", nil, fmt.Errorf("it is %d bytes long, more than %d", len(text), lineMax)
	}
	if bytes.ContainsAny(text, "\x00\r") {
		return nil, "", nil, errors.New("it has control characters")
	}
	key, comment, options, _, err = ssh.ParseAuthorizedKey(text)
	if err == nil {
		return key, comment, options, nil
	}
	why := "its base64 is cut off or mistyped"
	switch s := err.Error(); {
	case strings.HasSuffix(s, "no key found"):
		why = "type, base64 and comment are expected"
	case strings.Contains(s, "unknown key algorithm"):
		why = "its type is not known"
	case strings.Contains(s, "type mismatch"):
		why = "its base64 is of another type than it says"
	}
	return nil, "", nil, fmt.Errorf(noKey, why)
}

// setNick finds the nick in the comment, unless NICK= gave it.
func (l *line) setNick(comment string) error {
	if l.Authority || l.Nick != "" {
		return nil
	}
	text, _, _ := strings.Cut(comment, "@")
	n, err := nick.Parse(strings.TrimSpace(text))
	if err != nil {
		return fmt.Errorf("its comment names nobody: %w", err)
	}
	l.Nick = n
	return nil
}

// probableNicks guesses whom a broken line was for: its last word, its third one,
// and NICK=.
func probableNicks(text []byte) (found []string) {
	text = text[max(0, len(text)-lineMax):]
	try := func(s string) {
		s, _, _ = strings.Cut(s, "@")
		if n, err := nick.Parse(s); err == nil {
			found = append(found, n)
		}
	}
	words := strings.Fields(string(text))
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
	if l.Nick != "" {
		return []string{l.Nick}
	}
	return l.maybe
}

// refusal says why the line does not let its key in at now, or nothing. from= is another
// question, see refusalFrom.
func (l *line) refusal(now time.Time) string {
	switch {
	case l.Disabled != "":
		return "the line is disabled: " + l.Disabled
	case l.Authority:
		return "as a certificate authority, and does not log in itself"
	case l.Expired(now):
		return "it expired on " + l.Expires.Format("2006-01-02 15:04 MST")
	}
	return ""
}

func (l *line) refusalFrom(a netip.Addr, now time.Time) string {
	why := l.refusal(now)
	if why == "" && !l.Allows(a) {
		return "not for the address you come from"
	}
	return why
}

// equivalent tells whether two lines say the same of the same key, pending or not.
func (l *line) equivalent(o *line) bool {
	return ssh.KeysEqual(l.key, o.key) && l.Disabled == o.Disabled && l.Nick == o.Nick && l.Role == o.Role &&
		l.Authority == o.Authority && slices.Equal(l.Principals, o.Principals) && slices.Equal(l.from, o.from) &&
		l.Expires.Equal(o.Expires) && l.noTouch == o.noTouch
}

// Roles of keys.
const (
	RoleOperator = "operator"
	RoleBot      = "bot" // a program
)

// harmless options take away what nobody gets here anyway, or give it back.
var harmless = map[string]bool{
	"restrict": true, "user-rc": true, "no-user-rc": true, "pty": true, "no-pty": true,
	"port-forwarding": true, "no-port-forwarding": true,
	"agent-forwarding": true, "no-agent-forwarding": true,
	"x11-forwarding": true, "no-x11-forwarding": true,
	"permitopen": true, "permitlisten": true, "tunnel": true,
}

// setOptions reads a key's options as sshd does, all of them, and gives the first error.
// An option that is not understood, or can't be enforced, is an error: options mostly
// restrict, and a restriction that is skipped is a hole.
func (l *line) setOptions(list []string) (wrong error) {
	for _, one := range list {
		wrong = cmp.Or(wrong, l.setOption(one))
	}
	switch {
	case wrong != nil:
		return wrong
	case l.Authority && l.Nick != "":
		return errors.New("an authority cannot hold a nick: NICK= and cert-authority exclude each other")
	case l.Authority && l.Role == RoleBot:
		return errors.New("an authority cannot make bots: ROLE=bot and cert-authority exclude each other")
	case l.Authority && l.Pending:
		return errors.New("an authority cannot be confirmed: PENDING and cert-authority exclude each other")
	case !l.Authority && l.Principals != nil:
		return errors.New("principals= needs cert-authority")
	}
	return nil
}

func (l *line) setOption(option string) (err error) {
	name, quoted, hasValue := strings.Cut(option, "=")
	name = strings.ToLower(name)
	value, ok := dequote(quoted)
	if hasValue && !ok {
		return fmt.Errorf("the value of %s is not in double quotes", sanitize.Quote(name))
	}
	if hasValue {
		name += "="
	}
	switch name {
	case "cert-authority":
		l.Authority = true
	case "no-touch-required":
		l.noTouch = true
	case "touch-required":
		l.noTouch = false
	case "verify-required":
		return errors.New("verify-required cannot be enforced here")
	case "command=":
		return errors.New("command= restricts a key to what this server does not have")
	case "from=":
		if l.from != nil {
			return errors.New("from= is given twice")
		}
		l.From = sanitize.Text(value)
		l.from, err = parseAddressList(value)
	case "expiry-time=":
		var t time.Time
		if t, err = parseExpiry(value); err == nil && (l.Expires.IsZero() || t.Before(l.Expires)) {
			l.Expires = t // the earliest of several, as with sshd
		}
	case "principals=":
		if l.Principals != nil {
			return errors.New("principals= is given twice")
		}
		for p := range strings.SplitSeq(value, ",") {
			if p = strings.TrimSpace(p); p != "" {
				l.Principals = append(l.Principals, sanitize.Text(p))
			}
		}
		if l.Principals == nil {
			return errors.New("principals= names nobody")
		}
	case "environment=":
		return l.setEnvironment(value)
	default:
		if name = strings.TrimSuffix(name, "="); !harmless[name] {
			return fmt.Errorf("unknown option %s", sanitize.Quote(name))
		}
	}
	return err
}

// dequote undoes sshd's quoting: double quotes around it all, and \" inside.
func dequote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	inner := s[1 : len(s)-1]
	bare := strings.ReplaceAll(inner, `\"`, "")
	if strings.Contains(bare, `"`) || strings.HasSuffix(inner, `\`) {
		return "", false
	}
	return strings.ReplaceAll(inner, `\"`, `"`), true
}

// pending is the option of a key that waits for its owner.
const pending = `environment="PENDING=yes"`

// confirmed gives the text of a line without that option. As with renameLine it has to mean the same
// otherwise, or is left to a human.
func confirmed(l *line, text []byte) ([]byte, error) {
	for _, option := range []string{pending + ",", "," + pending, pending + " "} {
		if before, after, ok := bytes.Cut(text, []byte(option)); ok {
			text = slices.Concat(before, after)
			break
		}
	}
	if fresh := parseLine(l.Line, withoutEnd(text)); fresh.Pending || !fresh.equivalent(l) {
		return nil, fmt.Errorf("line %d cannot be confirmed by itself; take %s out by hand", l.Line, pending)
	}
	return text, nil
}

// setEnvironment takes NICK, ROLE and PENDING. Other names are for another program.
func (l *line) setEnvironment(text string) error {
	name, value, ok := strings.Cut(text, "=")
	const letters = "_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	if !ok || name == "" || strings.Trim(name, letters) != "" {
		return fmt.Errorf("environment=%s is not NAME=value", sanitize.Quote(text))
	}
	switch name {
	case "NICK":
		n, err := nick.Parse(value)
		if err != nil {
			return err
		}
		if l.Nick != "" && l.Nick != n {
			return errors.New("NICK is given twice")
		}
		l.Nick = n
	case "PENDING":
		if value != "yes" {
			return fmt.Errorf("PENDING=%s is not known; there is only PENDING=yes", sanitize.Quote(value))
		}
		l.Pending = true
	case "ROLE":
		if value != RoleOperator && value != RoleBot {
			return fmt.Errorf("ROLE=%s is not known; there are ROLE=%s and ROLE=%s", sanitize.Quote(value), RoleOperator, RoleBot)
		}
		if l.Role != "" && l.Role != value {
			return errors.New("ROLE is given twice")
		}
		l.Role = value
	}
	return nil
}

// expiryForms are sshd's: a day, minutes, seconds.
var expiryForms = map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}

// parseExpiry reads sshd's expiry-time. Local time, unless it ends in Z.
func parseExpiry(s string) (time.Time, error) {
	zone := time.Local
	digits, utc := strings.CutSuffix(strings.ToUpper(s), "Z")
	if utc {
		zone = time.UTC
	}
	form, ok := expiryForms[len(digits)]
	if !ok || strings.Trim(digits, "0123456789") != "" {
		return time.Time{}, fmt.Errorf("expiry-time %s is not YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z]", sanitize.Quote(s))
	}
	t, err := time.ParseInLocation(form, digits, zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("expiry-time %s is not a date", sanitize.Quote(s))
	}
	return t, nil
}
