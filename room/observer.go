package room

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// MaxObservers is how many observers one nick has at a time, those who wait for somebody with
// AwaitOnline among them.
const MaxObservers = 10

// maxReplay is how many messages Replay gives at most: about as many as searchMost passes over.
const maxReplay = 50_000

// ErrObservers is returned where a nick has as many observers as it may have.
var ErrObservers = errors.New("too many observers of one nick")

// Observer is how a program follows what its nick may read, without being present: what is
// said in the room, and the nick's direct messages. Nothing is delivered or read by it.
type Observer struct {
	member *Member
	sink   Sink
	before string // the ID of the last message before it began

	Preferences // owned by Room.mu
}

// Observe puts to sink, from now on, what is said in the rooms, unless the person hides it, each
// direct message to and from the person, as they stand in the histories, receipts, and changes of presence.
// Without rooms that is the lobby; the person has to be in others, and hears nothing more of one that
// they may not read any more. shown is always nil.
// Replay gives what was before. The error is ErrClosed or ErrObservers, ErrNoRoom or ErrNotJoined, or
// wraps ErrStorage.
func (s *Member) Observe(sink Sink, rooms ...string) (*Observer, error) {
	if len(rooms) == 0 {
		rooms = []string{Lobby}
	}
	r := s.room
	r.setting.Lock() // no change of the preferences is missed
	defer r.setting.Unlock()
	r.loading.Lock()
	defer r.loading.Unlock()
	set, err := r.preferences(s.nick)
	if err != nil {
		return nil, err
	}
	var chosen []*chatroom
	for _, name := range rooms {
		c, _, err := s.inRoom(name, &set)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, c)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.listen(s.nick); err != nil {
		return nil, err
	}
	o := &Observer{member: s, sink: sink, before: r.lastID, Preferences: set}
	for _, c := range chosen {
		c.observers[o] = true
	}
	r.people.observers[s.nick] = append(r.people.observers[s.nick], o)
	return o, nil
}

// Await waits until this server has the message id, or a later one: another server of a cluster may have shown it to
// somebody who comes here now. It gives up after three seconds, or when ctx is done. On a single server it
// returns at once.
func (r *Room) Await(ctx context.Context, id string) {
	if r.peers == nil || strings.Trim(id, "0") == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.await(ctx, r.people.released, func() bool { return r.lastID >= id })
}

// await waits until ready, which is asked again when something is signalled, or returns ctx's cause. r.mu is held, but
// not while it waits.
func (r *Room) await(ctx context.Context, signal *sync.Cond, ready func() bool) error {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		signal.Broadcast()
	})
	defer stop()
	for !ready() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		signal.Wait()
	}
	return nil
}

// Precedes reports whether m is from before the first update: Replay gives it.
func (o *Observer) Precedes(m *Message) bool { return m.ID <= o.before }

// Close ends the updates. It is to be called once.
func (o *Observer) Close() {
	r, nick := o.member.room, o.member.nick
	r.mu.Lock()
	defer r.mu.Unlock()
	r.people.stopListening(nick)
	for _, c := range r.rooms {
		delete(c.observers, o)
	}
	left := slices.DeleteFunc(r.people.observers[nick], func(other *Observer) bool { return other == o })
	r.people.observers[nick] = left
	if len(left) == 0 {
		delete(r.people.observers, nick)
	}
}

// listen counts one who observes or waits. r.mu is held.
func (r *Room) listen(nick string) error {
	switch {
	case r.closed:
		return ErrClosed
	case r.people.listening[nick] >= MaxObservers:
		return ErrObservers
	}
	r.people.listening[nick]++
	return nil
}

func (ps *people) stopListening(nick string) {
	if ps.listening[nick]--; ps.listening[nick] == 0 {
		delete(ps.listening, nick)
	}
}

// observe puts an update to the observers of some nicks.
func (ps *people) observe(u *Update, nicks ...string) {
	for _, nick := range nicks {
		for _, o := range ps.observers[nick] {
			o.sink.Put(u, nil)
		}
	}
}

// Replay selects messages from before an observer began.
type Replay struct {
	Room, Direct bool                // the lobby's, and the person's direct ones
	Rooms        []string            // those of other rooms that the person may read, if not ErrNoRoom
	Keep         func(*Message) bool // of these; it must not block
	After        string              // all with a greater ID than this; "": the Newest
	Newest       int
}

// After is for [Replay.After]: messages from t on have greater IDs.
func After(t time.Time) string { return encodeID(uint64(max(t.UnixMicro(), 1)) - 1) }

// errEnough ends a search that needs nothing older.
var errEnough = errors.New("nothing older is needed")

