package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"whoelse/internal/disk"
	"whoelse/room"
	"whoelse/room/history/migrate"
)

// Version is the layout of a folder of histories that this package writes, and the newest
// that it reads:
//
//	1  the first one
//	2  histories can be shortened, and then begin with a trim line
//	3  one log of events; histories carry its numbers
const Version = 3

// Names in the folder of the histories.
const (
	versionFile    = "version"
	checkpointFile = "checkpoint.json"
	serverLock     = "lock"        // held while a server runs
	backupLock     = "backup.lock" // held by a backup, and by whoever keeps one from beginning
	logFolder      = "log"
	usersFolder    = "users"
	roomsFolder    = "rooms"
)

// Ends of the names of the folders beside the histories: the one that a start leaves of an older
// layout, and the one that it makes.
const (
	OldEnd = migrate.OldEnd
	NewEnd = migrate.NewEnd
)

// ErrNewer is wrapped by [Open] when a newer program has written the folder.
var ErrNewer = errors.New("written by a newer whoelse")

// errOwner is the error for what can't have a history.
var errOwner = errors.New("not a valid owner of a history")

var nickName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// ValidNick is the allow-list that keeps nicks from ever being paths.
func ValidNick(name string) bool { return nickName.MatchString(name) }

// shared reports whether a history is a room's or of who comes and goes: nothing is ever unread there.
func shared(owner string) bool { return owner == room.PresenceHistory || strings.HasPrefix(owner, "#") }

// areNicks keeps the shared histories, and paths, out.
func areNicks(names ...string) error {
	for _, name := range names {
		if !ValidNick(name) {
			return fmt.Errorf("%w: %q", errOwner, name)
		}
	}
	return nil
}

// checkOwner is an errOwner for what can't have a history.
func checkOwner(name string) error {
	if name == room.PresenceHistory {
		return nil
	}
	return areNicks(strings.TrimPrefix(name, "#")) // a room's name has the characters of a nick
}

// dirs are the folders of a store. Those that are missing are nil, where nothing may be changed.
type dirs struct {
	root, log, users, rooms disk.Folder
}

// openDirs opens the folders in root.
func openDirs(root disk.Folder, readOnly bool) (d dirs, err error) {
	d.root = root
	for name, folder := range map[string]*disk.Folder{logFolder: &d.log, usersFolder: &d.users, roomsFolder: &d.rooms} {
		*folder, err = root.Sub(name)
		if readOnly && errors.Is(err, fs.ErrNotExist) {
			*folder, err = nil, nil
		}
		if err != nil {
			return d, err
		}
	}
	return d, nil
}

func (d dirs) close() error {
	var errs []error
	for _, folder := range []disk.Folder{d.log, d.users, d.rooms, d.root} {
		if folder != nil {
			errs = append(errs, folder.Close())
		}
	}
	return errors.Join(errs...)
}

// sync makes the names of all histories durable.
func (d dirs) sync() error { return errors.Join(d.users.Sync(), d.rooms.Sync(), d.root.Sync()) }

// place returns the folder and the name of owner's file.
func (d dirs) place(owner string) (disk.Folder, string) {
	folder, base, below := strings.Cut(path(owner), "/")
	switch {
	case !below:
		return d.root, folder
	case folder == roomsFolder:
		return d.rooms, base
	}
	return d.users, base
}

// path is where owner's file is in the folder of the histories.
func path(owner string) string {
	name, isRoom := strings.CutPrefix(owner, "#")
	switch {
	case owner == room.PresenceHistory:
		return "presence.jsonl"
	case isRoom:
		return roomsFolder + "/" + name + ".jsonl"
	}
	return usersFolder + "/" + owner + ".jsonl"
}

// nicks lists who has a history.
func (d dirs) nicks() ([]string, error) { return ownersIn(d.users, "") }

// owners lists what has a history, or may have: nicks, rooms and [room.PresenceHistory].
func (d dirs) owners() ([]string, error) {
	nicks, err := d.nicks()
	rooms, roomsErr := ownersIn(d.rooms, "#")
	return slices.Concat(nicks, rooms, []string{room.PresenceHistory}), errors.Join(err, roomsErr)
}

// ownersIn lists the owners of the histories in a folder, of which each begins with mark.
func ownersIn(in disk.Folder, mark string) (owners []string, err error) {
	names, err := in.Names()
	for _, file := range names {
		if name, ok := strings.CutSuffix(file, ".jsonl"); ok && ValidNick(name) {
			owners = append(owners, mark+name)
		}
	}
	slices.Sort(owners)
	return owners, err
}

// openStat opens a file.
func openStat(in disk.Folder, name string, create bool) (disk.File, disk.Stat, error) {
	f, err := in.Open(name, create)
	if err != nil {
		return nil, disk.Stat{}, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, st, errors.Join(err, f.Close())
	}
	return f, st, nil
}

// extent is a part of a file, from off to end.
type extent struct{ off, end int64 }

// quarantine appends extents of from to the .torn file of a file, durably. It has little of them in
// memory.
func quarantine(in disk.Folder, base string, from io.ReaderAt, extents ...extent) error {
	f, st, err := openStat(in, base+".torn", true)
	if err != nil {
		return err
	}
	to := io.NewOffsetWriter(f, st.Size)
	for _, p := range extents {
		var last [1]byte
		if err == nil {
			_, err = io.Copy(to, io.NewSectionReader(from, p.off, p.end-p.off))
		}
		if err == nil {
			_, err = from.ReadAt(last[:], p.end-1)
		}
		if err == nil && last[0] != '\n' {
			_, err = to.Write([]byte("\n"))
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s.torn: %w", base, err)
	}
	return in.Sync()
}

// readVersion returns the layout of a folder, 0 when none is written down yet. A newer one than [Version]
// is an error.
func readVersion(root disk.Folder) (int, error) {
	text, err := disk.ReadFile(root, versionFile, 100)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	word := strings.TrimSpace(string(text))
	if word == "" {
		return 0, nil
	}
	v, err := strconv.Atoi(word)
	if err != nil || v < 2 { // no released program wrote layout 1
		return 0, fmt.Errorf("the file %s among the histories says %.20q, which is not a version; put back the one that a backup has", versionFile, word)
	}
	if v > Version {
		return 0, fmt.Errorf("%w: the histories have version %d, this one knows versions up to %d; use the program that wrote them, or a newer one",
			ErrNewer, v, Version)
	}
	return v, nil
}

// checkVersion makes sure that a folder has this layout, or none yet.
func checkVersion(root disk.Folder) (v int, err error) {
	if v, err = readVersion(root); err == nil && v != 0 && v < Version {
		err = fmt.Errorf("the histories have version %d; a start of the server brings them up to date", v)
	}
	return v, err
}
