package sessions

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/protocol"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

const (
	maxBadLines = 3    // in a row
	maxHeld     = 1000 // direct messages that a program has got and not read
)

var errHiddenRooms = errors.New("a hidden program gets only the lobby and the ROOMS of its JOIN")

// program is the session of a program that speaks the protocol of docs/protocol.md. Its methods
// are for the reading goroutine, except Put.
type program struct {
	*session
	observer *room.Observer // of a hidden one, before JOIN is answered
	updates  gate           // closed until JOIN is answered

	mu    sync.Mutex            // owns the fields below
	rooms map[string]bool       // beside the lobby, that it hears
	held  map[string]func(bool) // the shown functions of direct messages, by ID; nil once it ended
}

// json is the session of a program.
func (s *session) json(parse.Call) result.Result {
	p := &program{session: s, updates: gate{out: s.out}, rooms: map[string]bool{}, held: map[string]func(bool){}}
	s.log("session began", "program", true)
	cause := p.readAll()
	s.pending.wait(s.ctx, lastReceipts)
	p.end(cause)
	s.log("session ended", "cause", s.out.why())
	return nil
}

// end ends the session: what was not read stays unread.
func (p *program) end(cause error) {
	p.out.close(cause)
	<-p.out.done
	p.mu.Lock()
	held := p.held
	p.held = nil
	p.mu.Unlock()
	for _, shown := range held {
		shown(false)
	}
	p.updates.opens() // nothing is shown any more
	switch {
	case p.observer != nil:
		p.observer.Close()
	case p.joined():
		p.member.Leave(p.leaving())
		p.manager.colors.Leave(p.member.Nick())
	}
}

// joined reports whether JOIN has succeeded.
func (p *program) joined() bool { return p.session.program.Load() != nil }

// framed is the key of a message's frame in Update.Rendered.
type framed struct{}

// noteChange makes LIST new. It is made when it is first needed, and is also for older changes that a slow
// program is yet to be told: a LIST for each would be much to keep. noteChange is called for each program,
// with the room's lock held.
func (m *Manager) noteChange() {
	list := sync.OnceValue(func() []byte { return protocol.Append(nil, protocol.ListOf(m.cfg.Room.Everyone())) })
	m.list.Store(&list)
}

// frames renders what the room puts to a program. A frame is the same for all of them: it is made
// once, by the first.
func (m *Manager) frames(dst []byte, events []item) []byte {
	for _, it := range events {
		if it.event.Presence != nil {
			dst = append(dst, (*m.list.Load())()...)
			continue
		}
		frame, ok := it.event.Rendered.Load(framed{})
		if !ok {
			frame = protocol.Append(nil, protocol.OfMessage(it.event.Message))
			it.event.Rendered.Store(framed{}, frame)
		}
		dst = append(dst, frame.([]byte)...)
	}
	return dst
}

// print queues a frame, waiting while much is queued.
func (p *program) print(f protocol.Frame) { p.out.print(string(protocol.Append(nil, f)), nil) }

// notice tells what is no answer, such as an operator's decision.
func (p *program) notice(r result.Result) {
	line := strings.TrimSpace(text.CleanLine(string(render.Result(nil, r, p.style(), time.Now()))))
	words := strings.TrimPrefix(line, "* ")
	f := protocol.Frame{CMD: protocol.Err, Code: protocol.Notice, Reason: words}
	p.out.tell(string(protocol.Append(nil, f)))
}

// readAll handles lines until the input or the session ends, and says why.
func (p *program) readAll() error {
	bad := 0
	return p.endedWith(eachLine(p.ch, protocol.MaxLine, func(line string, _ int) error {
		if strings.TrimSpace(line) == "" {
			return nil
		}
		f, wrong := protocol.Decode([]byte(line))
		call := parse.Call{Name: "json"}
		if f.CMD == protocol.Send {
			call = parse.Call{Name: "say", Text: f.Msg, To: f.To}
		}
		if cause := p.admit(weight(call)); cause != nil {
			return cause
		}
		if wrong != nil {
			p.print(*wrong)
			if bad++; bad == maxBadLines {
				return errBadLines
			}
			return nil
		}
		bad = 0
		if f.CMD == protocol.Quit {
			return errQuit
		}
		p.handle(f)
		return nil
	}))
}

