package history

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// ledger is what the clients of a store were told.
type ledger struct {
	opts  Options // of the store
	mu    sync.Mutex
	units []*told // in the order of the appends

	// first, if set, is called when the first unit is refused, with mu held.
	first func()
}

// soFar is what the clients know now.
func (l *ledger) soFar() *ledger {
	c := &ledger{opts: l.opts}
	for _, u := range l.units {
		c.units = append(c.units, &told{u.recs, u.fate})
	}
	return c
}

type fate int

const (
	unknown fate = iota // the sender was told nothing certain
	acked
	refused
)

type told struct {
	recs []rec
	fate fate
}

// append appends and notes the outcome. A refusal by a store whose disk is dead
// counts as unknown: nobody is left to hear it.
func (l *ledger) append(s *Store, fs *disktest.FS, e *room.Event) (done chan error) {
	u := &told{recs: recsOf(e)}
	l.mu.Lock()
	l.units = append(l.units, u)
	l.mu.Unlock()
	done = make(chan error, 1)
	enter(s, e, func(entry room.Entry, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case err == nil:
			u.fate = acked
			u.recs = slices.DeleteFunc(slices.Clone(u.recs), func(r rec) bool { return slices.Contains(entry.Full, r.Owner) })
		case !fs.IsDead():
			u.fate = refused
			if l.first != nil {
				l.first()
				l.first = nil
			}
		}
		done <- err
	})
	return done
}

// check compares everything with what a store says.
func (l *ledger) check(t *testing.T, what string, s *Store) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	have := map[string]map[string]int{} // owner, id: how often it is there
	for _, owner := range l.owners() {
		all, err := room.Collect(s.Tail(owner, 1e6, nil))
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		have[owner] = map[string]int{}
		for _, m := range all {
			have[owner][m.ID]++
		}
		if !slices.Equal(l.order(owner, have[owner]), ids(all)) {
			t.Errorf("%s: %s has %v in this order, want %v", what, owner, ids(all), l.order(owner, have[owner]))
		}
	}
	l.forgive(have)
	for i, u := range l.units {
		l.checkUnit(t, fmt.Sprintf("%s: unit %d", what, i), u, have)
	}
	l.checkUnread(t, what, s, have)
	l.checkLastID(t, what, s)
}

// order is in which order owner's messages should be there.
func (l *ledger) order(owner string, have map[string]int) []string {
	var want []string
	for _, u := range l.units {
		for _, r := range u.recs {
			if r.Owner == owner && r.Message != nil && have[r.Message.ID] > 0 {
				want = append(want, r.Message.ID)
			}
		}
	}
	return want
}

// forgive counts what a limit may have removed as if it were there: what is not
// there, was not waiting to be read, and is older than all that is there and never
// waited.
func (l *ledger) forgive(have map[string]map[string]int) {
	if l.opts.MaxBytes == 0 && l.opts.Retention == 0 {
		return
	}
	for _, owner := range l.owners() {
		read := l.marks(owner)
		waits := func(m *room.Message) bool {
			f, marked := read[m.ID]
			return m.For(owner) && (!marked || f == refused)
		}
	messages:
		for _, u := range l.units {
			for _, r := range u.recs {
				switch {
				case r.Message == nil || r.Owner != owner || waits(r.Message):
				case have[owner][r.Message.ID] > 0:
					if !r.Message.For(owner) {
						break messages // nothing newer may be missing
					}
				case u.fate == acked, u.fate == unknown && slices.ContainsFunc(u.recs, func(r rec) bool {
					return r.Message != nil && have[r.Owner][r.Message.ID] > 0
				}):
					have[owner][r.Message.ID] = 1
				}
			}
		}
	}
}

// marks is what became of the marks that owner's messages were read.
func (l *ledger) marks(owner string) map[string]fate {
	read := map[string]fate{}
	for _, u := range l.units {
		for _, r := range u.recs {
			for _, id := range r.Read {
				if r.Owner == owner && read[id] != acked {
					read[id] = u.fate
				}
			}
		}
	}
	return read
}

// checkUnit sees that a unit is there, or not, or all or nothing of it.
func (l *ledger) checkUnit(t *testing.T, what string, u *told, have map[string]map[string]int) {
	t.Helper()
	there, messages := 0, 0
	for _, r := range u.recs {
		if r.Message != nil {
			messages++
			there += have[r.Owner][r.Message.ID]
		}
	}
	switch {
	case u.fate == acked && there != messages:
		t.Errorf("%s was acknowledged: %d of %d records are there", what, there, messages)
	case u.fate == refused && there != 0:
		t.Errorf("%s was refused: %d records are there", what, there)
	case there != 0 && there != messages:
		t.Errorf("%s: %d of %d records are there", what, there, messages)
	}
}

// checkUnread sees that what is there and not read is unread, and nothing else.
// A mark of unknown fate may count or not.
func (l *ledger) checkUnread(t *testing.T, what string, s *Store, have map[string]map[string]int) {
	t.Helper()
	for _, owner := range l.owners() {
		got, err := room.Collect(s.Unread(owner))
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		read := l.marks(owner)
		for _, u := range l.units {
			for _, r := range u.recs {
				if r.Message == nil || r.Owner != owner || have[owner][r.Message.ID] == 0 || !r.Message.For(owner) {
					continue
				}
				f, marked := read[r.Message.ID]
				is := slices.Contains(ids(got), r.Message.ID)
				if (!marked || f == refused) && !is || marked && f == acked && is {
					t.Errorf("%s: %s: %s is unread: %v, its mark: %v %v", what, owner, r.Message.ID, is, marked, f)
				}
			}
		}
	}
}

func (l *ledger) checkLastID(t *testing.T, what string, s *Store) {
	t.Helper()
	for _, u := range l.units {
		for _, r := range u.recs {
			if u.fate == acked && r.Message != nil && r.Message.ID > s.LastID() {
				t.Errorf("%s: LastID is %s, and %s was acknowledged", what, s.LastID(), r.Message.ID)
			}
		}
	}
}

func (l *ledger) owners() []string {
	var list []string
	for _, u := range l.units {
		for _, r := range u.recs {
			if !slices.Contains(list, r.Owner) {
				list = append(list, r.Owner)
			}
		}
	}
	return list
}
