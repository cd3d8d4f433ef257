package disk

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantText(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s has %q, %v; want %q", path, got, err, want)
	}
}

func TestReadGivesOneMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if f, err := (Store{}).Read(path); err != nil || f.Stat.Exists() || len(f.Data) != 0 || f.Path != path {
		t.Errorf("%+v, %v", f, err)
	}
	// Somebody writes the file while it is read, by turns two versions of one length.
	versions := []string{string(make([]byte, 1<<20)), string(make([]byte, 1<<20-1)) + "x"}
	write(t, path, versions[0])
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				write(t, path+"~", versions[i%2])
				_ = os.Rename(path+"~", path)
			}
		}
	})
	for range 50 {
		f, err := (Store{}).Read(path)
		if errors.Is(err, ErrChanged) {
			continue
		}
		if err != nil || string(f.Data) != versions[0] && string(f.Data) != versions[1] {
			t.Errorf("%d bytes, %v", len(f.Data), err)
		}
	}
	close(stop)
	wg.Wait()
}

func TestReadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink("nowhere", link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, link, filepath.Join(link, "x"), "/dev/zero"} {
		if f, err := (Store{}).Read(path); err == nil && f.Stat.Exists() {
			t.Errorf("%s: %d bytes", path, len(f.Data))
		}
	}
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if _, err := (Store{}).Replace(Content{Path: path}, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := (Store{}).Replace(Content{Path: path}, []byte("b")); !errors.Is(err, ErrChanged) {
		t.Errorf("%v", err)
	}
	wantText(t, path, "a")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (Store{}).Write(path, []byte("c")); err != nil {
		t.Fatal(err)
	}
	wantText(t, path, "c")
	if fi, _ := os.Stat(path); fi.Mode() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	if list, _ := os.ReadDir(filepath.Dir(path)); len(list) != 1 {
		t.Errorf("%v", list)
	}
}

func TestReplaceKeepsOwnerAndMode(t *testing.T) {
	uid, gids := os.Geteuid(), []int{os.Getegid()}
	if uid == 0 {
		uid, gids = 12345, []int{23456}
	} else if more, err := os.Getgroups(); err == nil {
		gids = append(gids, more...) // those that we may give files to
	}
	for _, gid := range gids {
		path := filepath.Join(t.TempDir(), "f")
		write(t, path, "old")
		if err := errors.Join(os.Chown(path, uid, gid), os.Chmod(path, 0o664)); err != nil {
			t.Fatal(err)
		}
		f, err := (Store{}).Read(path)
		if err == nil {
			_, err = (Store{}).Replace(f, []byte("new"))
		}
		now, statErr := StatOf(path)
		if err != nil || statErr != nil || now.UID != uint32(uid) || now.GID != uint32(gid) || now.Mode.Perm() != 0o664 {
			t.Errorf("of %d:%d with 0664 became %+v, %v, %v", uid, gid, now, err, statErr)
		}
		wantText(t, path, "new")
	}
}

func TestReplaceSeesChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "old")
	f, err := (Store{}).Read(path)
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := (Store{}).Replace(f, []byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, path, "new")
	if now, err := StatOf(path); err != nil || now != stamp {
		t.Errorf("%+v, %+v, %v", now, stamp, err)
	}
	if _, err := (Store{}).Replace(f, []byte("newer")); !errors.Is(err, ErrChanged) {
		t.Errorf("on top of what was not read: %v", err)
	}
	if _, err := (Store{}).Replace(Content{Path: path}, []byte("newer")); !errors.Is(err, ErrChanged) {
		t.Errorf("where there was none: %v", err)
	}
	wantText(t, path, "new")
	gone, _ := (Store{}).Read(path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := (Store{}).Replace(gone, []byte("newer")); !errors.Is(err, ErrChanged) {
		t.Errorf("where there is none: %v", err)
	}
}

// TestReplaceWithoutLinks: a new file can be made where the file system has no hard links.
func TestReplaceWithoutLinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	s := Store{Fault: func(op, _ string) error {
		if op == "link" {
			return syscall.ENOTSUP
		}
		return nil
	}}
	f, err := s.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Replace(f, []byte("new")); err != nil {
		t.Error(err)
	}
	wantText(t, path, "new")
}

func TestLockExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var inside, most atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				unlock, err := (Store{}).Lock(path)
				if err != nil {
					t.Error(err)
					return
				}
				most.Store(max(most.Load(), inside.Add(1)))
				inside.Add(-1)
				unlock()
			}
		})
	}
	wg.Wait()
	if most.Load() != 1 {
		t.Errorf("%d inside", most.Load())
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if unlock, err := (Store{}).Lock(link); err == nil {
		unlock()
		t.Error("a link was followed")
	}
}
