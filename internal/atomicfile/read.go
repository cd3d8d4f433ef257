package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Stamp tells two versions of a file apart without reading them. The zero Stamp is
// that of a file that does not exist.
type Stamp struct {
	dev, ino    uint64
	size, mtime int64 // mtime in nanoseconds since 1970
	mode        os.FileMode
	uid, gid    uint32
}

// Exists reports whether there was a file.
func (st Stamp) Exists() bool { return st != Stamp{} }

// UID is who owns the file.
func (st Stamp) UID() uint32 { return st.uid }

// Perm is the file's permission bits.
func (st Stamp) Perm() os.FileMode { return st.mode.Perm() }

// File is what Read found.
type File struct {
	// Path is the file itself, after following links.
	Path  string
	Data  []byte
	Stamp Stamp
}

// Stat gives the stamp of the file at path, following links. A missing file is no error.
func Stat(path string) (Stamp, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Stamp{}, nil
	}
	if err != nil {
		return Stamp{}, err
	}
	return stampOf(info), nil
}

func stampOf(info os.FileInfo) Stamp {
	st := Stamp{size: info.Size(), mtime: info.ModTime().UnixNano(), mode: info.Mode()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.dev, st.ino = uint64(sys.Dev), uint64(sys.Ino) // their widths differ by system
		st.uid, st.gid = sys.Uid, sys.Gid
	}
	return st
}

// ErrNotRegular is wrapped where something else is in a file's place: a named pipe, whose
// opening could wait for ever, a device, or a folder.
var ErrNotRegular = errors.New("is not a regular file")

func notRegular(path string) error {
	return fmt.Errorf("%s %w; move it out of the way", path, ErrNotRegular)
}

// OpenRegular opens a file for reading, following links. It never waits.
func OpenRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readAttempts is how often a file that is being changed is read.
const readAttempts = 10

// Read gives the whole file at path, following links; a missing file is an empty one whose
// stamp does not exist. The result was the file's content at one moment: it is read again
// if it changed meanwhile. Read never waits for a pipe, and refuses what is not a regular
// file, and what is longer than Max.
func (s Store) Read(path string) (file File, err error) {
	err = s.Step("read", path, func() error {
		real, err := filepath.EvalSymlinks(path) // a link is kept when the file is replaced
		if errors.Is(err, fs.ErrNotExist) {
			real, err = path, nil
			if st, lerr := os.Lstat(path); lerr == nil && st.Mode().Type() == fs.ModeSymlink { // else it was just made
				err = fmt.Errorf("%s is a link to a file that does not exist", path)
			}
		}
		steady := false
		for i := 0; i < readAttempts && err == nil && !steady; i++ {
			file, steady, err = readOnce(real, s.Max())
		}
		if err == nil && !steady {
			err = fmt.Errorf("%s: %w each time it was read", path, ErrChanged)
		}
		return err
	})
	return file, err
}

// readOnce also reports whether the file stayed as it was meanwhile.
func readOnce(path string, most int64) (file File, steady bool, err error) {
	f, err := OpenRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return File{Path: path}, true, nil
	}
	if err != nil {
		return File{}, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return File{}, false, err
	}
	before := stampOf(info)
	if before.size > most {
		err := fmt.Errorf("%s is %d bytes long, and at most %d are read; shorten it", path, before.size, most)
		return File{}, false, err
	}
	data := make([]byte, before.size+1) // one more, to see that it has grown
	n, err := f.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return File{}, false, err
	}
	after, err := Stat(path)
	return File{Path: path, Data: data[:n], Stamp: before}, after == before && int64(n) == before.size, err
}
