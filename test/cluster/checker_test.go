package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// story is what happened to everybody while servers failed, for a checker that knows nothing else:
// what was sent and how it was answered, what each session was shown, and what all servers have when
// everything has healed.
type story struct {
	attempts []*attempt
	sessions []*shownSession
	// lobby is the room's history as each server has it; direct the messages of each nick.
	lobby  map[string][]message
	direct map[string]map[string][]message // by nick, then by server
	claims []claim
	keys   map[string]map[string][]string // by server, then by nick: the fingerprints at the end
}

// attempt is one text that somebody sent. No text is sent twice, except with its key.
type attempt struct {
	from, text string
	to         []string // nil for everyone
	begun      time.Time
	answered   time.Time     // when the answer came; zero without one
	fate       fate          // what it said
	id         string        // of an acknowledged one
	node       string        // where it was sent first
	silence    time.Duration // from sending until the first answer, in a session that lasted
	tries      []string      // what was done with it, for people to read
}

// fate is how an attempt was answered.
type fate string

const (
	unknown  fate = "" // no answer, or one that leaves it open
	accepted fate = "acknowledged"
	refused  fate = "refused"
)

// message is one as it was shown, or as a history has it.
type message struct {
	id, from, text string
}

// shownSession is what one session was shown, in its order.
type shownSession struct {
	nick, node    string
	lobby, direct []message
}

// claim is a nick that a server said is this key's.
type claim struct {
	nick, key, node string
}

// check decides. Each line it returns is something that must not happen. A refusal has to come within
// limit.
func (s *story) check(limit time.Duration) []string {
	c := &checker{story: s, wrong: map[string]bool{}}
	c.histories("the lobby", s.lobby)
	for nick, on := range s.direct {
		c.histories("what "+nick+" has", on)
	}
	c.answers(limit)
	c.realTime()
	for _, session := range s.sessions {
		c.shown(session, "in the lobby", session.lobby, anyOf(s.lobby))
		c.shown(session, "directly", session.direct, anyOf(s.direct[session.nick]))
	}
	c.holders()
	all := make([]string, 0, len(c.wrong))
	for line := range c.wrong {
		all = append(all, line)
	}
	slices.Sort(all)
	return all
}

type checker struct {
	*story
	wrong map[string]bool
}

func (c *checker) complain(format string, args ...any) { c.wrong[fmt.Sprintf(format, args...)] = true }

// anyOf returns one of them: that they are the same is checked elsewhere.
func anyOf(on map[string][]message) []message {
	least := ""
	for node := range on {
		if least == "" || node < least {
			least = node
		}
	}
	return on[least]
}

// histories: all servers have the same messages in the same order, each once, with rising ids.
func (c *checker) histories(what string, on map[string][]message) {
	first := anyOf(on)
	for node, has := range on {
		if i := difference(first, has); i >= 0 {
			c.complain("order: %s differs between servers, on %s at number %d: %v, elsewhere %v", what, node, i, at(has, i), at(first, i))
		}
		texts, ids := map[string]bool{}, map[string]bool{}
		for i, m := range has {
			if texts[m.text] || ids[m.id] {
				c.complain("twice: %s has %q (%s) twice on %s", what, m.text, m.id, node)
			}
			texts[m.text], ids[m.id] = true, true
			if i > 0 && m.id < has[i-1].id {
				c.complain("order: %s has the id %s after %s on %s", what, m.id, has[i-1].id, node)
			}
		}
	}
}

func difference(a, b []message) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}

func at(list []message, i int) string {
	if i >= len(list) {
		return "nothing"
	}
	return fmt.Sprintf("%q (%s)", list[i].text, list[i].id)
}

