package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
)

// TestRepairDies ends the process before each operation in turn, with lines still in
// the journal, cuts the power or not, and repairs again.
func TestRepairDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := newWanted(t)
		for n := 1; ; n++ {
			m := want.damaged.killed()
			start := m.count()
			m.fail(func(step int, _ string) fault { return fault{dead: step == start+n, part: true} })
			if repair(t.Context(), m.folder(), nil, Checking{}) == nil {
				break
			}
			want.check(t, fmt.Sprint("killed at ", n), m.killed())
			for seed := range uint64(8) {
				want.check(t, fmt.Sprintf("power cut %d at %d", seed, n), m.crash(rand.New(rand.NewPCG(seed, uint64(n)))))
			}
		}
	})
}

// TestRepairFails has each operation fail in turn, and repairs again.
func TestRepairFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := newWanted(t)
		for n := 1; ; n++ {
			m := want.damaged.killed()
			start, failed := m.count(), false
			m.fail(func(step int, _ string) fault {
				if step != start+n {
					return fault{}
				}
				failed = true
				return fault{err: errors.New("no"), part: true}
			})
			err := repair(t.Context(), m.folder(), nil, Checking{})
			m.fail(nil)
			if !failed {
				break
			}
			if err == nil { // what could not be read was told as trouble
				want.check(t, fmt.Sprint("said to be done, failed at ", n), m.crash(rand.New(rand.NewPCG(1, uint64(n)))))
			}
			want.check(t, fmt.Sprint("failed at ", n), m)
		}
	})
}

// wanted is a damaged folder, and what is in it.
type wanted struct {
	damaged    *memFS
	content    []byte
	all, fresh []string
}

func newWanted(t *testing.T) *wanted {
	t.Helper()
	m := busy(t)
	s, err := open(m.folder(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	mustPut(t, s, to(direct(9, "bob", "carol"))...)
	m = m.killed() // with a journal, and carol's file complete
	carol := m.root.names["users"].names["carol.jsonl"]
	carol.data[20] ^= 1
	carol.data[len(carol.data)-100] = 0
	carol.disk = slices.Clone(carol.data)
	w := &wanted{damaged: m, content: slices.Clone(carol.data)}
	again := m.killed()
	mustRepair(t, again)
	all, fresh := messagesOf(t, again)
	w.all, w.fresh = ids(all), ids(fresh)
	if len(all) != 4 || len(fresh) != 3 { // the first is damaged, the last is in the journal
		t.Fatalf("%v, of which %v are unread", w.all, w.fresh)
	}
	return w
}

// check repairs once more, which completes what was begun.
func (w *wanted) check(t *testing.T, what string, m *memFS) {
	t.Helper()
	if err := repair(t.Context(), m.folder(), nil, Checking{}); err != nil {
		t.Fatalf("%s: again: %v", what, err)
	}
	wantWell(t, m)
	for seed := range uint64(8) {
		w.wantAfter(t, what, m.crash(rand.New(rand.NewPCG(seed, 1))))
	}
}

// wantAfter sees that all is there after the power was cut.
func (w *wanted) wantAfter(t *testing.T, what string, m *memFS) {
	t.Helper()
	wantKept(t, what, w.content[:200], m)
	all, fresh := messagesOf(t, m)
	if t.Failed() {
		t.Fatal(what)
	}
	if !slices.Equal(ids(all), w.all) || !slices.Equal(ids(fresh), w.fresh) {
		t.Fatalf("%s: %v, of which %v are unread; want %v and %v", what, ids(all), ids(fresh), w.all, w.fresh)
	}
}
