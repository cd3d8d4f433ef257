package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"whoelse/room"
)

// Repair mends the histories in dir, which nobody may have: see [Hold] for what it does
// about journals, and for its errors. Damaged bytes are set aside in the .torn file of
// their file, durably, before they go from it; what is good keeps its order. Nothing is
// deleted. Interrupted anywhere it can be run again; then bytes may be set aside twice.
// What it did is told as Damage, what it could not mend as Trouble.
func Repair(ctx context.Context, dir string, log *slog.Logger, how Checking) error {
	root, err := existingDir(dir)
	if err != nil {
		return err
	}
	if err := repair(ctx, root, log, how); err != nil {
		return fmt.Errorf("repair %s: %w", dir, err)
	}
	return nil
}

// repair is Repair on any folder, which it closes.
func repair(ctx context.Context, root folder, log *slog.Logger, how Checking) error {
	if _, err := readVersion(root); err != nil {
		return errors.Join(err, root.close())
	}
	if err := salvage(ctx, root, how); err != nil {
		return errors.Join(err, root.close())
	}
	h, err := hold(root, log)
	if err != nil {
		return err
	}
	h.s.log = slog.New(slog.DiscardHandler) // what it would log from here on is told
	r := &repairing{h: h, ctx: ctx, how: how}
	if r.how.Tell == nil {
		r.how.Tell = func(Finding) {}
	}
	return errors.Join(r.all(), h.Close())
}

// salvage sets aside what is damaged in the journals and in the file with the greatest
// id, since a start leaves it out and replaces them.
func salvage(ctx context.Context, root folder, how Checking) error {
	lock, err := root.lock("lock") // no server starts meanwhile; if one does later, all is as well
	if err != nil {
		return err
	}
	in, err := root.sub("journal")
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	var found []Finding
	c := newChecker(ctx, root, Checking{Tell: func(f Finding) {
		if f.Grade == Damage && f.Offset >= 0 {
			found = append(found, f)
		}
	}})
	err = errors.Join(c.state(), c.journals(in))
	for _, f := range found {
		if err == nil && f.File == stateFile {
			err = keepAside(root, stateFile, f)
		} else if err == nil {
			err = keepAside(in, strings.TrimPrefix(f.File, "journal/"), f)
		}
		if err == nil && how.Tell != nil {
			how.Tell(f)
		}
	}
	return errors.Join(err, in.close(), lock.Close())
}

func keepAside(in folder, name string, found Finding) error {
	f, size, err := openSized(in, name)
	if err != nil {
		return err
	}
	if n := min(found.Size, size-found.Offset); n > 0 {
		err = appendTorn(in, name+".torn", io.NewSectionReader(f, found.Offset, n))
	}
	return errors.Join(err, f.close())
}

// repairing goes over a folder that is held.
type repairing struct {
	h      *Held
	ctx    context.Context
	how    Checking
	lastID string
}

func (r *repairing) all() error {
	for _, name := range []string{room.RoomHistory, room.PresenceHistory} {
		if err := r.history(name); err != nil {
			return err
		}
	}
	names, err := r.h.s.home().users.names()
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, file := range names {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		nick, ok := strings.CutSuffix(file, ".jsonl")
		if ok && validOwner(nick) && sharedFiles[nick] == "" {
			if err := r.history(nick); err != nil {
				return err
			}
		}
	}
	if err := r.state(); err != nil {
		return err
	}
	// Also of what an interrupted call has replaced, which is well now.
	return errors.Join(r.h.s.home().users.sync(), r.h.s.home().root.sync())
}

// history mends one. What is no file stays as it is.
func (r *repairing) history(name string) error {
	in, base := r.h.s.place(name)
	found := 0
	c := newChecker(r.ctx, in, Checking{Tell: func(f Finding) {
		if f.Grade == Damage {
			found++
		}
		r.how.Tell(f)
	}, Step: r.how.Step})
	if err := c.history(in, fileOf(name), base); err != nil {
		return err
	}
	r.lastID = max(r.lastID, c.sum.LastID)
	if found == 0 {
		return nil
	}
	if err := r.h.mend(name); err != nil {
		return fmt.Errorf("%s: %w; it is as it was, apart from what was set aside", fileOf(name), err)
	}
	return nil
}

// state sees that the file with the greatest id is right. Without it a start looks at
// the shared histories alone; here all were read.
func (r *repairing) state() error {
	last := max(r.lastID, r.h.s.LastID())
	f, size, err := openSized(r.h.s.home().root, stateFile)
	if errors.Is(err, errOdd) {
		return nil // it was told as what it is
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	saved, ok := "", true
	if f != nil {
		saved, ok = parseState(f, size)
		_ = f.close() // it was only read
	}
	if ok && last <= saved {
		return nil
	}
	return writeFile(r.h.s.home().root, stateFile, seal(appendString([]byte(`{"last":`), last), 0))
}

// isTrim reports whether l is the first line of a file that was shortened.
func isTrim(l line) bool {
	e, ok := decode(l.data)
	return ok && e.trim != nil && l.off == 0
}
