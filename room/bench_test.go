package room

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// nowhere is a Sink that shows nothing.
type nowhere struct{}

func (nowhere) Put(*Update, func(bool)) {}

// noLog keeps nothing.
type noLog struct{}

func (noLog) Append(*Event, func(error)) {}

// everybody has a key.
type everybody struct{}

func (everybody) Registered(string) bool { return true }
func (everybody) Free(string) bool       { return true }
func (everybody) Bot(string) bool        { return false }

// BenchmarkPublish: a line costs who is in the room, not who is on the server: with 100 rooms of 30 it
// costs what it does with one. Beside that a line costs about as much as 30 of its deliveries here, which
// cost a hundredth of what they do with a screen.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []struct{ rooms, each int }{{1, 300}, {1, 30}, {100, 30}} {
		b.Run(fmt.Sprintf("%dx%d", size.rooms, size.each), func(b *testing.B) {
			store := newStore(b)
			r, err := New(noLog{}, store, everybody{}, &fakeSettings{of: map[string]Preferences{}}, Options{Rooms: roomsIn(&fakeRooms{})})
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			var lines []Entry
			for n := range size.rooms {
				name := fmt.Sprint("room", n)
				c := newChatroom(RoomInfo{Name: name})
				c.counting = true
				r.rooms[name] = c
				for i := range size.each {
					nick := fmt.Sprintf("nick%d-%d", n, i)
					if _, _, err := r.Join(Identity{Nick: nick}, nowhere{}); err != nil {
						b.Fatal(err)
					}
					c.enter(r.people.here[nick])
				}
				e := &Event{Message: r.newMessage(KindSay, fmt.Sprintf("nick%d-0", n), nil, "a line of about the usual length, said in a room")}
				e.Room = name
				lines = append(lines, Entry{Event: e})
			}
			n, began := 0, time.Now()
			for b.Loop() {
				lines[n%len(lines)].Seq++
				r.Apply(lines[n%len(lines) : n%len(lines)+1])
				n++
			}
			b.ReportMetric(float64(time.Since(began).Nanoseconds())/float64(n*size.each), "ns/delivery")
		})
	}
}

// BenchmarkJoined: how much memory a session holds that is in ten rooms of thirty, and in none.
func BenchmarkJoined(b *testing.B) {
	for _, rooms := range []int{0, 10} {
		b.Run(fmt.Sprint("rooms-", rooms), func(b *testing.B) {
			const people = 3000
			for b.Loop() {
				store := newStore(b)
				r, err := New(noLog{}, store, everybody{}, decoded(rooms), Options{Rooms: roomsIn(&fakeRooms{})})
				if err != nil {
					b.Fatal(err)
				}
				for n := range people / 30 * rooms {
					name := fmt.Sprint("room", n)
					r.rooms[name] = newChatroom(RoomInfo{Name: name, ID: "0"})
					r.rooms[name].counting = true
				}
				before := heap()
				for n := range people {
					if _, _, err := r.Join(Identity{Nick: fmt.Sprint("nick", n)}, nowhere{}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(heap()-before)/people, "B/session")
				r.Close()
			}
		})
	}
}

// decoded are settings that make the preferences of nickN anew, as reading a file does, with so many rooms.
type decoded int

func (d decoded) Load(nick string) (p Preferences, err error) {
	var n int
	_, _ = fmt.Sscanf(nick, "nick%d", &n)
	for i := range int(d) {
		p.Rooms = append(p.Rooms, Joined{Room: fmt.Sprint("room", n/30*int(d)+i), Read: fmt.Sprintf("0000000%04d", n)})
	}
	return p, nil
}

func (decoded) Change(string, func(*Preferences) error) error { return nil }

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
