package room

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Peers are the other servers of a cluster. Its methods are called with the room's lock held, so they
// must neither block nor call the room.
type Peers interface {
	// Node is the name of this server.
	Node() string
	// RosterChanged says that [Room.Roster] has changed.
	RosterChanged()
}

// Errors of a cluster's log. All wrap [ErrStorage].
var (
	// ErrCluster says that the cluster can't store anything right now.
	ErrCluster = fmt.Errorf("%w: the cluster can't store messages right now", ErrStorage)
	// ErrUncertain says that the cluster did not answer in time: the message or change may still come.
	ErrUncertain = fmt.Errorf("%w: the cluster did not answer in time", ErrStorage)
	// ErrConflict says that another server changed the same thing at the same time, again and again.
	ErrConflict = fmt.Errorf("%w: other servers are changing the same thing", ErrStorage)
)

// Roster returns the people who are present on this server, by nick, for the other servers.
func (r *Room) Roster() []Presence {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Presence
	for _, nick := range r.people.online {
		if p := r.people.here[nick]; p.local {
			all = append(all, p.presenceHere())
		}
	}
	return all
}

// rosterChanged tells the other servers that Roster changed. r.mu is held.
func (r *Room) rosterChanged() {
	if r.peers != nil {
		r.peers.RosterChanged()
	}
}

// SetRoster notes the people who are present on another server, from its Roster, with times by this server's clock.
// here is empty when that server is gone; lost says that its people lost their connections. A person whose settings
// can't be read is not present until they can be, since it is not known whose messages that person blocks.
func (r *Room) SetRoster(node string, here []Presence, lost bool) {
	r.loading.Lock()
	defer r.loading.Unlock()
	set := r.settingsOfNew(here)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || node == r.node {
		return
	}
	before, now := r.people.rosters[node], map[string]bool{}
	for _, there := range here {
		p := r.people.here[there.Nick]
		if p == nil {
			preferences, known := set[there.Nick]
			if !known {
				continue
			}
			p = r.appear(there, preferences)
		}
		now[p.nick] = true
		r.presentAt(node, p, there)
	}
	shown := r.lastID
	if lost {
		shown = before.heard
	}
	for nick := range before.nicks {
		if !now[nick] {
			r.leftServer(node, r.people.here[nick], lost, shown)
		}
	}
	if r.people.rosters[node] = (roster{now, r.lastID}); len(now) == 0 {
		delete(r.people.rosters, node)
	}
}

// settingsOfNew loads the settings of people who are not present yet, if they can be read. r.loading is held.
func (r *Room) settingsOfNew(here []Presence) map[string]Preferences {
	set := map[string]Preferences{}
	for _, there := range here {
		if !r.Here(there.Nick) {
			if preferences, err := r.preferences(there.Nick); err == nil {
				set[there.Nick] = preferences
			}
		}
	}
	return set
}

// appear adds a person who is present on another server. r.mu is held.
func (r *Room) appear(there Presence, set Preferences) *person {
	p := r.people.add(there.Nick, there.Bot)
	p.become(set)
	p.since, p.active = there.Since, there.Active
	r.rooms[Lobby].enter(p)
	for _, j := range p.Rooms {
		if c, may := r.lookup(j.Room, p.nick); may.Read && p.joined(c).Room != "" {
			c.enter(p)
		}
	}
	return p
}

// presentAt notes that p is present on another server. r.mu is held.
func (r *Room) presentAt(node string, p *person, there Presence) {
	before := p.announced()
	if p.elsewhere == nil {
		p.elsewhere = map[string]Presence{}
	}
	if there.Since.Before(p.since) {
		p.since = there.Since
	}
	if isGuest(p.nick) && !p.local && there.Away != p.Absence.Away() {
		p.Absence = Absence{Reason: there.Reason}
		if there.Away {
			p.Absence.Since = time.Now()
		}
	}
	last, known := p.elsewhere[node]
	if !known {
		r.attendance.greeted++ // its session was, there
	}
	if there.Sessions == 0 && (last.Sessions > 0 || !known) {
		p.lastShown = r.lastID
	}
	p.elsewhere[node] = there
	r.announceChange(p, before, false)
	if there.Sessions > 0 {
		r.people.arrived.Broadcast()
	}
}

