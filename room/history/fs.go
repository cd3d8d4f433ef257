package history

import (
	"io"

	"whoelse/room"
)

// The file system as this package uses it, and nothing more, so that tests can
// fail any single operation and model what a power cut leaves behind.

// folder is an open directory. Names are single path elements. All methods may
// be called concurrently.
type folder interface {
	// open opens a regular file for reading and writing. It never follows a
	// link and never waits, whatever stands in the file's place: that gives
	// an error wrapping errOdd. So does a file with another name, which may be
	// somebody else's (errLinked). Without create a missing file is fs.ErrNotExist.
	open(name string, create bool) (file, error)
	// lstat gives fs.ErrNotExist when there is nothing of that name.
	lstat(name string) (stat, error)
	names() ([]string, error)
	remove(name string) error
	// rename's names may also be in a folder below: FOLDER/NAME.
	rename(from, to string) error
	// sub opens the folder called name, which it creates when missing.
	sub(name string) (folder, error)
	// lock takes the lock file for as long as the process lives, or until
	// the closer is closed. It gives ErrInUse when somebody else has it.
	lock(name string) (io.Closer, error)
	// sync makes the names in the folder durable.
	sync() error
	// syncAll makes the content of all files in the file system durable, as
	// the sync of each would. It reports false, having done nothing, where
	// that is not possible, or would not tell when it failed. It is asked of
	// a store's own folder and those in it only.
	syncAll() (bool, error)
	// successor returns the folder that stands in this one's place now, nil
	// when that is still this one, and an error when there is none. It is
	// asked of a store's own folder only.
	successor() (folder, error)
	close() error
}

// file is an open regular file. All methods may be called concurrently.
type file interface {
	io.ReaderAt
	io.WriterAt
	truncate(size int64) error
	// sync makes the content and the size durable, not the name.
	sync() error
	stat() (stat, error)
	close() error
}

// stat is what is asked of a file: enough to tell whether a name still leads to
// the file it led to before, and whether somebody else has written to it.
type stat struct {
	ino  uint64
	size int64
}

// oddError is wrapped by open where something stands that is nobody's to write to. All of
// them are errOdd, and room.ErrUnusable.
type oddError string

const (
	errOdd    = oddError("is not a regular file")
	errLinked = oddError("has another name (a hard link) and may be somebody else's; put a copy in its place")
)

func (e oddError) Error() string { return string(e) }

func (e oddError) Is(target error) bool {
	_, odd := target.(oddError)
	return odd || target == room.ErrUnusable
}
