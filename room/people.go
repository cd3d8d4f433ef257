package room

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// people has everyone who is present, or was lately, and the messages on their way to them.
// Owned by Room.mu.
type people struct {
	here     map[string]*person
	online   []string               // their nicks, sorted
	bots     int                    // number of them that are bots
	visiting map[string]*Member     // guests who run a command, by name
	seen     map[string]departure   // of nicks that are not online now
	gone     []parting              // how nicks left, in the order of becoming known, of seen at least; never changed, only replaced
	unsaved  map[string]Preferences // of nicks that left, with read marks that are not on disk yet
	inflight inflight
	released *sync.Cond // when something is not in flight any more, or an event was applied; its lock is Room.mu

	rosters map[string]roster // of the other servers of a cluster, by name

	observers map[string][]*Observer // by their nicks
	listening map[string]int         // how many observe, or wait for somebody, by their nicks
	arrived   *sync.Cond             // when somebody comes; its lock is Room.mu
}

// roster is what is known of another server.
type roster struct {
	nicks map[string]bool // who is there
	heard string          // no message with a greater ID was applied here when the server was last heard
}

// person is a nick that is present: on this server, with one or more sessions, or with none for
// the moment when its last connection broke; or on other servers of the cluster; or both. Owned by
// Room.mu.
type person struct {
	nick      string
	bot       bool                // a bot's nick
	local     bool                // present on this server
	elsewhere map[string]Presence // by server

	since       time.Time
	active      time.Time               // when the person last typed something
	Preferences                         // changed by become, or only its Rooms
	display     atomic.Pointer[Display] // the one of Preferences, for members
	sessions    []*Member
	last        *Message // the last direct message, for replies

	broken    *time.Timer // runs while there is no session
	graceEnds time.Time   // when it fires
	lastShown string      // the ID of the last message when the last session ended
	wroteIn   string      // where a session wrote that broke, if none has come back or quit since

	firstID string    // the person's messages here have greater IDs
	renewed time.Time // when the presence history last had this person as online
	told    bool      // the others were told of the joining, and will be of the leaving
	unsaved bool      // the read marks of Preferences are not on disk yet
}

// become makes set what the person has set.
func (p *person) become(set Preferences) {
	p.Preferences = set
	p.display.Store(&set.Display)
}

// departure is when a nick was last online, and how that ended.
type departure struct {
	at   time.Time
	lost bool   // the connection
	last string // no message with a greater ID was shown before

	wroteIn string // where the lost session wrote; the lobby after one that quit; "" if not known
}

const (
	maxGuestName = 32      // of a name that got a number
	seenMost     = 100_000 // nicks remembered for wholast
	goneMore     = 1000    // departures remembered beyond two of each nick
)

func newPeople(mu *sync.Mutex) people {
	return people{
		released: sync.NewCond(mu), here: map[string]*person{}, visiting: map[string]*Member{}, seen: map[string]departure{}, inflight: inflight{},
		unsaved: map[string]Preferences{}, rosters: map[string]roster{},
		observers: map[string][]*Observer{}, listening: map[string]int{}, arrived: sync.NewCond(mu),
	}
}

func isGuest(nick string) bool { return strings.HasPrefix(nick, "~") }

// bot reports whether nick is a bot's. It answers from memory.
func (r *Room) bot(nick string) bool { return !isGuest(nick) && r.directory.Bot(nick) }

func (ps *people) add(nick string, bot bool) *person {
	now := time.Now()
	p := &person{nick: nick, bot: bot, since: now, active: now, renewed: now}
	ps.here[nick] = p
	if bot {
		ps.bots++
	}
	i, _ := slices.BinarySearch(ps.online, nick)
	ps.online = slices.Insert(ps.online, i, nick)
	delete(ps.seen, nick)
	return p
}

func (ps *people) remove(nick string, how departure) {
	if ps.here[nick].bot {
		ps.bots--
	}
	delete(ps.here, nick)
	if i, found := slices.BinarySearch(ps.online, nick); found {
		ps.online = slices.Delete(ps.online, i, i+1)
	}
	ps.remember(nick, how)
}

