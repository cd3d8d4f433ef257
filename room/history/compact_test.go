package history

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
)

// conversation has ann write n messages to bob, who reads all but those whose
// number want returns true for. It returns the messages.
func conversation(t *testing.T, s *Store, from, n int, unread func(int) bool) (all []*room.Message) {
	t.Helper()
	for i := from; i < from+n; i++ {
		m := nowDirect(i, "ann", "bob")
		all = append(all, m)
		mustPut(t, s, event(m))
		if !unread(i) {
			mustPut(t, s, read("bob", m.ID))
		}
		if i%20 == 0 {
			synctest.Wait()
		}
	}
	synctest.Wait()
	return all
}

func all(int) bool  { return true }
func none(int) bool { return false }

// suffixOf sees that got is the end of all.
func suffixOf(t *testing.T, what string, got, all []*room.Message) {
	t.Helper()
	if len(got) == 0 || len(got) > len(all) {
		t.Fatalf("%s: %d of %d messages", what, len(got), len(all))
	}
	same(t, what, got, all[len(all)-len(got):])
}

// inMemory runs a test in virtual time on a file system in memory.
func inMemory(t *testing.T, test func(t *testing.T, fs *disktest.FS)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, disktest.New()) })
}

// TestShortenedBySize: the file stays below its limit; what is unread stays, however old,
// and of the rest the newest; all of it after a restart, too.
func TestShortenedBySize(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		const limit = 64 << 10
		s := openIn(t, fs, Options{MaxBytes: limit})
		all := conversation(t, s, 0, 1500, func(i int) bool { return i < 50 && i%10 == 3 })
		early := []*room.Message{all[3], all[13], all[23], all[33], all[43]}
		if size := len(fileIn(fs, "users", "bob.jsonl")); size > limit+2000 || size < limit/2 {
			t.Errorf("%d bytes, the limit is %d", size, limit)
		}
		look := func(what string) {
			t.Helper()
			same(t, what+", unread", unreadOf(t, s, "bob"), early)
			got := tail(t, s, "bob", 1e6)
			same(t, what+", kept", got[:len(early)], early)
			suffixOf(t, what+", the rest", got[len(early):], all)
			suffixOf(t, what+", what ann sent", tail(t, s, "ann", 1e6), all)
			if n := s.Stats().Damaged; n > 0 {
				t.Errorf("%s: %d damaged", what, n)
			}
		}
		look("before a restart")
		mustClose(t, s)
		s = openIn(t, fs, Options{MaxBytes: limit})
		look("after a restart")

		mustPut(t, s, read("bob", early[1].ID))
		early = slices.Delete(early, 1, 2)
		all = append(all, conversation(t, s, 1500, 1500, none)...)
		look("when one was read")
		mustClose(t, s)
		if fileIn(fs, "users", "bob.jsonl.tmp") != nil {
			t.Error("a temporary file is left")
		}
	})
}

// TestCostAfterShortening: what is unread is found without reading everything, also right
// after a history was shortened.
func TestCostAfterShortening(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{MaxBytes: 128 << 10})
		fillHistory(t, s, 2000)
		n, unread := 10_000, 3
		for size, shortened := 0, 0; ; n++ {
			mustPut(t, s, event(direct(n, "carol", "bob")))
			synctest.Wait()
			was := size
			if size = len(fileIn(fs, "users", "carol.jsonl")); size < was {
				if shortened++; shortened == 5 { // the unread ones are among those that went, too
					break
				}
			}
			if n%100 == 0 {
				unread++
				mustPut(t, s, toOne(100_000+n, "carol"))
			}
		}
		if n := placesIn(t, fileIn(fs, "users", "carol.jsonl")); n != unread {
			t.Errorf("the state line lists %d, %d are unread", n, unread)
		}
		reads := countReads(fs, func() {
			s.forget("carol")
			if got := unreadOf(t, s, "carol"); len(got) != unread {
				t.Errorf("%d unread", len(got))
			}
		})
		if reads > 12 {
			t.Errorf("%d reads", reads)
		}
		mustClose(t, s)
	})
}

