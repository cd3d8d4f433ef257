package migrate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"regexp"
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
	opened  []disk.Folder
	tasks   []task
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

// tornEnd is added to the name of a history for what was damaged in it.
const tornEnd = ".torn"

var nickName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// build makes the folder called name in parent from old, durably.
func build(parent disk.Folder, name string, old disk.Folder, log *slog.Logger) error {
	if err := removeAll(parent, name); err != nil {
		return err
	}
	b := &building{log: log}
	defer func() {
		for _, in := range b.opened {
			_ = in.Close() // what was made is durable by then
		}
	}()
	root, err := b.sub(parent, name)
	if err != nil {
		return err
	}
	if err := b.list(old, root); err != nil {
		return err
	}
	told := time.Now()
	for i, t := range b.tasks {
		if err := b.convert(t); err != nil {
			return fmt.Errorf("%s: %w", t.fromName, err)
		}
		if time.Since(told) > progressEvery {
			told = time.Now()
			log.Info("history: the layout is brought up to date", "files", i+1, "of", len(b.tasks))
		}
	}
	return errors.Join(b.finish(root), parent.Sync())
}

// sub opens a folder until the end.
func (b *building) sub(in disk.Folder, name string) (disk.Folder, error) {
	sub, err := in.Sub(name)
	if err == nil {
		b.opened = append(b.opened, sub)
	}
	return sub, err
}

// list finds out what is to be made.
func (b *building) list(old, root disk.Folder) error {
	var state struct{ Last string }
	text, err := disk.ReadFile(old, "state.json", jsonl.MaxLine)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if text = bytes.TrimSuffix(text, []byte("\n")); jsonl.Sealed(text) && json.Unmarshal(text, &state) == nil {
		b.lastID = state.Last
	}
	journal, err1 := b.sub(old, "journal")
	users, err2 := b.sub(old, "users")
	newUsers, err3 := b.sub(root, "users")
	rooms, err4 := b.sub(root, "rooms")
	_, err5 := b.sub(root, "log")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	if b.journal, err = readJournals(journal, b.log); err != nil {
		return err
	}
	b.tasks = []task{
		{old, rooms, "room.jsonl", "lobby.jsonl", "#room", ""},
		{old, root, "presence.jsonl", "presence.jsonl", "#presence", ""},
	}
	names, err := histories(users)
	for nick := range b.journal {
		names = append(names, nick)
	}
	slices.Sort(names)
	for _, nick := range slices.Compact(names) {
		if nickName.MatchString(nick) {
			b.tasks = append(b.tasks, task{users, newUsers, nick + ".jsonl", nick + ".jsonl", nick, nick})
		}
	}
	const retiredFolder = ".retired"
	if _, lerr := users.Lstat(retiredFolder); err != nil || errors.Is(lerr, fs.ErrNotExist) {
		return err
	}
	retired, err1 := b.sub(users, retiredFolder)
	newRetired, err2 := b.sub(newUsers, retiredFolder)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	names, err = histories(retired)
	for _, name := range names { // NICK-TIME
		nick := name[:max(0, strings.LastIndex(name, "-"))]
		b.tasks = append(b.tasks, task{retired, newRetired, name + ".jsonl", name + ".jsonl", "", nick})
	}
	return err
}

