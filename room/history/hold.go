package history

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
)

// Held is a folder of histories that no server has, and that none gets until it is
// closed. It is for what has to be done to whole histories; nothing is appended
// meanwhile. One goroutine uses it.
type Held struct {
	s      *Store
	backup io.Closer // keeps backups from beginning
}

// Hold takes the folder dir as [Open] does, with the same lock, and finishes what a crash left
// undone: the histories have all that the log had, and the log is empty. The error is as Open's,
// [ErrInUse] while a server runs, [ErrBackup] while a backup does.
func Hold(dir string, log *slog.Logger) (*Held, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := upgrade(dir, log); err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	root, err := disk.OpenDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	h, err := hold(root, log)
	if err != nil {
		return nil, fmt.Errorf("open history %s: %w", dir, err)
	}
	return h, nil
}

// hold is Hold on any folder, which it closes when it fails.
func hold(root disk.Folder, log *slog.Logger) (*Held, error) {
	s, err := prepare(root, Options{Log: log})
	if err != nil {
		return nil, err
	}
	h := &Held{s: s}
	if h.backup, err = lockBackups(root); err == nil {
		err = s.Log.Close()
	}
	if err == nil {
		err = s.Log.Release(s.applied)
	}
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// Close gives the folder back.
func (h *Held) Close() error {
	err := h.s.Log.Close()
	if h.backup != nil {
		err = errors.Join(err, h.backup.Close())
	}
	return errors.Join(err, h.s.closeFiles())
}

// Check tells what would keep [Held.Rename] from giving from's history to to: there
// is one of to already (fs.ErrExist), or from's cannot be read. It mends the end of
// from's file as any use of it does, and changes nothing else.
func (h *Held) Check(from, to string) error {
	if err := areNicks(from, to); err != nil {
		return err
	}
	for _, end := range historyFiles {
		if err := h.free(to + end); err != nil {
			return err
		}
	}
	it, err := h.s.owner(from)
	if err == nil {
		h.s.owners.release(it)
	}
	return err
}

// Rename gives the history of the nick from to the nick to, durably: its file, and
// what was set aside as torn. A nick without a history is no error, and no file is
// ever replaced: one that is in the way is an error (fs.ErrExist), and then nothing
// was moved.
//
// What was said under the old nick stays so: the lines name who wrote to whom when
// it was written, here and in everybody else's history. Only messages that are still
// unread are addressed to the new nick, since nobody would be shown them otherwise.
//
// It can be interrupted anywhere and called again: the unread messages are addressed
// anew by replacing the file under its old name, in one step; a second look finds
// none that are unread for the old nick. Then the files are moved one by one, and
// those that have been are not found again.
func (h *Held) Rename(from, to string) error {
	if err := areNicks(from, to); err != nil {
		return err
	}
	if _, err := h.movable(from, to); err != nil {
		return err
	}
	if err := h.readdress(from, to); err != nil {
		return fmt.Errorf("history of %s: %w", from, err)
	}
	ends, err := h.movable(from, to) // there may be more to set aside now
	if err != nil {
		return err
	}
	users := h.s.dirs.users
	for _, end := range ends {
		if err := users.Rename(from+end, to+end); err != nil {
			return fmt.Errorf("history of %s: %w", from, err)
		}
	}
	return users.Sync() // also of what an interrupted call has moved
}

// movable returns which of the files from has. It is an fs.ErrExist if to has one of these.
func (h *Held) movable(from, to string) (ends []string, err error) {
	for _, end := range historyFiles {
		switch err := h.free(from + end); {
		case err == nil:
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		default:
			if err := h.free(to + end); err != nil {
				return nil, err
			}
			ends = append(ends, end)
		}
	}
	return ends, nil
}

// RestoreNick gives nick the history back that was set aside last, and reports whether
// there was one. It is an fs.ErrExist if nick has another one by now. It can be
// interrupted and called again.
func (h *Held) RestoreNick(nick string) (restored bool, err error) {
	if err := areNicks(nick); err != nil {
		return false, err
	}
	users := h.s.dirs.users
	if _, err := users.Lstat(retiredFolder); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	aside, err := users.Sub(retiredFolder)
	if err != nil {
		return false, err
	}
	defer func() { _ = aside.Close() }() // it was only read and synced
	names, err := aside.Names()
	if err != nil {
		return false, err
	}
	last := ""
	for _, file := range names {
		if n, _, ok := retiredName(file); ok && n == nick && strings.HasSuffix(file, ".jsonl") {
			last = max(last, strings.TrimSuffix(file, ".jsonl"))
		}
	}
	if last == "" {
		return false, nil
	}
	if err := h.free(nick + ".jsonl"); err != nil {
		return false, err
	}
	for _, end := range historyFiles {
		if err := users.Rename(retiredFolder+"/"+last+end, nick+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("history of %s: %w", nick, err)
		}
	}
	return true, errors.Join(users.Sync(), aside.Sync())
}

// free is an fs.ErrExist if users has the file.
func (h *Held) free(name string) error {
	_, err := h.s.dirs.users.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return cmp.Or(err, fmt.Errorf("users/%s: %w", name, fs.ErrExist))
}

// areNicks keeps the shared histories, and paths, out.
func areNicks(names ...string) error {
	for _, name := range names {
		if !ValidNick(name) {
			return fmt.Errorf("%w: %q", errOwner, name)
		}
	}
	return nil
}

// readdress has what is unread in from's history addressed to to. Where nothing is
// unread the file stays as it is.
func (h *Held) readdress(from, to string) error {
	it, err := h.s.owner(from)
	if err != nil {
		return err
	}
	unread := make(map[string]bool)
	for _, u := range it.val.unread {
		unread[u.id] = true
	}
	h.s.owners.release(it)
	if len(unread) == 0 {
		return nil
	}
	return h.rewrite(from, func(m *room.Message) *room.Message {
		if !unread[m.ID] {
			return m
		}
		c := *m
		c.To = slices.Clone(m.To)
		for i, nick := range c.To {
			if nick == from {
				c.To[i] = to
			}
		}
		return &c
	})
}

// rewrite replaces the file of a history, in one step, by one that has all its good records, in the
// order of their numbers, and nothing else; what is damaged is durable in the .torn file before.
// change may return another message for one.
func (h *Held) rewrite(name string, change func(*room.Message) *room.Message) error {
	it, err := h.s.owner(name)
	if err != nil {
		return err
	}
	defer func() {
		h.s.owners.release(it)
		h.s.owners.forget(name)
		h.s.files.forget(name)
	}()
	v, _, err := h.s.view(it.val)
	if err != nil {
		return err
	}
	defer v.close()
	places, err := h.sort(name, v)
	if err != nil {
		return err
	}
	in, base := h.s.dirs.place(name)
	f, err := in.Open(base+".tmp", true)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		err = write(f, v, places, it.val, change)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := in.Rename(base+".tmp", base); err != nil {
		return err
	}
	return in.Sync()
}

// extent is where a record is.
type extent struct {
	seq uint64
	off int64
	len int
}

// sort returns where the records are, state lines left out, in the order of their numbers, and sets
// aside what is damaged.
func (h *Held) sort(name string, v *view) (list []extent, err error) {
	err = eachLine(v, 0, v.end(), func(l jsonl.Line, next int64) error {
		found, whole := split(l)
		junk := len(l.Data)
		for _, g := range found {
			junk -= len(g.data)
			if g.State == nil {
				list = append(list, extent{g.Seq, g.Off, len(g.data)})
			}
		}
		if whole || len(found) > 0 && junk == 0 { // newlines were lost
			return nil
		}
		return h.s.dirs.setAside(name, v, []piece{{l.Off, next}})
	})
	slices.SortStableFunc(list, func(a, b extent) int { return cmp.Compare(a.seq, b.seq) })
	return list, err
}

// write writes the records at these places to f, and then a state line.
func write(f disk.File, v *view, places []extent, is *owner, change func(*room.Message) *room.Message) error {
	out := bufio.NewWriterSize(io.NewOffsetWriter(f, 0), 64<<10)
	now := &owner{name: is.name} // what is unread stays so, whoever it is addressed to then
	for _, p := range places {
		text := make([]byte, p.len, p.len+1)
		if _, err := v.ReadAt(text, p.off); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		recs, whole := record.Parse(jsonl.Line{Off: p.off, Data: text})
		if !whole {
			return fmt.Errorf("at byte %d: the line has changed", p.off)
		}
		text = append(text, '\n')
		rec := recs[0]
		if rec.Message != nil && change != nil {
			if m := change(rec.Message); m != rec.Message {
				var err error
				if text, err = record.AppendMessage(nil, rec.Seq, m); err != nil {
					return err
				}
			}
		}
		now.follow(now.index(rec), rec)
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	if !shared(is.name) && is.last > 0 {
		if _, err := out.Write(record.AppendState(nil, is.last, time.Now(), now.places())); err != nil {
			return err
		}
	}
	return out.Flush()
}