func (p *program) handle(f protocol.Frame) {
	var answer result.Result
	p.asked = &f
	if !p.joined() && f.CMD != protocol.Join {
		answer = result.Failure{Code: result.Usage, Reason: result.NotJoined}
	} else if f.Room != "" {
		f.Room, answer = p.named(f.Room)
	}
	if answer == nil {
		answer = p.run(f)
	}
	if answer != nil {
		p.show(answer)
	}
}

// run carries out a frame. The result is nil if it is answered otherwise, or later.
func (p *program) run(f protocol.Frame) result.Result {
	switch f.CMD {
	case protocol.Join:
		return p.join(f)
	case protocol.JoinRoom:
		return p.joinRoom(f.Room)
	case protocol.LeaveRoom:
		return p.leaveRoom(f.Room)
	case protocol.Send:
		return p.send(f)
	case protocol.Read:
		return p.read(f)
	case protocol.Inbox:
		return p.showPages(pages{each: p.member.Inbox(), doing: result.ReadingInbox, none: result.Done{}})
	case protocol.History:
		return p.history(f)
	case protocol.Who:
		return p.who(f.Room)
	}
	p.print(protocol.Frame{CMD: protocol.Pong, Ref: f.Ref}) // it is PING
	return nil
}

// named is the canonical name of a room in a frame, with '#' or without.
func (p *program) named(name string) (string, result.Result) {
	canonical, err := nick.Room(nick.RoomMark + strings.TrimPrefix(name, nick.RoomMark))
	if err != nil {
		return "", p.roomFailed(text.Cut(text.CleanLine(name), 32), room.ErrNoRoom)
	}
	return canonical, nil
}

// notYou is the failure of a frame that gives one of these as the person's nick, nil if they are right, or "".
func (p *program) notYou(names ...string) result.Result {
	for _, n := range names {
		if !protocol.IsNick(n, p.login.Nick) && !protocol.IsNick(n, p.member.Nick()) {
			return result.Failure{Code: result.NotAllowed, Reason: result.NotYou, Own: p.member.Nick()}
		}
	}
	return nil
}

func (p *program) join(f protocol.Frame) result.Result {
	since := strings.ToLower(f.Since)
	if p.joined() {
		return result.Failure{Code: result.Usage, Reason: result.JoinedAlready}
	}
	if failed := p.notYou(f.UN, f.UID); failed != nil {
		return failed
	}
	if since != "" && !parse.IsID(since) {
		return result.Failure{Code: result.Usage, Reason: result.BadField, About: "SINCE"}
	}
	p.manager.cfg.Room.Await(p.ctx, since)
	rooms, failed := p.enterAll(f.Rooms)
	if failed != nil {
		return failed
	}
	past, err := p.enter(f.Hidden, rooms)
	switch {
	case errors.Is(err, room.ErrObservers), notThere(err): // a room was closed just now
		failed := p.roomFailed(strings.Join(rooms, ", #"), err)
		if len(rooms) > 1 { // which of them is not known
			failed.Room = ""
		}
		return failed
	case err != nil:
		p.out.close(err)
		return nil
	}
	p.session.program.Store(p)
	p.show(result.Done{Nick: p.member.Nick()})
	replayed := since != "" && p.since(past, since, rooms)
	p.updates.drop(isChange) // LIST is newer
	p.print(protocol.ListOf(p.manager.cfg.Room.Everyone()))
	if replayed {
		p.updates.drop(func(it item) bool { // it was on its way to another session
			return !isChange(it) && isDirect(it.event.Message) && past.Precedes(it.event.Message)
		})
	}
	p.updates.opens()
	return nil
}

