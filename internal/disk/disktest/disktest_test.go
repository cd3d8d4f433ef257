package disktest

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"whoelse/internal/disk"
)

// TestLikeReal: a folder in memory does what a real one does.
func TestLikeReal(t *testing.T) {
	real, err := disk.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	want, got := story(real), story(New().Folder())
	for i := range want {
		if want[i] != got[i] {
			t.Errorf("a real folder says %s, and one in memory %s", want[i], got[i])
		}
	}
}

// story does things in a folder that is empty, and tells how each went.
func story(in disk.Folder) (told []string) {
	tell := func(what string, err error, more ...any) {
		for _, known := range []error{fs.ErrNotExist, disk.ErrNotRegular, disk.ErrInUse} {
			if errors.Is(err, known) {
				err = known
			}
		}
		told = append(told, fmt.Sprint(what, ": ", err, more))
	}
	names := func(in disk.Folder) {
		list, err := in.Names()
		slices.Sort(list)
		tell("names", err, list)
	}
	content := func(in disk.Folder, name string) {
		b, err := disk.ReadFile(in, name, 100)
		st, serr := in.Lstat(name)
		if tell(name, errors.Join(err, serr), string(b), st.Mode.IsDir()); err == nil {
			tell("size", nil, st.Size)
		}
	}
	content(in, "a")
	tell("remove what is missing", in.Remove("a"))
	tell("rename what is missing", in.Rename("a", "b"))
	tell("write", disk.WriteFile(in, "a", []byte("first, long")))
	tell("again", disk.WriteFile(in, "a", []byte("second")))
	content(in, "a")
	names(in)
	f, err := in.Open("a", true)
	tell("open", err)
	_, err = f.WriteAt([]byte("xyz"), 8)
	tell("write behind the end", errors.Join(err, f.Truncate(10), f.Sync(), in.Sync()))
	p := make([]byte, 4)
	n, err := f.ReadAt(p, 8)
	tell("read over the end", err, n, p)
	n, err = f.ReadAt(p, 20)
	tell("read behind the end", err, n)
	tell("close", f.Close())
	content(in, "a")
	sub, err := in.Sub("below")
	tell("sub", err)
	content(in, "below")
	tell("rename into it", in.Rename("a", "below/a"))
	tell("write over it", disk.WriteFile(in, "b", []byte("b")))
	tell("rename over it", in.Rename("b", "below/a"))
	names(in)
	names(sub)
	content(sub, "a")
	lock, err := in.Lock("lock")
	tell("lock", err)
	_, err = in.Lock("lock")
	tell("lock again", err)
	tell("unlock", lock.Close())
	lock, err = in.Lock("lock")
	tell("lock once more", errors.Join(err, lock.Close()))
	tell("replaced", in.Replaced())
	tell("close", errors.Join(sub.Close(), in.Close()))
	return told
}
