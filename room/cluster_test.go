package room

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeCluster is several rooms over one log, each with histories and files of its own.
type fakeCluster struct {
	t     testing.TB
	clock time.Duration // of the log, against that of the rooms
	nodes []*node

	mu   sync.Mutex // owns what follows, and the order of what is appended
	log  []placed
	last string
	docs map[string]int // how often each was changed
}

// placed is an event with what its server's run gave it, and the IDs that it has for all.
type placed struct {
	*Event
	by       *node
	run      int
	at       time.Time // by the log's clock
	id       string
	receipts []string
}

// node is one server.
type node struct {
	*house
	run       int
	before    int // how much of the log was in its histories when it started
	c         *fakeCluster
	name      string
	publisher sync.Mutex // held while its roster is told
	files     map[string][]byte
	changes   map[string]int // that were written to each file
	known     map[string]int // of these, how many the room has
	filesMu   sync.Mutex
	received  *sync.Cond

	// Owned by fakeCluster.mu.
	cut    bool // from the log: nothing can be appended
	unsure bool // what is appended fails as if the answer was lost
	unread bool // the same for read marks alone
	dead   bool
	leads  bool
}

var (
	_ Log   = (*node)(nil)
	_ Peers = (*peersOf)(nil)
)

func newCluster(t testing.TB, names ...string) *fakeCluster {
	c := &fakeCluster{t: t, docs: map[string]int{}, last: encodeID(1)}
	for _, name := range names {
		c.nodes = append(c.nodes, &node{c: c, name: name, leads: name == names[0]})
	}
	for _, n := range c.nodes {
		n.start(nil, map[string][]byte{})
	}
	return c
}

// inCluster runs test with two servers.
func inCluster(t *testing.T, test func(c *fakeCluster, a, b *node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a", "b")
		test(c, c.nodes[0], c.nodes[1])
		c.close()
	})
}

func (c *fakeCluster) close() {
	c.settle()
	for _, n := range c.nodes {
		if !n.dead {
			n.quiet()
		}
	}
	for _, n := range c.nodes {
		n.stop()
	}
	c.settle()
}

// settle waits until nothing moves.
func (c *fakeCluster) settle() { synctest.Wait() }

// set changes how the cluster behaves.
func (c *fakeCluster) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (n *node) start(records []record, files map[string][]byte) {
	n.files, n.changes, n.known = files, map[string]int{}, map[string]int{}
	for _, p := range n.c.log[:n.before] {
		if p.Kind == KindState {
			n.changes[p.Doc]++
			n.known[p.Doc]++
		}
	}
	n.received = sync.NewCond(&n.filesMu)
	n.house = &house{t: n.c.t, store: newStore(n.c.t, records...)}
	n.store.receive, n.store.known = n.write, n.knows
	r, err := New(n, n.store, held, (*settingsOf)(n), Options{
		Peers: (*peersOf)(n), Leads: func() bool { return n.leads },
		Rooms: roomsIn((*roomsOf)(n)),
	})
	if err != nil {
		n.c.t.Fatal(err)
	}
	n.store.follow(r.Apply)
	n.c.set(func() { n.Room, n.dead = r, false })
}

// restart starts a server again from what it had, after a crash if it is dead.
func (n *node) restart() {
	n.store.mu.Lock()
	left, done := slices.Clone(n.store.records), n.before+len(n.store.entries)
	n.store.mu.Unlock()
	n.filesMu.Lock()
	files := maps.Clone(n.files)
	n.filesMu.Unlock()
	n.stop()
	n.lose()
	n.run++
	n.before = done
	n.start(left, files)
	n.c.set(func() {
		for _, p := range n.c.log[done:] {
			n.store.Append(n.stamped(p), nil)
		}
	})
	for _, other := range n.c.nodes {
		if !other.dead {
			other.tellRoster()
		}
	}
}

// stop ends a server's room, in order or, if it is dead, after a crash. Others find out by lose.
func (n *node) stop() {
	n.Room.Close()
	n.c.set(func() { n.dead = true })
	n.store.close()
}

// lose has the others lose a server.
func (n *node) lose() {
	for _, other := range n.c.nodes {
		if other != n && !other.dead {
			other.SetRoster(n.name, nil, true)
		}
	}
	synctest.Wait()
}

