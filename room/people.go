package room

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// people is who is here, and who was lately. Owned by Room.mu.
type people struct {
	members  map[string]*member
	online   []string             // the members' nicks, sorted
	visiting map[string]*Seat     // guests who run a command, by name
	seen     map[string]departure // when who is not online now was last
	edits    int                  // changes of wishes, so that none is missed by who joins
	inflight inflight
	released int // how often something no longer was
}

// departure is when somebody was last online, and how that ended.
type departure struct {
	at   time.Time
	lost bool // the connection
}

func newPeople() people {
	return people{members: map[string]*member{}, visiting: map[string]*Seat{}, seen: map[string]departure{}, inflight: inflight{}}
}

// add makes nick a member.
func (p *people) add(nick string) *member {
	now := time.Now()
	m := &member{nick: nick, since: now, active: now, renewed: now}
	p.members[nick] = m
	i, _ := slices.BinarySearch(p.online, nick)
	p.online = slices.Insert(p.online, i, nick)
	delete(p.seen, nick)
	return m
}

// remove ends that, and remembers how.
func (p *people) remove(nick string, d departure) {
	delete(p.members, nick)
	if i, found := slices.BinarySearch(p.online, nick); found {
		p.online = slices.Delete(p.online, i, i+1)
	}
	p.remember(nick, d)
}

// remember notes how nick left and forgets the oldest when there are too many.
func (p *people) remember(nick string, d departure) {
	p.seen[nick] = d
	if len(p.seen) > seenMost {
		p.forget(seenMost / 2)
	}
}

// forget reduces seen to the newest most nicks. Guests go first: a flood of
// names, which costs nothing, must not push out people.
func (p *people) forget(most int) {
	nicks := slices.SortedFunc(maps.Keys(p.seen), func(a, b string) int {
		if isGuest(a) != isGuest(b) {
			return strings.Compare(b, a) // '~' is above all that nicks begin with
		}
		return p.seen[a].at.Compare(p.seen[b].at)
	})
	for _, nick := range nicks[:len(nicks)-most] {
		delete(p.seen, nick)
	}
}

// putAll gives u to every session.
func (p *people) putAll(u *Update) {
	for _, m := range p.members {
		m.put(u)
	}
}

// around returns up to before of the nicks before name, and up to after from it on.
func (p *people) around(name string, before, after int) []string {
	i, _ := slices.BinarySearch(p.online, name)
	return slices.Clone(p.online[max(0, i-before):min(len(p.online), i+after)])
}

// freeGuest returns name, or name with the least number behind it that is free,
// cut where it would be too long. What a key holds, or could be taken for it, is not.
func (p *people) freeGuest(name string, directory Directory) string {
	free := name
	for n := 2; p.members[free] != nil || p.visiting[free] != nil || !directory.Free(free[1:]); n++ {
		number := strconv.Itoa(n)
		free = name[:min(len(name), maxGuestName-len(number))] + number
	}
	return free
}

// others returns who is online beside nick, by nick.
func (p *people) others(nick string) []Presence {
	all := make([]Presence, 0, len(p.online))
	for _, other := range p.online {
		if other != nick {
			all = append(all, p.members[other].presence())
		}
	}
	return all
}

// leftSince returns who beside nick left since t and is not back, newest first.
func (p *people) leftSince(t time.Time, nick string) (left []Presence) {
	for other, d := range p.seen {
		if !d.at.Before(t) && other != nick {
			left = append(left, Presence{Nick: other, Active: d.at, Lost: d.lost})
		}
	}
	slices.SortFunc(left, func(a, b Presence) int {
		return cmp.Or(b.Active.Compare(a.Active), strings.Compare(a.Nick, b.Nick))
	})
	return left
}
