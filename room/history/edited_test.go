package history

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// edit does what an editor does to a nick's file: it writes another one and puts that
// in its place, without an fsync.
func edit(t *testing.T, fs *memFS, nick string, change func([][]byte) [][]byte) {
	t.Helper()
	users, err := fs.folder().sub("users")
	if err != nil {
		t.Fatal(err)
	}
	name := nick + ".jsonl"
	var lines [][]byte
	for l := range bytes.Lines(fileIn(fs, "users", name)) {
		lines = append(lines, l)
	}
	f, err := users.open(name+".swp", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(slices.Concat(change(lines)...), 0); err != nil {
		t.Fatal(err)
	}
	if err := users.rename(name+".swp", name); err != nil {
		t.Fatal(err)
	}
}

// edits are what people do to the lines of a history by hand. The first four lines are
// on disk, the next four in a journal alone.
var edits = map[string]func([][]byte) [][]byte{
	"the first is deleted":     func(l [][]byte) [][]byte { return l[1:] },
	"the second is deleted":    func(l [][]byte) [][]byte { return slices.Delete(l, 1, 2) },
	"a waiting one is deleted": func(l [][]byte) [][]byte { return slices.Delete(l, 4, 5) },
	"one amid them is deleted": func(l [][]byte) [][]byte { return slices.Delete(l, 5, 6) },
	"one is put in front":      func(l [][]byte) [][]byte { return slices.Insert(l, 0, byHand("hand")) },
	"a long one is put in front": func(l [][]byte) [][]byte {
		return slices.Insert(l, 0, byHand(strings.Repeat("hand ", 100)))
	},
	"one is put amid them": func(l [][]byte) [][]byte { return slices.Insert(l, 6, byHand("hand")) },
	"one is put at the end": func(l [][]byte) [][]byte {
		return append(l, byHand("hand"))
	},
	"nothing but a few are left": func(l [][]byte) [][]byte { return l[6:] },
}

// byHand is a line that somebody made with a program of his own.
func byHand(text string) []byte {
	m := direct(99, "eve", "bob")
	m.Text = text
	l, err := messageLine(m)
	if err != nil {
		panic(err)
	}
	return l
}

// eight sends the messages 1 to 8, of which half have left the journal.
func eight(t *testing.T, fs *memFS) *Store {
	t.Helper()
	s := mustOpenIn(t, fs, Options{})
	for n := 1; n <= 4; n++ {
		mustPut(t, s, to(direct(n, "ann", "bob"))...)
	}
	mustClose(t, s)
	s = mustOpenIn(t, fs, Options{})
	for n := 5; n <= 8; n++ {
		mustPut(t, s, to(direct(n, "ann", "bob"))...)
	}
	return s
}

// wantOnce sees that of the messages that stand in the file, and those that were sent
// later, each is there once, and that nothing is damaged.
func wantOnce(t *testing.T, what string, fs *memFS, want []string) bool {
	t.Helper()
	s := mustOpenIn(t, fs, Options{})
	got, unread := ids(tail(t, s, "bob", 100)), ids(unread(t, s, "bob"))
	mustClose(t, s)
	sorted := slices.Sorted(slices.Values(got))
	missing := slices.DeleteFunc(slices.Clone(want), func(id string) bool { return slices.Contains(got, id) })
	if len(missing) > 0 || len(slices.Compact(sorted)) < len(got) || !slices.Equal(got, unread) || s.Damaged() > 0 {
		t.Errorf("%s: missing are %v of %v, unread %v, %d damaged", what, missing, got, unread, s.Damaged())
		return false
	}
	return true
}

// left are the ids in a file.
func left(t *testing.T, fs *memFS) (list []string) {
	t.Helper()
	for l := range bytes.Lines(fileIn(fs, "users", "bob.jsonl")) {
		if e, ok := decode(bytes.TrimSuffix(l, []byte("\n"))); ok && e.msg != nil {
			list = append(list, e.msg.ID)
		}
	}
	return list
}

// shown are the ids that a look at bob's history shows.
func shown(t *testing.T, fs *memFS) (list []string) {
	t.Helper()
	s := newStore(Options{})
	s.at.Store(&home{root: fs.folder()})
	l := &Look{unread: make(map[string]bool)}
	err := l.open(s, "bob")
	if err == nil {
		err = l.Each(0, func(l Line) bool { return l.Message != nil }, func(Finding) {}, func(l Line) error {
			list = append(list, l.Message.ID)
			return nil
		})
	}
	if err != nil {
		t.Error(err)
	}
	return list
}

// recoverDying has the process end at each step of the recovery in turn.
func recoverDying(t *testing.T, what string, fs *memFS, want []string) {
	t.Helper()
	for n := 1; ; n++ {
		dying := fs.killed()
		dying.fault = func(step int, _ string) fault { return fault{dead: step == n} }
		s, err := open(dying.folder(), Options{})
		if err == nil {
			_ = s.Close()
		}
		if !dying.isDead() {
			return
		}
		if !wantOnce(t, fmt.Sprint(what, ", and again at ", n), dying.killed(), want) {
			return
		}
	}
}

// TestEditedBehindTheJournal: somebody edits a file whose last lines wait in a journal
// too, and then the server starts.
func TestEditedBehindTheJournal(t *testing.T) {
	for name, change := range edits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := newMemFS()
				s := eight(t, fs)
				killed := fs.killed()
				mustClose(t, s)
				edit(t, killed, "bob", change)
				want := left(t, killed)
				recoverDying(t, "killed", killed, want)
				seen := shown(t, killed)
				wantOnce(t, "killed", killed, want)
				if now := left(t, killed); !slices.Equal(seen, now) {
					t.Errorf("looking shows %v, and the start made it %v", seen, now)
				}
			})
		})
	}
}

