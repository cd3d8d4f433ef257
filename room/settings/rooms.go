package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"whoelse/internal/disk"
	"whoelse/internal/jsonfile"
	"whoelse/room"
)

// Rooms keeps what the rooms are in DATA/rooms/NAME.json, one small file for each. It implements
// [room.Rooms].
type Rooms struct {
	dir  string
	log  *slog.Logger
	disk disk.Store
	shared
}

var _ room.Rooms = (*Rooms)(nil)

// closedFolder, in the folder of the rooms, has those that were closed, as NAME-TIME.json.
const closedFolder = ".closed"

// OpenRooms opens, or makes, the folder dir. A file that can't be used is reported to log.
func OpenRooms(dir string, log *slog.Logger) (*Rooms, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &Rooms{dir: dir, log: log, disk: disk.Store{Limit: maxFile}}
	s.shared = shared{prefix: "rooms/", file: s.file, disk: s.disk, aside: s.aside}
	return s, nil
}

func (s *Rooms) file(room string) (string, error) {
	if !name.MatchString(room) {
		return "", fmt.Errorf("%q is not the name of a room", room)
	}
	return filepath.Join(s.dir, room+".json"), nil
}

// Load implements [room.Rooms].
func (s *Rooms) Load() ([]room.RoomInfo, error) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", room.ErrStorage, err)
	}
	var all []room.RoomInfo
	for _, f := range files {
		base, ok := strings.CutSuffix(f.Name(), ".json")
		if !ok || !name.MatchString(base) || base == room.Lobby {
			continue
		}
		path := filepath.Join(s.dir, f.Name())
		var info room.RoomInfo
		version, err := s.load(path, &info)
		if err == nil && info.ID == "" {
			err = errors.New("it has no id")
		}
		if err != nil {
			s.log.Error("rooms: a room can't be used; repair its file, or move it away, and restart the server", "file", path, "error", err)
			info = room.RoomInfo{Unusable: true}
		}
		info.Name, info.Version = base, version
		all = append(all, info)
	}
	return all, nil
}

// Save implements [room.Rooms].
func (s *Rooms) Save(info room.RoomInfo) error {
	file, err := s.file(info.Name)
	switch {
	case err != nil:
	case s.share != nil:
		err = s.proposeSave(info.Name, file, info.Version, info, "\t")
	default:
		err = jsonfile.Save(s.disk, file, info, "\t")
	}
	return storageError(err)
}

// Close implements [room.Rooms].
func (s *Rooms) Close(name string, at time.Time) error {
	file, err := s.file(name)
	switch {
	case err != nil:
	case s.share != nil:
		err = s.proposeAside(name, file)
	default:
		err = s.aside(file, name, at)
	}
	return storageError(err)
}

func (s *Rooms) aside(file, name string, at time.Time) error {
	return aside(s.disk, file, filepath.Join(s.dir, closedFolder), name, at)
}

// aside moves a file to a folder beside it, durably, as NAME-TIME.json. One that is missing is there already.
func aside(disk disk.Store, file, folder, name string, at time.Time) error {
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Rename(file, filepath.Join(folder, name+"-"+at.UTC().Format("20060102T150405Z")+".json")); err != nil {
		return err
	}
	return errors.Join(disk.SyncDir(folder), disk.SyncDir(filepath.Dir(file)))
}