// placesIn sees that a history ends with a state line, and all that it lists is there. It returns how many
// that are.
func placesIn(t *testing.T, text []byte) int {
	t.Helper()
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	last := lines[len(lines)-1]
	found, _ := record.Parse(jsonl.Line{Data: last})
	if len(found) != 1 || found[0].State == nil {
		t.Fatalf("the last line is %.100s", last)
	}
	for _, at := range found[0].State.Unread {
		if !bytes.HasPrefix(text[at[1]:], fmt.Appendf(nil, `{"seq":%d,"id"`, at[0])) {
			t.Fatalf("%v is not there", at)
		}
	}
	return len(found[0].State.Unread)
}

// TestShortenedShared: the room's history has a limit of its own.
func TestShortenedShared(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{RoomMaxBytes: 10_000})
		var all, to []*room.Message
		for i := range 500 {
			all = append(all, said(i, "ann"))
			to = append(to, direct(1000+i, "ann", "bob"))
			mustPut(t, s, event(all[i]), event(to[i]))
			synctest.Wait()
		}
		if size := len(fileIn(fs, "rooms", "lobby.jsonl")); size > 10_500 {
			t.Errorf("%d bytes", size)
		}
		suffixOf(t, "room", tail(t, s, room.RoomHistory, 1e6), all)
		same(t, "ann, who has no limit", tail(t, s, "ann", 1e6), to)
		mustClose(t, s)
	})
}

// TestShortenedUnreadOnly: where all is unread nothing goes, and the file is not
// written again and again.
func TestShortenedUnreadOnly(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{MaxBytes: 20_000})
		var want []*room.Message
		creates := 0
		fs.Fail(func(_ int, op string) disktest.Fault {
			if op == "create" {
				creates++
			}
			return disktest.Fault{}
		})
		for n := range 500 {
			want = append(want, direct(n, "~guest", "bob"))
			mustPut(t, s, event(want[n]))
			synctest.Wait()
		}
		same(t, "unread", unreadOf(t, s, "bob"), want)
		if creates > 2 { // the log and bob's file
			t.Errorf("%d files created for 500 messages", creates)
		}
		mustClose(t, s)
	})
}

// receiptTo makes the event that somebody read a message which is long gone, so that its sender
// has a receipt.
func receiptsTo(n int, nick string, count int) *room.Event {
	e := read("reader", fmt.Sprint("was-", n))
	for i := range count {
		m := nowDirect(n+i, "reader", nick)
		m.Kind, m.Text, m.Ref, m.RefTime = room.KindReceipt, "", fmt.Sprint("was-", n), epoch
		e.Receipts = append(e.Receipts, m)
	}
	return e
}

// TestShortenedReceipts: that something was read is not kept for ever by nobody reading
// of it; and what goes is not looked for at each look.
func TestShortenedReceipts(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{MaxBytes: 20_000})
		for i := range 250 {
			mustPut(t, s, receiptsTo(10*i, "bob", 1+i%3))
			synctest.Wait()
		}
		look := func(what string) {
			got := unreadOf(t, s, "bob")
			suffixOf(t, what, got, tail(t, s, "bob", 1e6))
			if size := len(fileIn(fs, "users", "bob.jsonl")); size > 20_500 || len(got) < 20 {
				t.Errorf("%s: %d bytes, %d receipts", what, size, len(got))
			}
			if o := s.owners["bob"]; len(o.unread) != len(got) {
				t.Errorf("%s: %d are remembered, %d are there", what, len(o.unread), len(got))
			}
		}
		look("running")
		was := ids(unreadOf(t, s, "bob"))
		mustClose(t, s)
		text := fileIn(fs, "users", "bob.jsonl")
		states := stateLines(bytes.SplitAfter(text, []byte("\n")))
		for _, i := range states {
			r, _ := record.Parse(jsonl.Line{Data: bytes.Split(text, []byte("\n"))[i]})
			for _, at := range r[0].State.Unread {
				if i == states[len(states)-1] && !bytes.HasPrefix(text[at[1]:], fmt.Appendf(nil, `{"seq":%d,"id"`, at[0])) {
					t.Errorf("the state line lists %v, which is not there", at)
				}
			}
		}
		s = openIn(t, fs, Options{MaxBytes: 20_000})
		look("after a restart")
		sameIDs(t, "after a restart", unreadOf(t, s, "bob"), was...)
		mustClose(t, s)
	})
}

