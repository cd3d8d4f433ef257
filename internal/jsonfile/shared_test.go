package jsonfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"whoelse/internal/disk"
	"whoelse/internal/sharetest"
)

// node is a list that other servers have alike.
type node struct {
	*list
	*sharetest.Server
	at string
}

func (n *node) open(t testing.TB) {
	t.Helper()
	n.list = New[string](n.at, "names", (*entry).check)
	err := n.Reload()
	if err == nil {
		n.Server.Receive = func(_ string, data []byte) error { return n.list.Receive(data) }
		err = n.list.Share(n.Server.Share("names"))
	}
	if err != nil {
		t.Fatal(err)
	}
	n.file.Now = func() time.Time { return time.Now().Add(time.Hour) } // all has settled
}

func nodes(t testing.TB, dir string, n int, text string) []*node {
	t.Helper()
	log, all := &sharetest.Log{}, make([]*node, n)
	for i := range all {
		path := filepath.Join(dir, fmt.Sprint(i), "names.json")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		all[i] = &node{Server: &sharetest.Server{Log: log}, at: path}
		all[i].open(t)
	}
	return all
}

// propose does what a server does once a second, and reports whether there was anything.
func (n *node) propose(t testing.TB) bool {
	t.Helper()
	before := n.Log.Len()
	if err := n.ShareEdits(); err != nil {
		t.Fatal(err)
	}
	return n.Log.Len() > before
}

func settle(t testing.TB, all []*node) {
	t.Helper()
	for busy, rounds := true, 0; busy; rounds++ {
		busy = false
		for _, n := range all {
			if err := n.Follow(n.Log.Len()); err != nil {
				t.Fatal(err)
			}
			busy = n.propose(t) || busy
		}
		if rounds > 20 {
			t.Fatal("there is no end of edits")
		}
	}
}

// wantAlike compares the files, their copies and what is in force, in any order.
func wantAlike(t testing.TB, all []*node) map[string]entry {
	t.Helper()
	var first map[string]entry
	for i, n := range all {
		got := map[string]entry{}
		for _, e := range n.All() {
			got[e.Name] = e
		}
		if first == nil {
			first = got
		}
		for _, path := range []string{n.at, disk.Agreed(n.at)} {
			var file []entry
			if err := Load(n.Disk, path, &file); err != nil || len(file) != len(first) || len(got) != len(first) {
				t.Errorf("server %d has %v in force, %v in %s, %v, and the first %v", i, got, file, path, err, first)
			}
			for _, e := range file {
				_ = e.check()
				if e != first[e.Name] || got[e.Name] != e {
					t.Errorf("server %d has %v in %s, %v in force, and the first %v", i, e, path, got[e.Name], first[e.Name])
				}
			}
		}
	}
	return first
}

