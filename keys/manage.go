package keys

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"whoelse/keys/internal/sanitize"
	"whoelse/keys/nick"

	"github.com/gliderlabs/ssh"
)

// Selector says which lines are meant. Of Nick and Fingerprint one at least is
// given; both together mean the lines that fit both.
type Selector struct {
	Nick        string // as Parse gave it
	Fingerprint string // "SHA256:..."
	// KeepLast refuses (ErrLastKey) to leave a nick without a key that is in force: with
	// an expired one, or one for certain addresses only, its holder might never get in again.
	KeepLast bool
}

func (s Selector) selects(l *line) bool {
	if s.Nick == "" && s.Fingerprint == "" {
		return false
	}
	return (s.Nick == "" || slices.Contains(l.holds(), s.Nick)) &&
		(s.Fingerprint == "" || l.key != nil && Fingerprint(l.key) == s.Fingerprint)
}

// Remove takes the selected lines out of the file, and leaves all others, and all
// comments, as they are. It gives what was removed. Errors: ErrNoSuchKey,
// ErrLastKey, the disk's.
func (r *Registry) Remove(s Selector) ([]Entry, error) {
	var gone []*line
	err := r.change(func(t *table) ([]byte, error) {
		gone = nil
		for _, l := range t.entries {
			if s.selects(l) {
				gone = append(gone, l)
			}
		}
		if len(gone) == 0 {
			return nil, fmt.Errorf("%w: %s", ErrNoSuchKey, strings.TrimSpace(sanitize.Text(s.Nick)+" "+sanitize.Text(s.Fingerprint)))
		}
		if s.KeepLast && r.leavesNone(t, gone) {
			return nil, fmt.Errorf("%w of %s, and cannot be removed; add another one first", ErrLastKey, gone[0].Nick)
		}
		gone = append(gone, t.orphaned(gone)...)
		return t.without(gone), nil
	})
	if err != nil {
		return nil, err
	}
	return entries(gone), nil
}

// orphaned are the pending lines of nicks that have no others once gone are: nobody who holds the nick could want
// them any more, and whoever took a key may have added them.
func (t *table) orphaned(gone []*line) (orphans []*line) {
	for _, l := range gone {
		left := slices.DeleteFunc(slices.Clone(t.byNick[l.Nick]), func(o *line) bool {
			return slices.Contains(gone, o) || slices.Contains(orphans, o)
		})
		if l.Nick != "" && !slices.ContainsFunc(left, func(o *line) bool { return !o.Pending }) {
			orphans = append(orphans, left...)
		}
	}
	return orphans
}

// leavesNone tells whether some nick would be left without a key in force.
func (r *Registry) leavesNone(t *table, gone []*line) bool {
	stays := func(l *line) bool {
		return !slices.Contains(gone, l) && l.from == nil && !l.Pending && l.refusal(r.now()) == ""
	}
	return slices.ContainsFunc(gone, func(l *line) bool {
		return l.Nick != "" && !l.Pending && !slices.ContainsFunc(t.byNick[l.Nick], stays)
	})
}

// Rename gives all keys of one nick to another one, which must not be held. Nothing
// else of their lines changes. It gives the lines as they are now.
//
// Errors: Parse's; ErrNoSuchKey if nobody holds the old one; ErrHeld, ErrReserved and
// *ConfusableError about the new one; one that names the line if the file says it in a
// way that cannot be changed mechanically; the disk's.
func (r *Registry) Rename(from, to string) ([]Entry, error) {
	from, err := nick.Parse(from)
	if err != nil {
		return nil, err
	}
	if to, err = nick.Parse(to); err != nil {
		return nil, err
	}
	err = r.change(func(t *table) ([]byte, error) {
		if len(t.byNick[from]) == 0 {
			return nil, fmt.Errorf("%w: nobody holds %s", ErrNoSuchKey, from)
		}
		failed := r.available(to)
		if like, ok := errors.AsType[*ConfusableError](failed); ok && like.Like == from {
			failed = nil
		}
		data := t.rewritten(func(l *line, text []byte) []byte {
			if !slices.Contains(l.holds(), from) {
				return text
			}
			renamed, err := renameLine(l, text, to)
			failed = cmp.Or(failed, err)
			return renamed
		})
		return data, failed
	})
	if err != nil {
		return nil, err
	}
	return r.Keys(to), nil
}

