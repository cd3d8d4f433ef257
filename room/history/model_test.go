package history

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
	"whoelse/room/history/record"
)

// model is the plainest thing that behaves like a Store.
type model struct {
	all  map[string][]*room.Message
	read map[string]map[string]int // owner, id: how many messages were there when it was read
}

func (m *model) append(r rec) {
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

func (m *model) appendAll(recs []rec) {
	for _, r := range recs {
		m.append(r)
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

var anyOwner = rapid.SampledFrom([]string{"ann", "bob", "cid", room.RoomHistory, "#ops"})

// anyMessage has a clock that goes on.
func anyMessage(t *rapid.T, n int) *room.Message {
	m := &room.Message{
		ID:   fmt.Sprintf("id-%05d", n),
		Time: epoch.Add(time.Duration(n) * time.Millisecond),
		Kind: rapid.SampledFrom([]room.Kind{room.KindDirect, room.KindSay, "later"}).Draw(t, "kind"),
		From: anyNick.Draw(t, "from"),
		Text: rapid.StringN(0, 40, -1).Draw(t, "text"),
	}
	if m.Kind == room.KindSay {
		m.Room = rapid.SampledFrom([]string{room.Lobby, "ops"}).Draw(t, "room")
	} else {
		m.To = rapid.SliceOfNDistinct(anyNick, 1, 3, rapid.ID[string]).Draw(t, "to")
	}
	return m
}

// TestModel plays anything against the model: appends, marks, restarts, kills.
func TestModel(t *testing.T) {
	t.Parallel() // but not its parts, which share generators
	t.Run("whole", func(t *testing.T) {
		playModel(t, Options{SegmentBytes: 4000, Owners: 2}, compare)
	})
	t.Run("shortened", func(t *testing.T) {
		playModel(t, Options{SegmentBytes: 4000, Owners: 2, MaxBytes: 4000, RoomMaxBytes: 2000}, compareShortened)
	})
}

func playModel(t *testing.T, opts Options, compare func(t *rapid.T, s *Store, m *model, owner string, n, newest int)) {
	rapid.Check(t, func(t *rapid.T) {
		fs := disktest.New()
		s, err := open(fs.Folder(), opts)
		if err != nil {
			t.Fatal(err)
		}
		follow(s)
		m := &model{all: map[string][]*room.Message{}, read: map[string]map[string]int{}}
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "events") {
					n++
					e := event(anyMessage(t, n))
					if err := put(s, e); err != nil {
						t.Fatal(err)
					}
					m.appendAll(recsOf(e))
				}
			},
			"mark": func(t *rapid.T) {
				nick := anyNick.Draw(t, "nick")
				e := read(nick, "unknown")
				for _, msg := range m.unread(nick) {
					if !rapid.Bool().Draw(t, "read") {
						continue
					}
					e.Read = append(e.Read, msg.ID)
					if msg.Kind == room.KindReceipt {
						continue
					}
					n++
					e.Receipts = append(e.Receipts, &room.Message{
						ID: fmt.Sprintf("id-%05d", n), Time: epoch.Add(time.Duration(n) * time.Millisecond),
						Kind: room.KindReceipt, From: nick, To: []string{msg.From}, Ref: msg.ID, RefTime: msg.Time,
					})
				}
				if err := put(s, e); err != nil {
					t.Fatal(err)
				}
				m.appendAll(recsOf(e))
			},
			"restart": func(t *rapid.T) {
				if rapid.Bool().Draw(t, "kill") {
					killed := fs.Killed()
					_ = s.Close()
					fs = killed
				} else if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = open(fs.Folder(), opts); err != nil {
					t.Fatal(err)
				}
				follow(s)
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
	got, err = room.Since(s, owner, from)
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
	rest, whole := linesOf(got), false
	for _, msg := range m.all[owner] {
		there := len(rest) > 0 && rest[0] == linesOf([]*room.Message{msg})[0]
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

func linesOf(list []*room.Message) (lines []string) {
	for _, m := range list {
		l, _ := record.AppendMessage(nil, 1, m)
		lines = append(lines, string(l))
	}
	return lines
}

func equal(t *rapid.T, what string, got, want []*room.Message, err error) {
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if !slices.Equal(linesOf(got), linesOf(want)) {
		t.Fatalf("%s: got %s, want %s", what, linesOf(got), linesOf(want))
	}
}
