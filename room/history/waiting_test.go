package history

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/room"
)

// everybody: keys hold every nick, and nobody blocks anybody.
type everybody struct{}

func (everybody) Held(string) bool                      { return true }
func (everybody) Free(string) bool                      { return true }
func (everybody) Blocked(string) ([]string, error)      { return nil, nil }
func (everybody) SetBlocked(string, []string) error     { return nil }
func (everybody) Absence(string) (room.Absence, error)  { return room.Absence{}, nil }
func (everybody) SetAbsence(string, room.Absence) error { return nil }

// fifty has as many people write to each of to at the same time, while the writer is
// busy, and counts those who are told that it is kept.
func fifty(t *testing.T, s *Store, r *room.Room, to ...string) (kept int) {
	t.Helper()
	s.Append(func(error) { time.Sleep(time.Millisecond) }, room.Record{Owner: room.RoomHistory, Message: said(1, "ann")})
	synctest.Wait()
	told := make(chan room.Receipt, 50*len(to))
	for i := range 50 {
		seat := r.Visit(room.Who{Nick: fmt.Sprint("writer", i)})
		go seat.Send(to, "hello", func(r room.Receipt) { told <- r })
	}
	for range cap(told) {
		switch got := <-told; got.Outcome {
		case room.KeptOffline:
			kept++
		case room.RefusedFull:
		default:
			t.Errorf("told %+v", got)
		}
	}
	time.Sleep(time.Second) // the writer too has seen to everything
	return kept
}

// TestInboxesAreNeverFuller: many write to the same inboxes, through a room and onto
// a disk; as many messages are kept as there are places, and no more.
func TestInboxesAreNeverFuller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s, err := open(fs.folder(), Options{Owners: 2, OpenFiles: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		r, err := room.New(s, everybody{}, everybody{}, room.Options{InboxMax: 20})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		nicks := []string{"ann", "bob", "cid"}
		kept := 0
		for range 10 {
			kept += fifty(t, s, r, nicks...)
			for _, nick := range nicks {
				if n := len(unread(t, s, nick)); n > 20 {
					t.Fatalf("%d messages wait for %s", n, nick)
				}
			}
		}
		if kept != 60 {
			t.Errorf("%d were kept, of 60 that fit", kept)
		}
		ann := r.Visit(room.Who{Nick: "ann"})
		for page, err := range ann.Inbox() { // there is one
			if err != nil || ann.MarkRead(page.Messages[:15]) != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n, err := s.Waiting("ann"); n != 5 || err != nil {
			t.Errorf("%d wait, %v", n, err)
		}
		for range 3 {
			kept = fifty(t, s, r, "ann")
		}
		if n, err := s.Waiting("ann"); n != 20 || err != nil || kept != 0 {
			t.Errorf("%d wait, %v, of the last fifty %d were kept", n, err, kept)
		}
	})
}

// TestWaiting: a store that starts anew counts the same, and who can't be read
// can't be counted.
func TestWaiting(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	wants := func(owner string, want int) {
		t.Helper()
		if n, err := s.Waiting(owner); n != want || err != nil {
			t.Errorf("%d wait for %s, want %d; %v", n, owner, want, err)
		}
	}
	wants("bob", 0)
	mustPut(t, s, to(direct(1, "ann", "bob"))...)
	mustPut(t, s, to(direct(2, "ann", "bob", "cid"))...)
	receipt := direct(3, "cid", "bob")
	receipt.Kind, receipt.Ref, receipt.RefTime = room.KindReceipt, "x", epoch.UTC().Truncate(time.Second)
	mustPut(t, s, room.Record{Owner: "bob", Message: receipt})
	for range 2 { // the second time from the file; then with a state line
		wants("bob", 2)
		wants("ann", 0)
		for i := range 200 {
			mustPut(t, s, room.Record{Owner: "bob", Message: direct(10+i, "bob", "ann")})
		}
		s = reopen(t, s, dir)
	}
	mustPut(t, s, read("bob", "id-000000001", "id-000000003"))
	wants("bob", 1)
	if _, err := s.Waiting("../bob"); !errors.Is(err, room.ErrStorage) || !errors.Is(err, errOwner) {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := s.Waiting("bob")
	wantStorage(t, err)
}
