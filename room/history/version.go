package history

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// version is the layout that this package writes, and the newest it reads:
//
//	1  the first one
//	2  histories can be shortened, and then begin with a trim line
const version = 2

// ErrNewer is wrapped by [Open] when a newer program has written the folder.
var ErrNewer = errors.New("written by a newer whoelse")

// migrations bring a folder of one version to the next. Each leaves what the older
// version needs as it is, and can be interrupted anywhere and done again: the
// folder has the older version until the number is written, which is the last step
// and a single one.
var migrations = map[int]func(*Store) error{
	1: func(*Store) error { return nil }, // what is there is as it would be written now
}

// migrate brings a folder of an older layout up to date.
func (s *Store) migrate() error {
	v, err := readVersion(s.home().root)
	if err != nil {
		return err
	}
	if v == 0 {
		return s.saveVersion(version)
	}
	for ; v < version; v++ {
		s.log.Info("history: the layout is brought up to date", "from", v, "to", v+1)
		if err := migrations[v](s); err != nil {
			return fmt.Errorf("bringing the layout from version %d to %d: %w", v, v+1, err)
		}
		if err := s.saveVersion(v + 1); err != nil {
			return err
		}
	}
	return nil
}

// Version is the newest layout of a folder of histories that this package knows.
const Version = version

// LayoutVersion returns the version of the histories in dir, 0 where none is written
// down yet. A newer one than [Version] is an error.
func LayoutVersion(dir string) (int, error) {
	root, err := lookDir(dir)
	if err != nil {
		return 0, err
	}
	defer func() { _ = root.close() }() // it was only looked at
	return readVersion(root)
}

// readVersion returns the version of a folder, 0 when it is a new one.
func readVersion(root folder) (int, error) {
	text, err := readFile(root, versionFile)
	if err != nil {
		return 0, err
	}
	word := strings.TrimSpace(string(text))
	if word == "" {
		return 0, nil
	}
	v, err := strconv.Atoi(word)
	if err != nil || v < 1 {
		return 0, fmt.Errorf("the file %s among the histories says %.20q, which is no version; put back the one that a backup has", versionFile, word)
	}
	if v > version {
		return 0, fmt.Errorf("%w: the histories have version %d, this one knows versions up to %d; use the program that wrote them, or a newer one",
			ErrNewer, v, version)
	}
	return v, nil
}

func (s *Store) saveVersion(v int) error {
	return writeFile(s.home().root, versionFile, fmt.Appendf(nil, "%d\n", v))
}
