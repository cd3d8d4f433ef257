package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// crowd are people who talk on all servers, and the ledger of what they were told. Safe for concurrent
// use.
type crowd struct {
	c *cluster

	mu     sync.Mutex // owns story, and all fields of its attempts and sessions
	story  story
	rivals []rival
	gaps   int // how often a session had to begin without what was missed
}

// person is somebody who talks, on one server after the other.
type person struct {
	*crowd
	nick    string
	id      identity
	openSSH bool
	others  []string
	random  *rand.Rand

	// Owned by crowd.mu:
	number  int                 // of texts
	open    map[string]*attempt // by key: those without a final answer
	place   string
	current *shownSession
}

// newcomer introduces somebody to all servers: a nick has to be known to be written to.
func (c *crowd) newcomer(nick string, others []string, random *rand.Rand, openSSH bool) *person {
	p := &person{
		crowd: c, nick: nick, id: newIdentity(c.c.t), openSSH: openSSH, others: others, random: random,
		open: map[string]*attempt{}, place: "00000000000",
	}
	c.c.must(c.c.eventually(func() error {
		if a := c.c.chats[0].run(nick, p.id, "nick"); a.status != 0 {
			return fmt.Errorf("%s: %+v", nick, a)
		}
		return nil
	}))
	return p
}

// eventually repeats do until it succeeds.
func (c *cluster) eventually(do func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := do()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-time.After(100 * time.Millisecond)
	}
}

// talk goes from server to server and talks until talking is done, then waits for the answers to all of it
// until answering is done.
func (p *person) talk(talking, answering context.Context) {
	for answering.Err() == nil && (talking.Err() == nil || p.waits()) {
		chat := p.c.chats[p.random.IntN(len(p.c.chats))]
		p.session(talking, answering, chat)
		pause(answering, time.Duration(50+p.random.IntN(200))*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (p *person) waits() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open) > 0
}

// session is one login.
func (p *person) session(talking, answering context.Context, chat *chatServer) {
	w, err := chat.dial(p.nick, p.id, p.openSSH, "json")
	if err != nil {
		return
	}
	defer w.hangUp()
	s := &personSession{person: p, w: w, chat: chat, ended: make(chan struct{}), joined: make(chan struct{}), sent: map[string]time.Time{}}
	go func() {
		defer close(s.ended)
		w.frames(s.handle)
	}()
	p.mu.Lock()
	place := p.place
	p.mu.Unlock()
	if w.send(frame{CMD: "JOIN", Since: place}) != nil {
		return
	}
	select {
	case <-s.joined:
		s.speak(talking, answering)
	case <-s.ended:
	case <-time.After(2 * loginLimit):
	case <-answering.Done():
	}
	s.gone()
	w.hangUp()
	<-s.ended
}

type personSession struct {
	*person
	w             *wire
	chat          *chatServer
	joined, ended chan struct{}
	once          sync.Once
	sent          map[string]time.Time // by key: when this session sent it; owned by crowd.mu
	answered      time.Time            // when anything was last answered; owned by crowd.mu
}

// speak sends what is open again, and then new texts, until the session ends.
func (s *personSession) speak(talking, answering context.Context) {
	s.mu.Lock()
	again := make([]string, 0, len(s.open))
	for key := range s.open {
		again = append(again, key)
	}
	s.mu.Unlock()
	slices.Sort(again)
	for _, key := range again {
		s.send(key)
	}
	for {
		select {
		case <-s.ended:
			return
		case <-answering.Done():
			return
		case <-time.After(time.Duration(30+s.random.IntN(150)) * time.Millisecond):
		}
		switch {
		case talking.Err() != nil && !s.waits(), talking.Err() == nil && s.random.IntN(60) == 0:
			return // the end, or to another server
		case talking.Err() != nil:
			s.again()
		case s.few():
			s.send(s.text())
		default:
			s.again()
		}
	}
}

// few limits how much waits for its answer, so that a session can be behind by little only.
func (s *personSession) few() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) < 4
}

