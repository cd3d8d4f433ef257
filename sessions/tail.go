package sessions

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/protocol"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// tail prints what is said, or the person's direct messages, until the client ends it. What came
// before is read from the histories, as /history does; what comes meanwhile waits.
func (s *session) tail(call parse.Call) result.Result {
	if call.Direct && s.member.Guest() {
		return result.Failure{Code: result.NotAllowed, Reason: result.KeysOnly, About: call.Name}
	}
	s.stopWithInput()
	s.manager.cfg.Room.Await(s.ctx, call.Since)
	f := &follower{out: s.out, room: !call.Direct, direct: call.Direct || call.Mentions, wake: make(chan struct{}, 1)}
	var rooms []string // beside the lobby
	if call.Room != "" && call.Room != room.Lobby {
		rooms = []string{call.Room}
	}
	o, err := s.member.Observe(f, rooms...)
	switch {
	case err != nil && notThere(err):
		return s.roomFailed(call.Room, err)
	case err != nil:
		return s.notListening(err)
	}
	defer o.Close()
	wanted := func(m *room.Message) bool { return true }
	if nick := s.member.Nick(); call.Mentions {
		wanted = func(m *room.Message) bool {
			return m.From != nick && (isDirect(m) || render.Mentions(m.Text, nick))
		}
	}
	ask := room.Replay{Room: f.room && rooms == nil, Rooms: rooms, Direct: f.direct, Keep: wanted, After: call.Since, Newest: call.N}
	if call.For != 0 {
		ask.After = room.After(time.Now().Add(-call.For))
	}
	doing := result.ReadingRoom
	if call.Direct {
		doing = result.ReadingHistory
	}
	past := func(m []*room.Message) int { return s.printFacts(m, wanted, true) }
	if err := s.eachPage(o.Replay(s.ctx, ask), past); err != nil {
		return s.readFailed(call.Room, doing, err)
	}
	for {
		select {
		case <-f.wake:
			s.printFacts(f.take(), wanted, false)
		case <-s.ctx.Done():
			return nil
		}
	}
}

// printFacts prints the messages that are wanted and returns how many bytes that were. It waits
// while much is queued.
func (s *session) printFacts(messages []*room.Message, wanted func(*room.Message) bool, past bool) int {
	var lines []byte
	for _, m := range messages {
		if wanted(m) {
			lines = s.appendFact(lines, m, past)
		}
	}
	if len(lines) > 0 {
		s.print(string(lines), nil)
	}
	return len(lines)
}

// appendFact appends a message, past or new, as a line for scripts.
func (s *session) appendFact(dst []byte, m *room.Message, past bool) []byte {
	if s.asked.Load() == nil {
		return render.Fact(dst, m)
	}
	f := protocol.OfMessage(m)
	f.Replay = past
	return protocol.Append(dst, f)
}

// watch waits until somebody is online.
func (s *session) watch(call parse.Call) result.Result {
	if !s.known(call.Nick) {
		return s.nobody(call.Nick)
	}
	s.stopWithInput()
	err := s.member.AwaitOnline(s.ctx, call.Nick)
	switch {
	case err == nil:
		return result.Done{Nick: call.Nick}
	case s.ctx.Err() != nil:
		return result.Failure{Code: result.Refused, Reason: result.NotHere, Nick: call.Nick}
	}
	return s.notListening(err)
}

// notListening is why somebody can't observe the room.
func (s *session) notListening(err error) result.Result {
	switch {
	case errors.Is(err, room.ErrObservers):
		return result.Failure{Code: result.Limit, Reason: result.TooManyTails, Most: room.MaxObservers}
	case errors.Is(err, room.ErrClosed): // they are told so
		return nil
	}
	return s.failed(result.Failure{Reason: result.ReadingRoom, Err: err})
}

// stopWithInput ends the context of a command that waits when the client closes the channel, or at a terminal
// with ^C and ^D, which a client sends then. The rest of the input is dropped, on a goroutine that ends with the channel.
func (s *session) stopWithInput() {
	_, _, _, pty := s.ch.Pty()
	go func() {
		defer s.manager.recoverPanic(s.ch)
		p := make([]byte, 256)
		for {
			n, err := s.ch.Read(p)
			if pty && bytes.ContainsAny(p[:n], "\x03\x04") {
				s.stop()
			}
			if err != nil {
				break
			}
		}
		select { // the input may end long before the channel
		case <-s.ch.Closed():
			s.stop()
		case <-s.ctx.Done():
		}
	}()
}

// follower is what an observer has got and tail has not printed yet. It is bounded like what
// waits for a session: beyond that, the command ends.
type follower struct {
	out          *outbox
	room, direct bool          // what is wanted
	wake         chan struct{} // has one when something came

	mu    sync.Mutex // owns the fields below
	queue []*room.Message
	bytes int
}

func isDirect(m *room.Message) bool { return m.Kind == room.KindDirect || m.Kind == room.KindGroup }

// Put implements room.Sink.
func (f *follower) Put(u *room.Update, _ func(bool)) {
	m := u.Message
	switch {
	case m == nil, m.Kind == room.KindReceipt:
	case isDirect(m) && f.direct, !isDirect(m) && f.room:
		f.add(item{event: u})
	}
}

func (f *follower) add(it item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bytes += it.size(); f.bytes > burstLimit {
		f.queue = nil
		f.out.close(errSlow)
		return
	}
	f.queue = append(f.queue, it.event.Message)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take empties the queue.
func (f *follower) take() (all []*room.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, f.queue, f.bytes = f.queue, nil, 0
	return all
}
