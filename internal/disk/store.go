package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// MaxSize bounds what Read takes into memory, and what is written, so that all that was
// written can be read again.
const MaxSize = 64 << 20

var (
	// ErrChanged says that another program changed the file since it was read. Its version
	// is in place and untouched.
	ErrChanged = errors.New("the file was changed by another program")
	// ErrUnsynced says that the new content is in place, but may not outlast a power cut.
	ErrUnsynced = errors.New("the folder could not be synced")
	// ErrTooLarge says that nothing was written, since Read would refuse the result.
	ErrTooLarge = errors.New("the file would become too large")
)

// Store reads and replaces files by their paths. Its zero value uses the real disk. It has no state; its methods
// may be called concurrently. Callers that replace the same file hold its lock.
type Store struct {
	// Fault, in tests, is called before each step on the disk, which fails with its error.
	Fault func(op, path string) error
	// Limit is the largest size of a file in bytes; 0 is MaxSize.
	Limit int64
}

// Max returns the largest size of a file in bytes.
func (s Store) Max() int64 {
	if s.Limit > 0 {
		return s.Limit
	}
	return MaxSize
}

// step runs one operation on the disk, unless Fault makes it fail.
func (s Store) step(op, path string, do func() error) error {
	if s.Fault != nil {
		if err := s.Fault(op, path); err != nil {
			return err
		}
	}
	return do()
}

// in calls do with the folder of a path, and the name there.
func (s Store) in(path string, do func(in dir, name string) error) error {
	in, err := s.open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer in.Close()
	return do(in, filepath.Base(path))
}

// SyncDir makes names created, removed or replaced in a folder durable. An error wraps [ErrUnsynced].
func (s Store) SyncDir(path string) error {
	in, err := s.open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsynced, err)
	}
	return errors.Join(in.Sync(), in.Close())
}