// Append gives e its place, and an ID and a time that follow from the place alone.
func (n *node) Append(e *Event, failed func(error)) {
	c := n.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.dead {
		return
	}
	if n.cut {
		go failed(fmt.Errorf("%w: no quorum", ErrCluster))
		return
	}
	if n.unsure || n.unread && e.Kind == KindRead {
		c.mu.Unlock()
		failed(fmt.Errorf("%w: lost", ErrUncertain))
		c.mu.Lock()
	}
	c.place(n, e)
}

// place appends e for all. c.mu is held.
func (c *fakeCluster) place(n *node, e *Event) {
	ids := idSource{last: decodeID(c.last)}
	p := placed{Event: e, by: n, run: n.run, at: time.Now().Add(c.clock)}
	for range e.Receipts {
		p.receipts = append(p.receipts, ids.next(p.at))
	}
	c.last = ids.next(p.at)
	p.id = c.last
	c.log = append(c.log, p)
	for _, to := range c.nodes {
		if !to.dead {
			to.store.Append(to.stamped(p), nil)
		}
	}
}

// stamped is an event as it comes to n.
func (n *node) stamped(p placed) *Event {
	e := *p.Event
	e.Node, e.Tag, e.ID, e.Time = p.by.name, e.ID, p.id, p.at.UTC().Truncate(time.Millisecond)
	if p.by == n && p.run != n.run {
		e.Tag = "-"
	}
	e.Receipts = nil
	for i, receipt := range p.Receipts {
		copied := *receipt
		copied.ID, copied.Time = p.receipts[i], e.Time
		e.Receipts = append(e.Receipts, &copied)
	}
	return &e
}

// write is for the changes of files as they come from the log.
func (n *node) write(e *Event) {
	n.filesMu.Lock()
	defer n.filesMu.Unlock()
	n.files[e.Doc] = e.Data
	n.changes[e.Doc]++
	n.received.Broadcast()
}

func (n *node) knows(e *Event) {
	n.filesMu.Lock()
	defer n.filesMu.Unlock()
	n.known[e.Doc]++
	n.received.Broadcast()
}

func (n *node) read(doc string) []byte {
	n.filesMu.Lock()
	defer n.filesMu.Unlock()
	return n.files[doc]
}

// propose changes a file on all servers.
func (n *node) propose(doc string, change func([]byte) ([]byte, error)) error {
	n.store.mu.Lock()
	behind := n.store.hold // for too long
	n.store.mu.Unlock()
	for {
		n.c.mu.Lock()
		changes, cut := n.c.docs[doc], n.cut || n.dead || behind
		n.c.mu.Unlock()
		if cut {
			return ErrCluster
		}
		data, err := change(n.await(doc, n.changes, changes))
		if err != nil {
			n.await(doc, n.known, changes)
			return err
		}
		n.c.mu.Lock()
		first := n.c.docs[doc] == changes
		if first {
			n.c.docs[doc]++
			n.c.place(n, &Event{Message: Message{ID: n.ids.next(time.Now()), Time: time.Now(), Kind: KindState}, Doc: doc, Data: data})
		}
		n.c.mu.Unlock()
		if first {
			n.await(doc, n.known, changes+1)
			return nil
		}
	}
}

// await returns a file once a count of its changes is that far.
func (n *node) await(doc string, count map[string]int, changes int) []byte {
	n.filesMu.Lock()
	defer n.filesMu.Unlock()
	for count[doc] < changes {
		n.received.Wait()
	}
	return n.files[doc]
}

// proposed changes a value of the file of that name.
func proposed[T any](n *node, doc string, change func(*T) error) error {
	return n.propose(doc, func(now []byte) (data []byte, err error) {
		var v T
		if len(now) > 0 {
			err = json.Unmarshal(now, &v)
		}
		if err == nil {
			err = change(&v)
		}
		if err == nil {
			data, err = json.Marshal(v)
		}
		return data, err
	})
}

type settingsOf node

func (s *settingsOf) Load(nick string) (p Preferences, err error) {
	if data := (*node)(s).read("settings/" + nick); len(data) > 0 {
		err = json.Unmarshal(data, &p)
	}
	return p, err
}

func (s *settingsOf) Change(nick string, change func(*Preferences) error) error {
	return proposed((*node)(s), "settings/"+nick, change)
}

type roomsOf node

func (s *roomsOf) Load() (all []RoomInfo, err error) {
	s.filesMu.Lock()
	docs := slices.Sorted(maps.Keys(s.files))
	s.filesMu.Unlock()
	for _, doc := range docs {
		name, is := strings.CutPrefix(doc, "rooms/")
		if data := (*node)(s).read(doc); is && len(data) > 0 {
			info := RoomInfo{Name: name}
			err = json.Unmarshal(data, &info)
			all = append(all, info)
		}
	}
	return all, err
}

