package room

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	mergeChanges = time.Second // joins and leaves are told at most this often
	aliveEvery   = time.Minute
	seenFor      = 7 * 24 * time.Hour
	renewEvery   = 24 * time.Hour // who stays longer than seenFor is on record again by then

	// How many changes of presence are on record as they happen within a minute: of a nick, and of all.
	writtenEach = 2
	writtenMost = 1000
)

// attendance is about joins and leaves: announcing them to the others, and recording them in the
// presence history.
//
// A change is announced at once if none was within the last second, else together with all others
// of that second, so that a thousand people joining cost everyone a few lines, not a thousand.
//
// Connecting again and again must not fill the disk: within a minute, writtenEach changes of a
// nick are written as they happen, and writtenMost of all together. Of those beyond, the last one
// of each nick is written in the next minute, so the history is late by a minute or two at most,
// and then says the same. Only guests whose joining is not written either leave no record: there
// is no end to guests' names.
//
// Owned by Room.mu.
type attendance struct {
	changes []announcement
	greeted int         // sessions that were told who is here
	pause   *time.Timer // runs for mergeChanges after each telling

	written map[string]int        // records within this minute, by nick
	total   int                   // of them all
	online  map[string]bool       // in a cluster: nicks that are online by the presence history
	missing map[string]bool       // in a cluster: those of them that were on no server at the last heartbeat
	late    map[string]lateRecord // what is to be written yet, by nick
	alive   *time.Timer
}

// announcement is a change of presence that is not announced yet.
type announcement struct {
	nick    string
	kind    Kind // KindJoin or KindLeave
	lost    bool // the connection was
	greeted int  // attendance.greeted when it happened
}

// Change lists who joined and who left within the last second, and whose connection was
// lost. Nobody is in two of them.
type Change struct {
	Room               string          // who joined or left it; "": came to or left the server
	Owner              bool            // instead of all that: the person who gets this owns Room now
	Removed            bool            // likewise: may not be in Room any more
	Joined, Left, Lost []string        // canonical nicks, in the order of the events
	Bots               map[string]bool // those of them that are bots
}

// lateRecord is the last change of a nick's presence.
type lateRecord struct {
	message Message
	online  bool // what the history says, without it
}

func newAttendance() attendance {
	return attendance{written: map[string]int{}, late: map[string]lateRecord{}, online: map[string]bool{}}
}

func (a *attendance) stop() {
	a.alive.Stop()
	if a.pause != nil {
		a.pause.Stop()
	}
}

// announceChange announces that p came or went, if that is so: before says whether p was announced to
// be here. r.mu is held.
func (r *Room) announceChange(p *person, before, lost bool) {
	switch now := p.announced(); {
	case now && !before:
		r.announce(p.nick, KindJoin, false)
	case before && !now:
		r.announce(p.nick, KindLeave, lost)
	}
}

// announce announces a change, now or with the others of this second. r.mu is held.
func (r *Room) announce(nick string, kind Kind, lost bool) {
	if r.closed {
		return
	}
	r.attendance.note(nick, kind, lost)
	if r.attendance.pause == nil {
		r.announceNow()
	}
}

// note adds a change. A leave cancels an unannounced join, and vice versa, unless a newcomer
// has been greeted with the state in between.
func (a *attendance) note(nick string, kind Kind, lost bool) {
	newcomers := a.greeted
	if kind == KindJoin {
		newcomers-- // not counting nick's own session
	}
	if i := slices.IndexFunc(a.changes, func(c announcement) bool { return c.nick == nick }); i >= 0 {
		before := a.changes[i]
		a.changes = slices.Delete(a.changes, i, i+1)
		if newcomers <= before.greeted {
			return
		}
	}
	a.changes = append(a.changes, announcement{nick, kind, lost, a.greeted})
}

// announceNow announces all changes and starts the next second. r.mu is held.
func (r *Room) announceNow() {
	a := &r.attendance
	if len(a.changes) == 0 {
		a.pause = nil
		return
	}
	u := &Update{Presence: a.takeChanges(r.bot)}
	for _, p := range r.rooms[Lobby].here {
		p.put(u)
	}
	r.people.observe(u, slices.Collect(maps.Keys(r.people.observers))...)
	a.pause = time.AfterFunc(mergeChanges, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.closed {
			r.announceNow()
		}
	})
}

func (a *attendance) takeChanges(bot func(nick string) bool) *Change {
	all := &Change{Bots: map[string]bool{}}
	for _, c := range a.changes {
		if bot(c.nick) {
			all.Bots[c.nick] = true
		}
		switch {
		case c.kind == KindJoin:
			all.Joined = append(all.Joined, c.nick)
		case c.lost:
			all.Lost = append(all.Lost, c.nick)
		default:
			all.Left = append(all.Left, c.nick)
		}
	}
	a.changes = nil
	return all
}

// connectionLost is the text of a KindLeave for a lost connection.
const connectionLost = "connection lost"

// recordChange notes for the presence history that p came or went, unless p is on another server, too. r.mu is held.
func (r *Room) recordChange(kind Kind, p *person, lost bool) {
	if len(p.elsewhere) > 0 {
		return
	}
	text := ""
	if lost {
		text = connectionLost
	}
	m := r.newMessage(kind, p.nick, nil, text)
	if r.attendance.mayRecord(m) {
		r.record(m)
	}
}