// Move renames a file durably, to a folder that is made if need be. If it is missing, it may have been moved by a
// call that was interrupted: then only that is made durable.
func (s Store) Move(from, to string) error {
	_, err := os.Lstat(from)
	if err == nil {
		err = s.MakeDir(filepath.Dir(to))
	}
	if err == nil {
		err = s.step("rename", to, func() error { return os.Rename(from, to) })
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, folder := range []string{filepath.Dir(to), filepath.Dir(from)} {
		if err := s.SyncDir(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Write replaces path by data whatever was there, atomically and durably, with mode 0600.
// It is for files that nobody edits by hand.
func (s Store) Write(path string, data []byte) error {
	return s.install(path, data, Stat{}, func(in dir, tmp, name string) error { return in.Rename(tmp, name) })
}

// Replace replaces the file that Read gave with data, and returns the new file's state. It keeps the mode (0600
// for a new file) and, as far as the system permits, the owner and group. ErrChanged means that the
// file has changed since Read, or exists now, and that nothing was done: read it and decide again.
//
// Editors do not know our lock, so the file is compared with what was read just before the new one takes its place. A
// save in the microseconds between the two is lost.
func (s Store) Replace(old Content, data []byte) (fresh Stat, err error) {
	err = s.install(old.Path, data, old.Stat, func(in dir, tmp, name string) (err error) {
		defer in.Remove(tmp)
		if fresh, err = in.Lstat(tmp); err != nil {
			return err
		}
		return in.replace(tmp, name, old.Stat)
	})
	return fresh, err
}

// install writes data to a new file beside path, durably. Then put gives it its name. A killed process can leave
// the new file behind, as NAME.NUMBER.tmp; nothing reads it.
func (s Store) install(path string, data []byte, like Stat, put func(in dir, tmp, name string) error) error {
	if size := int64(len(data)); size > s.Max() {
		return fmt.Errorf("%s: %w: %d bytes, and at most %d are allowed", path, ErrTooLarge, size, s.Max())
	}
	return s.in(path, func(in dir, name string) error {
		tmp := fmt.Sprintf("%s.%d.tmp", name, rand.Uint64()) // others may write the same file
		return install(in, tmp, data, like, func() error { return put(in, tmp, name) })
	})
}

// replace gives the file tmp the name of the file old, unless that has changed.
func (d dir) replace(tmp, name string, old Stat) error {
	now, err := d.Lstat(name)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case now != old:
		return ErrChanged
	case old.Exists():
		return d.Rename(tmp, name)
	}
	err = d.link(tmp, name)
	switch {
	case errors.Is(err, fs.ErrExist): // two that make a file at once must not both succeed
		return ErrChanged
	case errors.Is(err, errors.ErrUnsupported): // by the file system
		return d.Rename(tmp, name)
	}
	return err
}

// How long Lock waits for another process, which writes one small file under the lock.
const (
	lockPatience = 10 * time.Second
	lockPause    = 5 * time.Millisecond
)

// Lock takes the lock file at path, which is made if need be and stays: removing it
// would let two hold it. The lock dies with its process. unlock is called once.
func (s Store) Lock(path string) (unlock func(), err error) {
	var held io.Closer
	err = s.in(path, func(in dir, name string) (err error) {
		for until := time.Now().Add(lockPatience); ; time.Sleep(lockPause) { // to wait in flock could not be given up
			if held, err = in.Lock(name); !errors.Is(err, ErrInUse) && !errors.Is(err, syscall.EINTR) {
				return err
			}
			if time.Now().After(until) {
				return fmt.Errorf("%s: another process has held this lock for %v; try again later", path, lockPatience)
			}
		}
	})
	return func() { held.Close() }, err
}

// Content is what Read found.
type Content struct {
	// Path is the file itself, after following links.
	Path string
	Data []byte
	Stat Stat
}

// readAttempts is how often a file that is being changed is read.
const readAttempts = 10

// Read returns the whole file at path, following links. A missing file is not an error: the content is empty, and
// its Stat does not exist. The content is that of one moment: Read starts again if the file changes meanwhile. It
// never waits for a pipe, and refuses anything but a regular file of at most Max bytes.
func (s Store) Read(path string) (c Content, err error) {
	err = s.step("read", path, func() error {
		real, err := filepath.EvalSymlinks(path) // a link is kept when the file is replaced
		if errors.Is(err, fs.ErrNotExist) {
			real, err = path, nil
			if st, lerr := os.Lstat(path); lerr == nil && st.Mode().Type() == fs.ModeSymlink { // else it was just made
				err = fmt.Errorf("%s is a link to a file that does not exist", path)
			}
		}
		steady := false
		for i := 0; i < readAttempts && err == nil && !steady; i++ {
			c, steady, err = readOnce(real, s.Max())
		}
		if err == nil && !steady {
			err = fmt.Errorf("%s: %w each time it was read", path, ErrChanged)
		}
		return err
	})
	return c, err
}

// readOnce also reports whether the file stayed as it was meanwhile.
func readOnce(path string, most int64) (c Content, steady bool, err error) {
	f, before, err := openRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Content{Path: path}, true, nil
	}
	if err != nil {
		return Content{}, false, err
	}
	defer f.Close()
	if before.Size > most {
		err := fmt.Errorf("%s is %d bytes long, and at most %d are read; shorten it", path, before.Size, most)
		return Content{}, false, err
	}
	data := make([]byte, before.Size+1) // one more, to see that it has grown
	n, err := f.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Content{}, false, err
	}
	after, err := StatOf(path)
	return Content{path, data[:n], before}, after == before && int64(n) == before.Size, err
}

// OpenRegular opens a file for reading, following links. It never waits.
func OpenRegular(path string) (*os.File, error) {
	f, _, err := openRegular(path)
	return f, err
}

func openRegular(path string) (*os.File, Stat, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, Stat{}, err
	}
	info, err := f.Stat()
	var st Stat
	if err == nil {
		st = statOf(info)
		err = check(path, st, false)
	}
	if err != nil {
		f.Close()
		return nil, st, err
	}
	return f, st, nil
}