func (s *roomsOf) Change(name string, change func(*RoomInfo) error) error {
	return proposed((*node)(s), "rooms/"+name, func(info *RoomInfo) error { info.Name = name; return change(info) })
}

func (s *roomsOf) Close(name string, _ time.Time) error {
	return (*node)(s).propose("rooms/"+name, func([]byte) ([]byte, error) { return nil, nil })
}

// peersOf passes what a room says to the other ones.
type peersOf node

func (p *peersOf) Node() string { return p.name }

func (p *peersOf) RosterChanged() { go (*node)(p).tellRoster() }

func (n *node) tellRoster() {
	n.publisher.Lock()
	defer n.publisher.Unlock()
	if n.Room == nil {
		return
	}
	here := n.Roster()
	for _, other := range n.c.nodes {
		n.c.mu.Lock()
		not := other == n || n.dead || other.dead || other.Room == nil
		n.c.mu.Unlock()
		if !not {
			other.SetRoster(n.name, here, false)
		}
	}
}

// sameOrder fails the test if the servers have not applied the same.
func (c *fakeCluster) sameOrder() {
	c.t.Helper()
	c.settle()
	ids := func(n *node) (all []string) {
		for _, e := range n.store.applied() {
			all = append(all, e.ID+" "+string(e.Kind)+" "+e.Text)
		}
		return all
	}
	var all []string
	for _, p := range c.log {
		all = append(all, p.id+" "+string(p.Kind)+" "+p.Text)
	}
	for _, n := range c.nodes {
		if got := ids(n); !n.dead && !slices.Equal(got, all[n.before:]) {
			same(c.t, "the order at "+n.name, got, all[n.before:]...)
		}
	}
}

// recorded returns who came and went, as the log has it.
func (n *node) recorded() (all []string) {
	for _, e := range n.store.applied() {
		if e.Kind == KindJoin || e.Kind == KindLeave {
			all = append(all, strings.TrimSpace(string(e.Kind)+" "+e.From+" "+e.Text))
		}
	}
	return all
}

func names(all []Presence) (nicks []string) {
	for _, p := range all {
		nicks = append(nicks, p.Nick)
	}
	return nicks
}

// Two who are on different servers meet as on one.
func TestClusterMeeting(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob, carol := a.join("bob"), b.join("carol")
		bob2 := b.join("bob")
		same(t, "carol is greeted", names(carol.welcome.Others), "bob")
		pass(time.Second)
		same(t, "bob sees", bob.screen.take(), "+[carol] -[]")
		if n := bob.welcome.OthersOnline + carol.welcome.OthersOnline; n != 1 {
			t.Errorf("%d others", n)
		}
		same(t, "completion", a.NicksAround("", 0, 9), "bob", "carol")
		if s := a.Stats(); s.Members != 2 || s.Sessions != 1 {
			t.Errorf("%+v", s)
		}
		if all := b.Everyone(); len(all) != 2 || all[0].Sessions != 2 {
			t.Errorf("%+v", all)
		}
		bob2.screen.take()
		carol.screen.take()
		got := bob.send("hello", "carol")
		same(t, "told", got.words(), "carol delivered")
		if shown := carol.screen.messages(); len(shown) != 1 || shown[0].ID != got.got[0].ID {
			t.Errorf("told %s, shown %+v", got.got[0].ID, shown)
		}
		same(t, "carol sees", carol.screen.take(), "bob: hello")
		same(t, "bob's other session", bob2.screen.take(), "bob: hello")
		if carol.ReplyTo() != "bob" {
			t.Error("no reply")
		}
		bob.say("to all")
		same(t, "carol sees", carol.screen.take(), "bob: to all")
		same(t, "ann", []string{a.join("~ann").Nick(), b.join("~ann").Nick()}, "~ann", "~ann2")
		same(t, "to a guest", carol.send("hi", "~ann", "~ann2").words(), "~ann delivered", "~ann2 delivered")
		pass(time.Second)
		carol.screen.take()
		bob.Leave(Quit)
		pass(2 * time.Second)
		same(t, "bob is still here", carol.screen.take())
		bob2.Leave(Broke)
		pass(graceAfterBreak + 2*time.Second)
		same(t, "bob is lost", carol.screen.take(), "+[] -[] ![bob]")
		for _, n := range c.nodes {
			same(t, "on record", n.recorded(), "join bob", "join carol", "join ~ann", "join ~ann2", "leave bob connection lost")
			if p := n.Visit(Identity{Nick: "dave"}).OnlineSince(time.Now().Add(-time.Hour)); p[len(p)-1].Nick != "bob" || !p[len(p)-1].Lost {
				t.Errorf("%s: %+v", n.name, p)
			}
		}
		c.sameOrder()
	})
}

