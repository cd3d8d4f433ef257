// Package settings keeps what people set for themselves in DATA/settings/NICK.json,
// one small file for each nick that has set anything. It implements [room.Settings].
package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"whoelse/room"
	"whoelse/room/regular"
)

// Store is a folder of settings. Its methods may be called concurrently. There
// must be one for a folder at a time.
type Store struct {
	dir  string
	root *os.Root

	mu    sync.Mutex // owns cache; held over reading and writing a file, which is rare
	cache map[string]person
}

var _ room.Settings = (*Store)(nil)

// person is one nick's file.
type person struct {
	Blocked []string `json:"blocked,omitempty"`
	Away    *absence `json:"away,omitempty"`
}

type absence struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
}

// maxCached bounds the memory for people who are written to.
const maxCached = 10_000

// maxFile bounds what is read of a file: a list of the most nicks there may be is far
// below it, and what is cut is no JSON.
const maxFile = 1 << 20

// name allows what is a nick, and so no path.
var name = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// Open opens, or makes, the folder dir.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Store{dir: dir, root: root, cache: map[string]person{}}, nil
}

// Close releases the folder.
func (s *Store) Close() error { return s.root.Close() }

// Blocked returns whose messages nick does not want; none when nick never said.
func (s *Store) Blocked(nick string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.load(nick)
	return p.Blocked, err
}

// SetBlocked replaces nick's list. It is on disk when this returns nil.
func (s *Store) SetBlocked(nick string, blocked []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.load(nick)
	if err != nil {
		return err
	}
	p.Blocked = blocked
	return s.replace(nick, p)
}

// Absence returns how nick is away.
func (s *Store) Absence(nick string) (room.Absence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.load(nick)
	if err != nil || p.Away == nil {
		return room.Absence{}, err
	}
	return room.Absence{Since: p.Away.Since, Reason: p.Away.Reason}, nil
}

// SetAbsence replaces that. It is on disk when this returns nil.
func (s *Store) SetAbsence(nick string, a room.Absence) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.load(nick)
	if err != nil {
		return err
	}
	p.Away = nil
	if a.Away() {
		p.Away = &absence{Since: a.Since.UTC().Truncate(time.Second), Reason: a.Reason}
	}
	return s.replace(nick, p)
}

func (s *Store) replace(nick string, p person) error {
	if err := s.save(nick, p); err != nil {
		return fmt.Errorf("%w: %w", room.ErrStorage, err)
	}
	s.cache[nick] = p
	return nil
}

// retired, in the folder, has the settings of nicks that nobody holds any more, as
// NICK-STAMP.json.
const retired = ".retired"

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

// Retire sets nick's settings aside, durably: whoever gets the nick next has none.
func (s *Store) Retire(nick string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !name.MatchString(nick) {
		return fmt.Errorf("%q is no nick", nick)
	}
	if _, err := s.root.Lstat(nick + ".json"); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := s.root.Mkdir(retired, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	delete(s.cache, nick)
	as := retired + "/" + nick + "-" + now.UTC().Format("20060102T150405Z") + ".json"
	if err := s.root.Rename(nick+".json", as); err != nil {
		return err
	}
	return errors.Join(s.sync(retired), s.sync("."))
}

func (s *Store) load(nick string) (person, error) {
	if p, ok := s.cache[nick]; ok {
		return p, nil
	}
	var p person
	if !name.MatchString(nick) {
		return p, fmt.Errorf("%q is no nick", nick)
	}
	b, err := regular.Read(s.root.OpenFile, nick+".json", maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return p, err
	default:
		if err := json.Unmarshal(b, &p); err != nil {
			return p, fmt.Errorf("settings/%s.json: %w", nick, err)
		}
	}
	if len(s.cache) >= maxCached {
		clear(s.cache)
	}
	s.cache[nick] = p
	return p, nil
}

// save replaces the file. The rename counts only once the folder is synced.
func (s *Store) save(nick string, p person) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(s.dir+"/"+nick+".json", append(b, '\n'), 0o600); err != nil {
		return err
	}
	return s.sync(".")
}

// sync makes the names in a folder durable.
func (s *Store) sync(dir string) error {
	folder, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