// Replay gives messages from before the observer's first update, oldest first. With After, it
// gives all of them or, where that is more than may be searched for or given, [ErrSearchLimit] and none;
// else as many as were found within that limit, and then that error. Other errors are those of HistoryOf.
//
// IDs of messages are in the order of the log, and so are histories: an ID says which
// of two messages from different histories was first, and what the observer gets itself.
func (o *Observer) Replay(ctx context.Context, ask Replay) iter.Seq2[Page, error] {
	r := o.member.room
	return func(yield func(Page, error) bool) {
		r.mu.Lock()
		set := o.Preferences
		r.mu.Unlock()
		n, kept, inVain, limited := ask.Newest, 0, 0, false
		found := 0 // what the kept ones cost
		if ask.After != "" {
			n = maxReplay + 1
		}
		left := len(ask.Rooms) // histories that are still to be searched
		for _, one := range []bool{ask.Room, ask.Direct && !o.member.Guest()} {
			if one {
				left++
			}
		}
		search := func(owner string) iter.Seq2[*Message, error] {
			most := -1 // for what was searched in vain up to here: a long history leaves their part to the others
			return without(errEnough, r.histories.Tail(owner, n, func(m *Message) (bool, error) {
				if most < 0 {
					if most = searchMost; ask.After == "" {
						most = inVain + (searchMost-inVain)/max(left, 1)
					}
					left--
				}
				switch {
				case ctx.Err() != nil:
					return false, ctx.Err()
				case m.ID > o.before:
					return false, nil
				case ask.After != "" && m.ID <= ask.After:
					return false, errEnough
				case inVain >= most:
				case m.Kind == KindReceipt || set.hides(m) || !ask.Keep(m):
					inVain += searchCost(m)
					return false, nil
				case kept < maxReplay:
					kept++
					found += searchCost(m)
					return true, nil
				}
				limited = true
				return false, errEnough
			}))
		}
		messages := iter.Seq2[*Message, error](func(func(*Message, error) bool) {})
		if ask.Room {
			messages = search(RoomHistory)
		}
		for _, name := range ask.Rooms {
			messages = merged(messages, guarded(r.mayRead(o.member.nick, name), search("#"+name)))
		}
		if ask.Direct && !o.member.Guest() {
			messages = merged(messages, search(o.member.nick))
		}
		skipped := 0
		given := func(yield func(*Message, error) bool) {
			for m, err := range messages { // all is searched before the first comes
				if limited && ask.After != "" {
					inVain += found
					break
				}
				if err == nil && ask.After == "" && skipped < kept-n {
					skipped++
					inVain += searchCost(m)
					continue
				}
				if !yield(m, err) {
					return
				}
			}
			if limited {
				yield(nil, ErrSearchLimit)
			}
		}
		paged(given, &inVain)(yield)
	}
}

// Search gives the newest n messages that keep accepts, oldest first: of a room, or for "" of the lobby, the
// person's other rooms, and the direct ones. The error, if there is one, comes last: it is ErrSearchLimit
// where older ones were not searched, or one of those of HistoryOf.
func (s *Member) Search(ctx context.Context, name string, n int, keep func(*Message) bool) iter.Seq2[Page, error] {
	r := s.room
	set, err := r.preferences(s.nick)
	if err != nil {
		return onePage(nil, err)
	}
	ask := Replay{Room: name == "" || name == Lobby, Direct: name == "", Keep: keep, Newest: n}
	r.mu.Lock()
	o := &Observer{member: s, before: r.lastID, Preferences: set}
	for _, j := range set.Rooms {
		if c, may := r.lookup(j.Room, s.nick); name == "" && may.Read && set.joined(c).Room != "" {
			ask.Rooms = append(ask.Rooms, c.Name)
		}
	}
	r.mu.Unlock()
	if name != "" && name != Lobby {
		ask.Rooms = []string{name}
	}
	return o.Replay(ctx, ask)
}

// without gives messages, and no error that is end.
func without(end error, messages iter.Seq2[*Message, error]) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		for m, err := range messages {
			if errors.Is(err, end) || !yield(m, err) {
				return
			}
		}
	}
}

// merged gives the messages of both by ID, as each of them does.
func merged(a, b iter.Seq2[*Message, error]) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		next, stop := iter.Pull2(b)
		defer stop()
		other, failed, more := next()
		for m, err := range a {
			for err == nil && more && (failed != nil || other.ID < m.ID) {
				if !yield(other, failed) || failed != nil {
					return
				}
				other, failed, more = next()
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
		for ; more; other, failed, more = next() {
			if !yield(other, failed) {
				return
			}
		}
	}
}

// HasRead reports whether it is on record that nick, who has a key, has read the message with this ID.
// The error wraps [ErrStorage].
func (r *Room) HasRead(nick, id string) (bool, error) {
	still, err := r.histories.StillUnread(nick, []string{id})
	return err == nil && !still[id], err
}

// AwaitOnline returns nil as soon as a session of nick is present, at once if one is. The error is
// ErrClosed or ErrObservers, or ctx's cause.
func (s *Member) AwaitOnline(ctx context.Context, nick string) error {
	r := s.room
	online := func() bool {
		p := r.people.here[nick]
		return p != nil && (len(p.sessions) > 0 || p.connectedElsewhere())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if online() {
		return nil
	}
	if err := r.listen(s.nick); err != nil {
		return err
	}
	defer r.people.stopListening(s.nick)
	return r.await(ctx, r.people.arrived, online)
}