// TestShorteningSetsDamageAside: what is damaged among what goes is saved.
func TestShorteningSetsDamageAside(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{})
		all := conversation(t, s, 0, 200, func(i int) bool { return i == 50 })
		mustClose(t, s)
		bob := fileIn(fs, "users", "bob.jsonl")
		for _, n := range []int{10, 11, 20, 50} { // the last was unread
			at := bytes.Index(bob, fmt.Appendf(nil, `"message %d"`, n))
			bob[at+1] = 'M'
		}
		setFile(fs, "users", "bob.jsonl", bob)
		s = openIn(t, fs, Options{MaxBytes: 15_000}) // the limit is new: nobody has to write
		synctest.Wait()
		suffixOf(t, "bob", tail(t, s, "bob", 1e6), all)
		torn := fileIn(fs, "users", "bob.jsonl.torn")
		if lines := strings.Count(string(torn), "\n"); lines != 4 || strings.Count(string(torn), `"Message `) != 4 {
			t.Errorf("set aside:\n%s", torn)
		}
		mustClose(t, s)
	})
}

// TestUnfinishedIsRemoved: what an interrupted shortening has left goes.
func TestUnfinishedIsRemoved(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{})
		mustPut(t, s, event(direct(1, "ann", "bob")))
		mustClose(t, s)
		left := [][2]string{{"users", "bob.jsonl.tmp"}, {"users", "gone.jsonl.tmp"}, {"rooms", "lobby.jsonl.tmp"}}
		for _, p := range left {
			setFile(fs, p[0], p[1], []byte("half"))
		}
		s = openIn(t, fs, Options{MaxBytes: 1 << 20})
		synctest.Wait()
		mustClose(t, s)
		for _, p := range left {
			if fileIn(fs, p[0], p[1]) != nil {
				t.Errorf("%s is still there", p)
			}
		}
	})
}

// TestShortenedByAge: what is older than the retention goes within a day, without
// anybody writing; what is unread stays.
func TestShortenedByAge(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		const day = 24 * time.Hour
		s := openIn(t, fs, Options{Retention: 90 * day})
		old := conversation(t, s, 0, 30, func(i int) bool { return i == 7 })
		time.Sleep(60 * day)
		young := conversation(t, s, 100, 30, none)
		same(t, "before", tail(t, s, "bob", 100), slices.Concat(old, young))
		time.Sleep(32 * day)
		synctest.Wait()
		same(t, "after", tail(t, s, "bob", 100), append(old[7:8:8], young...))
		same(t, "unread", unreadOf(t, s, "bob"), old[7:8])
		same(t, "ann", tail(t, s, "ann", 100), young)
		if text := fileIn(fs, "users", "ann.jsonl"); bytes.Contains(text, []byte(`"message 3"`)) {
			t.Error("the text is still in the file")
		}
		time.Sleep(90 * day)
		synctest.Wait()
		same(t, "much later", tail(t, s, "bob", 100), old[7:8])
		for seed := range few(8) {
			cut := openIn(t, fs.Crash(rand.New(rand.NewPCG(seed, 0))), Options{})
			same(t, "after a power cut, unread", unreadOf(t, cut, "bob"), old[7:8])
			mustClose(t, cut)
		}
		ann, bob := fileIn(fs, "users", "ann.jsonl"), fileIn(fs, "users", "bob.jsonl")
		time.Sleep(90 * day)
		synctest.Wait()
		if !bytes.Equal(fileIn(fs, "users", "ann.jsonl"), ann) || !bytes.Equal(fileIn(fs, "users", "bob.jsonl"), bob) {
			t.Error("a history of which nothing can go is written anew")
		}
		mustPut(t, s, event(direct(999, "ann", "bob")))
		mustClose(t, s)
	})
}

