package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Stamp tells two versions of a file apart without reading them. The zero Stamp is
// that of a file that does not exist.
type Stamp struct {
	dev, ino uint64
	size     int64
	mtime    int64
	mode     uint32
	uid      uint32
}

// Exists tells whether there was a file.
func (st Stamp) Exists() bool { return st != Stamp{} }

// MTime is when the file was last written, in nanoseconds since 1970.
func (st Stamp) MTime() int64 { return st.mtime }

// UID is who owns the file.
func (st Stamp) UID() uint32 { return st.uid }

// Perm is the file's permission bits.
func (st Stamp) Perm() os.FileMode { return os.FileMode(st.mode & 0o777) }

// File is what Read found.
type File struct {
	// Path is the file itself, after following links.
	Path  string
	Data  []byte
	Stamp Stamp
}

// Stat gives the stamp of the file at path, following links. No file is no error.
func Stat(path string) (Stamp, error) {
	var u unix.Stat_t
	if err := unix.Stat(path, &u); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Stamp{}, nil
		}
		return Stamp{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return stampOf(&u), nil
}

func stampOf(u *unix.Stat_t) Stamp {
	return Stamp{
		// The widths of these differ by system.
		dev: uint64(u.Dev), ino: uint64(u.Ino), size: u.Size,
		mtime: u.Mtim.Nano(), mode: uint32(u.Mode), uid: u.Uid,
	}
}

// attempts is how often a file is read, or a change redone, before somebody who
// never stops changing it wins.
const attempts = 10

// Read gives the whole file at path, following links; no file is an empty one whose
// stamp does not exist. What it gives was the file's content at one moment: it is
// read again if it changed meanwhile. It never waits for a pipe, and refuses what
// is not a plain file, and what is longer than MaxSize.
func (s Store) Read(path string) (File, error) {
	if err := s.fault("read", path); err != nil {
		return File{}, err
	}
	path, err := follow(path)
	if err != nil {
		return File{}, err
	}
	for range attempts {
		f, steady, err := readOnce(path, s.Max())
		if err != nil || steady {
			return f, err
		}
	}
	return File{}, fmt.Errorf("%s: %w each time it was read", path, ErrChanged)
}

// follow resolves links, so that a link is kept when the file is replaced.
func follow(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if info, lerr := os.Lstat(path); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
			return "", fmt.Errorf("%s is a link to a file that does not exist", path)
		}
		return path, nil // there is none, or it was made a moment ago
	}
	return real, err
}

func readOnce(path string, most int64) (file File, steady bool, err error) {
	f, err := OpenRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return File{Path: path}, true, nil
	}
	if errors.Is(err, ErrNotRegular) {
		err = fmt.Errorf("%w; move it out of the way", err)
	}
	if err != nil {
		return File{}, false, err
	}
	defer f.Close()
	before, err := fstat(f)
	if err != nil {
		return File{}, false, err
	}
	if before.size > most {
		return File{}, false, fmt.Errorf("%s is %d bytes long, and at most %d are read; shorten it", path, before.size, most)
	}
	data, err := readAll(f, before.size)
	if err != nil {
		return File{}, false, err
	}
	after, err := Stat(path)
	return File{Path: path, Data: data, Stamp: before}, after == before && int64(len(data)) == before.size, err
}

func readAll(f *os.File, size int64) ([]byte, error) {
	data := make([]byte, size+1) // one more, to see that it has grown
	n, err := io.ReadFull(f, data)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return data[:n], err
}

func fstat(f *os.File) (Stamp, error) {
	var u unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &u); err != nil {
		return Stamp{}, &fs.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return stampOf(&u), nil
}