// remember notes how nick left. When there are too many it forgets the older half. Guests go
// first: a flood of names, which costs nothing, must not push out people.
func (ps *people) remember(nick string, how departure) {
	ps.seen[nick] = how
	ps.gone = append(ps.gone, parting{nick, how})
	if len(ps.seen) > seenMost {
		nicks := slices.SortedFunc(maps.Keys(ps.seen), func(a, b string) int {
			if isGuest(a) != isGuest(b) {
				return strings.Compare(b, a) // '~' is above all that nicks begin with
			}
			return ps.seen[a].at.Compare(ps.seen[b].at)
		})
		for _, nick := range nicks[:len(nicks)-seenMost/2] {
			delete(ps.seen, nick)
		}
	} else if len(ps.gone) <= 2*len(ps.seen)+goneMore {
		return
	}
	var gone []parting
	kept := map[string]bool{}
	for _, l := range slices.Backward(ps.gone) {
		if ps.seen[l.nick] == l.departure && !kept[l.nick] {
			kept[l.nick] = true
			gone = append(gone, l)
		}
	}
	slices.Reverse(gone)
	ps.gone = gone
}

// freeGuest returns name, or name with the least number behind it that is free,
// cut where it would be too long. What a key holds, or could be taken for it, is not.
func (ps *people) freeGuest(name string, directory Directory) string {
	free := name
	for n := 2; ps.here[free] != nil || ps.visiting[free] != nil || !directory.Free(free[1:]); n++ {
		number := strconv.Itoa(n)
		free = name[:min(len(name), maxGuestName-len(number))] + number
	}
	return free
}

// others returns who is online beside nick, by nick.
func (ps *people) others(nick string) []Presence {
	all := make([]Presence, 0, len(ps.online))
	for _, other := range ps.online {
		if other != nick {
			all = append(all, ps.here[other].presence())
		}
	}
	return all
}

// presence is p's presence on all servers together.
func (p *person) presence() Presence {
	all := p.presenceHere()
	for _, there := range p.elsewhere {
		all.Sessions += there.Sessions
		all.Quiet = all.Quiet && there.Quiet
		if there.Active.After(all.Active) {
			all.Active = there.Active
		}
	}
	return all
}

// presenceHere is p's presence on this server.
func (p *person) presenceHere() Presence {
	return Presence{
		Nick: p.nick, Bot: p.bot, Online: true, Since: p.since, Active: p.active,
		Away: p.Absence.Away(), Reason: p.Absence.Reason, Sessions: len(p.sessions), Quiet: !p.told,
	}
}

// connectedElsewhere reports whether p has a session on another server.
func (p *person) connectedElsewhere() bool {
	for _, there := range p.elsewhere {
		if there.Sessions > 0 {
			return true
		}
	}
	return false
}

// announced reports whether the others were told of p's joining, on any server.
func (p *person) announced() bool {
	for _, there := range p.elsewhere {
		if !there.Quiet {
			return true
		}
	}
	return p.told
}

// cameAfter reports whether p is a guest who took the name after the message with this ID was sent: that is from or to
// an earlier guest of the name. p may be nil.
func (p *person) cameAfter(id string) bool {
	return p != nil && p.local && isGuest(p.nick) && id <= p.firstID
}

func (p *person) put(u *Update) {
	for _, s := range p.sessions {
		s.sink.Put(u, nil)
	}
}

// withPerson calls f under the lock, if nick is present.
func (r *Room) withPerson(nick string, f func(*person)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.people.here[nick]; p != nil {
		f(p)
	}
}

// Presence is what everyone may know of a nick.
type Presence struct {
	Nick     string
	Bot      bool // a program
	Online   bool
	Since    time.Time // online since; zero when not online
	Active   time.Time // last typed something; when not online: left
	Away     bool
	Reason   string // for being away
	Sessions int    // 0 while a broken connection is waited for
	Quiet    bool   // the others were not told of the joining
	Lost     bool   // when not online: the connection was lost
}

// Everyone returns all who are online, by nick.
func (r *Room) Everyone() []Presence {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.people.others("")
}

// NicksAround returns nicks that are online, in alphabetical order, for completion and
// suggestions: up to before of those before name, and up to after of those from it on. Its cost
// does not grow with the number of people.
func (r *Room) NicksAround(name string, before, after int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	online := r.people.online
	i, _ := slices.BinarySearch(online, name)
	return slices.Clone(online[max(0, i-before):min(len(online), i+after)])
}

// Known reports whether nick is online or, unless it is a guest's, was lately.
func (r *Room) Known(nick string) bool {
	return r.Here(nick) || !isGuest(nick) && r.wasHere(nick)
}

// Here reports whether nick is online, or its connection broke just now.
func (r *Room) Here(nick string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.people.here[nick] != nil
}

func (r *Room) wasHere(nick string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, was := r.people.seen[nick]
	return was
}
