package keys

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"whoelse/internal/disk"
	"whoelse/keys/internal/sanitize"
	"whoelse/keys/nick"
)

// Problem is something about the file that its operator ought to know.
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

// Check reads the file again, puts it in force, and gives all that is wrong or odd
// about it, by line. An error is the file as a whole: it cannot be read, or is not
// safe.
func (r *Registry) Check() ([]Problem, error) {
	if err := r.Reload(); err != nil {
		return nil, err
	}
	var found []Problem
	if stat, _ := disk.StatOf(r.path); stat.Mode.Perm()&0o020 != 0 {
		found = append(found, Problem{Text: "its group can write the file; chmod g-w it"})
	}
	keys, skeletons := make(map[string]*line), make(map[string]*line)
	for _, l := range r.lines(func(t *table) []*line { return t.entries }) {
		if l.Disabled != "" {
			found = append(found, Problem{Line: l.Line, Text: l.Disabled, Disabled: true})
			continue
		}
		warn := func(format string, args ...any) {
			found = append(found, Problem{Line: l.Line, Text: fmt.Sprintf(format, args...)})
		}
		if why := l.refusal(r.now()); why != "" && !l.Authority {
			warn("%s", why)
		}
		if before := firstWith(keys, string(l.key.Marshal()), l); before != l && !l.Pending && !before.Pending {
			warn("the same key is on line %d", before.Line)
		}
		for _, p := range l.from {
			if p.isName() {
				warn("from= has %s, but names are not looked up, only addresses compared", sanitize.Quote(p.glob))
			}
		}
		if before := firstWith(skeletons, nick.Skeleton(l.Nick), l); l.Nick != "" && before.Nick != l.Nick {
			warn("%s reads like %s on line %d", l.Nick, before.Nick, before.Line)
		}
	}
	return found, nil
}

// firstWith gives the first line that was noted under a name, and notes l if there is none.
func firstWith(seen map[string]*line, name string, l *line) *line {
	seen[name] = cmp.Or(seen[name], l)
	return seen[name]
}

// Export gives the lines that are in force and hold a nick, of the given nicks or of
// all: each as it is in the file, but for what is not safe to show. A line that
// would mean something else without that is left out.
func (r *Registry) Export(nicks ...string) []byte {
	r.refresh()
	r.mu.RLock()
	t := table{raw: r.table.raw, entries: r.table.entries} // r.table may grow
	r.mu.RUnlock()
	var out bytes.Buffer
	for _, l := range t.entries {
		if l.Nick == "" || l.Pending || l.refusal(r.now()) != "" || len(nicks) > 0 && !slices.Contains(nicks, l.Nick) {
			continue
		}
		shown := sanitize.Most(strings.ReplaceAll(strings.TrimSpace(string(t.text(l))), "\t", " "), lineMax)
		if parseLine(l.Line, []byte(shown)).equivalent(l) {
			out.WriteString(shown + "\n")
		}
	}
	return out.Bytes()
}
