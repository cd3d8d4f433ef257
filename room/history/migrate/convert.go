package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"whoelse/internal/disk"
	"whoelse/room/internal/jsonl"
)

// building is what the histories of the new folder have in common.
type building struct {
	log     *slog.Logger
	journal map[string][]pending // by owner
	seq     uint64               // the greatest
	lastID  string
}

const retiredFolder = ".retired" // in users: histories of nicks without a holder, NICK-TIME.jsonl

// build makes the folder called name in parent from old, durably.
func build(parent disk.Folder, name string, old disk.Folder, log *slog.Logger) (err error) {
	if err := removeAll(parent, name); err != nil {
		return err
	}
	var opened []disk.Folder
	defer func() {
		for _, in := range opened {
			_ = in.Close() // what was made is durable by then
		}
	}()
	sub := func(in disk.Folder, name string) (sub disk.Folder) {
		if err == nil {
			if sub, err = in.Sub(name); err == nil {
				opened = append(opened, sub)
			}
		}
		return sub
	}
	root := sub(parent, name)
	rooms, newUsers, _ := sub(root, "rooms"), sub(root, "users"), sub(root, "log")
	users, journal := sub(old, "users"), sub(old, "journal")
	if err != nil {
		return err
	}
	b := &building{log: log}
	if b.journal, err = readJournals(journal, log); err != nil {
		return err
	}
	if b.lastID, err = lastID(old); err != nil {
		return err
	}
	files, err := users.Names()
	if err != nil {
		return err
	}
	log.Info("history: bringing the layout up to date", "files", len(files))
	if slices.Contains(files, retiredFolder) {
		retired, newRetired := sub(users, retiredFolder), sub(newUsers, retiredFolder)
		if err == nil {
			err = b.convertAll(retired, newRetired, nil)
		}
	}
	if err == nil {
		err = b.convertAll(users, newUsers, b.journal)
	}
	if err == nil {
		err = b.convert(old, "room.jsonl", rooms, "lobby.jsonl", b.journal["#room"])
	}
	if err == nil {
		err = b.convert(old, "presence.jsonl", root, "presence.jsonl", b.journal["#presence"])
	}
	for _, in := range opened {
		if err == nil {
			err = in.Sync()
		}
	}
	if err != nil {
		return err
	}
	point := strconv.AppendUint([]byte(`{"seq":`), b.seq, 10)
	point = jsonl.AppendString(append(point, `,"last_id":`...), b.lastID)
	if err := disk.WriteFile(root, "checkpoint.json", jsonl.Seal(point, 0)); err != nil {
		return err
	}
	if err := disk.WriteFile(root, "version", []byte("3\n")); err != nil { // it says that all is there
		return err
	}
	return parent.Sync()
}

// lastID returns the greatest id that was given, as far as the old folder says so beside its histories.
func lastID(old disk.Folder) (string, error) {
	text, err := disk.ReadFile(old, "state.json", jsonl.MaxLine)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var state struct{ Last string }
	if text = bytes.TrimSuffix(text, []byte("\n")); !jsonl.Sealed(text) || json.Unmarshal(text, &state) != nil {
		return "", nil // the ids in the histories count
	}
	return state.Last, nil
}

// convertAll makes the histories of the nicks that have a file or lines in the journals.
func (b *building) convertAll(from, to disk.Folder, journal map[string][]pending) error {
	files, err := from.Names()
	for nick := range journal {
		files = append(files, nick+".jsonl")
	}
	slices.Sort(files)
	for _, file := range slices.Compact(files) {
		nick, ok := strings.CutSuffix(file, ".jsonl")
		if ok && err == nil && !strings.HasPrefix(nick, "#") { // those are shared
			err = b.convert(from, file, to, file, journal[nick])
		}
	}
	return err
}

// convert makes one history, as it was when the server stopped: from the lines of the file and, in order,
// the lines of the journals that the file lacks. Its lines tell what is unread.
func (b *building) convert(from disk.Folder, name string, to disk.Folder, toName string, missing []pending) error {
	text, err := disk.ReadFile(from, name, math.MaxInt64)
	switch {
	case errors.Is(err, disk.ErrNotRegular):
		b.log.Error("history: the path is not a regular file; it is left out", "file", name, "error", err)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", name, err)
	}
	if err != nil && len(missing) == 0 {
		return nil
	}
	var (
		out     []byte
		seq     uint64 // of the last line
		cut     int64  // lines of the journals from before were removed from the file
		damaged int
	)
	add := func(data []byte) { // a sealed line, with its number; without what only the old layout needs
		var l line
		bad := json.Unmarshal(data, &l) != nil || l.Kind == "" || l.Kind == "read" && len(l.IDs) == 0
		numbered := append(strconv.AppendUint([]byte(`{"seq":`), seq+1, 10), ',')
		numbered = jsonl.Seal(append(numbered, data[1:len(data)-jsonl.Trailer]...), 0)
		switch {
		case bad || len(numbered) > jsonl.MaxLine:
			damaged++
		case l.Kind == "state": // what is unread, by offsets
		case l.Kind == "trim": // lines were removed: what comes next was at this offset
			cut = l.Was
		default:
			b.lastID = max(b.lastID, l.ID)
			seq++
			out = append(out, numbered...)
		}
	}
	next := 0
	addMissing := func(end int) { // of the journals, unless they were removed from the file
		for _, p := range missing[next:end] {
			if p.off >= cut {
				add(p.data)
			}
		}
		next = end
	}
	place := make(map[string]int, len(missing))
	for i, p := range slices.Backward(missing) {
		place[string(p.data)] = i
	}
	for l := range bytes.Lines(text) {
		found, whole := jsonl.Records(bytes.TrimSuffix(l, []byte("\n")))
		if !whole {
			damaged++
		}
		for _, r := range found {
			if i, is := place[string(r.Data)]; is && i >= next {
				addMissing(i)
				next++
			}
			add(r.Data)
		}
	}
	addMissing(len(missing))
	if damaged > 0 {
		b.log.Warn("history: damaged lines are left out; the old folder keeps them", "file", name, "lines", damaged)
	}
	b.seq = max(b.seq, seq)
	if err := disk.WriteFile(to, toName, out); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// line has the members of a line that the conversion needs.
type line struct {
	ID   string
	Time time.Time
	Kind string
	IDs  []string // of messages that are read
	Was  int64    // the offset of a trim
}
