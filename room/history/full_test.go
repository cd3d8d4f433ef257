package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// limited makes a message to an inbox with so many places.
func limited(n, most int, from string, to ...string) *room.Event {
	e := event(direct(n, from, to...))
	e.Max = most
	return e
}

// outcomes is what senders were told.
type outcomes struct {
	mu         sync.Mutex
	kept, full map[string]map[string]bool // owner, id
	unknown    map[string]bool
}

// crowd has senders race for the places in two inboxes, whose owners read now and then.
func crowd(s *Store, fs *disktest.FS, most int) *outcomes {
	o := &outcomes{kept: map[string]map[string]bool{"ann": {}, "bob": {}}, full: map[string]map[string]bool{"ann": {}, "bob": {}}, unknown: map[string]bool{}}
	for round := range 4 {
		var wg sync.WaitGroup
		for sender := range 6 {
			wg.Add(1)
			e := limited(round*100+sender, most, fmt.Sprint("s", sender), []string{"ann", "bob"}[sender%2:]...)
			enter(s, e, func(entry room.Entry, err error) {
				defer wg.Done()
				o.mu.Lock()
				defer o.mu.Unlock()
				if err != nil || fs.IsDead() { // nobody is left to hear it
					o.unknown[e.ID] = true
					return
				}
				for _, nick := range e.To {
					if slices.Contains(entry.Full, nick) {
						o.full[nick][e.ID] = true
					} else {
						o.kept[nick][e.ID] = true
					}
				}
			})
		}
		wg.Wait()
		if list, err := room.Collect(s.Unread("bob")); err == nil && len(list) > 1 {
			_ = put(s, read("bob", ids(list[:2])...))
		}
		time.Sleep(retryAfter)
	}
	return o
}

func (o *outcomes) check(t *testing.T, what string, s *Store, most int) {
	t.Helper()
	for _, nick := range []string{"ann", "bob"} {
		have := ids(tail(t, s, nick, 1000))
		for id := range o.kept[nick] {
			if !slices.Contains(have, id) {
				t.Errorf("%s: %s lacks %s, of which the sender was told that it is kept", what, nick, id)
			}
		}
		for id := range o.full[nick] {
			if slices.Contains(have, id) {
				t.Errorf("%s: %s has %s, of which the sender was told that the inbox is full", what, nick, id)
			}
		}
		if n, err := s.Waiting(nick); n > most || err != nil {
			t.Errorf("%s: %d wait for %s: %v", what, n, nick, err)
		}
	}
}

// TestInboxesAreNeverFuller: many race for the places in an inbox; as many messages are
// kept as there are places, and no more, and each sender is told what became of their own.
func TestInboxesAreNeverFuller(t *testing.T) {
	for _, opts := range []Options{{}, {Owners: 1}} {
		s := openIn(t, disktest.New(), opts)
		var wg sync.WaitGroup
		var mu sync.Mutex
		kept, full := 0, 0
		for n := range 200 {
			wg.Add(1)
			go enter(s, limited(n, 20, fmt.Sprint("s", n%7), "ann", "bob"), func(e room.Entry, err error) {
				defer wg.Done()
				mu.Lock()
				defer mu.Unlock()
				kept, full = kept+2-len(e.Full), full+len(e.Full)
			})
		}
		wg.Wait()
		for _, nick := range []string{"ann", "bob"} {
			if n := len(unreadOf(t, s, nick)); n != 20 {
				t.Errorf("%d messages wait for %s", n, nick)
			}
		}
		if kept != 40 || full != 360 {
			t.Errorf("%d are told that it is kept, %d that it is full", kept, full)
		}
		mustPut(t, s, read("ann", ids(unreadOf(t, s, "ann"))[:15]...), receiptsTo(900, "ann", 3))
		if n, err := s.Waiting("ann"); n != 5 || err != nil {
			t.Errorf("%d wait: %v", n, err)
		}
		for n := range 20 {
			mustPut(t, s, limited(1000+n, 20, "s0", "ann"))
		}
		if n, err := s.Waiting("ann"); n != 20 || err != nil { // receipts take no place
			t.Errorf("%d wait: %v", n, err)
		}
		mustPut(t, s, event(direct(2000, "s0", "ann"))) // without a limit
		if n, _ := s.Waiting("ann"); n != 21 {
			t.Errorf("%d wait", n)
		}
		mustClose(t, s)
	}
}

