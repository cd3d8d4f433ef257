package keys

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Errors of Remove and Rename.
var (
	// ErrNoSuchKey: no line is meant by what was given.
	ErrNoSuchKey = errors.New("no such key")
	// ErrLastKey: nothing would be left to log in with.
	ErrLastKey = errors.New("this is the last key")
)

// Selector says which lines are meant. Of Nick and Fingerprint one at least is
// given; both together mean the lines that fit both.
type Selector struct {
	Nick        string // as Parse gave it
	Fingerprint string // "SHA256:..."
	// KeepLast refuses (ErrLastKey) to leave a nick without a key that is in force.
	// With an expired one, or one for certain addresses only, nobody is sure to get
	// in again.
	KeepLast bool
}

func (s Selector) meant(l *line) bool {
	if s.Nick == "" && s.Fingerprint == "" {
		return false
	}
	if s.Nick != "" && !slices.Contains(l.holds(), s.Nick) {
		return false
	}
	return s.Fingerprint == "" || l.key != nil && Fingerprint(l.key) == s.Fingerprint
}

// Remove takes the meant lines out of the file, and leaves all others, and all
// comments, as they are. It gives what was removed. Errors: ErrNoSuchKey,
// ErrLastKey, the disk's.
func (r *Registry) Remove(s Selector) ([]Entry, error) {
	var gone []*line
	err := r.change(func(t *table, raw []byte) ([]byte, error) {
		gone = nil
		for _, l := range t.entries {
			if s.meant(l) {
				gone = append(gone, l)
			}
		}
		if len(gone) == 0 {
			return nil, fmt.Errorf("%w: %s", ErrNoSuchKey, s)
		}
		if s.KeepLast && r.leavesNone(t, gone) {
			return nil, fmt.Errorf("%w of %s, and cannot be removed; add another one first", ErrLastKey, gone[0].nick)
		}
		return withoutLines(raw, gone), nil
	})
	if err != nil {
		return nil, err
	}
	return entries(gone), nil
}

func (s Selector) String() string {
	return strings.TrimSpace(clean(s.Nick) + " " + clean(s.Fingerprint))
}

// leavesNone tells whether a nick that can log in now could no more without gone.
func (r *Registry) leavesNone(t *table, gone []*line) bool {
	lost := numbers(gone)
	for _, l := range gone {
		left := 0
		for _, other := range t.byNick[l.nick] {
			if !lost[other.num] && other.opts.from == nil && other.refusal(r.now()) == "" {
				left++
			}
		}
		if l.nick != "" && left == 0 {
			return true
		}
	}
	return false
}

func numbers(lines []*line) map[int]bool {
	m := make(map[int]bool, len(lines))
	for _, l := range lines {
		m[l.num] = true
	}
	return m
}

// withoutLines cuts whole lines, with their ends, out of a file.
func withoutLines(raw []byte, gone []*line) []byte {
	cut := numbers(gone)
	return mapLines(raw, func(num int, text []byte) []byte {
		if cut[num] {
			return nil
		}
		return text
	})
}

// mapLines rebuilds a file from its lines, each with its end. The byte order mark is
// no part of the first line.
func mapLines(raw []byte, f func(num int, text []byte) []byte) []byte {
	out := make([]byte, 0, len(raw))
	if bytes.HasPrefix(raw, bom) {
		out, raw = append(out, bom...), raw[len(bom):]
	}
	num := 0
	for text := range bytes.Lines(raw) {
		num++
		out = append(out, f(num, text)...)
	}
	return out
}
