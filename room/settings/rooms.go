package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"whoelse/room"
)

// Rooms keeps what the rooms are in DATA/rooms/NAME.json, one small file for each. It implements
// [room.Rooms].
type Rooms struct {
	folder
	log *slog.Logger
}

var _ room.Rooms = (*Rooms)(nil)

// closedFolder, in the folder of the rooms, has those that were closed, as NAME-TIME.json.
const closedFolder = ".closed"

// OpenRooms opens, or makes, the folder dir, durably. A file that can't be used is reported to log.
func OpenRooms(dir string, log *slog.Logger) (*Rooms, error) {
	s := &Rooms{folder{dir: dir, prefix: "rooms/", what: "the name of a room", aside: closedFolder, indent: "\t"}, log}
	return s, s.open()
}

// Load implements [room.Rooms].
func (s *Rooms) Load() ([]room.RoomInfo, error) {
	names, err := s.names(true)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", room.ErrStorage, err)
	}
	var all []room.RoomInfo
	for _, name := range names {
		if name == room.Lobby {
			continue
		}
		var info room.RoomInfo
		err := s.load(name, &info)
		if err == nil && info.ID == "" {
			err = errors.New("it has no id")
		}
		if err != nil {
			s.log.Error("rooms: a room can't be used; repair its file, or move it away, and restart the server",
				"file", filepath.Join(s.dir, name+".json"), "error", err)
			info = room.RoomInfo{Unusable: true}
		}
		info.Name = name
		all = append(all, info)
	}
	return all, nil
}

// Change implements [room.Rooms].
func (s *Rooms) Change(name string, edit func(*room.RoomInfo) error) error {
	return change(&s.folder, name, func(info *room.RoomInfo) error {
		info.Name = name
		return edit(info)
	})
}

// Close implements [room.Rooms].
func (s *Rooms) Close(name string, at time.Time) error { return s.retire(name, at) }