// TestSharedModel: whatever is set, removed and edited on whichever server, in whatever moment, and whatever
// crashes, in the end all have the same.
func TestSharedModel(t *testing.T) {
	root, run := t.TempDir(), 0
	until := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	rapid.Check(t, func(rt *rapid.T) {
		run++
		all := nodes(t, filepath.Join(root, fmt.Sprint(run)), 3, `[{"name":"a","until":"2999-01-01T00:00:00Z"}]`)
		depth, between, serial := 0, 0, 0
		interrupted := false // by a step in between
		var busy *node
		step := func() {
			n := all[rapid.IntRange(0, 2).Draw(rt, "server")]
			serial++
			e := entry{rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "name"), until.Add(time.Duration(serial) * time.Second)}
			var err error
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				if err = n.Set(e, 3, errFull); err == nil && depth == 0 {
					if got, ok := n.Find(e.Name); got != e {
						rt.Fatalf("set %v: %v, %v", e, got, ok)
					}
				}
			case 1:
				var was bool
				if was, err = n.Remove(e.Name); err == nil && depth == 0 {
					if _, ok := n.Find(e.Name); ok && (was || !interrupted) { // else it came afterwards
						rt.Fatalf("%s is still there", e.Name)
					}
				}
			case 2: // another process
				other := New[string](n.at, "names", (*entry).check)
				_, set := other.Reload(), other.Set(e, 4, errFull)
				if set != nil {
					rt.Fatal(set)
				}
			case 3:
				other := New[string](n.at, "names", (*entry).check)
				_ = other.Reload()
				if _, err := other.Remove(e.Name); err != nil {
					rt.Fatal(err)
				}
			case 4:
				if n == busy { // it would be another process that goes on
					return
				}
				n.Crash(rapid.IntRange(0, 3).Draw(rt, "lost"))
				n.open(t)
			case 5:
				n.propose(t)
			}
			if err != nil && !errors.Is(err, sharetest.ErrConflict) {
				rt.Fatal(err)
			}
		}
		for _, n := range all {
			n.Between = func() {
				if between++; depth == 0 && between < 6 && rapid.Bool().Draw(rt, "between") {
					depth++
					busy, interrupted = n, true
					step()
					busy = nil
					depth--
				}
			}
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			between, interrupted = 0, false
			step()
		}
		for _, n := range all {
			n.Between = nil
		}
		settle(t, all)
		wantAlike(t, all)
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// TestSharedOnce: of many that remove the same entry on all servers, one is told that it was there.
func TestSharedOnce(t *testing.T) {
	all := nodes(t, t.TempDir(), 3, `[{"name":"a","until":"2999-01-01T00:00:00Z"}]`)
	var removing sync.WaitGroup
	var won atomic.Int32
	for i := range 12 {
		removing.Go(func() {
			was, err := all[i%3].Remove("a")
			if err != nil {
				t.Error(err)
			}
			if was {
				won.Add(1)
			}
		})
	}
	removing.Wait()
	settle(t, all)
	if left := wantAlike(t, all); len(left) > 0 || won.Load() != 1 || all[0].Log.Len() != 1 {
		t.Errorf("%d removed it, in %d changes; left are %v", won.Load(), all[0].Log.Len(), left)
	}
}

// TestSharedConflict: a limit holds over all servers, and what is returned is right where it had to be decided again.
func TestSharedConflict(t *testing.T) {
	all := nodes(t, t.TempDir(), 2, "[]")
	one, two := all[0], all[1]
	between := func(n *node, f func()) { n.Between = func() { n.Between = nil; f() } }
	between(one, func() { set(t, two.list, "b") })
	if err := one.Set(named("a"), 1, errFull); err != errFull {
		t.Errorf("one more than there may be: %v", err)
	}
	between(two, func() {
		if was, err := one.Remove("b"); !was || err != nil {
			t.Errorf("%v, %v", was, err)
		}
	})
	if was, err := two.Remove("b"); was || err != nil {
		t.Errorf("removed twice: %v, %v", was, err)
	}
	n := one.Log.Len()
	if was, err := two.Remove("b"); was || err != nil || one.Log.Len() != n {
		t.Errorf("removed a third time: %v, %v", was, err)
	}
	one.Between = func() { two.Set(named("c"), 9, errFull) }
	if err := one.Set(named("d"), 9, errFull); !errors.Is(err, sharetest.ErrConflict) {
		t.Errorf("always too late: %v", err)
	}
	one.Between = nil
	settle(t, all)
	wantAlike(t, all)
}

// TestSharedEditsGoAlong: what another process did is shared with a change, and in force with it.
func TestSharedEditsGoAlong(t *testing.T) {
	all := nodes(t, t.TempDir(), 2, `[{"name":"a","until":"2999-01-01T00:00:00Z"}]`)
	write(t, all[0].at, "[]")
	if was, err := all[0].Remove("a"); was || err != nil {
		t.Errorf("%v, %v", was, err)
	}
	if _, ok := all[0].Find("a"); ok {
		t.Error("it is still in force")
	}
	write(t, all[0].at, `[{"name":"b","until":"2999-01-01T00:00:00Z"}]`)
	if err := all[0].Set(named("c"), 1, errFull); err != errFull {
		t.Errorf("%v", err)
	}
	settle(t, all)
	if got := wantAlike(t, all); len(got) != 1 || got["b"].Name == "" {
		t.Errorf("%v", got)
	}
}

// TestSharedEditUndone: an edit that is undone before the others have it is not in force any more.
func TestSharedEditUndone(t *testing.T) {
	for name, settled := range map[string]func(one *node) error{
		"looked at": func(one *node) error { return one.ShareEdits() },
		"changed":   func(one *node) error { _, err := one.Remove("b"); return err },
	} {
		all := nodes(t, t.TempDir(), 2, `[{"name":"a","until":"2999-01-01T00:00:00Z"}]`)
		one, two := all[0], all[1]
		write(t, one.at, `[{"name":"a","until":"2999-01-01T00:00:00Z"},{"name":"b","until":"2999-01-01T00:00:00Z"}]`)
		set(t, two.list, "c")
		if err := one.Follow(1); err != nil {
			t.Fatal(err)
		}
		if _, ok := one.Find("b"); !ok {
			t.Errorf("%s: the edit is not in force", name)
		}
		agreed, err := os.ReadFile(disk.Agreed(one.at))
		if err != nil {
			t.Fatal(err)
		}
		write(t, one.at, string(agreed))
		if err := settled(one); err != nil {
			t.Error(err)
		}
		if _, ok := one.Find("b"); ok {
			t.Errorf("%s: b is still in force", name)
		}
	}
}

// TestSharedEdits: edits reach all servers, also those made while one was stopped; what a server had when it first
// joined is not proposed; and what the cluster did with the same entry counts.
func TestSharedEdits(t *testing.T) {
	all := nodes(t, t.TempDir(), 2, `[{"name":"A","until":"2999-01-01T00:00:00Z"},{"name":"old","until":"2000-01-01T00:00:00Z"}]`)
	if settle(t, all); all[0].Log.Len() > 0 {
		t.Error("something is proposed at first")
	}
	write(t, all[0].at, `[{"name":"A","until":"2999-01-01T00:00:00Z"},{"name":"B","until":"2999-01-01T00:00:00Z","new":"<member>"}]`)
	settle(t, all)
	if got := wantAlike(t, all); len(got) != 2 || all[0].Log.Len() != 1 {
		t.Errorf("%v in %d changes", got, all[0].Log.Len())
	}
	if text, _ := os.ReadFile(all[1].at); !strings.Contains(string(text), `"new"`) {
		t.Errorf("a newer version's member is lost: %s", text)
	}
	n := all[0].Log.Len()
	write(t, all[0].at, `[{"name":"a","until":"2999-01-01T00:00:00Z"},{"name":"x","until":"2997-01-01T00:00:00Z"},
		{"name":"x","until":"2999-01-01T00:00:00Z"},{"name":"a","until":"2999-01-01T00:00:00Z"}]`)
	settle(t, all)
	if got := wantAlike(t, all); len(got) != 2 || got["x"].Until.Year() != 2999 || all[0].Log.Len() != n+1 {
		t.Errorf("of several with one key: %v in %d changes", got, all[0].Log.Len()-n)
	}
	if was, err := all[1].Remove("x"); !was || err != nil {
		t.Errorf("%v, %v", was, err)
	}
	stopped := all[1]
	write(t, stopped.at, `[{"name":"a","until":"2998-01-01T00:00:00Z"},{"name":"c","until":"2998-01-01T00:00:00Z"}]`)
	if was, err := all[0].Remove("a"); !was || err != nil {
		t.Errorf("%v, %v", was, err)
	}
	set(t, all[0].list, "d")
	stopped.open(t)
	settle(t, all)
	got := wantAlike(t, all)
	if _, c := got["c"]; !c || len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// TestSharedUnusable: a file that is lost, or can't be read, is made again of what all servers have.
func TestSharedUnusable(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"gone":     os.Remove,
		"emptied":  func(path string) error { return os.Truncate(path, 0) },
		"broken":   func(path string) error { return os.Truncate(path, 7) },
		"a folder": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			all := nodes(t, t.TempDir(), 2, `[{"name":"a","until":"2999-01-01T00:00:00Z"}]`)
			if err := spoil(all[0].at); err != nil {
				t.Fatal(err)
			}
			if settle(t, all); all[0].Log.Len() > 0 {
				t.Error("it is taken for an edit")
			}
			set(t, all[1].list, "b")
			settle(t, all)
			if got := wantAlike(t, all); len(got) != 2 {
				t.Errorf("%v", got)
			}
			if name == "broken" {
				wantText(t, all[0].at+".unusable", "[{\"name")
			}
		})
	}
}

