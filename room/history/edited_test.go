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
	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
)

// long is a history of carol with state lines, messages unread here and there, and receipts.
func long(t *testing.T) (fs *disktest.FS, lines [][]byte) {
	t.Helper()
	fs = disktest.New()
	s := openIn(t, fs, Options{})
	for n := range 80 {
		mustPut(t, s, toOne(n, "carol"))
		if n%3 > 0 {
			mustPut(t, s, read("carol", fmt.Sprintf("id-%09d", n)))
		}
		if n%20 == 0 {
			mustPut(t, s, receiptsTo(1000+10*n, "carol", 2))
		}
	}
	mustClose(t, s)
	lines = bytes.SplitAfter(fileIn(fs, "users", "carol.jsonl"), []byte("\n"))
	return fs, lines[:len(lines)-1]
}

// unreadIn is what the lines of carol's file say.
func unreadIn(lines [][]byte) (want []string) {
	marked := map[string]bool{}
	for _, l := range lines {
		found, _ := record.Parse(jsonl.Line{Data: bytes.TrimSuffix(l, []byte("\n"))})
		for _, r := range found {
			for _, id := range r.Read {
				marked[id] = true
			}
		}
	}
	for _, l := range lines {
		found, _ := record.Parse(jsonl.Line{Data: bytes.TrimSuffix(l, []byte("\n"))})
		for _, r := range found {
			if r.Message != nil && !marked[r.Message.ID] {
				want = append(want, r.Message.ID)
			}
		}
	}
	slices.Sort(want)
	return want
}

func stateLines(lines [][]byte) (at []int) {
	for i, l := range lines {
		if bytes.Contains(l, []byte(`"kind":"state"`)) {
			at = append(at, i)
		}
	}
	return at
}

// wantUnread opens the histories and sees that what was unread and is in carol's file is unread, and
// nothing that a mark in it names, before and after more was sent and read, and after a
// restart.
func wantUnread(t *testing.T, what string, fs *disktest.FS, was, may []string) {
	t.Helper()
	want := slices.DeleteFunc(slices.Clone(was), func(id string) bool { return !slices.Contains(may, id) })
	s := openIn(t, fs, Options{})
	check := func(when string) {
		t.Helper()
		got := ids(unreadOf(t, s, "carol"))
		slices.Sort(got)
		missing := slices.DeleteFunc(slices.Clone(want), func(id string) bool { return slices.Contains(got, id) })
		more := slices.DeleteFunc(slices.Clone(got), func(id string) bool { return slices.Contains(may, id) })
		if len(missing) > 0 || len(more) > 0 || len(slices.Compact(slices.Clone(got))) < len(got) {
			t.Errorf("%s, %s: of %v are missing %v, and not to be there %v", what, when, got, missing, more)
		}
	}
	check("started")
	mustPut(t, s, toOne(5000, "carol"))
	want, may = append(want, "id-000005000"), append(may, "id-000005000")
	check("written to")
	mustPut(t, s, read("carol", want[0]))
	may = slices.DeleteFunc(slices.Clone(may), func(id string) bool { return id == want[0] })
	want = want[1:]
	check("read")
	killed := fs.Killed()
	mustClose(t, s)
	for when, fs := range map[string]*disktest.FS{"restarted": fs, "killed": killed} {
		s = openIn(t, fs, Options{})
		check(when)
		mustClose(t, s)
	}
}

