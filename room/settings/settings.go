// Package settings keeps what people set for themselves in DATA/settings/NICK.json, one small
// file for each nick that has set anything, and what rooms are in DATA/rooms/NAME.json. It
// implements [room.Settings] and [room.Rooms].
package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"whoelse/internal/disk"
	"whoelse/internal/jsonfile"
	"whoelse/room"
)

// Store is a folder of settings. It has no state; its methods may be called concurrently.
type Store struct {
	dir  string
	disk disk.Store
	shared
}

var _ room.Settings = (*Store)(nil)

const (
	// retired, in the folder, has the settings of nicks without a holder, as NICK-TIME.json.
	retired = ".retired"
	// maxFile bounds a file: a list of the most nicks there may be is far below it.
	maxFile = 1 << 20
)

// name allows what is a nick, and so no path.
var name = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// Open opens, or makes, the folder dir, durably.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir, disk: disk.Store{Limit: maxFile}}
	s.shared = shared{prefix: "settings/", file: s.file, disk: s.disk, aside: s.aside}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = s.disk.SyncDir(filepath.Dir(dir)) // or a power cut could take all that was saved
	}
	return s, err
}

func (s *Store) file(nick string) (string, error) {
	if !name.MatchString(nick) {
		return "", fmt.Errorf("%q is not a nick", nick)
	}
	return filepath.Join(s.dir, nick+".json"), nil
}

// Load implements [room.Settings].
func (s *Store) Load(nick string) (p room.Preferences, err error) {
	file, err := s.file(nick)
	if err == nil {
		p.Version, err = s.load(file, &p)
	}
	slices.Sort(p.Blocked) // older versions appended to it
	return p, err
}

// Save implements [room.Settings].
func (s *Store) Save(nick string, p room.Preferences) error {
	file, err := s.file(nick)
	switch {
	case err != nil:
	case s.share != nil:
		err = s.proposeSave(nick, file, p.Version, p, "")
	default:
		err = jsonfile.Save(s.disk, file, p, "")
	}
	return storageError(err)
}

// Nicks lists who has set anything.
func (s *Store) Nicks() ([]string, error) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var nicks []string
	for _, f := range files {
		if nick, ok := strings.CutSuffix(f.Name(), ".json"); ok && name.MatchString(nick) && f.Type().IsRegular() {
			nicks = append(nicks, nick)
		}
	}
	return nicks, nil
}

// Retire sets nick's settings aside, durably: the next holder of the nick has none.
func (s *Store) Retire(nick string, now time.Time) error {
	file, err := s.file(nick)
	switch {
	case err != nil:
		return err
	case s.share != nil:
		return s.proposeAside(nick, file)
	}
	return s.aside(file, nick, now)
}

func (s *Store) aside(file, nick string, at time.Time) error {
	return aside(s.disk, file, filepath.Join(s.dir, retired), nick, at)
}