// TestEditedWhileRunning: the server notices at the next message, goes on, and is killed
// or loses power. What it acknowledged before and nobody deleted is not lost either.
func TestEditedWhileRunning(t *testing.T) {
	for name, change := range edits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := newMemFS()
				s := eight(t, fs)
				edit(t, fs, "bob", change)
				want := left(t, fs)
				for n := 11; n < 14; n++ {
					m := direct(n, "ann", "bob")
					mustPut(t, s, to(m)...)
					want = append(want, m.ID)
				}
				sameIDs(t, "running", tail(t, s, "bob", 100), want...)
				killed := fs.killed()
				for seed := range uint64(30) {
					if !wantOnce(t, fmt.Sprint("power cut ", seed), fs.crash(rand.New(rand.NewPCG(seed, 0))), want) {
						break
					}
				}
				mustClose(t, s)
				recoverDying(t, "killed", killed, want)
				wantOnce(t, "killed", killed, want)
			})
		})
	}
}

// TestRewriteOfAnEditedFile: an fsync failed, and the lines that are written again must
// not hit what somebody has put in their places.
func TestRewriteOfAnEditedFile(t *testing.T) {
	for name, change := range edits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := newMemFS()
				s := eight(t, fs)
				edit(t, fs, "bob", change)
				want := left(t, fs)
				s.owners.forget("bob")
				s.files.forget("bob")
				if err := s.rewrite(); err != nil {
					t.Fatal(err)
				}
				got := ids(tail(t, s, "bob", 100))
				mustClose(t, s)
				if !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		})
	}
}

// TestRecoveryTwice: the file has lost what stood before the lines of a journal, and the
// process ends in the middle of the recovery. Lines are not doubled, nor damaged.
func TestRecoveryTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for cut := range 8 {
			fs := newMemFS()
			s := eight(t, fs)
			killed := fs.killed()
			mustClose(t, s)
			bob := killed.root.names["users"].names["bob.jsonl"]
			bob.data = bob.data[:len(bob.data)*cut/8]
			bob.disk = slices.Clone(bob.data)
			want := []string{"id-000000005", "id-000000006", "id-000000007", "id-000000008"}
			for n := 1; ; n++ {
				dying := killed.killed()
				dying.fault = func(step int, _ string) fault { return fault{dead: step == n, part: true} }
				if s, err := open(dying.folder(), Options{}); err == nil {
					_ = s.Close()
				}
				if !dying.isDead() {
					break
				}
				s := mustOpenIn(t, dying.killed(), Options{})
				got := ids(tail(t, s, "bob", 4))
				if all := tail(t, s, "bob", 100); len(all) > 8 || !slices.Equal(got, want) {
					t.Errorf("cut to %d/8, again at %d: %v", cut, n, ids(all))
				}
				mustClose(t, s)
			}
		}
	})
}

// TestHoleInAJournal: a line of a journal is damaged, and the power cut has left zeros
// where it belongs. It costs itself alone.
func TestHoleInAJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := eight(t, fs)
		s.journal.num++ // there will be another one, so that this one counts to its end
		killed := fs.killed()
		s.journal.num--
		mustClose(t, s)
		log := killed.root.names["journal"].names["000001.log"]
		if err := writeFile(memDir{killed, killed.root.names["journal"]}, "000002.log", header(1, int64(len(log.data)))); err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(log.data, []byte(`bob {"id":"id-000000006"`))
		log.data[at+10] ^= 1
		bob := killed.root.names["users"].names["bob.jsonl"]
		gap := bytes.Index(bob.data, []byte(`{"id":"id-000000006"`))
		clear(bob.data[gap:])
		fs = killed.killed()
		s = mustOpenIn(t, fs, Options{})
		sameIDs(t, "bob", tail(t, s, "bob", 100), "id-000000001", "id-000000002", "id-000000003", "id-000000004",
			"id-000000005", "id-000000007", "id-000000008")
		mustClose(t, s)
	})
}