// TestFullIsDecidedOnce: what a sender was told of an inbox is so after a kill and a power
// cut at every operation, when the log is applied again.
func TestFullIsDecidedOnce(t *testing.T) {
	for _, opts := range []Options{{SegmentBytes: 900, Owners: 1}, {SegmentBytes: 900, MaxBytes: 900}, {}} {
		inMemory(t, func(t *testing.T, fs *disktest.FS) {
			const most = 4
			play := func(fs *disktest.FS) *outcomes {
				s, err := open(fs.Folder(), opts)
				if err != nil {
					return &outcomes{}
				}
				follow(s)
				o := crowd(s, fs, most)
				_ = s.Close()
				return o
			}
			play(fs)
			steps := fs.Steps()
			for n := 1; n <= steps; n += stride(steps, 1) {
				fs := disktest.New()
				fs.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step == n, Part: true} })
				o := play(fs)
				if opts.MaxBytes > 0 { // what was read may be gone
					o.kept = nil
				}
				for seed := range few(5) {
					cut := fs.Killed()
					if seed > 0 {
						cut = fs.Crash(rand.New(rand.NewPCG(seed, uint64(n))))
					}
					s := openIn(t, cut, opts)
					o.check(t, fmt.Sprintf("%+v: died at %d, cut %d", opts, n, seed), s, most)
					mustClose(t, s)
				}
			}
		})
	}
}

// TestReceiptsOfOneEvent: somebody reads several messages of one sender, who gets a receipt for
// each, from one event; at every crash all of them are there once, or none.
func TestReceiptsOfOneEvent(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		play := func(fs *disktest.FS) (told int) {
			s, err := open(fs.Folder(), Options{SegmentBytes: 900, Owners: 1, MaxBytes: 2500})
			if err != nil {
				return 0
			}
			follow(s)
			defer func() { _ = s.Close() }()
			for n := range 8 {
				if put(s, receiptsTo(10*n, "bob", 3)) != nil {
					return n
				}
				synctest.Wait()
			}
			return 8
		}
		play(fs)
		steps := fs.Steps()
		for n := 1; n <= steps; n += stride(steps, 1) {
			fs := disktest.New()
			fs.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step == n, Part: true} })
			told := play(fs)
			for seed := range few(6) {
				what := fmt.Sprintf("died at %d, cut %d", n, seed)
				cut := fs.Killed()
				if seed > 0 {
					cut = fs.Crash(rand.New(rand.NewPCG(seed, uint64(n))))
				}
				s := openIn(t, cut, Options{})
				got := ids(tail(t, s, "bob", 100))
				unread := ids(unreadOf(t, s, "bob"))
				mustClose(t, s)
				var want []string
				for e := len(got) / 3; e > 0; e-- { // the newest, since the oldest may be gone
					for i := range 3 {
						want = append(want, fmt.Sprintf("id-%09d", 10*(max(told, lastOf(got))-e)+i))
					}
				}
				if len(got)%3 != 0 || !slices.Equal(got, want) || !slices.Equal(got, unread) || told > 0 && len(got) < min(told, 2)*3 {
					t.Errorf("%s: %d events were acknowledged, bob has %v, want %v, unread are %v", what, told, got, want, unread)
				}
			}
		}
	})
}

// lastOf is how many events there were if the last of these ids is of the last one.
func lastOf(got []string) int {
	if len(got) == 0 {
		return 0
	}
	var n int
	_, _ = fmt.Sscanf(got[len(got)-1], "id-%d", &n)
	return n/10 + 1
}

// TestFullWhileUnknown: the history can't be loaded when messages get their places. Nothing of
// which its sender was told that it is kept is lost, also after a kill before it can.
func TestFullWhileUnknown(t *testing.T) {
	for _, before := range []int{3, 4} {
		fullWhileUnknown(t, before)
	}
}

func fullWhileUnknown(t *testing.T, before int) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{})
		for n := range before {
			mustPut(t, s, limited(n, 4, "~guest", "bob"))
		}
		s.forget("bob")
		fs.Fail(func(_ int, op string) disktest.Fault {
			if op == "read" {
				return disktest.Fault{Err: syscall.EIO}
			}
			return disktest.Fault{}
		})
		var kept []string
		for n := 10; n < 16; n++ {
			e, err := putEntry(s, limited(n, 4, "~guest", "bob"))
			if err == nil && len(e.Full) == 0 { // what follows the first is refused
				kept = append(kept, e.ID)
			}
		}
		killed := fs.Killed()
		fs.Fail(nil)
		time.Sleep(2 * retryAfter)
		running := ids(unreadOf(t, s, "bob"))
		mustClose(t, s)
		s = openIn(t, killed, Options{})
		again := ids(unreadOf(t, s, "bob"))
		mustClose(t, s)
		for _, id := range kept {
			if !slices.Contains(again, id) || !slices.Contains(running, id) {
				t.Errorf("%s is lost: %v, %v", id, running, again)
			}
		}
		if !slices.Equal(running, again) || len(again) != 4 {
			t.Errorf("running bob has %v, after a kill %v", running, again)
		}
	})
}
