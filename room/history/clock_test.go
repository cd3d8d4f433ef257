package history

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/room"
)

// Each time the server is started the clock is a day behind where it was, after a
// clean stop and after a crash, whatever was said last. No id is given twice.
func TestIDsWhenTheClockGoesBack(t *testing.T) {
	for _, last := range []string{"room", "direct", "receipt"} {
		for _, killed := range []bool{false, true} {
			for _, journal := range []int64{1, 1 << 20} {
				name := fmt.Sprintf("%s, killed %v, journal %d", last, killed, journal)
				t.Run(name, func(t *testing.T) {
					dir := t.TempDir()
					for day := 3; day > 0; day-- {
						left := dir
						synctest.Test(t, func(inside *testing.T) { // begins at the same time each time
							time.Sleep(time.Duration(day) * 24 * time.Hour)
							liveADay(inside, dir, last, Options{JournalBytes: journal}, func() {
								if killed {
									left = copyDir(t, dir)
								}
							})
						})
						dir = left
					}
					checkDays(t, mustOpen(t, dir, Options{}))
				})
			}
		}
	}
}

// liveADay has bob and carol talk, and stops in order after evening.
func liveADay(t *testing.T, dir, last string, opts Options, evening func()) {
	t.Helper()
	s := mustOpen(t, dir, opts)
	r, err := room.New(s, anybody{}, anybody{}, room.Options{})
	if err != nil {
		t.Fatal(err)
	}
	bob, _, err := r.Join(room.Who{Nick: "bob"}, anybody{})
	if err != nil {
		t.Fatal(err)
	}
	carol := r.Visit(room.Who{Nick: "carol"})
	say := map[string]func(){
		"room":   func() { bob.Say(room.KindSay, "hello", nil) },
		"direct": func() { bob.Send([]string{"carol"}, "hi", func(room.Receipt) {}) },
		"receipt": func() {
			pages := 0
			for page, err := range carol.Inbox() {
				if pages++; err != nil || carol.MarkRead(page.Messages) != nil {
					t.Errorf("carol can't read her inbox: %v", err)
				}
			}
			if pages != 1 {
				t.Errorf("carol reads %d pages", pages)
			}
		},
	}
	for _, what := range []string{"room", "direct", "room", "direct", "receipt", "direct", last} {
		say[what]()
		synctest.Wait()
	}
	time.Sleep(2 * time.Second) // bob's arrival is on record
	synctest.Wait()
	evening()
	r.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkDays sees that ids go up in every file, and that each names one message.
func checkDays(t *testing.T, s *Store) {
	t.Helper()
	known := map[string]string{}
	for _, owner := range []string{"bob", "carol", room.RoomHistory, room.PresenceHistory} {
		lines := tail(t, s, owner, 1000)
		if len(lines) < 3 {
			t.Errorf("%s has only %d lines", owner, len(lines))
		}
		last := ""
		for _, m := range lines {
			what := fmt.Sprintf("%v %s %s %s %v %s", m.Kind, m.From, m.To, m.Text, m.Time, m.Ref)
			if m.ID <= last || known[m.ID] != "" && known[m.ID] != what {
				t.Errorf("%s: id %s after %s, for %q and %q", owner, m.ID, last, known[m.ID], what)
			}
			last, known[m.ID] = m.ID, what
		}
	}
}

// anybody is held, sees everything and has set nothing.
type anybody struct{}

func (anybody) Held(string) bool { return true }
func (anybody) Free(string) bool { return true }

func (anybody) Put(_ *room.Update, shown func(bool)) {
	if shown != nil {
		go shown(true)
	}
}

func (anybody) Blocked(string) ([]string, error)      { return nil, nil }
func (anybody) SetBlocked(string, []string) error     { return nil }
func (anybody) Absence(string) (room.Absence, error)  { return room.Absence{}, nil }
func (anybody) SetAbsence(string, room.Absence) error { return nil }
