package keys

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/gliderlabs/ssh"

	"whoelse/internal/atomicfile"
	"whoelse/keys/internal/sanitize"
	"whoelse/keys/nick"
)

// Problem is something about the file that whoever keeps it ought to know.
type Problem struct {
	Line int    `json:"line"` // 0 is the file as a whole
	Text string `json:"text"` // safe to show
	// Disabled says that the line is not in force for it. Others are warnings.
	Disabled bool `json:"disabled"`
}

func (p Problem) String() string {
	kind := "warning"
	if p.Disabled {
		kind = "disabled"
	}
	if p.Line == 0 {
		return kind + ": " + p.Text
	}
	return fmt.Sprintf("line %d: %s: %s", p.Line, kind, p.Text)
}

// Check reads the file anew, puts it in force, and gives all that is wrong or odd
// about it, by line. An error is the file as a whole: it cannot be read, or is not
// safe.
func (r *Registry) Check() ([]Problem, error) {
	if err := r.Reload(); err != nil {
		return nil, err
	}
	var found []Problem
	if stamp, _ := atomicfile.Stat(r.path); stamp.Perm()&0o020 != 0 {
		found = append(found, Problem{Text: "its group can write the file; chmod g-w it"})
	}
	r.mu.RLock()
	t := r.table
	list := slices.Clone(t.entries)
	r.mu.RUnlock()
	seen := make(map[string]*line, len(list))
	skeletons := make(map[string]*line, len(list))
	for _, l := range list {
		found = append(found, r.check(l, seen, skeletons)...)
	}
	return found, nil
}

func (r *Registry) check(l *line, seen, skeletons map[string]*line) []Problem {
	if l.disabled != "" {
		return []Problem{{Line: l.num, Text: l.disabled, Disabled: true}}
	}
	var found []Problem
	warn := func(format string, args ...any) {
		found = append(found, Problem{Line: l.num, Text: fmt.Sprintf(format, args...)})
	}
	if why := l.refusal(r.now()); why != "" && !l.opts.authority {
		warn("%s", why)
	}
	k := string(l.key.Marshal())
	if before := seen[k]; before != nil {
		warn("the same key is on line %d", before.num)
	} else {
		seen[k] = l
	}
	for _, p := range l.opts.from {
		if p.isName() {
			warn("from= has %s, but names are not looked up, only addresses compared", show(p.glob))
		}
	}
	if l.nick != "" {
		s := nick.Skeleton(l.nick)
		if before := skeletons[s]; before == nil {
			skeletons[s] = l
		} else if before.nick != l.nick {
			warn("%s reads like %s on line %d", l.nick, before.nick, before.num)
		}
	}
	return found
}

// isName tells a host name's pattern from an address's.
func (p addressPattern) isName() bool {
	return !p.block.IsValid() && strings.Trim(p.glob, "0123456789abcdef:.*?") != ""
}

// Export gives the lines that are in force and hold a nick, of the given nicks or of
// all: each as it stands in the file, but for what is not safe to show. A line that
// would mean something else without that is left out.
func (r *Registry) Export(nicks ...string) []byte {
	r.refresh()
	r.mu.RLock()
	raw, list := r.table.raw, r.table.entries
	r.mu.RUnlock()
	wanted := make(map[int]*line, len(list))
	for _, l := range list {
		if l.nick != "" && l.refusal(r.now()) == "" && (len(nicks) == 0 || slices.Contains(nicks, l.nick)) {
			wanted[l.num] = l
		}
	}
	return mapLines(bytes.TrimPrefix(raw, bom), func(num int, text []byte) []byte {
		l := wanted[num]
		if l == nil {
			return nil
		}
		shown := sanitize.Most(strings.ReplaceAll(strings.TrimSpace(string(text)), "\t", " "), lineMax)
		if !parseLine(num, []byte(shown)).same(l) {
			return nil
		}
		return []byte(shown + "\n")
	})
}

// same tells whether two lines say the same of the same key.
func (l *line) same(o *line) bool {
	return l.key != nil && ssh.KeysEqual(l.key, o.key) && l.disabled == o.disabled && l.equivalent(o)
}