// What becomes of a message is told once, whatever is late or lost; and who was told "kept" hears of the reading.
func TestClusterOutcomes(t *testing.T) {
	read := func(who *user) (n int) {
		for _, m := range who.screen.messages() {
			if m.Kind == KindReceipt {
				n++
			}
		}
		return n
	}
	for _, test := range []struct {
		name     string
		before   func(a, b *node, carol *user)
		after    func(a, b *node, carol *user) // five seconds later
		told     string
		receipts int
	}{
		{"shown", nil, nil, "delivered", 0},
		{"not confirmed at first", func(_, _ *node, carol *user) { carol.screen.manual = true },
			func(_, _ *node, carol *user) { carol.screen.answer(true) }, "silent", 1},
		{"never confirmed", func(_, _ *node, carol *user) { carol.screen.manual = true }, nil, "silent", 0},
		{"the other is behind", func(_, b *node, _ *user) { b.store.set(func() { b.store.hold = true }) },
			func(_, b *node, _ *user) { b.store.set(func() { b.store.hold = false }) }, "silent", 1},
		{"broken", func(_, _ *node, carol *user) { carol.Leave(Broke) }, nil, "broken", 0},
		{"away", func(_, b *node, carol *user) { carol.Away("lunch") }, nil, "away: lunch", 0},
		{"blocked", func(_, b *node, carol *user) { carol.Block("bob") }, nil, "blocked", 0},
		{"gone", func(_, _ *node, carol *user) { carol.Leave(Quit) }, nil, "offline", 0},
		{"not known to be there", func(a, _ *node, _ *user) { a.SetRoster("b", nil, true) }, nil, "offline", 1},
		{"also here, and only confirmed there", func(a, _ *node, _ *user) {
			a.join("carol").screen.manual = true
		}, nil, "delivered", 0},
		{"also there, and only confirmed here", func(a, _ *node, carol *user) {
			carol.screen.manual = true
			a.join("carol")
		}, func(_, _ *node, carol *user) { carol.screen.answer(true) }, "delivered", 0},
		{"confirmed nowhere, at first", func(a, _ *node, carol *user) {
			carol.screen.manual = true
			a.join("carol").screen.manual = true
		}, func(_, _ *node, carol *user) { carol.screen.answer(true) }, "silent", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			inCluster(t, func(c *fakeCluster, a, b *node) {
				bob, carol := a.join("bob"), b.join("carol")
				if test.before != nil {
					c.settle()
					test.before(a, b, carol)
					c.settle()
				}
				got := bob.send("hello", "carol")
				pass(6 * time.Second)
				if test.after != nil {
					test.after(a, b, carol)
				}
				pass(10 * time.Second)
				same(t, "told", got.words(), "carol "+test.told)
				if n := read(bob); n != test.receipts {
					t.Errorf("reading told %d times, not %d", n, test.receipts)
				}
				carol.screen.answer(false)
				a.store.set(func() { a.store.hold = false })
				b.store.set(func() { b.store.hold = false })
				c.sameOrder()
			})
		})
	}
}

// The log does not answer in time that it has a read mark, and it comes nevertheless: the sender is told once that the
// message was delivered or, too late for that, that it was read.
func TestClusterUncertainReading(t *testing.T) {
	for _, late := range []bool{false, true} {
		inCluster(t, func(c *fakeCluster, a, b *node) {
			bob, carol := a.join("bob"), a.join("carol")
			pass(2 * time.Second)
			bob.screen.take()
			carol.screen.manual = true
			got := bob.send("hello", "carol")
			a.store.set(func() { a.store.hold = late })
			c.set(func() { a.unsure = true })
			carol.screen.answer(true)
			c.set(func() { a.unsure = false })
			pass(6 * time.Second)
			a.store.set(func() { a.store.hold = false })
			c.settle()
			if late {
				same(t, "told", got.words(), "carol silent")
				same(t, "bob sees", bob.screen.take(), "bob: hello", "carol has read")
			} else {
				same(t, "told", got.words(), "carol delivered")
				same(t, "bob sees", bob.screen.take(), "bob: hello")
			}
			pass(lateReading)
		})
	}
}