// answers: what was acknowledged is where it belongs, on every server; what was refused is nowhere; and
// nothing is there that nobody sent.
func (c *checker) answers(limit time.Duration) {
	sent := map[string]*attempt{}
	for _, a := range c.attempts {
		sent[a.text] = a
		if a.silence > limit {
			c.complain("late: %s waited %v on %s for the answer to %q (%s)", a.from, a.silence.Round(time.Millisecond), a.node, a.text, cmp.Or(a.fate, "unknown"))
		}
		for where, on := range c.places(a) {
			for node, has := range on {
				i := slices.IndexFunc(has, func(m message) bool { return m.text == a.text })
				switch {
				case a.fate == accepted && i < 0:
					c.complain("lost: %q of %s was acknowledged (%s), and %s on %s lacks it", a.text, a.from, a.id, where, node)
				case a.fate == accepted && a.id != "" && has[i].id != a.id:
					c.complain("id: %q of %s was acknowledged as %s, and is %s in %s on %s", a.text, a.from, a.id, has[i].id, where, node)
				case a.fate == refused && i >= 0:
					c.complain("refused: %q of %s was refused, and %s on %s has it", a.text, a.from, where, node)
				}
			}
		}
	}
	found := func(where string, list []message) {
		for _, m := range list {
			if a := sent[m.text]; a == nil || a.from != m.from {
				c.complain("forged: %s has %q from %s, who never sent it", where, m.text, m.from)
			}
		}
	}
	for node, has := range c.lobby {
		found("the lobby on "+node, has)
	}
	for nick, on := range c.direct {
		for node, has := range on {
			found("the history of "+nick+" on "+node, has)
		}
	}
	for _, s := range c.sessions {
		found("the screen of "+s.nick, slices.Concat(s.lobby, s.direct))
	}
}

// places are the histories that an attempt belongs to, by server.
func (c *checker) places(a *attempt) map[string]map[string][]message {
	if a.to == nil {
		return map[string]map[string][]message{"the lobby": c.lobby}
	}
	on := map[string]map[string][]message{"the history of " + a.from: c.direct[a.from]}
	for _, nick := range a.to {
		on["the history of "+nick] = c.direct[nick]
	}
	return on
}

// realTime: what was sent after something else was acknowledged, by anybody on any server, comes after it.
func (c *checker) realTime() {
	sent := map[string]*attempt{}
	for _, a := range c.attempts {
		sent[a.text] = a
	}
	var latest *attempt // of those before, the one that was begun last
	for _, m := range anyOf(c.lobby) {
		a := sent[m.text]
		if a == nil {
			continue
		}
		if latest != nil && a.fate == accepted && a.answered.Before(latest.begun) {
			c.complain("order: %q was acknowledged before %q was sent, and comes after it", a.text, latest.text)
		}
		if latest == nil || a.begun.After(latest.begun) {
			latest = a
		}
	}
}

// shown: a session is shown a part of the history, without gaps, in its order, nothing twice.
func (c *checker) shown(s *shownSession, how string, got, history []message) {
	seen := map[string]bool{}
	for _, m := range got {
		if seen[m.id] || seen[m.text] {
			c.complain("twice: a session of %s on %s was shown %q (%s) twice", s.nick, s.node, m.text, m.id)
			return
		}
		seen[m.id], seen[m.text] = true, true
	}
	if len(got) == 0 {
		return
	}
	first := slices.Index(history, got[0])
	for i, m := range got {
		if first < 0 || first+i >= len(history) || history[first+i] != m {
			want := "nothing"
			if first >= 0 {
				want = at(history, first+i)
			}
			c.complain("shown: a session of %s on %s was shown %s as number %d %s: the history has %s", s.nick, s.node, at(got, i), i, how, want)
			return
		}
	}
}

// holders: no nick was ever given to two keys, and all servers agree on who has it.
func (c *checker) holders() {
	holder := map[string]string{}
	for _, g := range c.claims {
		if held := holder[g.nick]; held != "" && held != g.key {
			c.complain("claim: %s was given to two keys, %s and %s", g.nick, held, g.key)
		}
		holder[g.nick] = g.key
	}
	for node, nicks := range c.keys {
		for nick, keys := range nicks {
			if len(keys) != 1 {
				c.complain("claim: %s has %d keys on %s: %s", nick, len(keys), node, strings.Join(keys, " "))
			}
		}
		for nick, key := range holder {
			if keys := nicks[nick]; !slices.Contains(keys, key) {
				c.complain("claim: %s was given to %s, and on %s it is held by %q", nick, key, node, keys)
			}
		}
	}
}