// TestSharedLargeEdit: an edit that is too large for one proposal takes several; a change that is, is refused.
func TestSharedLargeEdit(t *testing.T) {
	all := nodes(t, t.TempDir(), 2, "[]")
	var text bytes.Buffer
	for i := range 1500 {
		fmt.Fprintf(&text, `,{"name":"n%d-%s","until":"2999-01-01T00:00:00Z"}`, i, strings.Repeat("x", 400))
	}
	write(t, all[0].at, "["+text.String()[1:]+"]")
	settle(t, all)
	if got := wantAlike(t, all); len(got) != 1500 || all[0].Log.Len() < 2 {
		t.Errorf("%d in %d changes", len(got), all[0].Log.Len())
	}
	for _, size := range all[0].Log.Sizes() {
		if size > disk.MaxProposal {
			t.Errorf("a change has %d bytes", size)
		}
	}
	err := all[1].Set(named("n1"), 20_000, errFull) // the size of the list is not that of a change
	if err != nil {
		t.Error(err)
	}
	err = all[1].list.Change(func([]entry) ([]entry, error) { return nil, nil })
	if !errors.Is(err, disk.ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

// TestSharedFaults: whatever fails once on the disk, the change is received with the next try.
func TestSharedFaults(t *testing.T) {
	steps := 0
	for fail := 1; fail == 1 || steps >= fail-1; fail++ {
		all := nodes(t, t.TempDir(), 2, `[{"name":"a","until":"2999-01-01T00:00:00Z"}]`)
		set(t, all[0].list, "b")
		steps = 0
		all[1].Disk.Fault = func(string, string) error {
			if steps++; steps == fail {
				return errors.New("broken disk")
			}
			return nil
		}
		if err := all[1].Follow(1); err == nil && steps >= fail && !exists(all[1].at+".unusable") {
			t.Errorf("step %d of %d: no error", fail, steps)
		}
		if fail%2 == 0 { // it may also die
			all[1].open(t)
		}
		settle(t, all)
		if got := wantAlike(t, all); len(got) != 2 || all[0].Log.Len() != 1 {
			t.Errorf("step %d: %v", fail, got)
		}
		if fail > 50 {
			t.Fatal("there is no end of steps")
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// TestSharedOdd: what is not understood is passed over.
func TestSharedOdd(t *testing.T) {
	all := nodes(t, t.TempDir(), 1, `[{"name":"a","until":"2999-01-01T00:00:00Z"}]`)
	for _, odd := range []string{"", "{", "[]", `{"set":[{}]}`, `{"set":[1]}`, `{"remove":[1]}`} {
		if err := all[0].list.Receive([]byte(odd)); err != nil {
			t.Errorf("%q: %v", odd, err)
		}
	}
	if got := wantAlike(t, all); len(got) != 1 {
		t.Errorf("%v", got)
	}
}
