package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"time"

	"whoelse/internal/disk"
	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
)

// patience is how long a backup waits for its lock: a server that is removing a
// segment has it for a moment.
var patience = 5 * time.Second // shorter in tests

// HoldSegments keeps segments of the log of the histories in dir from being removed, by a server or
// at its start, until the closer is closed or the process ends. Copying the checkpoint, then the
// histories and then the log meanwhile gives a copy that a start makes consistent. It is [room.ErrBackup]
// when somebody else holds them. A folder that nobody can write to, and that no server has, needs no
// lock.
func HoldSegments(ctx context.Context, dir string) (io.Closer, error) {
	in, err := disk.OpenExisting(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // it was only used to find the file
	ctx, cancel := context.WithTimeoutCause(ctx, patience, room.ErrBackup)
	defer cancel()
	for {
		lock, err := lockBackups(in)
		if errors.Is(err, syscall.EROFS) {
			if used, err := InUse(dir); err == nil && !used {
				return io.NopCloser(nil), nil
			}
		}
		if !errors.Is(err, room.ErrBackup) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(patience / 100):
		}
	}
}

func lockBackups(in disk.Folder) (io.Closer, error) {
	lock, err := in.Lock(backupLock)
	if errors.Is(err, disk.ErrInUse) {
		return nil, room.ErrBackup
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", backupLock, err)
	}
	return lock, nil
}

// WithoutBackup calls do while no backup can begin. While one runs it is [room.ErrBackup], and do
// is not called.
func (s *Store) WithoutBackup(do func() error) error {
	lock, err := lockBackups(s.dirs.root)
	if err != nil {
		return err
	}
	return errors.Join(do(), lock.Close())
}

// InUse reports whether a server, or work on whole histories, has the folder dir now.
// It changes nothing. A folder that does not exist is not in use.
func InUse(dir string) (used bool, err error) {
	in, err := disk.OpenReadOnly(dir)
	if err == nil {
		defer func() { _ = in.Close() }() // it was only looked at
		var lock io.Closer
		if lock, err = in.Lock(serverLock); err == nil {
			return false, lock.Close()
		}
	}
	switch {
	case errors.Is(err, disk.ErrInUse):
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, err
}

// LayoutVersion returns the version of the histories in dir, 0 where none is written
// down yet. A newer one than [Version] is an error.
func LayoutVersion(dir string) (int, error) {
	in, err := disk.OpenReadOnly(dir)
	if err != nil {
		return 0, err
	}
	v, err := readVersion(in)
	return v, errors.Join(err, in.Close())
}

// Held is a folder of histories that no server has, and that none gets until it is
// closed. It is for what has to be done to whole histories; nothing is appended
// meanwhile. One goroutine uses it.
type Held struct {
	s      *Store
	backup io.Closer // keeps backups from beginning
}

// Hold takes the folder dir as [Open] does, with the same lock, and finishes what a crash left
// undone: the histories have all that the log had, and the log is empty. The error is as Open's,
// [ErrInUse] while a server runs, [room.ErrBackup] while a backup does.
func Hold(dir string, log *slog.Logger) (*Held, error) {
	root, err := openRoot(dir, log, disk.OpenDir)
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

// Last is the number of the last event.
func (h *Held) Last() uint64 { return h.s.Last() }

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
	if _, err := h.s.owner(from); err != nil {
		return fmt.Errorf("history of %s: %w", from, err)
	}
	return nil
}

// Rename gives the history of the nick from to the nick to, durably: its file, and
// what was set aside as torn. A nick without a history is no error, and no file is
// ever replaced: one that is in the way is an error (fs.ErrExist), and then nothing
// was moved. What was said stays as it is; only messages that are still unread are addressed to the new
// nick, since nobody would be shown them otherwise.
//
// It can be interrupted anywhere and called again: messages are addressed anew in one step, under the old
// name, and the files are moved one by one.
func (h *Held) Rename(from, to string) error {
	err := areNicks(from, to)
	if err == nil {
		_, err = h.movable(from, to)
	}
	if err == nil {
		err = h.s.rewrite(from, to)
	}
	var ends []string
	if err == nil {
		ends, err = h.movable(from, to) // there may be more to set aside now
	}
	if err != nil {
		return fmt.Errorf("history of %s: %w", from, err)
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
		err := h.free(from + end)
		if errors.Is(err, fs.ErrExist) {
			ends = append(ends, end)
			err = h.free(to + end)
		}
		if err != nil {
			return nil, err
		}
	}
	return ends, nil
}

// RestoreNick gives nick the history back that was set aside last, and reports whether
// there was one. It is an fs.ErrExist if nick has another one, or still has its own. It can be
// interrupted and called again.
func (h *Held) RestoreNick(nick string) (restored bool, err error) {
	if err := areNicks(nick); err != nil {
		return false, err
	}
	users := h.s.dirs.users
	if _, err := users.Lstat(retiredFolder); errors.Is(err, fs.ErrNotExist) {
		return false, h.free(nick + ".jsonl")
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
		if m := retiredName.FindStringSubmatch(file); m != nil && m[1] == nick && m[4] == "" {
			last = max(last, strings.TrimSuffix(file, ".jsonl"))
		}
	}
	if err := h.free(nick + ".jsonl"); err != nil || last == "" {
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

// rewrite replaces the file of a history, in one step, by one that has all its good records, in the
// order of their numbers, and nothing else; what is damaged is durable in the .torn file before.
// Unread messages are addressed to the nick to, if that is given; then nothing is done where there are none.
func (s *Store) rewrite(name, to string) error {
	in, base := s.dirs.place(name)
	err := s.replace(name, func(d *draft) (bool, error) {
		unread := make(map[string]bool)
		for _, u := range d.v.unread {
			unread[u.id] = to != ""
		}
		if to != "" && len(unread) == 0 {
			return false, nil
		}
		type part struct {
			record.Record
			text []byte // of a message that was changed
		}
		var list []part
		for l, err := range jsonl.Lines(d.v, 0, d.v.size) {
			if err != nil {
				return false, err
			}
			found, whole := record.Parse(l)
			junk := len(l.Data)
			for _, r := range found {
				if junk -= r.Len; r.State != nil {
					continue
				}
				p := part{Record: record.Record{Seq: r.Seq, Off: r.Off, Len: r.Len}}
				if m := r.Message; m != nil && unread[m.ID] && m.For(name) {
					m.To[slices.Index(m.To, name)] = to
					ours, err := record.AppendMessage(nil, r.Seq, m)
					m.Extra = jsonl.Unknown(l.Data[r.Off-l.Off:][:r.Len], ours)
					if err == nil {
						p.text, err = record.AppendMessage(nil, r.Seq, m)
					}
					if err != nil {
						return false, err
					}
				}
				list = append(list, p)
			}
			if whole || len(found) > 0 && junk == 0 { // newlines were lost
				continue
			}
			if err := quarantine(in, base, d.v, extent{l.Off, l.End}); err != nil {
				return false, err
			}
		}
		slices.SortStableFunc(list, func(a, b part) int { return cmp.Compare(a.Seq, b.Seq) })
		d.from = d.v.size
		for _, p := range list {
			err := error(nil)
			if p.text != nil {
				d.moved[p.Off] = d.size
				err = d.put(p.text)
			} else {
				err = d.copyRecord(p.Record)
			}
			if err != nil {
				return false, err
			}
		}
		return true, nil
	})
	return errors.Join(err, in.Sync())
}