// Only a guest's own server knows whom the guest blocks.
func TestClusterGuestBlocks(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob, ann := a.join("bob"), b.join("~ann")
		ann.Block("bob")
		c.settle()
		same(t, "told", bob.send("hello", "~ann").words(), "~ann blocked")
		for _, line := range ann.screen.take() {
			if strings.Contains(line, "hello") {
				t.Error("ann sees it")
			}
		}
		pass(2 * lateReading)
		same(t, "bob sees", bob.screen.take(), "bob: hello", "+[~ann] -[]")
	})
}

// What is changed on one server counts on the others.
func TestClusterChanges(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob, carol := a.join("bob"), b.join("carol")
		carol2 := a.join("carol")
		carol.Block("bob")
		bob.say("hidden")
		carol.Unblock("bob")
		carol.Away("lunch")
		pass(time.Second)
		carol.screen.take()
		carol2.screen.take()
		bob.say("shown")
		same(t, "carol sees", carol.screen.take(), "bob: shown")
		same(t, "and here", carol2.screen.take(), "bob: shown")
		if !carol2.IsAway() || !a.people.here["carol"].presence().Away {
			t.Error("not away here")
		}
		is(t, "the bell set", carol.SetDisplay(func(d *Display) { d.Bell = "off" }), nil)
		pass(time.Second)
		if carol2.Display().Bell != "off" {
			t.Error("the bell is on here")
		}
		if made, err := bob.JoinRoom("ops", true); !made || err != nil {
			t.Fatal(made, err)
		}
		c.settle()
		for _, p := range []*user{carol, bob} { // both at once, on two servers
			if _, err := p.JoinRoom("ops", true); err != nil {
				t.Fatal(err)
			}
		}
		c.settle()
		for _, p := range []*user{bob, carol, carol2} {
			in, err := p.In("ops")
			same(t, "in #ops", names(in), "bob", "carol")
			is(t, "in", err, nil)
		}
		is(t, "private", bob.SetPrivate("ops", true), nil)
		is(t, "topic", bob.SetTopic("ops", "plans"), nil)
		c.settle()
		if info := b.rooms["ops"].RoomInfo; info.Topic != "plans" || !slices.Equal(info.Members, []string{"carol"}) {
			t.Errorf("%+v", info)
		}
		is(t, "owner", bob.AddOwner("ops", "carol"), nil)
		c.settle()
		is(t, "said", carol.speakIn("", "ops", KindSay, "yes", func(Receipt) {}), nil)
		c.settle()
		same(t, "bob sees", bob.screen.take(), "bob: hidden", "+[carol] -[]", "bob: shown", "carol: yes")
		is(t, "topic", carol.SetTopic("ops", "other plans"), nil) // at b
		is(t, "left", bob.LeaveRoom("ops"), nil)
		c.settle()
		if info := a.rooms["ops"].RoomInfo; info.Topic != "other plans" || !slices.Equal(info.Owners, []string{"carol"}) {
			t.Errorf("%+v", info)
		}
		is(t, "closed", b.CloseRoom("ops", "carol"), nil)
		c.settle()
		if len(a.rooms) != 1 || len(b.rooms) != 1 {
			t.Error("it is not closed")
		}
		c.sameOrder()
	})
}

// Of two who make a room at the same time on two servers, one does, and both are in it.
func TestClusterMadeTwice(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob, carol := a.join("bob"), b.join("carol")
		b.store.set(func() { b.store.holding = true }) // its room does not know yet
		madeBy := map[*user]bool{}
		var mu sync.Mutex
		for _, p := range []*user{bob, carol} {
			go func() {
				made, err := p.JoinRoom("ops", true)
				is(t, "join", err, nil)
				mu.Lock()
				defer mu.Unlock()
				madeBy[p] = made
			}()
			c.settle()
		}
		b.store.set(func() { b.store.holding = false })
		c.settle()
		if !madeBy[bob] || madeBy[carol] {
			t.Errorf("made by bob: %v, by carol: %v", madeBy[bob], madeBy[carol])
		}
		for _, p := range []*user{bob, carol} {
			in, err := p.In("ops")
			same(t, "in #ops", names(in), "bob", "carol")
			is(t, "in", err, nil)
		}
	})
}

// closing are rooms that another server closes as soon as they are changed.
type closing struct {
	Rooms
	close func()
}

func (c closing) Change(name string, change func(*RoomInfo) error) error {
	err := c.Rooms.Change(name, change)
	c.close()
	return err
}