// TestEditedWhileStopped: lines that somebody swaps, moves a little, or deletes hide nothing else. That
// is so across a state line, which lists what was unread before it.
func TestEditedWhileStopped(t *testing.T) {
	t.Parallel()
	_, lines := long(t)
	was := unreadIn(lines)
	states := stateLines(lines)
	if len(states) < 3 {
		t.Fatalf("%d state lines of %d", len(states), len(lines))
	}
	swap := func(l [][]byte, i, j int) [][]byte { l[i], l[j] = l[j], l[i]; return l }
	edits := map[string]func([][]byte) [][]byte{
		"all state lines deleted": func(l [][]byte) [][]byte {
			return slices.DeleteFunc(l, func(l []byte) bool { return bytes.Contains(l, []byte(`"kind":"state"`)) })
		},
		"reversed": func(l [][]byte) [][]byte { slices.Reverse(l); return l },
		"sorted":   func(l [][]byte) [][]byte { slices.SortFunc(l, bytes.Compare); return l },
	}
	last := states[len(states)-1]
	for i := range len(lines) - 1 {
		edits[fmt.Sprint("swapped with the next one: ", i)] = func(l [][]byte) [][]byte { return swap(l, i, i+1) }
		if i != last {
			edits[fmt.Sprint("swapped with the newest state line: ", i)] = func(l [][]byte) [][]byte { return swap(l, i, last) }
		}
	}
	for i := range lines {
		edits[fmt.Sprint("deleted: ", i)] = func(l [][]byte) [][]byte { return slices.Delete(l, i, i+1) }
		if i > last && i < len(lines) {
			edits[fmt.Sprint("moved before the newest state line: ", i)] = func(l [][]byte) [][]byte {
				moved := l[i]
				return slices.Insert(slices.Delete(l, i, i+1), last-3, moved)
			}
		}
		edits[fmt.Sprint("moved to the end: ", i)] = func(l [][]byte) [][]byte {
			moved := l[i]
			return append(slices.Delete(l, i, i+1), moved)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 30 {
		i, j := rng.IntN(len(lines)), rng.IntN(len(lines))
		if i < last && j < last || i >= last && j >= last { // else see "across"
			edits[fmt.Sprint("two swapped: ", n)] = func(l [][]byte) [][]byte { return swap(l, i, j) }
		}
		after := last + 1 + rng.IntN(max(1, len(lines)-last-1))
		edits[fmt.Sprint("swapped across the newest state line: ", n)] = func(l [][]byte) [][]byte {
			if after >= len(l) {
				return l
			}
			return swap(l, rng.IntN(last), after)
		}
	}
	n := 0
	for what, edit := range edits { // in no order, so that the thinned out ones differ each time
		if n++; n%stride(100, 1) != 0 {
			continue
		}
		fs, lines := long(t)
		edited := edit(lines)
		setFile(fs, "users", "carol.jsonl", bytes.Join(edited, nil))
		wantUnread(t, what, fs, was, unreadIn(edited))
		if t.Failed() {
			return
		}
	}
}

// TestMovedAcrossAState: a line that somebody moved up across a state line, among lines of which none
// is unread, is found.
func TestMovedAcrossAState(t *testing.T) {
	fs := disktest.New()
	s := openIn(t, fs, Options{})
	for n := range 40 {
		mustPut(t, s, event(direct(n, "carol", "~guest")))
	}
	mustPut(t, s, toOne(100, "carol"))
	mustClose(t, s)
	lines := bytes.SplitAfter(fileIn(fs, "users", "carol.jsonl"), []byte("\n"))
	states := stateLines(lines)
	at, end := states[len(states)-1], len(lines)-2
	if at > end-3 {
		t.Fatalf("the state line is %d of %d", at, end)
	}
	for up := range 8 {
		edited := slices.Insert(slices.Delete(slices.Clone(lines), end, end+1), at-up, lines[end])
		setFile(fs, "users", "carol.jsonl", bytes.Join(edited, nil))
		s = openIn(t, fs, Options{})
		sameIDs(t, fmt.Sprint("moved up to ", up, " before it"), unreadOf(t, s, "carol"), "id-000000100")
		mustClose(t, s)
	}
}

// TestEditedBehindTheLog: somebody deletes lines that the log has, too, while the server that
// was killed is stopped. What they left is there, once; at the end, what was deleted comes back.
func TestEditedBehindTheLog(t *testing.T) {
	for cut := range 8 {
		fs := disktest.New()
		s := openIn(t, fs, Options{})
		for n := range 8 {
			mustPut(t, s, toOne(n, "bob"))
		}
		killed := fs.Killed()
		mustClose(t, s)
		lines := bytes.SplitAfter(fileIn(killed, "users", "bob.jsonl"), []byte("\n"))
		setFile(killed, "users", "bob.jsonl", bytes.Join(slices.Delete(slices.Clone(lines), cut, cut+1), nil))
		s = openIn(t, killed, Options{})
		var want []string
		for n := range 8 {
			if n != cut || cut == 7 {
				want = append(want, fmt.Sprintf("id-%09d", n))
			}
		}
		sameIDs(t, fmt.Sprint("without ", cut), unreadOf(t, s, "bob"), want...)
		mustClose(t, s)
	}
}

// TestReplacedWhileRunning: an editor puts another file in the place of bob's while the server
// runs. What is sent to him is refused with a clear error, and nothing that was acknowledged and is in
// his file, or was sent since, is lost after a power cut, a kill or a restart; also where
// nothing of bob is in memory any more.
func TestReplacedWhileRunning(t *testing.T) {
	for _, evicted := range []bool{false, true} {
		inMemory(t, func(t *testing.T, fs *disktest.FS) {
			l, log := newLog()
			s := openIn(t, fs, Options{Log: log, SegmentBytes: 1500})
			for n := range 4 {
				mustPut(t, s, toOne(n, "bob"))
			}
			was := fileIn(fs, "users", "bob.jsonl")
			mustPut(t, s, toOne(4, "bob")) // the editor has not read this one
			replace(t, fs, "bob", func([]byte) []byte { return was })
			if evicted {
				s.forget("bob")
			}
			mustPut(t, s, toOne(5, "bob")) // it is kept in the log
			err := put(s, toOne(9, "bob"))
			wantStorage(t, err)
			if !strings.Contains(err.Error(), "replaced") || !strings.Contains(l.String(), "users/bob.jsonl") {
				t.Errorf("the error is %v, and the log says\n%s", err, l)
			}
			for n := range 30 { // others go on, and segments would be released
				mustPut(t, s, event(direct(100+n, "ann", "cid")))
			}
			time.Sleep(3 * retryAfter)
			synctest.Wait()
			if !bytes.Equal(fileIn(fs, "users", "bob.jsonl"), was) {
				t.Error("the editor's file was written to")
			}
			want := []string{"id-000000000", "id-000000001", "id-000000002", "id-000000003", "id-000000004", "id-000000005"}
			crashed := []*disktest.FS{fs.Killed()}
			for seed := range uint64(20) {
				crashed = append(crashed, fs.Crash(rand.New(rand.NewPCG(seed, 0))))
			}
			if s.Close() == nil {
				t.Error("Close says nothing")
			}
			for i, fs := range append(crashed, fs) {
				s := openIn(t, fs, Options{})
				got := ids(unreadOf(t, s, "bob"))
				mustClose(t, s)
				if !slices.Equal(got, want) {
					t.Errorf("evicted %v, crash %d: bob has %v", evicted, i, got)
				}
			}
		})
	}
}

// TestChangedWhileRunning: a file that somebody cuts, writes to or removes is not written to.
func TestChangedWhileRunning(t *testing.T) {
	for what, change := range map[string]func(fs *disktest.FS, text []byte){
		"cut":      func(fs *disktest.FS, text []byte) { setFile(fs, "users", "bob.jsonl", text[:len(text)/2]) },
		"appended": func(fs *disktest.FS, text []byte) { setFile(fs, "users", "bob.jsonl", append(text, "junk\n"...)) },
		"removed": func(fs *disktest.FS, _ []byte) {
			users, _ := fs.Folder().Sub("users")
			_ = users.Remove("bob.jsonl")
		},
	} {
		inMemory(t, func(t *testing.T, fs *disktest.FS) {
			s := openIn(t, fs, Options{})
			mustPut(t, s, toOne(1, "bob"), toOne(2, "bob"))
			change(fs, fileIn(fs, "users", "bob.jsonl"))
			was := fileIn(fs, "users", "bob.jsonl")
			mustPut(t, s, toOne(3, "bob"))
			err := put(s, toOne(9, "bob"))
			wantStorage(t, err)
			time.Sleep(3 * retryAfter)
			if !bytes.Equal(fileIn(fs, "users", "bob.jsonl"), was) {
				t.Errorf("%s: it was written to", what)
			}
			if s.Close() == nil {
				t.Errorf("%s: Close says nothing", what)
			}
			s = openIn(t, fs, Options{})
			if got := ids(unreadOf(t, s, "bob")); !slices.Contains(got, "id-000000003") || len(got) < 2 {
				t.Errorf("%s: bob has %v", what, got)
			}
			mustClose(t, s)
		})
	}
}

// TestPutBack: a file that was moved away and put back is used again, without a restart.
func TestPutBack(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{})
		mustPut(t, s, toOne(1, "bob"))
		users, _ := fs.Folder().Sub("users")
		_ = users.Rename("bob.jsonl", "bob.away")
		mustPut(t, s, toOne(2, "bob"))
		err := put(s, toOne(9, "bob"))
		wantStorage(t, err)
		_ = users.Remove("bob.jsonl")
		_ = users.Rename("bob.away", "bob.jsonl")
		time.Sleep(3 * retryAfter)
		mustPut(t, s, toOne(3, "bob"))
		sameIDs(t, "bob", unreadOf(t, s, "bob"), "id-000000001", "id-000000002", "id-000000003")
		if n := s.Stats().Late; n != 0 {
			t.Errorf("%d are late", n)
		}
		mustClose(t, s)
	})
}