// histories returns the names of the histories in a folder, without their end. There may be only a
// torn part of one.
func histories(in disk.Folder) ([]string, error) {
	files, err := in.Names()
	var names []string
	for _, file := range files {
		if name, ok := strings.CutSuffix(strings.TrimSuffix(file, tornEnd), ".jsonl"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// finish makes all durable. The version is last: it says that all is there.
func (b *building) finish(root disk.Folder) error {
	for _, in := range b.opened {
		if err := in.Sync(); err != nil {
			return err
		}
	}
	point := strconv.AppendUint([]byte(`{"seq":`), b.seq, 10)
	point = jsonl.AppendString(append(point, `,"last_id":`...), b.lastID)
	if err := disk.WriteFile(root, "checkpoint.json", jsonl.Seal(point, 0)); err != nil {
		return err
	}
	return disk.WriteFile(root, "version", []byte("3\n"))
}

// write makes a file of the new folder.
func (b *building) write(in disk.Folder, name string, fill func(io.Writer) error) error {
	f, err := in.Open(name, true)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(io.NewOffsetWriter(f, 0), 64<<10)
	if err = fill(out); err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// conversion is one history on its way to the new layout.
type conversion struct {
	*building
	task
	out     io.Writer
	seq     uint64            // of the last line
	time    time.Time         // and when
	cut     int64             // lines of the journals from before were removed from the file
	unread  map[string]uint64 // by id, the numbers
	torn    []byte            // what is set aside
	damaged int
}

// convert makes one history, and what is torn of it.
func (b *building) convert(t task) (err error) {
	c := &conversion{building: b, task: t, unread: make(map[string]uint64)}
	if c.torn, err = disk.ReadFile(t.from, t.fromName+tornEnd, math.MaxInt64); b.unreadable(t, err) {
		return err
	}
	f, err := t.from.Open(t.fromName, false)
	if b.unreadable(t, err) {
		return err
	}
	size := int64(0)
	if f != nil {
		defer func() { _ = f.Close() }() // it was only read
		st, err := f.Stat()
		if err != nil {
			return err
		}
		size = st.Size
	}
	if f != nil || len(b.journal[t.owner]) > 0 {
		err := b.write(t.to, t.toName, func(out io.Writer) error {
			c.out = out
			return c.lines(f, size)
		})
		if err != nil {
			return err
		}
	}
	if c.damaged > 0 {
		b.log.Warn("history: damaged lines set aside", "file", t.fromName, "lines", c.damaged, "in", t.toName+tornEnd)
	}
	b.seq = max(b.seq, c.seq)
	if len(c.torn) == 0 {
		return nil
	}
	return b.write(t.to, t.toName+tornEnd, func(out io.Writer) error {
		_, err := out.Write(c.torn)
		return err
	})
}

// unreadable reports whether err ends the conversion. A file that is missing, or is not one, does not.
func (b *building) unreadable(t task, err error) bool {
	if errors.Is(err, disk.ErrNotRegular) {
		b.log.Error("history: the path is not a regular file; it is left out", "file", t.fromName, "error", err)
		return false
	}
	return err != nil && !errors.Is(err, fs.ErrNotExist)
}

// lines writes the lines of the file and, each before the next one that the file has, those of the
// journals that it lacks: it is as it was when the server was killed.
func (c *conversion) lines(f io.ReaderAt, size int64) error {
	missing := c.journal[c.owner]
	place := make(map[string]int, len(missing))
	for i, p := range slices.Backward(missing) {
		place[string(p.data)] = i
	}
	next := 0
	lines := jsonl.NewForward(f, 0, size)
	for {
		l, err := lines.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		found, whole := jsonl.Records(l.Data)
		for _, r := range found {
			if i, is := place[string(r.Data)]; is && i >= next {
				if err := c.pending(missing[next:i]); err != nil {
					return err
				}
				next = i + 1
			}
			if err := c.line(r.Data); err != nil {
				return err
			}
		}
		if !whole {
			text, err := io.ReadAll(io.NewSectionReader(f, l.Off, lines.Offset()-l.Off))
			if err != nil {
				return err
			}
			c.setAside(text)
		}
	}
	if err := c.pending(missing[next:]); err != nil {
		return err
	}
	if c.nick == "" || c.seq == 0 {
		return nil
	}
	var unread []record.Place // nobody has to read all of the file then to find out
	for _, seq := range slices.Sorted(maps.Values(c.unread)) {
		unread = append(unread, record.Place{Seq: seq})
	}
	_, err := c.out.Write(record.AppendState(nil, c.seq, c.time, unread))
	return err
}

// pending writes lines of the journals, unless they were removed from the file.
func (c *conversion) pending(list []pending) error {
	for _, p := range list {
		if p.off < c.cut {
			continue
		}
		if err := c.line(p.data); err != nil {
			return err
		}
	}
	return nil
}

// Kinds of lines in a history that are no messages.
const (
	kindRead  = "read"  // messages with these ids are read
	kindState = "state" // what is unread, by offsets
	kindTrim  = "trim"  // lines were removed: what comes next was at the offset Was
)

// line is what has to be known of one.
type line struct {
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	Kind string    `json:"kind"`
	From string    `json:"from"`
	To   []string  `json:"to"`
	IDs  []string  `json:"ids"`
	Was  int64     `json:"was"`
}

// line writes one that is sealed, with its number. What only the old layout needs is left out.
func (c *conversion) line(data []byte) error {
	var l line
	bad := json.Unmarshal(data, &l) != nil || l.Kind == "" || l.Kind == kindRead && len(l.IDs) == 0
	numbered := append(strconv.AppendUint([]byte(`{"seq":`), c.seq+1, 10), ',')
	numbered = jsonl.Seal(append(numbered, data[1:len(data)-jsonl.Trailer]...), 0)
	switch {
	case bad || len(numbered) > jsonl.MaxLine:
		c.setAside(data)
		return nil
	case l.Kind == kindState:
		return nil
	case l.Kind == kindTrim:
		c.cut = l.Was
		return nil
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
	_, err := c.out.Write(numbered)
	return err
}

// setAside keeps what is damaged.
func (c *conversion) setAside(text []byte) {
	c.damaged++
	c.torn = append(append(c.torn, bytes.TrimSuffix(text, []byte("\n"))...), '\n')
}
