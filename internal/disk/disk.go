// Package disk is everything that this program does to files, so that each promise about them is kept
// in one place.
//
// A [Store] reads and replaces small files by their paths: whole, durably, and without losing what an
// editor or another process wrote in between. It follows links.
//
//	unlock, err := store.Lock(path + ".lock") // shared with other processes
//	before, err := store.Read(path)
//	stat, err := store.Replace(before, newBytes) // ErrChanged: read again
//
// A [Folder] holds files that the server alone writes, piece by piece: the log, the histories, what people
// send. It follows no links: a link in such a folder may be an attack, while a link at a path is the operator's choice.
//
// Tests fail real files by [Store.Fault], where links, owners and other processes matter, and files in memory by
// [whoelse/internal/disk/disktest], which knows what a power cut leaves.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrInUse is returned by [Folder.Lock] while another process holds the lock.
var ErrInUse = errors.New("in use by another server")

// Folder is an open directory. Names may have folders in them: FOLDER/NAME. All methods may
// be called concurrently.
type Folder interface {
	// Open opens a regular file for reading and writing. It never follows a
	// link and never blocks. Anything but a regular file is an [ErrNotRegular], and
	// so is a file with a second name (a hard link), which may be another user's.
	// Without create, a missing file is fs.ErrNotExist.
	Open(name string, create bool) (File, error)
	// Lstat returns fs.ErrNotExist when nothing has the name.
	Lstat(name string) (Stat, error)
	Names() ([]string, error)
	// Remove removes a file, or an empty folder, unless it is missing.
	Remove(name string) error
	// Rename replaces to.
	Rename(from, to string) error
	// Sub opens the folder called name, which it creates when missing.
	Sub(name string) (Folder, error)
	// Lock takes the lock file for as long as the process lives, or until
	// the closer is closed. It returns ErrInUse while another process holds it.
	Lock(name string) (io.Closer, error)
	// Sync makes the names in the folder durable. An error wraps [ErrUnsynced].
	Sync() error
	// Replaced returns an error if the path of the folder now leads to another
	// folder, or to none. A folder from Sub has no path, and never an error.
	Replaced() error
	Close() error
}

// File is an open regular file. All methods may be called concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	// Sync makes the content and the size durable, not the name.
	Sync() error
	Stat() (Stat, error)
	Close() error
}

// Stat tells two files, and two versions of a file, apart without reading them. The zero Stat is
// that of a file that does not exist.
type Stat struct {
	Dev, Ino uint64
	Size     int64
	Modified int64 // in nanoseconds since 1970
	Mode     fs.FileMode
	UID, GID uint32
	Links    uint64 // names of the file; 0 where that is not known
}

// Exists reports whether there was a file.
func (st Stat) Exists() bool { return st != Stat{} }

func statOf(info fs.FileInfo) Stat {
	st := Stat{Size: info.Size(), Modified: info.ModTime().UnixNano(), Mode: info.Mode()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.Dev, st.Ino, st.Links = uint64(sys.Dev), uint64(sys.Ino), uint64(sys.Nlink) // their widths differ by system
		st.UID, st.GID = sys.Uid, sys.Gid
	}
	return st
}

// StatOf returns the state of the file at path, following links. A missing file is not an error.
func StatOf(path string) (Stat, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Stat{}, nil
	}
	if err != nil {
		return Stat{}, err
	}
	return statOf(info), nil
}

// ErrNotRegular is wrapped by errors about a path that is not a regular file: it is a named pipe, whose opening could
// block forever, a device, a folder, or a link where links are not followed.
var ErrNotRegular = errors.New("is not a regular file")

// check returns an [ErrNotRegular] if the file must not be used. With alone, it must not have hard links.
func check(path string, st Stat, alone bool) error {
	switch {
	case st.Mode&fs.ModeSymlink != 0:
		return fmt.Errorf("%s %w but a symbolic link, which is not followed here; put the file itself in its place",
			path, ErrNotRegular)
	case !st.Mode.IsRegular():
		return fmt.Errorf("%s %w; move it out of the way", path, ErrNotRegular)
	case alone && st.Links > 1:
		return fmt.Errorf("%s %w of its own: it has another name (a hard link), which would share all changes; "+
			"put a copy in its place: cp -p %[1]s %[1]s.new && mv %[1]s.new %[1]s", path, ErrNotRegular)
	}
	return nil
}

// ReadFile returns all of a file of at most max bytes.
func ReadFile(in Folder, name string, max int64) ([]byte, error) {
	f, err := in.Open(name, false)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, max))
	return b, errors.Join(err, f.Close())
}

// WriteFile replaces a file durably and in one step: after a crash the old or the new
// content is there. It writes to NAME.tmp first, so that there is one writer at a time.
func WriteFile(in Folder, name string, content []byte) error {
	tmp := name + ".tmp"
	return install(in, tmp, content, Stat{}, func() error { return in.Rename(tmp, name) })
}

// install writes content to the file tmp and makes it durable. Then put gives it its name, durably. With the state of a
// real file in like, it gets the owner and mode of that. After an error tmp is gone, unless the process dies.
func install(in Folder, tmp string, content []byte, like Stat, put func() error) error {
	f, err := in.Open(tmp, true)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil { // a crash may have left a longer one
		err = f.Truncate(int64(len(content)))
	}
	if err == nil && like.Exists() {
		err = f.(file).give(like)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = put()
	}
	if err != nil {
		_ = in.Remove(tmp) // that it failed is told already
		return err
	}
	return in.Sync()
}
