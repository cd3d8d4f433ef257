package keys

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"whoelse/keys/nick"
)

// roleOperator is the one role there is.
const roleOperator = "operator"

// options are what stands before a key on its line, as far as it means something
// here.
type options struct {
	authority  bool     // cert-authority
	principals []string // of an authority; nil is any
	from       addressList
	fromText   string
	expires    time.Time // zero is never
	nick, role string    // environment="NICK=..", "ROLE=.."
	noTouch    bool
}

// harmless options take away what nobody gets here anyway, or give it back.
var harmless = map[string]bool{
	"restrict": true, "user-rc": true, "no-user-rc": true, "pty": true, "no-pty": true,
	"port-forwarding": true, "no-port-forwarding": true,
	"agent-forwarding": true, "no-agent-forwarding": true,
	"x11-forwarding": true, "no-x11-forwarding": true,
	"permitopen": true, "permitlisten": true, "tunnel": true,
}

// parseOptions reads a key's options as sshd does. Whatever it does not understand,
// or understands and cannot enforce, is an error: an option mostly restricts, and a
// restriction that is skipped is a hole.
func parseOptions(list []string) (options, error) {
	var o options
	for _, one := range list {
		name, value, hasValue := strings.Cut(one, "=")
		name = strings.ToLower(name)
		var err error
		if hasValue {
			err = o.setValue(name, value)
		} else {
			err = o.setFlag(name)
		}
		if err != nil {
			return options{}, err
		}
	}
	return o, o.consistent()
}

func (o *options) setFlag(name string) error {
	switch {
	case name == "cert-authority":
		o.authority = true
	case name == "no-touch-required":
		o.noTouch = true
	case name == "touch-required":
		o.noTouch = false
	case name == "verify-required":
		return errors.New("verify-required cannot be enforced here")
	case !harmless[name]:
		return fmt.Errorf("unknown option %s", show(name))
	}
	return nil
}

func (o *options) setValue(name, quoted string) error {
	value, ok := dequote(quoted)
	if !ok {
		return fmt.Errorf("the value of %s is not in double quotes", show(name))
	}
	switch {
	case name == "from":
		return o.setFrom(value)
	case name == "expiry-time":
		return o.setExpiry(value)
	case name == "principals":
		return o.setPrincipals(value)
	case name == "environment":
		return o.setEnvironment(value)
	case name == "command":
		return errors.New("command= restricts a key to what this server does not have")
	case !harmless[name]:
		return fmt.Errorf("unknown option %s", show(name))
	}
	return nil
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

func (o *options) setFrom(value string) error {
	if o.from != nil {
		return errors.New("from= is given twice")
	}
	list, err := parseAddressList(value)
	o.from, o.fromText = list, value
	return err
}

// setExpiry keeps the earliest of several, as sshd does.
func (o *options) setExpiry(value string) error {
	t, err := parseExpiry(value)
	if err != nil {
		return err
	}
	if o.expires.IsZero() || t.Before(o.expires) {
		o.expires = t
	}
	return nil
}

func (o *options) setPrincipals(value string) error {
	if o.principals != nil {
		return errors.New("principals= is given twice")
	}
	for p := range strings.SplitSeq(value, ",") {
		if p = strings.TrimSpace(p); p != "" {
			o.principals = append(o.principals, p)
		}
	}
	if o.principals == nil {
		return errors.New("principals= names nobody")
	}
	return nil
}

func (o *options) setEnvironment(value string) error {
	name, val, ok := strings.Cut(value, "=")
	if !ok || !environmentName(name) {
		return fmt.Errorf("environment=%s is not NAME=value", show(value))
	}
	switch name {
	case "NICK":
		n, err := nick.Parse(val)
		if err != nil {
			return err
		}
		if o.nick != "" && o.nick != n {
			return errors.New("NICK is given twice")
		}
		o.nick = n
	case "ROLE":
		if val != roleOperator {
			return fmt.Errorf("ROLE=%s is not known; there is only ROLE=%s", show(val), roleOperator)
		}
		o.role = val
	}
	return nil // other names are another program's
}

func environmentName(s string) bool {
	for _, c := range []byte(s) {
		if c != '_' && (c < '0' || '9' < c) && (c < 'A' || 'Z' < c) && (c < 'a' || 'z' < c) {
			return false
		}
	}
	return s != ""
}

func (o *options) consistent() error {
	switch {
	case o.authority && o.nick != "":
		return errors.New("an authority cannot hold a nick: NICK= and cert-authority exclude each other")
	case !o.authority && o.principals != nil:
		return errors.New("principals= needs cert-authority")
	}
	return nil
}

// expiryForms are sshd's: a day, minutes, seconds.
var expiryForms = map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}

// parseExpiry reads sshd's expiry-time. Local time, unless it ends in Z.
func parseExpiry(s string) (time.Time, error) {
	zone := time.Local
	digits, utc := s, false
	if digits, utc = strings.CutSuffix(s, "Z"); !utc {
		digits, utc = strings.CutSuffix(s, "z")
	}
	if utc {
		zone = time.UTC
	}
	form, ok := expiryForms[len(digits)]
	if !ok || strings.Trim(digits, "0123456789") != "" {
		return time.Time{}, fmt.Errorf("expiry-time %s is not YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z]", show(s))
	}
	t, err := time.ParseInLocation(form, digits, zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("expiry-time %s is no date", show(s))
	}
	return t, nil
}
