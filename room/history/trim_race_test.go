package history

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestTrimOfAReplacedFile: somebody has put another file in the place of one, and nobody
// writes to that nick. The trimmer does not go on trying for ever, and shortens it.
func TestTrimOfAReplacedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{OpenFiles: 1, MaxBytes: 8000})
		all := conversation(t, s, 0, 20, func(int) bool { return false })
		edit(t, fs, "bob", func(lines [][]byte) [][]byte {
			return slices.Concat([][]byte{byHand("one"), byHand("two"), byHand("three")}, lines, lines)
		})
		tail(t, s, "ann", 1) // bob's old file is closed
		start := fs.count()
		fs.fail(func(step int, _ string) fault { return fault{dead: step == start+10_000} })
		time.Sleep(sweepEvery + time.Hour)
		synctest.Wait()
		if fs.isDead() {
			t.Fatal("it was tried 10,000 times")
		}
		if size := len(fileIn(fs, "users", "bob.jsonl")); size > 8000 {
			t.Errorf("%d bytes", size)
		}
		suffixOf(t, "bob", tail(t, s, "bob", 5), all)
		mustClose(t, s)
	})
}

// TestTrimOfAFileCutMeanwhile: while a history is written anew somebody cuts it, and
// then more is appended than was cut.
func TestTrimOfAFileCutMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{MaxBytes: 8000})
		conversation(t, s, 0, 25, func(int) bool { return false })
		writing, go1 := make(chan bool), make(chan bool)
		fs.watch(func(op, name string) {
			if op == "sync" && name == "bob.jsonl.tmp" {
				fs.watch(nil)
				writing <- true
				<-go1
			}
		})
		n := 25
		for busy := true; busy; n++ {
			conversation(t, s, n, 1, func(int) bool { return false })
			select {
			case <-writing:
				busy = false
			default:
			}
		}
		bob := fs.root.names["users"].names["bob.jsonl"]
		fs.mu.Lock()
		cut := bytes.LastIndex(bob.data[:len(bob.data)-300], []byte("\n"))
		bob.data = bob.data[:cut+1]
		fs.mu.Unlock()
		var want []string
		for range 9 {
			m := direct(n, "ann", "bob")
			m.Text = fmt.Sprintf("longer message %d", n)
			mustPut(t, s, to(m)...)
			want = append(want, m.ID)
			n++
		}
		go1 <- true
		synctest.Wait()
		got := ids(tail(t, s, "bob", 9))
		mustClose(t, s)
		s = mustOpenIn(t, fs, Options{})
		if again := ids(tail(t, s, "bob", 9)); !slices.Equal(got, want) || !slices.Equal(again, want) || s.Damaged() > 0 {
			t.Errorf("got %v and after a restart %v, want %v; %d damaged", got, again, want, s.Damaged())
		}
		mustClose(t, s)
	})
}

// TestCloseDuringATrim does not wait until a large history was read.
func TestCloseDuringATrim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{})
		conversation(t, s, 0, 3000, func(int) bool { return false })
		mustClose(t, s)
		reads, started, go1 := 0, make(chan bool), make(chan bool)
		fs.fail(func(_ int, op string) fault {
			if op == "read" {
				reads++
			}
			return fault{}
		})
		fs.watch(func(op, name string) {
			if op == "open" && name == "bob.jsonl" {
				fs.watch(nil)
				started <- true
				<-go1
			}
		})
		s = mustOpenIn(t, fs, Options{MaxBytes: 20_000})
		<-started
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		synctest.Wait()
		fs.mu.Lock()
		reads = 0
		fs.mu.Unlock()
		go1 <- true
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if reads > 10 {
			t.Errorf("%d reads after Close", reads)
		}
	})
}

// TestRetentionFromTheFuture: the clock was years ahead when the first message was
// written. What follows goes when it is too old, nevertheless.
func TestRetentionFromTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{Retention: 10 * day})
		wrong := direct(0, "ann", "bob")
		wrong.Time = time.Now().Add(5 * 365 * day).UTC()
		mustPut(t, s, to(wrong)...)
		conversation(t, s, 1, 30, func(int) bool { return false })
		time.Sleep(12 * day)
		young := conversation(t, s, 50, 3, func(int) bool { return false })
		synctest.Wait()
		time.Sleep(day)
		synctest.Wait()
		same(t, "ann", tail(t, s, "ann", 100), young)
		mustClose(t, s)
	})
}

// TestRetentionBesideALimit: what is too old goes also where what is unread alone is
// larger than the limit.
func TestRetentionBesideALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{Retention: 10 * day, MaxBytes: 5000})
		all := conversation(t, s, 0, 100, func(n int) bool { return n < 97 })
		time.Sleep(9 * day) // what else goes with it went before
		mustClose(t, s)
		s = mustOpenIn(t, fs, Options{Retention: 10 * day, MaxBytes: 5000})
		time.Sleep(3 * day)
		synctest.Wait()
		got := ids(tail(t, s, "bob", 1000))
		mustClose(t, s)
		if !slices.Equal(got, ids(all[:97])) {
			t.Errorf("bob has %v", got)
		}
	})
}
