package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"whoelse/room"
)

// copyDir copies a history folder, the journal first.
func copyDir(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // a journal that was removed meanwhile
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		return copyFile(path, filepath.Join(to, rel))
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	dst, err := os.Create(to)
	if err == nil {
		_, err = io.Copy(dst, src)
		err = errors.Join(err, dst.Close())
	}
	return errors.Join(err, src.Close())
}

// TestKilled copies the folder of a busy store and opens the copies. A copy has
// the journals before the files, so all that was acknowledged when it began is
// in one or the other.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	var mu sync.Mutex
	var acked []*room.Message
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				m := direct(n*1_000_000+i, fmt.Sprint("n", n), fmt.Sprint("n", (n+i)%8+8))
				if err := put(s, to(m)...); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked = append(acked, m)
				mu.Unlock()
			}
		})
	}
	for range 10 {
		mu.Lock()
		want := slices.Clone(acked)
		mu.Unlock()
		killed := mustOpen(t, copyDir(t, dir), Options{})
		have := map[string]bool{}
		for n := range 16 {
			owner := fmt.Sprint("n", n)
			for _, m := range tail(t, killed, owner, 1e6) {
				have[owner+m.ID] = true
			}
		}
		for _, m := range want {
			if !have[m.From+m.ID] || !have[m.To[0]+m.ID] {
				t.Fatalf("%s or %s lacks %s", m.From, m.To[0], m.ID)
			}
		}
		if err := killed.Close(); err != nil {
			t.Fatal(err)
		}
		if n := killed.Damaged(); n > 1 { // the end of the journal may be torn
			t.Errorf("%d damaged lines", n)
		}
	}
	close(stop)
	wg.Wait()
}