// renameLine changes one line, in NICK= or else in its comment, and then reads it: whatever
// is odd about its text, it has to mean the same as before for another nick, or it is left
// to a human.
func renameLine(l *line, text []byte, to string) ([]byte, error) {
	body := withoutEnd(text)
	start, end := -1, -1
	if i := bytes.Index(body, []byte(`"NICK=`)); i >= 0 {
		start = i + len(`"NICK=`)
		end = start + bytes.IndexByte(body[start:], '"')
	} else if _, comment, _, _, err := ssh.ParseAuthorizedKey(body); err == nil {
		name, _, _ := strings.Cut(comment, "@")
		start = bytes.LastIndex(body, []byte(comment))
		end = start + len(name)
	}
	want := *l
	want.Nick = to
	if 0 <= start && start <= end {
		renamed := slices.Concat(body[:start], []byte(to), body[end:])
		if parseLine(l.Line, renamed).equivalent(&want) {
			return append(renamed, text[len(body):]...), nil
		}
	}
	return nil, fmt.Errorf("line %d cannot be renamed by itself; edit it by hand", l.Line)
}

// expireMost bounds how many nicks Expire frees at once where servers share the file: their lines, of up to 3 KB,
// have to fit into one proposal.
const expireMost = 25

// Expire frees nicks that people claimed and then did not use: it takes the lines that
// Claim wrote out of the file, and gives them. Nicks go if they were claimed before
// a time, none of their keys was used since, and inUse does not know them. They have
// departed then, see [Registry.Departed]: who came meanwhile, or was written to, is seen to
// before anybody else gets the nick.
//
// A nick that has any other line stays, with one that was added, invited or edited: a
// person decided on it. lastUsed gives when a key was used, by its fingerprint, zero where
// that is not known. inUse is called with no lock held. Where servers share the file some may be left for another call.
func (r *Registry) Expire(
	before time.Time, lastUsed func(fingerprint string) time.Time, inUse func(nick string) bool,
) ([]Entry, error) {
	unused := func(t *table) map[string][]*line {
		keeps := func(l *line) bool {
			return l.Added.Add(24*time.Hour).After(before) || // that day may have ended after it
				!t.asClaimed(l) || lastUsed(Fingerprint(l.key)).After(before)
		}
		nicks := maps.Clone(t.byNick)
		maps.DeleteFunc(nicks, func(_ string, lines []*line) bool { return slices.ContainsFunc(lines, keeps) })
		return nicks
	}
	r.updating.Lock()
	nicks := slices.Sorted(maps.Keys(unused(r.table)))
	r.updating.Unlock()
	nicks = slices.DeleteFunc(nicks, inUse)
	if r.share != nil {
		nicks = nicks[:min(len(nicks), expireMost)]
	}
	var gone []*line
	err := r.change(func(t *table) ([]byte, error) {
		gone = nil
		still := unused(t)
		for _, n := range nicks {
			gone = append(gone, still[n]...)
		}
		return t.without(gone), nil
	})
	if err != nil || len(gone) == 0 {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.emptied = false // if it is empty now, that is no operator's mistake
	return entries(gone), nil
}

// asClaimed tells whether a line is as Claim wrote it.
func (t *table) asClaimed(l *line) bool {
	return l.Nick != "" && l.Disabled == "" &&
		string(withoutEnd(t.text(l))) == keyLine(l.key, commentFor(l.Nick, "", "claimed", l.Added))
}