// A room that is closed on another server while it is made is none.
func TestClusterClosedWhileMade(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob := a.join("bob")
		a.options.Rooms.Store = closing{a.options.Rooms.Store, func() {
			c.settle() // b knows it
			is(t, "close", b.CloseRoom("ops", "carol"), nil)
			c.settle()
		}}
		made, err := bob.JoinRoom("ops", true)
		is(t, "join", err, ErrNoRoom)
		if made {
			t.Error("it is made")
		}
		bob.say("all goes on")
	})
}

// The change that makes a room public says that what was said in it is set aside; changes before and after it do not.
func TestClusterPublic(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob := a.join("bob")
		bob.JoinRoom("ops", true)
		for _, step := range []struct {
			change func() error
			aside  bool
		}{
			{func() error { return bob.SetPrivate("ops", true) }, false},
			{func() error { return bob.SetPrivate("ops", false) }, true},
			{func() error { return bob.SetTopic("ops", "x") }, false},
		} {
			is(t, "change", step.change(), nil)
			c.settle()
			if file := string(b.read("rooms/ops")); strings.Contains(file, `"aside":true`) != step.aside {
				t.Error(file)
			}
		}
	})
}

// Whoever was in a room while it was private is not known to others once it is public, on any server.
func TestClusterPublicForgets(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob, carol := a.join("bob"), b.join("carol")
		bob.JoinRoom("ops", true)
		is(t, "private", bob.SetPrivate("ops", true), nil)
		is(t, "invite", bob.Invite("ops", "carol"), nil)
		c.settle()
		carol.in(t, "ops")
		carol.Leave(Quit)
		c.settle()
		is(t, "public", bob.SetPrivate("ops", false), nil)
		c.settle()
		for name, n := range map[string]*node{"a": a, "b": b} {
			n.mu.Lock()
			if left := n.rooms["ops"].left; len(left) > 0 {
				t.Errorf("%s: %v", name, left)
			}
			n.mu.Unlock()
		}
	})
}

// A room that another server has closed is not handed on.
func TestClusterHandOnClosed(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		a.join("bob").in(t, "ops")
		c.settle()
		closed := a.rooms["ops"]
		is(t, "close", b.CloseRoom("ops", "op"), nil)
		c.settle()
		a.setting.Lock()
		is(t, "hand on", a.handOn(closed, "bob", true), nil)
		a.setting.Unlock()
		c.settle()
		if file := b.read("rooms/ops"); len(file) > 0 {
			t.Errorf("%s", file)
		}
	})
}

// Who is removed from a private room gets no line that the log has after that, on any server; and two who
// change the same at the same time both do.
func TestClusterRemoval(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob, carol := a.join("bob"), b.join("carol")
		bob.JoinRoom("ops", true)
		c.settle()
		carol.JoinRoom("ops", true)
		bob.SetPrivate("ops", true)
		c.settle()
		carol.screen.take()
		b.store.set(func() { b.store.hold = true }) // it does not know yet
		is(t, "removed", bob.Remove("ops", "dave"), nil)
		var removed error
		go func() { // and carol's settings don't change
			removed = bob.changeRoom("ops", func(i *RoomInfo) error { i.Members = nil; return nil })
		}()
		c.settle()
		bob.speakIn("", "ops", KindSay, "secret", nil)
		c.settle()
		b.store.set(func() { b.store.hold = false })
		c.settle()
		is(t, "removed", removed, nil)
		for _, line := range carol.screen.take() {
			if strings.Contains(line, "secret") {
				t.Error("carol sees it")
			}
		}
		_, err := carol.In("ops")
		is(t, "in", err, ErrNoRoom)
		var wait sync.WaitGroup
		for i, p := range []*user{a.join("erin"), b.join("erin")} {
			wait.Go(func() {
				for n := range 5 {
					if _, err := p.Block(fmt.Sprintf("nick%d%d", i, n)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		c.settle()
		for _, n := range c.nodes {
			if set, err := n.Visit(Identity{Nick: "erin"}).Preferences(); len(set.Blocked) != 10 || err != nil {
				t.Errorf("%s: %v, %v", n.name, set.Blocked, err)
			}
		}
	})
}

// A server that is lost takes its people along; one of the others records that, once.
func TestClusterLost(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob, _ := a.join("bob"), b.join("carol")
		dave := b.join("dave")
		a.join("dave")
		pass(2 * time.Second)
		bob.screen.take()
		c.set(func() { b.dead = true }) // it crashes
		b.lose()
		pass(2 * time.Second)
		same(t, "bob sees", bob.screen.take(), "+[] -[] ![carol]")
		pass(5 * time.Minute)
		same(t, "on record", a.recorded(), "join bob", "join carol", "join dave", "leave carol connection lost")
		same(t, "here", names(a.Everyone()), "bob", "dave")
		dave.Leave(Quit)
	})
}

// What was said after a server died was not shown to its people, though they counted as present for a while.
func TestClusterMissed(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob, carol := a.join("bob"), b.join("carol")
		pass(time.Second)
		carol.Leave(Broke)
		c.settle()
		for range RecentLines + 5 {
			bob.say("meanwhile")
		}
		pass(graceAfterBreak + time.Second)
		if w := a.join("carol").welcome; len(w.Recent) != RecentLines+5 || !w.LeftLost {
			t.Errorf("after a lost connection: %d lines", len(w.Recent))
		}
		b.join("dave")
		c.settle()
		c.set(func() { b.dead = true })
		for range RecentLines + 10 {
			bob.say("while b is dead")
		}
		b.lose()
		if w := a.join("dave").welcome; len(w.Recent) != RecentLines+10 || !w.LeftLost {
			t.Errorf("after a crash: %d lines", len(w.Recent))
		}
	})
}

