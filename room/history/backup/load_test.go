package backup

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"whoelse/room"
	"whoelse/room/history"
)

// crowd sends group messages all the time, and knows which were acknowledged.
type crowd struct {
	s    *history.Store
	stop chan struct{}
	wg   sync.WaitGroup

	mu    sync.Mutex
	sent  []*room.Message
	acked map[string]bool
}

func nick(n int) string { return fmt.Sprint("n", n%16) }

func newCrowd(t *testing.T, s *history.Store) *crowd {
	c := &crowd{s: s, stop: make(chan struct{}), acked: map[string]bool{}}
	for n := range 6 {
		c.wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-c.stop:
					return
				default:
				}
				if err := c.send(n*1_000_000+i, n+i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return c
}

// send sends the message id from one to three others.
func (c *crowd) send(id, n int) error {
	m := message(id, nick(n), nick(n+1), nick(n+5), nick(n+11))
	c.mu.Lock()
	c.sent = append(c.sent, m)
	c.mu.Unlock()
	err := put(c.s, m)
	if err == nil {
		c.mu.Lock()
		c.acked[m.ID] = true
		c.mu.Unlock()
	}
	return err
}

// before is what was acknowledged until now.
func (c *crowd) before() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for id := range c.acked {
		list = append(list, id)
	}
	return list
}

func (c *crowd) end() {
	close(c.stop)
	c.wg.Wait()
}

// check sees that a restored folder has all of acked, and of everything that was ever
// sent all or nothing. It returns how many there are.
func (c *crowd) check(t *testing.T, data string, acked []string) int {
	t.Helper()
	s, err := history.Open(filepath.Join(data, "history"), history.Options{})
	must(t, err)
	defer func() { must(t, s.Close()) }()
	have := map[string]int{}
	for n := range 16 {
		list := ids(t, s, nick(n))
		for _, id := range list {
			have[id]++
		}
		slices.Sort(list)
		if len(slices.Compact(list)) != len(list) {
			t.Errorf("%s has a message twice", nick(n))
		}
	}
	for _, id := range acked {
		if have[id] == 0 {
			t.Errorf("%s was acknowledged before, and is nowhere", id)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.sent {
		if n := have[m.ID]; n != 0 && n != 4 {
			t.Errorf("%s is in %d of 4 histories", m.ID, n)
		}
	}
	if n := s.Stats().Damaged; n > 0 {
		t.Errorf("%d damaged", n)
	}
	return len(have)
}

// TestTakeUnderLoad: each copy of a busy server is one of a moment.
func TestTakeUnderLoad(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	s := openStore(t, data, history.Options{SegmentBytes: 20_000, Owners: 8})
	c := newCrowd(t, s)
	last := 0
	for range 5 {
		acked := c.before()
		to, _ := mustTake(t, data)
		n := c.check(t, mustRestore(t, to), acked)
		if n < len(acked) || n < last {
			t.Errorf("%d messages, after %d", n, last)
		}
		last = n
	}
	c.end()
	must(t, s.Close())
}

// TestTakeWhileSegmentsTurnOver: between the histories and the log so much is
// sent that without the backup the first segments would be gone.
func TestTakeWhileSegmentsTurnOver(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := openStore(t, data, history.Options{SegmentBytes: 2000})
	c := &crowd{s: s, stop: make(chan struct{}), acked: map[string]bool{}}
	n := 0
	fill := func() {
		for range 200 {
			must(t, c.send(n, n))
			n++
		}
	}
	fill()
	acked := c.before()
	to := filepath.Join(t.TempDir(), "backup")
	_, err := Take(t.Context(), data, to, Options{between: fill})
	must(t, err)
	if got := c.check(t, mustRestore(t, to), acked); got != 400 {
		t.Errorf("%d messages", got)
	}
	must(t, s.Close())
}

// TestTakeWhileTheServerIsStartedAnew: it was killed before the backup, and replays
// the log in the middle of it.
func TestTakeWhileTheServerIsStartedAnew(t *testing.T) {
	data := makeData(t)
	to := filepath.Join(t.TempDir(), "backup")
	_, err := Take(t.Context(), data, to, Options{between: func() {
		s := openStore(t, data, history.Options{SegmentBytes: 200})
		for n := range 20 {
			must(t, put(s, message(100+n, "eve", "fay")))
		}
		must(t, s.Close())
	}})
	must(t, err)
	restored := mustRestore(t, to)
	wantRestored2(t, restored)
	wantRestored2(t, data)
}

func wantRestored2(t *testing.T, data string) {
	t.Helper()
	s := openStore(t, data, history.Options{})
	if got := ids(t, s, "fay"); len(got) != 20 {
		t.Errorf("%s: %v", data, got)
	}
	if got := fmt.Sprint(ids(t, s, "bob"), ids(t, s, "dan")); got != "[id-000000001 id-000000002] [id-000000001]" {
		t.Errorf("%s: %s", data, got)
	}
	must(t, s.Close())
}
