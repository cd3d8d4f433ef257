package command

import (
	"encoding/json"
	"path/filepath"
	"slices"

	"whoelse/internal/disk"
	"whoelse/internal/jsonfile"
)

// roomLists are the members of the files of rooms (room.RoomInfo) that name nicks.
var roomLists = []string{"owners", "members", "muted", "removed"}

// renameInRooms puts the nick to in the place of from in all rooms. It can be interrupted and called again.
func (k *command) renameInRooms(from, to string) error {
	files, err := filepath.Glob(filepath.Join(k.Data, "rooms", "*.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := renameInRoom(file, from, to); err != nil {
			return err
		}
	}
	return nil
}

func renameInRoom(file, from, to string) error {
	disk := disk.Store{Limit: 1 << 20} // as room/settings has it
	var room map[string]json.RawMessage
	if err := jsonfile.Load(disk, file, &room); err != nil {
		return err
	}
	changed := false
	for _, list := range roomLists {
		var nicks []string
		if err := json.Unmarshal(room[list], &nicks); err != nil || !slices.Contains(nicks, from) {
			continue // there is none
		}
		nicks = slices.DeleteFunc(nicks, func(n string) bool { return n == to })
		nicks[slices.Index(nicks, from)] = to
		text, err := json.Marshal(nicks)
		if err != nil {
			return err
		}
		room[list], changed = text, true
	}
	if !changed {
		return nil
	}
	return jsonfile.Save(disk, file, room, "\t")
}
