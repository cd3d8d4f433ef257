// Package disk is the file system as the log and the histories use it, and nothing more,
// so that tests can fail any single operation and model what a power cut leaves: see
// [whoelse/room/internal/disk/disktest].
package disk

import (
	"errors"
	"io"

	"whoelse/internal/atomicfile"
)

// ErrInUse is returned by [Folder.Lock] while somebody else holds the lock.
var ErrInUse = errors.New("in use by another server")

// Folder is an open directory. Names are single path elements. All methods may
// be called concurrently.
type Folder interface {
	// Open opens a regular file for reading and writing. It never follows a
	// link and never blocks, whatever has the name: anything but a regular file is
	// an [ErrNotRegular]. So is a file with a second name (a hard link), which may be
	// somebody else's. Without create a missing file is fs.ErrNotExist.
	Open(name string, create bool) (File, error)
	// Lstat returns fs.ErrNotExist when nothing has the name.
	Lstat(name string) (Stat, error)
	Names() ([]string, error)
	Remove(name string) error
	// Rename replaces to. Both may also be in a folder below: FOLDER/NAME.
	Rename(from, to string) error
	// Sub opens the folder called name, which it creates when missing.
	Sub(name string) (Folder, error)
	// Lock takes the lock file for as long as the process lives, or until
	// the closer is closed. It returns ErrInUse when somebody else has it.
	Lock(name string) (io.Closer, error)
	// Sync makes the names in the folder durable.
	Sync() error
	// Replaced returns an error when the path that the folder was opened by leads
	// elsewhere now, or nowhere. Folders from Sub were opened by no path.
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

// Stat tells whether a name still leads to the file that it led to before.
type Stat struct {
	Ino   uint64
	Size  int64
	Links uint64 // names of the file; 0 where that is not known
}

// ErrNotRegular is wrapped by the error of Open about what has the name.
var ErrNotRegular = atomicfile.ErrNotRegular

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
// content is there. It writes to NAME.tmp first.
func WriteFile(in Folder, name string, content []byte) error {
	tmp := name + ".tmp"
	f, err := in.Open(tmp, true)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Truncate(int64(len(content)))
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := in.Rename(tmp, name); err != nil {
		return err
	}
	return in.Sync()
}