// enterAll makes the person join these rooms, and returns their names without the lobby's.
func (p *program) enterAll(named []string) (rooms []string, failed result.Result) {
	for _, name := range named {
		if name, failed = p.named(name); failed != nil {
			return nil, failed
		}
		switch {
		case name == room.Lobby || slices.Contains(rooms, name):
			continue
		case p.member.Guest(): // guests have no name before JOIN
			failed = result.Failure{Code: result.NotAllowed, Reason: result.KeysOnly, About: "ROOMS"}
		default:
			_, failed = p.enterNamed(name)
		}
		if failure, ok := failed.(result.Failure); ok {
			failure.Room = name
			return nil, failure
		}
		rooms = append(rooms, name)
	}
	return rooms, nil
}

// enter begins the updates of these rooms and the lobby, and returns the observer that replays earlier ones.
func (p *program) enter(hidden bool, rooms []string) (past *room.Observer, err error) {
	p.mu.Lock()
	clear(p.rooms) // of a JOIN that failed
	for _, name := range rooms {
		p.rooms[name] = true
	}
	p.mu.Unlock()
	if hidden {
		p.observer, err = p.member.Observe(p, append([]string{room.Lobby}, rooms...)...)
		return p.observer, err
	}
	p.member.Leave(room.Quit) // a guest's name is free for the next line
	seat, welcome, err := p.manager.cfg.Room.Join(room.Identity{Nick: p.login.Nick, Quiet: quiet(p.ch), Program: true}, p)
	if seat == nil {
		return nil, err
	}
	if err != nil { // of the inbox: INBOX says so
		p.manager.complain("reading an inbox failed", seat.Nick(), err)
	}
	p.take(seat)
	p.manager.colors.Enter(seat.Nick())
	return welcome.Before, nil
}

// since replays what was said after id, in these rooms, too, and reports whether it did.
func (p *program) since(past *room.Observer, id string, rooms []string) bool {
	gap := protocol.Frame{CMD: protocol.Err, Ref: p.asked.Ref, Code: protocol.Gap}
	if strings.Trim(id, "0") != "" && !past.Precedes(&room.Message{ID: id}) { // or it would never move on from there
		gap.Reason = "there is no message with that ID yet: it is from another server, or from after the backup that was restored"
		p.print(gap)
		return false
	}
	ask := room.Replay{Room: true, Rooms: rooms, Direct: true, After: id, Keep: func(*room.Message) bool { return true }}
	err := p.eachPage(past.Replay(p.ctx, ask), func(messages []*room.Message) int { return p.showPage(pages{}, messages) })
	switch failure, ok := p.readFailed(strings.Join(rooms, ", #"), result.ReadingRoom, err).(result.Failure); {
	case ok && failure.Reason == result.TooLongAgo:
		gap.Reason = "more was said since than is replayed"
		p.print(gap)
	case ok: // a room was closed to them just now, or the storage is in trouble
		p.out.close(failure)
	}
	return err == nil
}

// isChange tells a change of presence from a message.
func isChange(it item) bool { return it.event.Presence != nil }

