package room

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a room and all it stands on, in virtual time.
type house struct {
	t testing.TB
	*Room
	store    *fakeStore
	settings *fakeSettings
	files    *fakeRooms
}

// held are the nicks that a key holds in the tests.
var held = fakeDirectory{"bob": true, "carol": true, "dave": true, "erin": true, "sam2": true, strings.Repeat("x", 32): true}

// inHouse runs test with a room over a store that has records.
func inHouse(t *testing.T, test func(h *house), records ...record) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := build(t, &fakeSettings{of: map[string]Preferences{}}, &fakeRooms{of: map[string]RoomInfo{}}, records)
		test(h)
		h.Close()
		h.store.close()
	})
}

func roomsIn(files Rooms) RoomOptions {
	return RoomOptions{
		Store: files, Idle: 90 * day, Skeleton: strings.NewReplacer("0", "o").Replace,
		Retiring: func(retire func() error) error { return retire() },
	}
}

func build(t testing.TB, settings *fakeSettings, files *fakeRooms, records []record) *house {
	t.Helper()
	h := &house{t: t, store: newStore(t, records...), settings: settings, files: files}
	var err error
	if h.Room, err = New(h.store, h.store, held, settings, Options{Rooms: roomsIn(files)}); err != nil {
		t.Fatal(err)
	}
	h.store.follow(h.Room.Apply)
	return h
}

// restart returns a new room on the same disk: after Close, or after a crash.
func (h *house) restart(crash bool) *house {
	h.t.Helper()
	synctest.Wait()
	snapshot := func() []record { // with the last id, which may be of an event that left no line
		return append(h.store.snapshot(), record{owner: "!last", message: &Message{ID: h.store.LastID()}})
	}
	left := snapshot()
	h.Room.Close()
	h.store.close()
	if !crash {
		left = snapshot()
	}
	return build(h.t, h.settings, h.files, left)
}

// user is a session with its screen.
type user struct {
	*Member
	screen  *screen
	welcome *Welcome
}

func (h *house) join(nick string) *user {
	h.t.Helper()
	p, err := h.tryJoin(nick)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *house) tryJoin(nick string) (*user, error) {
	s := &screen{}
	member, welcome, err := h.Join(Identity{Nick: nick}, s)
	synctest.Wait()
	return &user{member, s, welcome}, err
}

// Others returns who else is online, by nick.
func (s *Member) Others() []Presence {
	all, _ := s.In(Lobby)
	return slices.DeleteFunc(all, func(p Presence) bool { return p.Nick == s.nick })
}

// OnlineSince returns who else was online at any time since t.
func (s *Member) OnlineSince(t time.Time) []Presence {
	all, _ := s.InSince(Lobby, t, seenMost)
	return all.People
}

// Say says text in the lobby. stored, if not nil, is called once.
func (s *Member) Say(kind Kind, text string, stored func(error)) {
	told := func(got Receipt) {
		if stored != nil {
			stored(got.Err)
		}
	}
	if err := s.Once("", Lobby, kind, nil, text, told); err != nil {
		told(Receipt{Err: err})
	}
}

// Send sends text to some nicks.
func (s *Member) Send(to []string, text string, receipt func(Receipt)) {
	_ = s.Once("", "", KindSay, to, text, receipt) // without a key there is no error
}

// send sends text and returns where its receipts go.
func (p *user) send(text string, to ...string) *receipts {
	got := &receipts{}
	p.Send(to, text, got.add)
	synctest.Wait()
	return got
}

func (p *user) say(text string) {
	p.Say(KindSay, text, nil)
	synctest.Wait()
}

