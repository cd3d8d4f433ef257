package keys

import (
	"slices"
	"time"
)

// mostExpired bounds the nicks that one call of Expire frees: it holds up who wants to
// write the file.
const mostExpired = 500

// Expire frees nicks that people claimed and then did not use: it takes the lines that
// Claim wrote out of the file, and gives them. Nicks go if they were claimed before
// a time, none of their keys was used since, and inUse does not know them; up to some
// hundred at once, so it is called until it gives none.
//
// A nick that has any other line stays, with one that was added, invited or edited: somebody
// decided on it. lastUsed gives when a key was used, by its fingerprint, zero where
// that is not known. inUse must not call the registry.
func (r *Registry) Expire(before time.Time, lastUsed func(fingerprint string) time.Time, inUse func(nick string) bool) ([]Entry, error) {
	var gone []*line
	err := r.change(func(t *table, raw []byte) ([]byte, error) {
		gone = nil
		written := t.asClaimed(raw)
		freed := 0
		for n, lines := range t.byNick {
			kept := slices.ContainsFunc(lines, func(l *line) bool {
				return !written[l.num] || l.claimedAfter(before) || lastUsed(Fingerprint(l.key)).After(before)
			})
			if kept || inUse(n) {
				continue
			}
			gone = append(gone, lines...)
			if freed++; freed == mostExpired {
				break
			}
		}
		return withoutLines(raw, gone), nil
	})
	if err != nil {
		return nil, err
	}
	for _, l := range gone {
		r.Release(l.nick) // nobody used it
	}
	return entries(gone), nil
}

// asClaimed tells which lines are as Claim wrote them, by number.
func (t *table) asClaimed(raw []byte) map[int]bool {
	byNum := make(map[int]*line, len(t.entries))
	for _, l := range t.entries {
		if l.key != nil && l.disabled == "" && l.nick != "" {
			byNum[l.num] = l
		}
	}
	written := make(map[int]bool)
	num := 0
	for text := range textLines(raw) {
		num++
		if l := byNum[num]; l != nil {
			written[num] = string(text) == claimLine(l.key, commentFor(l.nick, "claimed", added(l.comment)))
		}
	}
	return written
}

// claimedAfter tells whether the day on which a line was claimed may have ended after t.
func (l *line) claimedAfter(t time.Time) bool {
	return added(l.comment).Add(24 * time.Hour).After(t)
}
