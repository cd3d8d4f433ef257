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

// building is the new folder while it is made.
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

const progressEvery = 5 * time.Second

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
	told := time.Now()
	for i, t := range tasks {
		if err := b.convert(t); err != nil {
			return fmt.Errorf("%s: %w", t.fromName, err)
		}
		if time.Since(told) > progressEvery {
			told = time.Now()
			log.Info("history: the layout is brought up to date", "files", i+1, "of", len(tasks))
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

// conversion is one history on its way to the new layout.
type conversion struct {
	*building
	task
	out     []byte
	seq     uint64            // of the last line
	time    time.Time         // and when
	cut     int64             // lines of the journals from before were removed from the file
	unread  map[string]uint64 // by id, the numbers
	damaged int
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
	place := make(map[string]int, len(missing))
	for i, p := range slices.Backward(missing) {
		place[string(p.data)] = i
	}
	c := &conversion{building: b, task: t, unread: make(map[string]uint64)}
	next := 0
	for l := range bytes.Lines(text) {
		found, whole := jsonl.Records(bytes.TrimSuffix(l, []byte("\n")))
		if !whole {
			c.damaged++
		}
		for _, r := range found {
			if i, is := place[string(r.Data)]; is && i >= next {
				c.pending(missing[next:i])
				next = i + 1
			}
			c.line(r.Data)
		}
	}
	c.pending(missing[next:])
	if t.nick != "" && c.seq > 0 { // nobody has to read all of it then to find out what is unread
		var unread []record.Place
		for _, seq := range slices.Sorted(maps.Values(c.unread)) {
			unread = append(unread, record.Place{Seq: seq})
		}
		c.out = record.AppendState(c.out, c.seq, c.time, unread)
	}
	if c.damaged > 0 {
		b.log.Warn("history: damaged lines are left out; the old folder keeps them",
			"file", t.fromName, "lines", c.damaged)
	}
	b.seq = max(b.seq, c.seq)
	to, err := t.to.Open(t.toName, true)
	if err != nil {
		return err
	}
	if _, err = to.WriteAt(c.out, 0); err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

// pending adds lines of the journals, unless they were removed from the file.
func (c *conversion) pending(list []pending) {
	for _, p := range list {
		if p.off >= c.cut {
			c.line(p.data)
		}
	}
}

// Kinds of lines in a history that are no messages.
const (
	kindRead  = "read"  // messages with these ids are read
	kindState = "state" // what is unread, by offsets
	kindTrim  = "trim"  // lines were removed: what comes next was at the offset Was
)

// line is what has to be known of one.
type line struct {
	ID   string
	Time time.Time
	Kind string
	From string
	To   []string
	IDs  []string
	Was  int64
}

// line adds one that is sealed, with its number. What only the old layout needs is left out.
func (c *conversion) line(data []byte) {
	var l line
	bad := json.Unmarshal(data, &l) != nil || l.Kind == "" || l.Kind == kindRead && len(l.IDs) == 0
	numbered := append(strconv.AppendUint([]byte(`{"seq":`), c.seq+1, 10), ',')
	numbered = jsonl.Seal(append(numbered, data[1:len(data)-jsonl.Trailer]...), 0)
	switch {
	case bad || len(numbered) > jsonl.MaxLine:
		c.damaged++
		return
	case l.Kind == kindState:
		return
	case l.Kind == kindTrim:
		c.cut = l.Was
		return
	case l.Kind == kindRead:
		for _, id := range l.IDs {
			delete(c.unread, id)
		}
	case c.nick != l.From && slices.Contains(l.To, c.nick):
		c.unread[l.ID] = c.seq + 1
	}
	c.lastID = max(c.lastID, l.ID)
	c.seq++
	c.time = l.Time
	c.out = append(c.out, numbered...)
}
