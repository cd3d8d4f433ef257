package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
)

// Held is a folder of histories that no server has, and that none gets until it is
// closed. It is for what has to be done to whole histories; nothing is appended
// meanwhile. One goroutine uses it.
type Held struct {
	s      *Store
	backup io.Closer // keeps backups from beginning
}

// Hold takes the folder dir as [Open] does, with the same lock, and finishes what a
// crash left undone: nothing waits in a journal any more. The error is as Open's,
// [ErrInUse] while a server runs, [ErrBackup] while a backup does.
func Hold(dir string, log *slog.Logger) (*Held, error) {
	root, err := openDir(dir)
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
func hold(root folder, log *slog.Logger) (*Held, error) {
	s := newStore(Options{Log: log})
	if err := s.prepare(root); err != nil {
		return nil, err
	}
	backup, err := s.noBackups()
	if err != nil {
		return nil, errors.Join(err, s.release())
	}
	return &Held{s, backup}, nil
}

// Close gives the folder back.
func (h *Held) Close() error { return errors.Join(h.s.release(), h.backup.Close()) }

// historyFiles are the ends of the names of one nick's files. What was set aside
// goes first, so that a history that is not moved yet still has its own name.
var historyFiles = []string{".jsonl.torn", ".jsonl"}

// Check tells what would keep [Held.Rename] from giving from's history to to: there
// is one of to already (fs.ErrExist), or from's cannot be read. It mends the end of
// from's file as any use of it does, and changes nothing else.
func (h *Held) Check(from, to string) error {
	if err := areNicks(from, to); err != nil {
		return err
	}
	for _, end := range historyFiles {
		if taken, err := h.has(to + end); err != nil || taken {
			return h.taken(to+end, err)
		}
	}
	if there, err := h.has(from + ".jsonl"); err != nil || !there {
		return err
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
	var ends []string
	for _, end := range historyFiles {
		there, err := h.has(from + end)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		if taken, err := h.has(to + end); err != nil || taken {
			return h.taken(to+end, err)
		}
		ends = append(ends, end)
	}
	return h.move(from, to, ends)
}

func (h *Held) move(from, to string, ends []string) error {
	if there, err := h.has(from + ".jsonl"); err != nil {
		return err
	} else if there {
		if err := h.readdress(from, to); err != nil {
			return fmt.Errorf("history of %s: %w", from, err)
		}
	}
	for _, end := range ends {
		if err := h.s.home().users.rename(from+end, to+end); err != nil {
			return fmt.Errorf("history of %s: %w", from, err)
		}
	}
	return h.s.home().users.sync() // also of what an interrupted call has moved
}

func (h *Held) has(name string) (bool, error) {
	_, err := h.s.home().users.lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (h *Held) taken(name string, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("users/%s: %w", name, fs.ErrExist)
}

// areNicks keeps the shared histories, and paths, out.
func areNicks(names ...string) error {
	for _, name := range names {
		if !validOwner(name) || sharedFiles[name] != "" {
			return fmt.Errorf("%w: %q", errOwner, name)
		}
	}
	return nil
}
