package cluster

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"whoelse/room"
)

const (
	sayEvery   = 3 * time.Second        // a server announces its people
	sayAfter   = 100 * time.Millisecond // and this long after a change; longer with many people
	lostAfter  = 10 * time.Second       // of silence, a server counts as lost
	partPeople = 500                    // people in one message
	maxPeople  = 100_000                // of one server
	maxNodes   = 1000
)

// Room is the part of [room.Room] that a Cluster calls.
type Room interface {
	Roster() []room.Presence
	SetRoster(node string, here []room.Presence, lost bool)
}

// rosterMessage is a part of the list of people on one server, as of Seq. Times are ages in ms, since clocks differ.
type rosterMessage struct {
	V       int      `json:"v"`
	Run     string   `json:"run"`
	Seq     uint64   `json:"seq"` // of one run, ever greater
	Part    int      `json:"part,omitempty"`
	Parts   int      `json:"parts"`
	Bye     bool     `json:"bye,omitempty"`     // the server stops
	Applied uint64   `json:"applied,omitempty"` // number of the last event that the server has
	Stuck   bool     `json:"stuck,omitempty"`   // the server can't follow the stream
	Here    []person `json:"here,omitempty"`
}

type person struct {
	Nick     string `json:"nick"`
	Bot      bool   `json:"bot,omitempty"`
	Since    int64  `json:"since"`
	Active   int64  `json:"active"`
	Away     bool   `json:"away,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Sessions int    `json:"sessions,omitempty"`
	Quiet    bool   `json:"quiet,omitempty"`
}

// rosters has the people on the other servers, as these announce them.
type rosters struct {
	changed chan struct{}
	least   atomic.Pointer[string] // the first of the others' names, by alphabet
	twin    sync.Once              // logs that another server has this one's name

	mu   sync.Mutex // guards what follows; also held while the room is told, so that changes come in order
	room Room       // nil: not attached
	of   map[string]*peer
}

// peer is another server.
type peer struct {
	Node  // without Silent
	run   string
	seq   uint64          // of the last complete announcement
	parts uint64          // seq of the incomplete one
	here  []room.Presence // of its parts
	got   int             // how many of them
	heard time.Time
}

func (r *rosters) init() {
	r.changed, r.of = make(chan struct{}, 1), map[string]*peer{}
	r.set("", nil, false)
}

func (r *rosters) attached() Room {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.room
}

// nickName matches nicks, and guests' names, of another server.
var nickName = regexp.MustCompile(`^~?[a-z0-9][a-z0-9._-]{0,31}$`)

// answerWithin is how long another server with the same name may take to answer.
const answerWithin = time.Second

// takeName fails if a running server has the name of this one: people there would not learn of bans, since each took
// the other's changes for its own. One that does not answer counts as dead. From now on this server answers, so of two
// that start at the same time at most one goes on.
func (c *Cluster) takeName() error {
	named := c.subject("named", c.opts.Node)
	if _, err := c.nc.Subscribe(named, func(msg *nats.Msg) {
		if string(msg.Data) != c.run {
			_ = msg.Respond(nil)
		}
	}); err != nil {
		return err
	}
	if _, err := c.nc.Request(named, []byte(c.run), c.opts.answer); err == nil {
		return fmt.Errorf("a server named %s is already running in this cluster; start this one with another --node, or stop that one",
			c.opts.Node)
	}
	return nil
}

// listen subscribes to the other servers' announcements.
func (c *Cluster) listen() error {
	_, err := c.nc.Subscribe(c.subject("roster", "*"), c.hearRoster)
	if err == nil {
		_, err = c.nc.Subscribe(c.subject("hello"), func(*nats.Msg) { c.RosterChanged() })
	}
	if err == nil {
		err = c.nc.Publish(c.subject("hello"), nil)
	}
	return err
}

// Attach tells r about people on other servers, and those servers about r's people, from now until Close. It is called once.
func (c *Cluster) Attach(r Room) {
	c.rosters.mu.Lock()
	c.rosters.room = r
	c.rosters.mu.Unlock()
	_ = c.nc.Publish(c.subject("hello"), nil) // if it is lost, they announce it within three seconds anyway
	c.running.Go(c.sayAll)
}

// RosterChanged implements [room.Peers].
func (c *Cluster) RosterChanged() {
	select {
	case c.rosters.changed <- struct{}{}:
	default:
	}
}

// sayAll announces this server's people, and at the end that it stops, and notices servers that are silent.
func (c *Cluster) sayAll() {
	seq := uint64(1)
	defer func() { c.say(seq, true) }()
	for ; ; seq++ {
		people := c.say(seq, false)
		c.expire()
		if !c.wait(sayAfter * time.Duration(1+people/1000)) {
			return
		}
		select {
		case <-c.rosters.changed:
		case <-time.After(sayEvery - sayAfter):
		case <-c.ending.Done():
			return
		}
	}
}

// say announces this server's people, and returns their number.
func (c *Cluster) say(seq uint64, bye bool) int {
	var here []person
	if !bye {
		here = outward(c.rosters.attached().Roster(), time.Now())
	}
	applied, stuck := c.following.at(), c.following.trouble() != nil
	parts := max(1, (len(here)+partPeople-1)/partPeople)
	for n := 0; n < parts && c.connected(); n++ {
		from := n * partPeople
		b, err := json.Marshal(rosterMessage{
			V: version, Run: c.run, Seq: seq, Part: n, Parts: parts, Bye: bye, Applied: applied, Stuck: stuck,
			Here: here[from:min(len(here), from+partPeople)],
		})
		if err == nil {
			err = c.nc.Publish(c.subject("roster", c.opts.Node), b)
		}
		if err != nil {
			break // all of it is announced again
		}
	}
	return len(here)
}

func outward(here []room.Presence, now time.Time) []person {
	people := make([]person, 0, len(here))
	for _, p := range here {
		people = append(people, person{
			Nick: p.Nick, Bot: p.Bot, Since: now.Sub(p.Since).Milliseconds(), Active: now.Sub(p.Active).Milliseconds(),
			Away: p.Away, Reason: p.Reason, Sessions: p.Sessions, Quiet: p.Quiet,
		})
	}
	return people
}

// inward is the inverse of outward, without invalid nicks.
func inward(people []person, now time.Time) []room.Presence {
	here := make([]room.Presence, 0, len(people))
	ago := func(ms int64) time.Time {
		return now.Add(-time.Duration(min(max(ms, 0), int64(1e12))) * time.Millisecond) // 30 years
	}
	for _, p := range people {
		if !nickName.MatchString(p.Nick) {
			continue
		}
		here = append(here, room.Presence{
			Nick: p.Nick, Bot: p.Bot, Online: true, Since: ago(p.Since), Active: ago(p.Active),
			Away: p.Away, Reason: room.CutReason(p.Reason), Sessions: min(max(p.Sessions, 0), 1000), Quiet: p.Quiet,
		})
	}
	return here
}

// node is the server that a subject names at its end.
func node(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

// hearRoster receives a part of another server's announcement.
func (c *Cluster) hearRoster(msg *nats.Msg) {
	from := node(msg.Subject)
	var m rosterMessage
	if !token.MatchString(from) || json.Unmarshal(msg.Data, &m) != nil || m.V > version || m.Run == c.run ||
		m.Parts < 1 || m.Parts > maxPeople/partPeople || m.Part < 0 || m.Part >= m.Parts || len(m.Here) > partPeople {
		return
	}
	if from == c.opts.Node {
		c.rosters.twin.Do(func() {
			c.log.Error("cluster: another server has the name of this one; start one of them with another --node", "node", from)
		})
		return
	}
	rs := &c.rosters
	rs.mu.Lock()
	defer rs.mu.Unlock()
	p := rs.of[from]
	if p == nil && len(rs.of) == maxNodes {
		return
	}
	if p == nil && !m.Bye {
		c.log.Info("cluster: another server is heard", "node", from)
	}
	if p == nil || p.run != m.Run {
		p = &peer{Node: Node{Name: from}, run: m.Run}
		rs.of[from] = p
	}
	if m.Bye {
		delete(rs.of, from)
		rs.set(from, nil, false)
		return
	}
	if !p.add(&m, time.Now()) {
		return
	}
	rs.set(from, p.here, false)
	p.here = nil
}

// add adds a part, and reports whether it was the last one.
func (p *peer) add(m *rosterMessage, now time.Time) bool {
	p.heard = now
	if m.Seq <= p.seq {
		return false
	}
	if m.Part == 0 {
		p.parts, p.got, p.here = m.Seq, 0, []room.Presence{}
	}
	if m.Seq != p.parts || m.Part != p.got {
		return false
	}
	p.got++
	p.here = append(p.here, inward(m.Here, now)...)
	if p.got < m.Parts {
		return false
	}
	p.seq, p.People, p.Applied, p.Stuck = m.Seq, len(p.here), m.Applied, m.Stuck
	return true
}

// set tells the room about the people on another server. mu is held.
func (r *rosters) set(node string, here []room.Presence, lost bool) {
	least := "\xff"
	for name := range r.of {
		least = min(least, name)
	}
	r.least.Store(&least)
	if r.room != nil {
		r.room.SetRoster(node, here, lost)
	}
}

// expire removes servers that were silent for too long.
func (c *Cluster) expire() {
	rs := &c.rosters
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for name, p := range rs.of {
		if time.Since(p.heard) > lostAfter {
			delete(rs.of, name)
			c.log.Warn("cluster: a server is silent; its people count as lost", "node", name)
			rs.set(name, nil, true)
		}
	}
}

// Leads reports whether this server does the work that one server does for all: it is connected, and of all servers
// that are alive it has the first name by alphabet.
func (c *Cluster) Leads() bool {
	return c.opts.Node != "" && c.opts.Node <= *c.rosters.least.Load() && c.connected()
}

// Node is one server, as it announced itself.
type Node struct {
	Name    string  `json:"name"`
	Leads   bool    `json:"leads,omitempty"`
	People  int     `json:"people"`
	Applied uint64  `json:"applied"`         // number of the last event that it has
	Behind  uint64  `json:"behind"`          // events of the stream that it lacks
	Stuck   bool    `json:"stuck,omitempty"` // it can't follow the stream, and accepts no messages
	Silent  float64 `json:"silent"`          // seconds since its last announcement
}

// nodes lists the other servers.
func (c *Cluster) nodes() []Node {
	c.rosters.mu.Lock()
	defer c.rosters.mu.Unlock()
	list := []Node{}
	for _, p := range c.rosters.of {
		n := p.Node
		n.Silent = time.Since(p.heard).Seconds()
		list = append(list, n)
	}
	return list
}
