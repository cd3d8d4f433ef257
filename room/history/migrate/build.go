package migrate

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
)

// building is the new folder while it is made.
type building struct {
	opts     Options
	old, new tree
	journal  map[string][]pending // by owner
	whole    bool                 // the whole disk is synced at the end, and not file by file
	seq      uint64               // the greatest
	lastID   string
}

// task is one file to be made.
type task struct {
	from, to string // paths in the folders
	owner    string // whose lines in the journals belong to it, if any's
	nick     string // whose unread messages are in it, if anybody's
}

// build makes the folder called name in parent from old, durably.
func build(parent disk.Folder, name string, old disk.Folder, opts Options) (err error) {
	if err := removeAll(parent, name); err != nil {
		return err
	}
	root, err := parent.Sub(name)
	if err != nil {
		return err
	}
	b := &building{opts: opts, old: tree{"": old}, new: tree{"": root}}
	defer func() { err = errors.Join(err, b.old.close(), b.new.close(), root.Close()) }()
	if err := b.readState(); err != nil {
		return err
	}
	tasks, err := b.tasks()
	if err != nil {
		return err
	}
	if b.whole, err = root.SyncAll(); err != nil {
		return err
	}
	for i, t := range tasks {
		if err := b.do(t); err != nil {
			return fmt.Errorf("%s: %w", t.from, err)
		}
		if opts.Progress != nil {
			opts.Progress(i+1, len(tasks))
		}
	}
	if err := b.finish(); err != nil {
		return err
	}
	return parent.Sync()
}

// finish makes all durable. The version is last: it says that all is there.
func (b *building) finish() error {
	for _, always := range []string{"users", "rooms", "log"} {
		if _, err := b.new.at(always); err != nil {
			return err
		}
	}
	root := b.new[""]
	if b.whole {
		if _, err := root.SyncAll(); err != nil {
			return err
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(b.new)) {
		if err := b.new[dir].Sync(); err != nil {
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

// readState reads what is no history.
func (b *building) readState() error {
	state, err := disk.ReadFile(b.old[""], "state.json", jsonl.MaxLine)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if jsonl.Sealed([]byte(strings.TrimSuffix(string(state), "\n"))) {
		_, id, _ := strings.Cut(string(state), `{"last":"`)
		b.lastID, _, _ = strings.Cut(id, `"`)
	}
	if there, err := has(b.old[""], "journal"); err != nil || !there {
		return err
	}
	in, err := b.old.at("journal")
	if err == nil {
		b.journal, err = readJournals(in, b.opts.Log)
	}
	return err
}

// Paths of the shared histories, there and here, and whose they are in the journals.
var shared = []task{
	{"room.jsonl", "rooms/lobby.jsonl", "#room", ""},
	{"presence.jsonl", "presence.jsonl", "#presence", ""},
}

var nickName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

const retiredFolder = "users/.retired"

// tasks lists what is to be done, and sees whether there is space for it. What was torn
// of a history comes before it.
func (b *building) tasks() ([]task, error) {
	var list []task
	for _, t := range shared {
		list = append(list, task{from: t.from + tornEnd, to: t.to + tornEnd}, t)
	}
	listed := make(map[string]bool)
	for _, dir := range []string{"users", retiredFolder} {
		above, err := b.old.at(path.Dir(dir))
		if err != nil {
			return nil, err
		}
		if there, err := has(above, path.Base(dir)); err != nil {
			return nil, err
		} else if !there {
			break
		}
		in, err := b.old.at(dir)
		if err != nil {
			return nil, err
		}
		names, err := in.Names()
		if err != nil {
			return nil, err
		}
		slices.Sort(names)
		slices.Reverse(names) // ".jsonl.torn" before ".jsonl"
		for _, name := range names {
			t := task{from: path.Join(dir, name), to: path.Join(dir, name)}
			nick, history := strings.CutSuffix(name, ".jsonl")
			switch {
			case !history && !strings.HasSuffix(name, ".jsonl"+tornEnd):
				continue
			case !history:
			case dir == retiredFolder: // NICK-TIME
				t.nick = nick[:max(0, strings.LastIndex(nick, "-"))]
			case !nickName.MatchString(nick):
				continue
			default:
				t.nick, t.owner = nick, nick
				listed[nick] = true
			}
			list = append(list, t)
		}
	}
	for _, nick := range slices.Sorted(maps.Keys(b.journal)) {
		if !listed[nick] && nickName.MatchString(nick) {
			at := "users/" + nick + ".jsonl"
			list = append(list, task{at, at, nick, nick})
		}
	}
	return list, b.enoughFree(list)
}

// enoughFree reports an error if there is less space than the new files may take:
// numbers make lines of a hundred bytes longer by a tenth.
func (b *building) enoughFree(list []task) error {
	need := uint64(0)
	for _, t := range list {
		in, err := b.old.at(path.Dir(t.from))
		if err != nil {
			return err
		}
		st, err := in.Lstat(path.Base(t.from))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		need += uint64(st.Size)*5/4 + 8<<10
	}
	if b.opts.free == nil {
		return nil
	}
	if free, ok := b.opts.free(); ok && free < need {
		return fmt.Errorf("it takes %d MiB more on this disk until the old histories are deleted, and %d MiB are free", need>>20+1, free>>20)
	}
	return nil
}

// tree has the open folders below one, by path; "" is the one itself.
type tree map[string]disk.Folder

// at opens a folder, which it creates when missing.
func (t tree) at(dir string) (disk.Folder, error) {
	if dir == "." {
		dir = ""
	}
	if f := t[dir]; f != nil {
		return f, nil
	}
	above, err := t.at(path.Dir(dir))
	if err != nil {
		return nil, err
	}
	f, err := above.Sub(path.Base(dir))
	if err == nil {
		t[dir] = f
	}
	return f, err
}

// close closes all but the first.
func (t tree) close() error {
	var errs []error
	for dir, f := range t {
		if dir != "" {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

func (t tree) open(name string, create bool) (disk.File, int64, error) {
	in, err := t.at(path.Dir(name))
	if err != nil {
		return nil, 0, err
	}
	f, err := in.Open(path.Base(name), create)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, st.Size, nil
}
