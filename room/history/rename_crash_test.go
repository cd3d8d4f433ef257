package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
)

// TestRenameDies ends the process before each operation in turn, with what was
// acknowledged still in the journal, cuts the power or not, and renames again.
func TestRenameDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := 1; ; n++ {
			fs := busy(t)
			start := fs.count()
			fs.fail(func(step int, _ string) fault { return fault{dead: step == start+n, part: true} })
			if renameIn(fs) == nil {
				break
			}
			wantMoved(t, fmt.Sprint("killed at ", n), fs.killed())
			for seed := range uint64(8) {
				wantMoved(t, fmt.Sprintf("power cut %d at %d", seed, n), fs.crash(rand.New(rand.NewPCG(seed, uint64(n)))))
			}
		}
	})
}

// TestRenameFails has each operation fail in turn, and renames again.
func TestRenameFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := 1; ; n++ {
			fs := busy(t)
			start := fs.count()
			failed := false
			fs.fail(func(step int, _ string) fault {
				failed = failed || step == start+n
				if step == start+n {
					return fault{err: errors.New("no"), part: true}
				}
				return fault{}
			})
			err := renameIn(fs)
			if !failed {
				break
			}
			fs.fail(nil)
			if err == nil {
				wantNames(t, fmt.Sprint("said to be done, failed at ", n), fs)
			}
			wantMoved(t, fmt.Sprint("failed at ", n), fs)
		}
	})
}

// busy is a folder whose server was killed: carol has messages in the file and in
// the journal, one of them read, and something was set aside.
func busy(t *testing.T) *memFS {
	t.Helper()
	fs := newMemFS()
	s, err := open(fs.folder(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		mustPut(t, s, to(direct(n, "bob", "carol"))...)
	}
	mustPut(t, s, read("carol", direct(1, "bob", "carol").ID))
	after := fs.crash(rand.New(rand.NewPCG(1, 1)))
	_ = s.Close()
	users := after.root.names["users"]
	torn := after.node(false)
	torn.data, torn.disk = []byte("x\n"), []byte("x\n")
	users.names["carol.jsonl.torn"], users.diskNames["carol.jsonl.torn"] = torn, torn
	return after
}

func renameIn(fs *memFS) error {
	h, err := hold(fs.folder(), nil)
	if err != nil {
		return err
	}
	return errors.Join(h.Rename("carol", "caroline"), h.Close())
}

func wantNames(t *testing.T, what string, m *memFS) {
	t.Helper()
	names := m.root.names["users"].names
	for name, want := range map[string]bool{
		"carol.jsonl": false, "carol.jsonl.torn": false, "carol.jsonl.tmp": false, "caroline.jsonl": true, "caroline.jsonl.torn": true,
	} {
		if (names[name] != nil) != want {
			t.Errorf("%s: %s is there: %v", what, name, !want)
		}
	}
}

// wantMoved renames again, which completes what was begun.
func wantMoved(t *testing.T, what string, m *memFS) {
	t.Helper()
	if err := renameIn(m); err != nil {
		t.Fatalf("%s: again: %v", what, err)
	}
	wantNames(t, what, m)
	m = m.crash(rand.New(rand.NewPCG(1, 1)))
	s, err := open(m.folder(), Options{})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer func() { _ = s.Close() }()
	sameIDs(t, what+": unread", unread(t, s, "caroline"), "id-000000000", "id-000000002", "id-000000003")
	if got := tail(t, s, "caroline", 100); len(got) != 4 {
		t.Errorf("%s: %d messages", what, len(got))
	}
}