// TestRetentionFromTheFuture: the clock was years ahead when the first message was
// written. What follows goes when it is too old, nevertheless.
func TestRetentionFromTheFuture(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		const day = 24 * time.Hour
		s := openIn(t, fs, Options{Retention: 10 * day})
		wrong := direct(0, "ann", "bob")
		wrong.Time = time.Now().Add(5 * 365 * day).UTC()
		mustPut(t, s, event(wrong))
		conversation(t, s, 1, 30, none)
		time.Sleep(12 * day)
		young := conversation(t, s, 50, 3, none)
		time.Sleep(day)
		synctest.Wait()
		same(t, "ann", tail(t, s, "ann", 100), young)
		mustClose(t, s)
	})
}

// TestRetentionWithAWrongClock: the clock of this start is years behind. Nothing goes, for
// all that.
func TestRetentionWithAWrongClock(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		const day = 24 * time.Hour
		s := openIn(t, fs, Options{Retention: 10 * day})
		var want []*room.Message
		for n := range 30 {
			m := direct(n, "ann", "bob")
			m.Time = time.Now().Add(20 * 365 * day).UTC()
			want = append(want, m)
			mustPut(t, s, event(m))
		}
		time.Sleep(2 * day)
		synctest.Wait()
		same(t, "ann", tail(t, s, "ann", 100), want)
		mustClose(t, s)
	})
}

// TestRetentionBesideALimit: what is too old goes also where what is unread alone is
// larger than the limit.
func TestRetentionBesideALimit(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		const day = 24 * time.Hour
		opts := Options{Retention: 10 * day, MaxBytes: 5000}
		s := openIn(t, fs, opts)
		all := conversation(t, s, 0, 100, func(n int) bool { return n < 97 })
		time.Sleep(9 * day) // what else goes with it went before
		mustClose(t, s)
		s = openIn(t, fs, opts)
		time.Sleep(3 * day)
		synctest.Wait()
		got := ids(tail(t, s, "bob", 1000))
		mustClose(t, s)
		if !slices.Equal(got, ids(all[:97])) {
			t.Errorf("bob has %v", got)
		}
	})
}

// TestShortenedAgain: a second shortening that a crash interrupts, or follows, never brings back
// a message that was read as unread, nor half a line; and what waits is there.
func TestShortenedAgain(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		play := func(fs *disktest.FS) (unread, was []string) {
			s, err := open(fs.Folder(), Options{MaxBytes: 6000, SegmentBytes: 5000, Owners: 1})
			if err != nil {
				return nil, nil
			}
			follow(s)
			for n := range 60 {
				m := nowDirect(n, "ann", "bob")
				if put(s, event(m)) != nil {
					break
				}
				if n%20 == 3 {
					unread = append(unread, m.ID)
				} else if put(s, read("bob", m.ID)) == nil {
					was = append(was, m.ID)
				}
				synctest.Wait()
			}
			_ = s.Close()
			return unread, was
		}
		whole := disktest.New()
		play(whole)
		steps := whole.Steps()
		for n := steps / 3; n <= steps; n += stride(steps, 1) {
			fs := disktest.New()
			fs.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step == n, Part: true} })
			unread, was := play(fs)
			for seed := range few(6) {
				what := fmt.Sprintf("died at %d, cut %d", n, seed)
				cut := fs.Killed()
				if seed > 0 {
					cut = fs.Crash(rand.New(rand.NewPCG(seed, uint64(n))))
				}
				s := openIn(t, cut, Options{})
				got := ids(unreadOf(t, s, "bob"))
				if len(got) > len(unread) { // one that was not acknowledged
					got = got[:len(unread)]
				}
				if !slices.Equal(got, unread) {
					t.Errorf("%s: unread are %v, want %v; read were %v", what, got, unread, was)
				}
				mustClose(t, s)
				text := fileIn(cut, "users", "bob.jsonl")
				for line := range bytes.SplitAfterSeq(text, []byte("\n")) {
					if len(line) > 0 && (!bytes.HasPrefix(line, []byte(`{"seq":`)) || !bytes.HasSuffix(line, []byte("\"}\n"))) {
						t.Errorf("%s: half a line: %q", what, line)
					}
				}
			}
		}
	})
}