// A start does not take those who are on another server for crashed ones.
func TestClusterStart(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		a.join("bob")
		b.join("carol")
		c.settle()
		a.join("dave")
		c.set(func() { b.dead = true })
		b.restart()
		pass(5 * time.Minute)
		for _, n := range c.nodes {
			same(t, "here", names(n.Everyone()), "bob", "dave")
		}
		same(t, "on record", a.recorded(), "join bob", "join carol", "join dave", "leave carol connection lost")
		c.sameOrder()
	})
}

// Where a lost session wrote is known on its own server, until the person has been on another one.
func TestClusterWroteIn(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		var bob *user
		returns := func(n *node, want string) {
			t.Helper()
			if bob = n.join("bob"); bob.welcome.WroteIn != want {
				t.Errorf("on %s: in %q, not %q", n.name, bob.welcome.WroteIn, want)
			}
			bob.WritesIn("ops")
			bob.Leave(Broke)
			pass(2 * graceAfterBreak)
		}
		returns(a, "")
		returns(a, "ops")
		returns(b, "")
		returns(a, "")
	})
}

// A session on another server is told, too, that its person has left a room.
func TestClusterLeaveRoom(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		here, there := a.join("bob"), b.join("bob")
		here.JoinRoom("ops", true)
		c.settle()
		is(t, "leave", here.LeaveRoom("ops"), nil)
		c.settle()
		told := func(p *user) (n int) {
			p.screen.mu.Lock()
			defer p.screen.mu.Unlock()
			for _, u := range p.screen.events {
				if u.Presence != nil && u.Presence.Room == "ops" && u.Presence.Removed {
					n++
				}
			}
			return n
		}
		if told(here) != 0 || told(there) != 1 {
			t.Errorf("told %d times here, %d there", told(here), told(there))
		}
	})
}

// Lines that a person was only told the number of stay unread on all servers.
func TestClusterUnread(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob, carol := a.join("bob"), b.join("carol")
		bob.JoinRoom("ops", true)
		c.settle()
		carol.JoinRoom("ops", true)
		c.settle()
		carol.Leave(Quit)
		counted := func(n *node) *user {
			t.Helper()
			carol := n.join("carol")
			if got := carol.welcome.Rooms; len(got) != 1 || got[0].Unread != 2 {
				t.Errorf("welcomed with %+v", got)
			}
			return carol
		}
		bob.speakIn("", "ops", KindSay, "one", nil)
		bob.speakIn("", "ops", KindSay, "two", nil)
		c.settle()
		first := counted(a)
		pass(2 * time.Minute) // it is saved
		bob.speakIn("", "ops", KindSay, "this is shown", nil)
		c.settle()
		second := counted(b)
		second.Leave(Quit)
		first.Leave(Quit)
		pass(2 * time.Minute)
		carol = counted(b)
		is(t, "read", carol.MarkShown("ops", "", b.LastID()), nil)
		carol.Leave(Quit)
		pass(2 * time.Minute)
		if got := a.join("carol").welcome.Rooms; got[0].Unread != 0 {
			t.Errorf("welcomed with %+v", got)
		}
	})
}

