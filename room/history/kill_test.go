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

// copyDir copies a history folder file by file, users before the journal, the
// way a careless backup of a running server would.
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

// TestKilled stops copies of a busy store's folder in time, so to speak: each
// copy begins with the journal and ends with the files, so that it has at least
// what a kill at its beginning leaves.
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
		for _, m := range want {
			for _, owner := range []string{m.From, m.To[0]} {
				got, err := killed.Tail(owner, 1, func(x *room.Message) bool { return x.ID == m.ID })
				if err != nil || len(got) != 1 {
					t.Fatalf("%s lacks %s: %v", owner, m.ID, err)
				}
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
