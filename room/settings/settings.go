// Package settings keeps what people set for themselves in DATA/settings/NICK.json,
// one small file for each nick that has set anything. It implements [room.Settings].
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"whoelse/internal/atomicfile"
	"whoelse/internal/jsonfile"
	"whoelse/room"
)

// Store is a folder of settings. Its methods may be called concurrently. There
// must be one for a folder at a time.
type Store struct {
	dir  string
	disk atomicfile.Store

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

// maxFile bounds a file: a list of the most nicks there may be is far below it.
const maxFile = 1 << 20

// name allows what is a nick, and so no path.
var name = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// Open opens, or makes, the folder dir.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &Store{dir: dir, disk: atomicfile.Store{Limit: maxFile}, cache: map[string]person{}}, nil
}

func (s *Store) file(nick string) string { return filepath.Join(s.dir, nick+".json") }

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
	if err := jsonfile.Save(s.disk, s.file(nick), p, ""); err != nil {
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
	if _, err := os.Lstat(s.file(nick)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	aside := filepath.Join(s.dir, retired)
	err := os.Mkdir(aside, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	delete(s.cache, nick)
	as := nick + "-" + now.UTC().Format("20060102T150405Z") + ".json"
	if err := os.Rename(s.file(nick), filepath.Join(aside, as)); err != nil {
		return err
	}
	return errors.Join(s.disk.SyncDir(aside), s.disk.SyncDir(s.dir))
}

func (s *Store) load(nick string) (person, error) {
	if p, ok := s.cache[nick]; ok {
		return p, nil
	}
	var p person
	if !name.MatchString(nick) {
		return p, fmt.Errorf("%q is no nick", nick)
	}
	if err := jsonfile.Load(s.disk, s.file(nick), &p); err != nil {
		return person{}, err
	}
	if len(s.cache) >= maxCached {
		clear(s.cache)
	}
	s.cache[nick] = p
	return p, nil
}