// The log's clock may be far from the server's.
func TestClusterClock(t *testing.T) {
	for _, off := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		inCluster(t, func(c *fakeCluster, a, b *node) {
			c.clock = off
			bob, carol := a.join("bob"), b.join("carol")
			bob.JoinRoom("ops", true)
			c.settle()
			carol.JoinRoom("ops", true)
			for n := range 30 {
				bob.say(fmt.Sprint("before ", n))
			}
			carol.Leave(Quit)
			pass(time.Second)
			for n := range 30 {
				bob.say(fmt.Sprint("line ", n))
			}
			bob.speakIn("", "ops", KindSay, "in ops", nil)
			pass(time.Second)
			carol = a.join("carol")
			if got := carol.welcome; len(got.Recent) != 30 || len(got.Rooms) != 1 || got.Rooms[0].Unread != 1 {
				t.Errorf("%v: %d lines, %+v", off, len(got.Recent), got.Rooms)
			}
			carol.screen.manual = true
			ann := b.join("~ann")
			got := ann.send("hi", "carol")
			pass(6 * time.Second)
			carol.screen.answer(true)
			same(t, "ann is told", got.words(), "carol silent")
			if !slices.Contains(ann.screen.take(), "carol has read") {
				t.Error("ann does not hear of it")
			}
		})
	}
}

// A retry on another server stores nothing twice.
func TestClusterRetry(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob, bob2 := a.join("bob"), b.join("bob")
		first, again := &receipts{}, &receipts{}
		bob.Once("k", Lobby, KindSay, []string{"carol"}, "hi", first.add)
		c.settle()
		bob2.Once("k", Lobby, KindSay, []string{"carol"}, "hi", again.add)
		c.settle()
		same(t, "told", again.words(), "carol offline")
		if got := again.got[0]; !got.Again || got.ID != first.got[0].ID {
			t.Errorf("%+v", got)
		}
		is(t, "another", bob2.Once("k", Lobby, KindSay, nil, "other", again.add), ErrKeyUsed)
		c.set(func() { a.unsure = true })
		unsure := &receipts{}
		bob.Once("l", Lobby, KindSay, nil, "hello", unsure.add)
		c.settle()
		bob.Once("l", Lobby, KindSay, nil, "hello", unsure.add)
		c.settle()
		if got := unsure.got; len(got) != 2 || got[0].Outcome != Failed || !got[1].Again || got[1].Err != nil {
			t.Errorf("%+v", got)
		}
		if n := len(b.store.messages("#lobby", nil)); n != 1 {
			t.Errorf("stored %d times", n)
		}
	})
}

// Who has seen a message elsewhere is let go on from it once this server has it; one that is behind for
// long is not waited for.
func TestClusterAwait(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob := a.join("bob")
		b.store.set(func() { b.store.hold = true })
		said := &receipts{}
		bob.Once("", Lobby, KindSay, nil, "hello", said.add)
		c.settle()
		id, start := said.got[0].ID, time.Now()
		b.Room.Await(context.Background(), id)
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("waited %v for what does not come", waited)
		}
		time.AfterFunc(time.Second, func() { b.store.set(func() { b.store.hold = false }) })
		start = time.Now()
		b.Room.Await(context.Background(), id)
		if waited := time.Since(start); waited < time.Second || waited > 1100*time.Millisecond {
			t.Errorf("waited %v for what comes after a second", waited)
		}
		start = time.Now()
		a.Room.Await(context.Background(), id)
		b.Room.Await(context.Background(), "00000000000")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v for what is here", waited)
		}
	})
}

// A try on another server, that is stored while one waits here and fails, is what a third one finds.
func TestClusterRetryMeanwhile(t *testing.T) {
	inCluster(t, func(c *fakeCluster, a, b *node) {
		bob, bob2 := a.join("bob"), b.join("bob")
		here, again, other := &receipts{}, &receipts{}, &receipts{}
		_, answer, err := b.Room.claim(bob2.Member, "k", Lobby, KindSay, nil, "hello", here.add)
		is(t, "claim", err, nil)
		bob.Once("k", Lobby, KindSay, nil, "hello", other.add)
		c.settle()
		answer(Receipt{Outcome: Failed, Err: ErrUncertain})
		bob2.Once("k", Lobby, KindSay, nil, "hello", again.add)
		c.settle()
		if got := again.got; len(got) != 1 || !got[0].Again || got[0].ID != other.got[0].ID {
			t.Errorf("%+v, the first %+v", got, other.got)
		}
		if n := len(b.store.messages("#lobby", nil)); n != 1 {
			t.Errorf("stored %d times", n)
		}
	})
}
