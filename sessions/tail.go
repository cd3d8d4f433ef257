package sessions

import (
	"bytes"
	"errors"
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
	s.stopWithInput(s.stop)
	s.manager.cfg.Room.Await(s.ctx, call.Since)
	nick := s.member.Nick()
	f := &gate{out: s.out, wanted: func(m *room.Message) bool {
		switch {
		case isDirect(m):
			return call.Direct || call.Mentions && m.From != nick
		case call.Mentions:
			return m.From != nick && render.Mentions(m.Text, nick)
		}
		return !call.Direct
	}}
	var rooms []string // beside the lobby
	if call.Room != "" && call.Room != room.Lobby {
		rooms = []string{call.Room}
	}
	o, err := s.member.Observe(f, rooms...)
	if err != nil {
		return s.notListening(call.Room, err)
	}
	defer o.Close()
	ask := room.Replay{
		Room: !call.Direct && rooms == nil, Rooms: rooms, Direct: call.Direct || call.Mentions,
		Keep: f.wanted, After: call.Since, Newest: call.N,
	}
	if call.For != 0 {
		ask.After = room.After(time.Now().Add(-call.For))
	}
	doing := result.ReadingRoom
	if call.Direct {
		doing = result.ReadingHistory
	}
	show := func(messages []*room.Message) int { return s.showPage(pages{}, messages) }
	switch err := s.eachPage(o.Replay(s.ctx, ask), show); {
	case ask.After == "" && errors.Is(err, room.ErrSearchLimit):
		s.show(result.Done{What: result.NotSearched})
	case err != nil:
		return s.readFailed(call.Room, doing, err)
	}
	f.opens()
	<-s.ctx.Done()
	return nil
}

// facts renders messages, past or new, as lines for scripts.
func (s *session) facts(messages []*room.Message, past bool) (lines []byte) {
	for _, m := range messages {
		if s.asked == nil {
			lines = render.Fact(lines, m)
			continue
		}
		f := protocol.OfMessage(m)
		f.Replay, f.Ref = past, s.asked.Ref
		lines = protocol.Append(lines, f)
	}
	return lines
}

// watch waits until somebody is online.
func (s *session) watch(call parse.Call) result.Result {
	if !s.known(call.Nick) {
		return s.nobody(call.Nick)
	}
	s.stopWithInput(s.stop)
	err := s.member.AwaitOnline(s.ctx, call.Nick)
	switch {
	case err == nil:
		return result.Done{Nick: call.Nick}
	case s.ctx.Err() != nil:
		return result.Failure{Code: result.Refused, Reason: result.NotHere, Nick: call.Nick}
	}
	return s.notListening("", err)
}

// notListening is why somebody can't observe a room.
func (s *session) notListening(name string, err error) result.Result {
	if errors.Is(err, room.ErrClosed) { // they are told so
		return nil
	}
	return s.failed(result.Failure{Reason: result.ReadingRoom, Room: name, Err: err})
}

// stopWithInput calls stop, for a command that waits, when the client closes the channel, or at a
// terminal with ^C and ^D, which a client sends then. The rest of the input is dropped, on a goroutine that
// ends with the channel.
func (s *session) stopWithInput(stop func()) {
	_, _, _, pty := s.ch.Pty()
	go func() {
		defer s.manager.recoverPanic(s.ch)
		p := make([]byte, 256)
		for {
			n, err := s.ch.Read(p)
			if pty && bytes.ContainsAny(p[:n], "\x03\x04") {
				stop()
			}
			if err != nil {
				break
			}
		}
		select { // the input may end long before the channel
		case <-s.ch.Closed():
			stop()
		case <-s.ctx.Done():
		}
	}()
}

func isDirect(m *room.Message) bool { return m.Kind == room.KindDirect || m.Kind == room.KindGroup }