// TestOtherStateLines: a history keeps what is unread if its state lines are those of older programs, which listed
// messages by their numbers, or list what is not there. Its next state line lists it by place.
func TestOtherStateLines(t *testing.T) {
	other := map[string]func(seq uint64) []byte{
		"older": func(seq uint64) []byte {
			return jsonl.Seal(fmt.Appendf(nil, `{"seq":%d,"time":"2026-11-21T06:31:03.123Z","kind":"state","unread":[1,4.001],"then":%[1]d`, seq), 0)
		},
		"beyond the end": func(seq uint64) []byte { return record.AppendState(nil, seq, epoch, []record.Place{{1, 1 << 40}}) },
		"impossible":     func(seq uint64) []byte { return record.AppendState(nil, seq, epoch, []record.Place{{1, 1 << 63}}) },
	}
	for what, line := range other {
		fs, lines := long(t)
		want := unreadIn(lines)
		for _, i := range stateLines(lines) {
			found, _ := record.Parse(jsonl.Line{Data: bytes.TrimSuffix(lines[i], []byte("\n"))})
			lines[i] = line(found[0].Seq)
		}
		setFile(fs, "users", "carol.jsonl", bytes.Join(lines, nil))
		wantUnread(t, what, fs, want, want)
		if !bytes.Contains(fileIn(fs, "users", "carol.jsonl"), []byte(`"kind":"state","at":[[`)) {
			t.Errorf("%s: there is no new state line", what)
		}
	}
}
