package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"whoelse/room/history"
)

// ManifestName is the file that makes a folder a backup.
const ManifestName = "backup.json"

// format is that of the manifest.
const format = 1

// Manifest says what is in a backup.
type Manifest struct {
	Format  int       `json:"format"`
	When    time.Time `json:"when"`    // when it was begun, UTC
	Program string    `json:"program"` // the version that took it
	Layout  int       `json:"layout"`  // of the histories, see [history.Version]
	Count   int       `json:"count"`   // of files
	Bytes   int64     `json:"bytes"`   // in all of them
	Files   []File    `json:"files"`   // in the order of their paths

	LeftOut []string `json:"-"` // what is not a file, and was not copied
}

// File is one file in a backup.
type File struct {
	Path   string `json:"path"` // below the folder, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// ErrNone is wrapped where a folder has no manifest.
var ErrNone = errors.New("there is no " + ManifestName + ": it is no backup, or one that was not completed")

// ReadManifest reads the manifest of the backup in dir, and refuses one that this
// program cannot restore.
func ReadManifest(dir string) (*Manifest, error) {
	path := filepath.Join(dir, ManifestName)
	text, err := os.ReadFile(path)
	if _, e := os.Stat(dir); errors.Is(e, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder %s; name one that whoelse backup has made", dir)
	}
	switch {
	case errors.Is(err, unix.ENOTDIR):
		return nil, fmt.Errorf("%s is not a folder; name one that whoelse backup has made", dir)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	case err != nil:
		return nil, err
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("%s can't be understood, it was altered: %w", path, err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &m, nil
}

func (m *Manifest) check() error {
	if m.Format > format || m.Layout > history.Version {
		return fmt.Errorf("the backup is of a newer whoelse (%s); restore it with that one", history.Clean(m.Program))
	}
	bytes, last := int64(0), ""
	for _, f := range m.Files {
		if !filepath.IsLocal(f.Path) || filepath.Clean(f.Path) != f.Path || f.Path == ManifestName {
			return fmt.Errorf("it was altered: %q is no path of a file in a backup", f.Path)
		}
		if f.Path <= last {
			return fmt.Errorf("it was altered: %q is not in order", f.Path)
		}
		last = f.Path
		bytes += f.Size
	}
	if m.Format < 1 || m.Count != len(m.Files) || m.Bytes != bytes {
		return errors.New("it was altered: the numbers in it do not fit")
	}
	return nil
}

// Histories counts the nicks that have one in the backup.
func (m *Manifest) Histories() int {
	n := 0
	for _, f := range m.Files {
		if strings.HasPrefix(f.Path, "history/users/") && strings.HasSuffix(f.Path, ".jsonl") {
			n++
		}
	}
	return n
}
