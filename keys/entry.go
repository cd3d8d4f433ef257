package keys

import (
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// Holder is whose a key is.
type Holder struct {
	Nick string
	Role string // RoleOperator, RoleBot or empty
	// NoTouch says that the line allows signatures of a hardware key without a
	// touch. The connection's permissions need the extension "no-touch-required"
	// then, or the ssh library refuses such a signature.
	NoTouch bool
	// Pending says that the line counts once [Registry.Confirm] was called.
	Pending bool
}

// Entry is one line of the file that has a key, or should have one. All text in it
// is safe to show.
type Entry struct {
	Line        int       `json:"line"`
	Nick        string    `json:"nick,omitempty"` // of the holder; empty for an authority
	Role        string    `json:"role,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"` // empty where no key could be read
	Type        string    `json:"type,omitempty"`
	Comment     string    `json:"comment,omitempty"`
	Label       string    `json:"label,omitempty"` // what the comment calls the key, such as phone
	Added       time.Time `json:"added,omitzero"`  // the day, where the comment tells it
	Expires     time.Time `json:"expires,omitzero"`
	From        string    `json:"from,omitempty"`
	Authority   bool      `json:"authority,omitempty"`
	Principals  []string  `json:"principals,omitempty"`
	// Pending says that nobody has logged in with the key yet, and it is Nick's only for whoever does so
	// and asks for Nick, see [Registry.Confirm].
	Pending bool `json:"pending,omitempty"`
	// Disabled says why the line is not in force, and is empty where it is. An
	// expired key is not disabled, see Expires.
	Disabled string `json:"disabled,omitempty"`

	key  PublicKey
	from addressList // nil is any address
}

// Key is the entry's public key, or nil where none could be read.
func (e Entry) Key() PublicKey { return e.key }

// Expired tells whether the key's time is over.
func (e Entry) Expired(now time.Time) bool { return !e.Expires.IsZero() && !now.Before(e.Expires) }

// Allows tells whether the line's from= lets anybody in from an address.
func (e Entry) Allows(from netip.Addr) bool { return e.from == nil || e.from.matches(from) }

// entries fills in what lines do not keep in memory.
func entries(lines []*line) []Entry {
	list := make([]Entry, len(lines))
	for i, l := range lines {
		list[i] = l.Entry
		list[i].Label = labelIn(l.Comment)
		if l.key != nil {
			list[i].Fingerprint = Fingerprint(l.key)
		}
	}
	return list
}

// Comments of lines that we write end in the day and how they came about, with a label before that if there is one:
// bob@claimed-2026-11-21, bob@phone-added-2026-11-26.
var addedMark = regexp.MustCompile(`@(?:([A-Za-z0-9._-]*)-)?(?:claimed|added|invited|restored)-(\d{4}-\d\d-\d\d)`)

func commentFor(nick, label, how string, now time.Time) string {
	if label != "" {
		label += "-"
	}
	return nick + "@" + label + how + "-" + now.UTC().Format(time.DateOnly)
}

// added reads the day back from such a comment; zero where there is none.
func added(comment string) (day time.Time) {
	if m := addedMark.FindStringSubmatch(comment); m != nil {
		day, _ = time.Parse(time.DateOnly, m[2])
	}
	return day
}

const maxLabel = 24

var notInLabels = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// label makes a label of a comment that somebody gave: of what is after its last @. It has no character that
// means anything in the file.
func label(comment string) string {
	name := notInLabels.ReplaceAllString(comment[strings.LastIndexByte(comment, '@')+1:], "-")
	return strings.Trim(name[:min(len(name), maxLabel)], "-")
}

// labelIn is the label in the comment of a line, "" if there is none.
func labelIn(comment string) string {
	if m := addedMark.FindStringSubmatch(comment); m != nil {
		return label(m[1])
	}
	_, name, _ := strings.Cut(comment, "@")
	return label(name)
}
