package history

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
)

// TestCheckAndLookBesideABusyServer: whatever is being written at that moment, nothing
// is damaged, and everything that was acknowledged is there.
func TestCheckAndLookBesideABusyServer(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{JournalBytes: 5000, OpenFiles: 3, Owners: 4})
	stop := make(chan struct{})
	var mu sync.Mutex
	acked := 0
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := put(s, to(direct(n*1_000_000+i, fmt.Sprint("n", n), "carol", fmt.Sprint("n", (n+i)%8)))...); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked++
				mu.Unlock()
			}
		})
	}
	for range 30 {
		_, err := Check(t.Context(), dir, Checking{Tell: func(f Finding) {
			if f.Grade != Remark {
				t.Errorf("beside a busy server: %v", f)
			}
		}})
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		want := acked
		mu.Unlock()
		if got := countLook(t, dir); got < want {
			t.Errorf("a look shows %d messages, %d were acknowledged", got, want)
		}
	}
	close(stop)
	wg.Wait()
}

func countLook(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	l, err := OpenLook(dir, "carol")
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	err = l.Each(0, isMessage, func(f Finding) { t.Errorf("a look: %v", f) }, func(Line) error { n++; return nil })
	if err := errors.Join(err, l.Close()); err != nil {
		t.Error(err)
	}
	return n
}