// text makes up something to send, and returns its key.
func (s *personSession) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	a := &attempt{from: s.nick, text: fmt.Sprintf("%s-%d", s.nick, s.number), begun: time.Now(), node: s.chat.name}
	if s.random.IntN(3) == 0 {
		a.to = []string{s.others[s.random.IntN(len(s.others))]}
	}
	s.open[a.text] = a
	s.story.attempts = append(s.story.attempts, a)
	return a.text
}

// again repeats what was answered with "nobody knows", or has not been answered for long.
func (s *personSession) again() {
	s.mu.Lock()
	var keys []string
	for key := range s.open {
		if at, waits := s.sent[key]; !waits || time.Since(at) > patience/4 {
			keys = append(keys, key)
		}
	}
	s.mu.Unlock()
	slices.Sort(keys)
	for _, key := range keys {
		s.send(key)
	}
}

func (s *personSession) send(key string) {
	s.mu.Lock()
	a := s.open[key]
	if a != nil {
		s.sent[key] = time.Now()
		a.note("sent on %s", s.chat.name)
	}
	s.mu.Unlock()
	if a != nil {
		s.w.send(frame{CMD: "SEND", Msg: a.text, To: a.to, Key: key, Ref: key})
	}
}

// gone notes how long the session has waited for answers that never came.
func (s *personSession) gone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended: // with the server, or its connection
	default:
		for key := range s.sent {
			if a := s.open[key]; a != nil {
				s.heard(a, key)
			}
		}
	}
}

// handle takes a frame into the ledger.
func (s *personSession) handle(f frame) {
	s.mu.Lock()
	read := s.handleLocked(f)
	if f.CMD == "ACK" {
		s.answered = time.Now()
	}
	s.mu.Unlock()
	if read {
		s.w.send(frame{CMD: "READ", IDs: []string{f.ID}})
	}
}

func (s *personSession) handleLocked(f frame) (read bool) {
	switch {
	case f.CMD == "ACK" && f.Of == "JOIN":
		if f.Type == "OKAY" {
			s.once.Do(func() { close(s.joined) })
		}
	case f.CMD == "ERROR" && f.Code == "gap":
		s.gaps++
		s.newShown()
	case f.CMD == "MSG" && f.Ref == "":
		s.shown(f)
		return f.Type != "ALL" && f.From != s.nick
	case f.CMD == "ACK" && f.Of == "SEND":
		s.told(f)
	}
	return false
}

// newShown begins a list that does not go on from the one before.
func (s *personSession) newShown() {
	s.current = &shownSession{nick: s.nick, node: s.chat.name}
	s.story.sessions = append(s.story.sessions, s.current)
}

func (s *personSession) shown(f frame) {
	if s.current == nil {
		s.newShown()
	}
	s.place = f.ID
	m := message{f.ID, f.From, f.Msg}
	if f.Type == "ALL" {
		s.current.lobby = append(s.current.lobby, m)
	} else {
		s.current.direct = append(s.current.direct, m)
	}
}

func (s *personSession) told(f frame) {
	a := s.open[f.Ref]
	if a == nil {
		return
	}
	s.heard(a, f.Ref)
	a.note("answered %s %s %s %s", f.Type, f.Status, f.Code, f.Reason)
	switch {
	case f.Type == "OKAY" && f.Status != "unknown":
		a.fate, a.id, a.answered = accepted, f.ID, time.Now()
	case f.Code == "unconfirmed", f.Status == "unknown":
		delete(s.sent, f.Ref) // to be sent again
		return
	default:
		a.fate, a.answered = refused, time.Now()
	}
	delete(s.open, f.Ref)
}

// heard notes how long a sender waited, if nobody stopped the server meanwhile. Frames are handled in order:
// one counts from the answer to the one before it. The recipient of a direct message has five seconds.
func (s *personSession) heard(a *attempt, key string) {
	at, ok := s.sent[key]
	if !ok || s.chat.disturbed(at) {
		return
	}
	if s.answered.After(at) {
		at = s.answered
	}
	waited := time.Since(at)
	if a.to != nil {
		waited -= 5 * time.Second
	}
	a.silence = max(a.silence, waited)
}

func (a *attempt) note(format string, args ...any) {
	a.tries = append(a.tries, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
}
