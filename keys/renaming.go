package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"whoelse/internal/disk"
	"whoelse/internal/jsonfile"
	"whoelse/keys/nick"
)

// Renaming is the note, in a data folder, of a rename of keys, history and settings that
// is under way. It is changed only while the histories are held.
type Renaming struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Unfinished gives an error if a rename was interrupted in this data folder, which
// tells how to complete it. Until then keys and history can have different nicks, and
// others could get at either: no server should run.
func Unfinished(data string) error {
	r, err := ReadRenaming(data)
	if err != nil || r == (Renaming{}) {
		return err
	}
	return fmt.Errorf("renaming %s to %s was interrupted; complete it with: whoelse keys rename %[1]s %[2]s", r.From, r.To)
}

func renamingPath(data string) string { return filepath.Join(data, "renaming.json") }

// ReadRenaming gives the zero Renaming if there is none.
func ReadRenaming(data string) (Renaming, error) {
	f, err := disk.Store{}.Read(renamingPath(data))
	if err != nil || !f.Stat.Exists() {
		return Renaming{}, err
	}
	var r Renaming
	err = json.Unmarshal(f.Data, &r)
	_, badFrom := nick.Parse(r.From)
	_, badTo := nick.Parse(r.To)
	if errors.Join(err, badFrom, badTo) != nil {
		return Renaming{}, fmt.Errorf("%s, the note of a rename that was interrupted, can't be understood; "+
			"see which nick its keys, history and settings have, and remove it", f.Path)
	}
	return r, nil
}

// Write writes the note, durably.
func (r Renaming) Write(data string) error {
	return jsonfile.Save(disk.Store{}, renamingPath(data), r, "")
}

// Remove takes the note away, durably.
func (r Renaming) Remove(data string) error {
	if err := os.Remove(renamingPath(data)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return disk.Store{}.SyncDir(data)
}