// Put implements room.Sink. A direct message is shown when READ names it.
func (p *program) Put(u *room.Update, shown func(bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := u.Message
	if m == nil && u.Presence.Room != "" || m != nil && m.Room != "" && m.Room != room.Lobby && !p.rooms[m.Room] {
		return // it is about a room that another session of this nick is in
	}
	if shown != nil && isDirect(m) {
		if p.held == nil || len(p.held) >= maxHeld {
			go shown(false)
		} else {
			p.held[m.ID] = shown
		}
		shown = nil
	}
	if u.Presence != nil {
		p.manager.noteChange()
	}
	p.updates.put(item{event: u, shown: shown})
}

func (p *program) send(f protocol.Frame) result.Result {
	call := parse.Call{Name: "say", Text: strings.Trim(text.Clean(f.Msg), "\n"), Key: f.Key}
	if f.Me {
		call.Name = "me"
	}
	if failed := p.notYou(f.From); failed != nil {
		return failed
	}
	if strings.TrimSpace(call.Text) == "" {
		return result.Failure{Code: result.Usage, Reason: result.NoText}
	}
	if failed := p.refusal(commandNamed("say"), call); failed != nil {
		return failed
	}
	answer := func(r result.Receipt) { p.out.tell(p.frame(f, r)) } // on any goroutine
	for _, name := range f.To {
		n, err := nick.ParseAny(name)
		switch {
		case err != nil:
			answer(result.Receipt{Receipt: room.Receipt{To: text.Cut(text.CleanLine(name), 64), Outcome: room.RefusedUnknown}})
		case !slices.Contains(call.To, n):
			call.To = append(call.To, n)
		}
	}
	switch {
	case len(f.To) == 0:
		call.Room = cmp.Or(f.Room, room.Lobby)
	case len(call.To) == 0: // all were refused
		return nil
	}
	return p.sendTo(call, answer)
}

// joinRoom has the program hear a room from now on, and its nick be in it.
func (p *program) joinRoom(name string) result.Result {
	if name != room.Lobby { // where JOIN has brought it
		if p.observer != nil {
			return result.Failure{Code: result.NotAllowed, Err: errHiddenRooms}
		}
		if _, failed := p.enterNamed(name); failed != nil {
			return failed
		}
		p.mu.Lock()
		p.rooms[name] = true
		p.mu.Unlock()
	}
	return result.Done{Room: name}
}

// leaveRoom makes the nick leave a room.
func (p *program) leaveRoom(name string) result.Result {
	p.mu.Lock()
	delete(p.rooms, name)
	p.mu.Unlock()
	return p.leave(parse.Call{Room: name})
}

// who lists the people who are here, or in a room.
func (p *program) who(in string) result.Result {
	people, err := p.member.In(cmp.Or(in, room.Lobby))
	if err != nil {
		return p.roomFailed(in, err)
	}
	return result.Online{People: p.manager.persons(people)}
}

// read marks messages as read: those that this session has got, and those in the inbox; or a room up to the
// last of them.
func (p *program) read(f protocol.Frame) result.Result {
	if f.Room != "" {
		if err := p.member.MarkShown(f.Room, "", slices.Max(append(f.IDs, ""))); err != nil {
			return p.roomFailed(f.Room, err)
		}
		return result.Done{}
	}
	var held []string
	wanted := map[string]bool{}
	for _, id := range f.IDs {
		p.mu.Lock()
		shown := p.held[id]
		delete(p.held, id)
		p.mu.Unlock()
		if shown != nil {
			shown(true)
			held = append(held, id)
		} else if !slices.Contains(held, id) {
			wanted[id] = true
		}
	}
	err := p.member.AwaitRead(held)
	if len(wanted) > 0 && err == nil {
		err = p.readInbox(wanted)
	}
	if err != nil {
		return p.readFailed("", result.MarkingMessages, err)
	}
	return result.Done{}
}

// readInbox marks those of the inbox as read that are wanted.
func (p *program) readInbox(wanted map[string]bool) error {
	var failed error
	err := p.eachPage(p.member.Inbox(), func(messages []*room.Message) int {
		read := slices.DeleteFunc(messages, func(m *room.Message) bool { return !wanted[m.ID] })
		if failed == nil {
			failed = p.member.MarkRead(read)
		}
		return 0
	})
	return cmp.Or(failed, err)
}

func (p *program) history(f protocol.Frame) result.Result {
	call := parse.Call{Room: f.Room, N: f.N}
	if f.With == "" {
		return p.session.history(call)
	}
	var err error
	if call.Nick, err = nick.ParseAny(f.With); err != nil {
		return p.nobody(text.Cut(text.CleanLine(f.With), 64))
	}
	return p.inbox(call)
}

var _ room.Sink = (*program)(nil)
