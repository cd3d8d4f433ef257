package history

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// TestPastInPieces: whoever reads a history one by one, while others write to it, read
// what is in it and have it shortened, gets what was there when they began.
func TestPastInPieces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var failure any // must not pass from goroutine to goroutine as a panic
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }()
			s := openIn(t, disktest.New(), Options{MaxBytes: 3000, RoomMaxBytes: 3000, Owners: 1})
			defer s.Close()
			(&pieces{T: rt, s: s}).play()
		})
		if failure != nil {
			panic(failure)
		}
	})
}

// pieces reads the histories of the room and of bob while things happen to them.
type pieces struct {
	*rapid.T
	s       *Store
	n       int // messages so far
	reading []*piecewise
}

// piecewise is somebody who reads something one by one.
type piecewise struct {
	what string
	next func() (*room.Message, error, bool)
	stop func()
	want []*room.Message
	end  error
}

func (p *pieces) play() {
	defer func() {
		for _, r := range p.reading {
			r.stop()
		}
	}()
	p.appends(60)
	p.Repeat(map[string]func(*rapid.T){
		"append": func(t *rapid.T) { p.appends(rapid.IntRange(1, 20).Draw(t, "messages")) },
		"mark":   func(*rapid.T) { p.marks() },
		"begin":  func(t *rapid.T) { p.begins(t) },
		"go on": func(t *rapid.T) {
			for _, r := range p.reading {
				p.goesOn(r, rapid.IntRange(0, 20).Draw(t, "pieces"))
			}
		},
	})
	if err := p.s.Close(); err != nil { // whoever reads may go on
		p.Fatal(err)
	}
	for _, r := range p.reading {
		p.goesOn(r, 1e6)
	}
}

// appends has ann write to everybody and to bob, and waits until what is too much is
// removed.
func (p *pieces) appends(n int) {
	for range n {
		p.n++
		m := direct(p.n, []string{"ann", "cid"}[p.n%3/2], "bob")
		hello := *m
		hello.ID, hello.Kind, hello.Room = m.ID+"-said", room.KindSay, room.Lobby
		for _, e := range []*room.Event{event(m), event(&hello)} {
			if err := put(p.s, e); err != nil {
				p.Fatal(err)
			}
		}
		if p.n%5 > 0 {
			if err := put(p.s, read("bob", m.ID)); err != nil {
				p.Fatal(err)
			}
		}
	}
	synctest.Wait()
}

// marks has bob read what is unread, but for the first.
func (p *pieces) marks() {
	if unread := p.all(p.s.Unread("bob")); len(unread) > 1 {
		if err := put(p.s, read("bob", ids(unread[1:])...)); err != nil {
			p.Fatal(err)
		}
	}
	synctest.Wait()
}

func (p *pieces) all(messages iter.Seq2[*room.Message, error]) []*room.Message {
	all, err := room.Collect(messages)
	if err != nil {
		p.Fatal(err)
	}
	return all
}

// begins has somebody take the first of a history, in whichever way.
func (p *pieces) begins(t *rapid.T) {
	r := &piecewise{}
	var messages iter.Seq2[*room.Message, error]
	if rapid.Bool().Draw(t, "unread") {
		r.what = "unread"
		r.want, messages = p.all(p.s.Unread("bob")), p.s.Unread("bob")
	} else {
		owner := rapid.SampledFrom([]string{"bob", room.RoomHistory}).Draw(t, "owner")
		n, within := rapid.IntRange(0, 40).Draw(t, "n"), rapid.IntRange(0, 80).Draw(t, "within")
		enough, looked := errors.New("enough"), 0
		keep := func(m *room.Message) (bool, error) {
			if looked == within {
				return false, enough
			}
			looked++
			return m.From == "ann", nil
		}
		r.what = fmt.Sprintf("%d of the last %d of %s", n, within, owner)
		all := p.all(p.s.Tail(owner, 1e6, nil))
		kept := slices.DeleteFunc(slices.Clone(all[max(0, len(all)-within):]), func(m *room.Message) bool { return m.From != "ann" })
		r.want = kept[max(0, len(kept)-n):]
		if len(kept) < n && within < len(all) {
			r.end = enough
		}
		messages = p.s.Tail(owner, n, keep)
	}
	r.next, r.stop = iter.Pull2(messages)
	p.reading = append(p.reading, r)
	p.goesOn(r, 1)
}

// goesOn takes at most n more.
func (p *pieces) goesOn(r *piecewise, n int) {
	for range n {
		m, err, ok := r.next()
		switch {
		case !ok || err != nil:
			if len(r.want) > 0 || !errors.Is(err, r.end) {
				p.Fatalf("%s: it ends with %v in front of %v", r.what, err, ids(r.want))
			}
			r.end = nil
			return
		case len(r.want) == 0 || !slices.Equal(linesOf([]*room.Message{m}), linesOf(r.want[:1])):
			p.Fatalf("%s: %s comes, not the first of %v", r.what, m.ID, ids(r.want))
		}
		r.want = r.want[1:]
	}
}

// TestStillUnread knows ids that are there, were read, and never were.
func TestStillUnread(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	for i := range 5 {
		mustPut(t, s, event(direct(i, "ann", "bob")))
	}
	mustPut(t, s, read("bob", "id-000000001"))
	got, err := s.StillUnread("bob", []string{"id-000000003", "id-000000001", "id-000000000", "other"})
	if err != nil || len(got) != 2 || !got["id-000000003"] || !got["id-000000000"] {
		t.Errorf("%v, %v", got, err)
	}
	_, err = s.StillUnread("../bob", nil)
	wantStorage(t, err)
}
