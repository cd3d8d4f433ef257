package history

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"whoelse/room"
)

// model is the plainest thing that behaves like a Store.
type model struct {
	all  map[string][]*room.Message
	read map[string]map[string]int // owner, id: how many messages were there when it was read
}

func (m *model) append(r room.Record) {
	if r.Message != nil {
		m.all[r.Owner] = append(m.all[r.Owner], r.Message)
	}
	for _, id := range r.Read {
		if m.read[r.Owner] == nil {
			m.read[r.Owner] = map[string]int{}
		}
		m.read[r.Owner][id] = len(m.all[r.Owner])
	}
}

func (m *model) unread(owner string) (out []*room.Message) {
	for i, msg := range m.all[owner] {
		if msg.For(owner) && i >= m.read[owner][msg.ID] {
			out = append(out, msg)
		}
	}
	return out
}

func (m *model) tail(owner string, n int) []*room.Message {
	all := m.all[owner]
	return all[max(0, len(all)-n):]
}

func (m *model) since(owner string, t time.Time) (out []*room.Message) {
	for _, msg := range m.all[owner] {
		if !msg.Time.Before(t) {
			out = append(out, msg)
		}
	}
	return out
}

var anyNick = rapid.SampledFrom([]string{"ann", "bob", "cid"})

var anyOwner = rapid.SampledFrom([]string{"ann", "bob", "cid", room.RoomHistory})

// anyMessage has ids that repeat now and then, and a clock that goes on.
func anyMessage(t *rapid.T, n int) *room.Message {
	return &room.Message{
		ID:   fmt.Sprintf("id-%05d", n-rapid.IntRange(0, 1).Draw(t, "again")),
		Time: epoch.Add(time.Duration(n) * time.Millisecond),
		Kind: rapid.SampledFrom([]room.Kind{room.KindDirect, room.KindSay, room.KindReceipt, "later"}).Draw(t, "kind"),
		From: anyOwner.Draw(t, "from"),
		To:   rapid.SliceOfN(anyNick, 0, 3).Draw(t, "to"),
		Text: rapid.StringN(0, 40, -1).Draw(t, "text"),
	}
}

// TestModel plays anything against the model: appends, marks, restarts, kills.
func TestModel(t *testing.T) {
	t.Run("whole", func(t *testing.T) {
		playModel(t, Options{JournalBytes: 4000, Owners: 2, OpenFiles: 1}, compare)
	})
	t.Run("shortened", func(t *testing.T) {
		playModel(t, Options{JournalBytes: 4000, Owners: 2, OpenFiles: 1, MaxBytes: 4000, RoomMaxBytes: 2000}, compareShortened)
	})
}

func playModel(t *testing.T, opts Options, compare func(t *rapid.T, s *Store, m *model, owner string, n, newest int)) {
	rapid.Check(t, func(t *rapid.T) {
		fs := newMemFS()
		s, err := open(fs.folder(), opts)
		if err != nil {
			t.Fatal(err)
		}
		m := &model{all: map[string][]*room.Message{}, read: map[string]map[string]int{}}
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				var recs []room.Record
				for range rapid.IntRange(1, 20).Draw(t, "records") {
					n++
					msg := anyMessage(t, n)
					if len(msg.To) == 0 {
						msg.To = nil
					}
					recs = append(recs, room.Record{Owner: anyOwner.Draw(t, "owner"), Message: msg})
				}
				if err := put(s, recs...); err != nil {
					t.Fatal(err)
				}
				for _, r := range recs {
					m.append(r)
				}
			},
			"mark": func(t *rapid.T) {
				owner := anyOwner.Draw(t, "owner")
				r := read(owner, "unknown")
				for _, msg := range m.unread(owner) {
					if rapid.Bool().Draw(t, "read") {
						r.Read = append(r.Read, msg.ID)
					}
				}
				if err := put(s, r); err != nil {
					t.Fatal(err)
				}
				m.append(r)
			},
			"restart": func(t *rapid.T) {
				if rapid.Bool().Draw(t, "kill") {
					killed := fs.killed()
					_ = s.Close()
					fs = killed
				} else if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = open(fs.folder(), opts); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				owner := anyOwner.Draw(t, "owner")
				compare(t, s, m, owner, rapid.IntRange(0, 30).Draw(t, "n"), n)
			},
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func compare(t *rapid.T, s *Store, m *model, owner string, n, newest int) {
	got, err := room.Collect(s.Tail(owner, n, nil))
	equal(t, "tail", got, m.tail(owner, n), err)
	got, err = room.Collect(s.Unread(owner))
	equal(t, "unread", got, m.unread(owner), err)
	waiting := slices.DeleteFunc(got, func(m *room.Message) bool { return m.Kind == room.KindReceipt })
	if n, err := s.Waiting(owner); err != nil || n != len(waiting) {
		t.Fatalf("waiting: %d, %v, want %d", n, err, len(waiting))
	}
	from := epoch.Add(time.Duration(newest-n) * time.Millisecond)
	got, err = s.Since(owner, from)
	equal(t, "since", got, m.since(owner, from), err)
}

// compareShortened is compare for histories that have a limit. Nothing that waits
// to be read may be missing, nor anything newer than what is there and never waited.
func compareShortened(t *rapid.T, s *Store, m *model, owner string, _, _ int) {
	got, err := room.Collect(s.Unread(owner))
	equal(t, "unread", messages(got), messages(m.unread(owner)), err)
	got, err = room.Collect(s.Tail(owner, 1e6, nil))
	waits := map[*room.Message]bool{}
	for _, msg := range m.unread(owner) {
		waits[msg] = true
	}
	var want []*room.Message
	rest, whole := lines(got), false
	for _, msg := range m.all[owner] {
		there := len(rest) > 0 && rest[0] == lines([]*room.Message{msg})[0]
		whole = whole || there && !msg.For(owner)
		if there {
			rest = rest[1:]
		}
		if there || whole || waits[msg] && msg.Kind != room.KindReceipt {
			want = append(want, msg)
		}
	}
	equal(t, "tail", got, want, err)
}

// messages leaves out what only tells that something was read.
func messages(list []*room.Message) []*room.Message {
	return slices.DeleteFunc(list, func(m *room.Message) bool { return m.Kind == room.KindReceipt })
}

func lines(list []*room.Message) (lines []string) {
	for _, m := range list {
		l, _ := messageLine(m)
		lines = append(lines, string(l))
	}
	return lines
}

func equal(t *rapid.T, what string, got, want []*room.Message, err error) {
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if !slices.Equal(lines(got), lines(want)) {
		t.Fatalf("%s: got %s, want %s", what, lines(got), lines(want))
	}
}
