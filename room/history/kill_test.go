package history

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"whoelse/room"
)

// copyDir copies a folder of histories as a kill right now would leave it, if nothing is
// written meanwhile.
func copyDir(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // a segment that was released meanwhile
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

// childFolder is the environment variable that makes the test program talk in a folder
// until it is killed.
const childFolder = "HISTORY_TEST_CHILD"

// talk has eight people write and read, and prints what was acknowledged.
func talk(dir string) {
	s, err := Open(dir, Options{SegmentBytes: 30_000, MaxBytes: 40_000, RoomMaxBytes: 20_000, Owners: 5})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	follow(s)
	base := 0
	_, _ = fmt.Sscanf(s.LastID(), "id-%d", &base) // ids go on after those of the life before
	var mu sync.Mutex
	n := base
	for p := range 8 {
		go func() {
			me, you := fmt.Sprint("n", p), fmt.Sprint("n", (p+1)%8)
			for i := 0; ; i++ {
				mu.Lock()
				n++
				m := direct(n, me, you)
				mu.Unlock()
				if err := put(s, event(m)); err != nil {
					fmt.Println("error", err)
				}
				fmt.Println("sent", you, m.ID)
				if list, err := room.Collect(s.Unread(me)); err == nil && len(list) > 3 {
					mark := read(me, ids(list[:len(list)-1])...)
					mark.ID = fmt.Sprint("a-mark-", p, "-", base, "-", i)
					for _, id := range mark.Read {
						fmt.Println("reads", me, id) // before it is certain
					}
					if err := put(s, mark); err != nil {
						fmt.Println("error", err)
					}
					for _, id := range mark.Read {
						fmt.Println("read", me, id)
					}
				}
			}
		}()
	}
	select {}
}

// TestKilled kills a process that writes, reads, shortens histories and releases segments, again
// and again. What it said was kept and not read is unread, and what it said was read is not.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unread, mayBe := map[string]bool{}, map[string]bool{} // owner, id
	lives := 3
	if full {
		lives = 6
	}
	for life := range lives {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childFolder+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 700+300*life {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			word := strings.Fields(lines.Text())
			if len(word) != 3 {
				if n <= 700+300*life || len(word) > 0 && word[0] == "error" {
					t.Errorf("the process says %q", lines.Text())
				}
				continue // cut off
			}
			key := word[1] + " " + word[2]
			switch word[0] {
			case "sent":
				if !mayBe[key] {
					unread[key] = true
				}
			case "reads":
				mayBe[key] = true
				delete(unread, key)
			case "read":
				unread[key] = false
			}
		}
		_ = child.Wait()
		s := mustOpen(t, dir, Options{})
		for p := range 8 {
			nick := fmt.Sprint("n", p)
			have := map[string]int{}
			for _, id := range ids(unreadOf(t, s, nick)) {
				have[id]++
			}
			for key, is := range unread {
				owner, id, _ := strings.Cut(key, " ")
				if owner == nick && (have[id] > 1 || is != (have[id] == 1)) {
					t.Errorf("life %d: %s is unread: %d times, want %v", life, key, have[id], is)
				}
			}
		}
		if st := s.Stats(); st.Damaged > 8 || st.Late > 0 {
			t.Errorf("life %d: %+v", life, st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