// record puts m on record. Nobody waits for it: what fails, the next sign of life makes up for.
func (r *Room) record(m Message) { r.log.Append(&Event{Message: m}, func(error) {}) }

// mayRecord reports whether a change is to be written as it happens; if not, it is late.
func (a *attendance) mayRecord(m Message) bool {
	before, waits := a.late[m.From]
	if !waits && a.written[m.From] < writtenEach && a.total < writtenMost {
		a.written[m.From]++
		a.total++
		return true
	}
	online := m.Kind == KindLeave
	if waits {
		online = before.online
	}
	if isGuest(m.From) && m.Kind == KindLeave && !online && a.written[m.From] == 0 {
		delete(a.late, m.From)
	} else {
		a.late[m.From] = lateRecord{m, online}
	}
	return false
}

// nextMinute begins another minute with what is late, the oldest most of it.
func (a *attendance) nextMinute(most int) (due []Message) {
	clear(a.written)
	late := slices.SortedFunc(maps.Values(a.late), func(a, b lateRecord) int {
		return strings.Compare(a.message.ID, b.message.ID)
	})
	for _, l := range late[:min(most, len(late))] {
		delete(a.late, l.message.From)
		a.written[l.message.From]++
		due = append(due, l.message)
	}
	a.total = len(due)
	return due
}

// heartbeat leaves a mark in the presence history, so that after a crash it is known until when
// people were online. Long sessions get one by name, because a start reads only the
// last seenFor of the history.
func (r *Room) heartbeat() {
	leads := r.options.Leads == nil || r.options.Leads()
	r.signOfLife()
	if r.peers != nil && leads {
		r.recordMissing()
	}
	r.saveMarks(tendMost)
	r.tendRooms(time.Now(), leads)
}

func (r *Room) signOfLife() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	now := time.Now()
	for _, m := range r.attendance.nextMinute(writtenMost / 2) {
		r.record(m)
	}
	here := false
	for _, p := range r.people.here {
		here = here || p.local
		if p.local && now.Sub(p.renewed) >= renewEvery {
			r.record(r.newMessage(KindAlive, p.nick, nil, ""))
			p.renewed = now
		}
	}
	if here {
		r.record(r.newMessage(KindAlive, "", nil, ""))
	}
	r.attendance.alive.Reset(aliveEvery)
}

// loadPresence reads from the presence history who was here lately. Those who joined and never
// left were online until the last mark before a crash. Their leaving is recorded within
// a minute, so that the next start does not take them for online since. In a cluster they may be on
// another server: see recordMissing.
func (r *Room) loadPresence(now time.Time) error {
	records, err := Since(r.histories, PresenceHistory, now.Add(-seenFor))
	if err != nil {
		return fmt.Errorf("reading who was here: %w", err)
	}
	online := map[string]bool{}
	var last time.Time
	for _, m := range records {
		if m.Time.After(last) { // what was late is in the file after what was not
			last = m.Time
		}
		switch {
		case m.Kind == KindLeave:
			delete(online, m.From)
			r.people.remember(m.From, departed(m))
		case m.From != "":
			online[m.From] = true
		}
	}
	for _, nick := range slices.Sorted(maps.Keys(online)) {
		m := r.newMessage(KindLeave, nick, nil, "")
		m.Time = last
		if r.peers == nil {
			r.attendance.late[nick] = lateRecord{m, true}
		}
		r.people.remember(nick, departed(&m))
	}
	if r.peers != nil {
		r.attendance.online = online
	}
	return nil
}

// departed is the departure that m, a KindLeave, records. That a connection is lost is found out late.
func departed(m *Message) departure {
	lost, shown := m.Text == connectionLost, m.Time
	if lost {
		shown = shown.Add(-graceAfterBreak)
	}
	return departure{at: m.Time, lost: lost, last: After(shown)}
}

// wasRecorded follows the presence history of a cluster. r.mu is held.
func (r *Room) wasRecorded(e *Event) {
	switch {
	case e.Kind != KindLeave && e.From != "":
		r.attendance.online[e.From] = true
	case e.Kind == KindLeave:
		delete(r.attendance.online, e.From)
		if e.Node != r.node && r.people.here[e.From] == nil {
			left := departed(&e.Message)
			if !left.lost {
				left.last = max(left.last, r.people.seen[e.From].last) // by the roster, which may have come before
			}
			r.people.remember(e.From, left)
		}
	}
}

// recordMissing records that people left who are online by the presence history but on no server for a minute:
// their server crashed, or they left two servers at once.
func (r *Room) recordMissing() {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := &r.attendance
	before := a.missing
	a.missing = map[string]bool{}
	for nick := range a.online {
		if _, waits := a.late[nick]; waits || r.people.here[nick] != nil || r.closed {
			continue
		}
		if !before[nick] {
			a.missing[nick] = true
			continue
		}
		m := r.newMessage(KindLeave, nick, nil, "")
		if left, known := r.people.seen[nick]; known {
			m.Time = left.at.UTC().Truncate(time.Millisecond)
			if left.lost {
				m.Text = connectionLost
			}
		}
		if a.mayRecord(m) {
			r.record(m)
		}
	}
}