// leftServer ends p's presence on another server, which has shown messages up to this ID. If p had no session there, its
// connection was lost. r.mu is held.
func (r *Room) leftServer(node string, p *person, lost bool, shown string) {
	before := p.announced()
	if p.elsewhere[node].Sessions == 0 {
		lost, shown = true, p.lastShown
	}
	delete(p.elsewhere, node)
	r.removeGone(p, departure{at: time.Now(), lost: lost, last: shown})
	r.announceChange(p, before, lost)
}

// recentReadings is how many read marks are remembered at least, for servers that are behind.
const recentReadings = 10_000

// readings has, in a cluster, the newest read marks by reader and message: a person who reads a message on two servers
// at once marks it twice. Owned by Room.mu.
type readings struct{ newer, older map[[2]string]bool }

// note notes that nick has read messages, and returns the IDs of those that nick had read before.
func (rs *readings) note(nick string, ids []string) (before []string) {
	for _, id := range ids {
		one := [2]string{nick, id}
		if rs.newer[one] || rs.older[one] {
			before = append(before, id)
			continue
		}
		if rs.newer == nil || len(rs.newer) == recentReadings {
			rs.newer, rs.older = map[[2]string]bool{}, rs.newer
		}
		rs.newer[one] = true
	}
	return before
}

// stateChanged takes over the change in a KindState. r.loading and r.mu are held.
func (r *Room) stateChanged(e *Event) {
	kind, name, _ := strings.Cut(e.Doc, "/")
	switch kind {
	case "settings":
		var set Preferences
		if len(e.Data) == 0 || json.Unmarshal(e.Data, &set) == nil { // else it is as unusable as its file
			slices.Sort(set.Blocked)
			r.adopt(name, set)
		}
	case "rooms":
		info := RoomInfo{Unusable: true}
		if len(e.Data) > 0 && json.Unmarshal(e.Data, &info) == nil {
			info.Unusable = false
		}
		info.Name = name
		r.adoptRoom(info, len(e.Data) == 0)
	}
}

// adopt makes set nick's settings in memory, except read marks that are further there. r.mu is held.
func (r *Room) adopt(nick string, set Preferences) {
	if left, kept := r.people.unsaved[nick]; kept {
		if left = set.furtherRead(left); slices.Equal(left.Rooms, set.Rooms) {
			delete(r.people.unsaved, nick)
		} else {
			r.people.unsaved[nick] = left
		}
	}
	for _, o := range r.people.observers[nick] {
		o.Preferences = set
	}
	if p := r.people.here[nick]; p != nil {
		before := p.Rooms
		p.become(set.furtherRead(p.Preferences))
		p.unsaved = p.local && !slices.Equal(p.Rooms, set.Rooms)
		r.place(p, before)
	}
}

// furtherRead returns p with the read marks of other where these are further.
func (p Preferences) furtherRead(other Preferences) Preferences {
	for _, j := range other.Rooms {
		p.Rooms = p.change(j.Room, func(mine *Joined) {
			mine.Read, mine.Counted, mine.Shown = max(mine.Read, j.Read), max(mine.Counted, j.Counted), max(mine.Shown, j.Shown)
		})
	}
	return p
}

// adoptRoom updates a room to info, or ends the room. r.mu is held.
func (r *Room) adoptRoom(info RoomInfo, closed bool) {
	c := r.rooms[info.Name]
	switch {
	case info.Name == Lobby || c == nil && closed:
		return
	case c == nil:
		r.rooms[info.Name] = newChatroom(info)
		return
	case closed:
		delete(r.rooms, info.Name)
	}
	r.become(c, info)
}
