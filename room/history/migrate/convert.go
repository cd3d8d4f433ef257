package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"whoelse/room/history/record"
	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
)

// building is what the histories of the new folder have in common.
type building struct {
	log     *slog.Logger
	journal map[string][]pending // by owner
	seq     uint64               // the greatest
	lastID  string
}

// task is one history to be made.
type task struct {
	from, to         disk.Folder
	fromName, toName string
	owner            string // whose lines in the journals belong to it, if any's
	nick             string // whose unread messages are in it, if anybody's
}

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
	text, err := disk.ReadFile(old, "state.json", jsonl.MaxLine)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var state struct{ Last string }
	if text = bytes.TrimSuffix(text, []byte("\n")); jsonl.Sealed(text) && json.Unmarshal(text, &state) == nil {
		b.lastID = state.Last // else the ids in the histories count
	}
	tasks := []task{
		{old, rooms, "room.jsonl", "lobby.jsonl", "#room", ""},
		{old, root, "presence.jsonl", "presence.jsonl", "#presence", ""},
	}
	files, err := users.Names()
	for nick := range b.journal {
		files = append(files, nick+".jsonl")
	}
	slices.Sort(files)
	for _, file := range slices.Compact(files) {
		if nick, ok := strings.CutSuffix(file, ".jsonl"); ok && !strings.HasPrefix(nick, "#") { // those are shared
			tasks = append(tasks, task{users, newUsers, file, file, nick, nick})
		}
	}
	const retiredFolder = ".retired"
	if err == nil && slices.Contains(files, retiredFolder) {
		retired, newRetired := sub(users, retiredFolder), sub(newUsers, retiredFolder)
		if err == nil {
			files, err = retired.Names()
		}
		for _, file := range files {
			nick := file[:max(0, strings.LastIndex(file, "-"))] // NICK-TIME.jsonl
			if strings.HasSuffix(file, ".jsonl") {
				tasks = append(tasks, task{retired, newRetired, file, file, "", nick})
			}
		}
	}
	if err != nil {
		return err
	}
	log.Info("history: bringing the layout up to date", "files", len(tasks))
	for _, t := range tasks {
		if err := b.convert(t); err != nil {
			return fmt.Errorf("%s: %w", t.fromName, err)
		}
	}
	for _, in := range opened {
		if err := in.Sync(); err != nil {
			return err
		}
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

// line is what has to be known of one.
type line struct {
	ID   string
	Time time.Time
	Kind string
	From string
	To   []string
	IDs  []string // of messages that are read
	Was  int64    // the offset of a trim
}

// convert makes one history: of the lines of the file and, each before the next one that the file has,
// those of the journals that it lacks. So it is as it was when the server was killed.
func (b *building) convert(t task) error {
	text, err := disk.ReadFile(t.from, t.fromName, math.MaxInt64)
	missing := b.journal[t.owner]
	switch {
	case errors.Is(err, disk.ErrNotRegular):
		b.log.Error("history: the path is not a regular file; it is left out", "file", t.fromName, "error", err)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err != nil && len(missing) == 0 {
		return nil
	}
	var (
		out     []byte
		seq     uint64                    // of the last line
		when    time.Time                 // its time
		cut     int64                     // lines of the journals from before were removed from the file
		unread  = make(map[string]uint64) // by id, the numbers
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
			return
		case l.Kind == "state": // what is unread, by offsets
			return
		case l.Kind == "trim": // lines were removed: what comes next was at this offset
			cut = l.Was
			return
		case l.Kind == "read":
			for _, id := range l.IDs {
				delete(unread, id)
			}
		case t.nick != l.From && slices.Contains(l.To, t.nick):
			unread[l.ID] = seq + 1
		}
		b.lastID = max(b.lastID, l.ID)
		seq++
		when = l.Time
		out = append(out, numbered...)
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
	if t.nick != "" && seq > 0 { // nobody has to read all of it then to find out what is unread
		var places []record.Place
		for _, seq := range slices.Sorted(maps.Values(unread)) {
			places = append(places, record.Place{Seq: seq})
		}
		out = record.AppendState(out, seq, when, places)
	}
	if damaged > 0 {
		b.log.Warn("history: damaged lines are left out; the old folder keeps them", "file", t.fromName, "lines", damaged)
	}
	b.seq = max(b.seq, seq)
	to, err := t.to.Open(t.toName, true)
	if err != nil {
		return err
	}
	if _, err = to.WriteAt(out, 0); err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}
