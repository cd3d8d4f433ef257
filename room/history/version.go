package history

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"whoelse/room/internal/disk"
)

// Version is the layout of a folder of histories that this package writes, and the newest
// that it reads:
//
//	1  the first one
//	2  histories can be shortened, and then begin with a trim line
//	3  one log of events; histories carry its numbers
const Version = 3

// versionFile says which layout a folder has.
const versionFile = "version"

// ErrNewer is wrapped by [Open] when a newer program has written the folder.
var ErrNewer = errors.New("written by a newer whoelse")

// checkVersion makes sure that a folder has this layout, and gives a new one its number.
func checkVersion(root disk.Folder) error {
	v, err := ReadVersion(root)
	switch {
	case err != nil:
		return err
	case v == 0:
		return disk.WriteFile(root, versionFile, fmt.Appendf(nil, "%d\n", Version))
	case v < Version:
		return fmt.Errorf("the histories have version %d; a start of the server brings them up to date", v)
	}
	return nil
}

// ReadVersion returns the layout of a folder, 0 when none is written down yet. A newer one than [Version]
// is an error.
func ReadVersion(root disk.Folder) (int, error) {
	text, err := disk.ReadFile(root, versionFile, 100)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	word := strings.TrimSpace(string(text))
	if word == "" {
		return 0, nil
	}
	v, err := strconv.Atoi(word)
	if err != nil || v < 1 {
		return 0, fmt.Errorf("the file %s among the histories says %.20q, which is not a version; put back the one that a backup has", versionFile, word)
	}
	if v > Version {
		return 0, fmt.Errorf("%w: the histories have version %d, this one knows versions up to %d; use the program that wrote them, or a newer one",
			ErrNewer, v, Version)
	}
	return v, nil
}