func (p *user) inbox(t testing.TB) []*Message {
	t.Helper()
	messages, err := whole(p.Inbox())
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

// whole puts the pages of a history together.
func whole(pages iter.Seq2[Page, error]) (all []*Message, err error) {
	for page, failed := range pages {
		all, err = append(all, page.Messages...), failed
	}
	return all, err
}

// markRead waits until messages are marked as read, or only the log is still to
// do that.
func (p *user) markRead(t testing.TB, messages []*Message) {
	t.Helper()
	go func() {
		if err := p.MarkRead(messages); err != nil {
			t.Error(err)
		}
	}()
	synctest.Wait()
}

// screen is a recording Sink. Its person confirms what is shown at once, unless
// manual is set: then the test does, with answer.
type screen struct {
	manual bool
	mu     sync.Mutex
	events []*Update
	shown  []func(bool)
}

func (s *screen) Put(e *Update, shown func(bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	switch {
	case shown == nil:
	case s.manual:
		s.shown = append(s.shown, shown)
	default:
		go shown(true)
	}
}

// answer answers all that waits for it.
func (s *screen) answer(ok bool) {
	s.mu.Lock()
	waiting := s.shown
	s.shown = nil
	s.mu.Unlock()
	for _, shown := range waiting {
		shown(ok)
	}
	synctest.Wait()
}

// take returns what was shown since the last call, in words.
func (s *screen) take() (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		lines = append(lines, wordsOf(e))
	}
	s.events = nil
	return lines
}

func (s *screen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}

// messages returns the messages and receipts on the screen.
func (s *screen) messages() (found []*Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Message != nil {
			found = append(found, e.Message)
		}
	}
	return found
}

func wordsOf(e *Update) string {
	switch {
	case e.Presence != nil:
		words := fmt.Sprintf("+%v -%v", e.Presence.Joined, e.Presence.Left)
		if len(e.Presence.Lost) > 0 {
			words += fmt.Sprintf(" !%v", e.Presence.Lost)
		}
		return words
	case e.Message.Kind == KindReceipt:
		return e.Message.From + " has read"
	}
	return e.Message.From + ": " + e.Message.Text
}

func texts(messages []*Message) (all []string) {
	for _, m := range messages {
		all = append(all, wordsOf(&Update{Message: m}))
	}
	return all
}

// receipts gathers what a sender is told.
type receipts struct {
	mu  sync.Mutex
	got []Receipt
}

func (r *receipts) add(got Receipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, got)
}

// words returns what the sender was told, sorted by recipient.
func (r *receipts) words() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, got := range r.got {
		words := got.To + " " + outcomes[got.Outcome] + got.Reason
		if got.Outcome == Failed && !errors.Is(got.Err, ErrStorage) {
			words += " for no reason"
		}
		all = append(all, words)
	}
	slices.Sort(all)
	return all
}

var outcomes = map[Outcome]string{
	Delivered: "delivered", KeptOffline: "offline", KeptAway: "away: ", KeptBroken: "broken", KeptSilent: "silent",
	RefusedSelf: "self", RefusedUnknown: "unknown", RefusedGone: "gone", RefusedBlocked: "blocked",
	RefusedYours: "yours", RefusedFull: "full", Failed: "failed",
}

// same fails the test if got is not want.
func same(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if len(got)+len(want) == 0 {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// has reports whether nick is a member.
func (h *house) has(nick string) bool {
	found := false
	h.withPerson(nick, func(*person) { found = true })
	return found
}

// open lists what is in flight, by recipient and ID. In a cluster, that is not what a sender was told to be kept, and is
// only remembered. h.mu is held.
func (h *house) open() (all []string) {
	for nick, of := range h.people.inflight {
		for id, d := range of {
			if d.reading || d.open > 0 || !d.answered || h.peers == nil {
				all = append(all, nick+" "+id)
			}
		}
	}
	return all
}

// quiet fails the test if something is still on its way that nobody works on.
func (h *house) quiet() {
	h.t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if open := h.open(); len(open) > 0 {
		h.t.Errorf("messages in flight that nobody releases: %v", open)
	}
	if len(h.pending) > 0 {
		h.t.Errorf("%d events are pending for ever", len(h.pending))
	}
}
