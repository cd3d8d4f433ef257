package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"whoelse/internal/disk"
)

// Repair mends the histories in dir, which nobody may have: see [Hold] for what it does
// about the log, and for its errors. Damaged bytes are set aside in the .torn file of
// their file, durably, before they go from it; what is good is in order then. Nothing is
// deleted. Interrupted anywhere it can be run again; then bytes may be set aside twice.
// What it did is reported as Damage, what it could not mend as Trouble.
func Repair(ctx context.Context, dir string, log *slog.Logger, how Checking) error {
	root, err := openRoot(dir, log, disk.OpenExisting)
	if err != nil {
		return err
	}
	if err := repair(ctx, root, log, how); err != nil {
		return fmt.Errorf("repair %s: %w", dir, err)
	}
	return nil
}

// repair is Repair on any folder, which it closes.
func repair(ctx context.Context, root disk.Folder, log *slog.Logger, how Checking) error {
	if how.Tell == nil {
		how.Tell = func(Problem) {}
	}
	_, err := readVersion(root)
	if err == nil {
		err = salvage(ctx, root, how)
	}
	if err != nil {
		return errors.Join(err, root.Close())
	}
	h, err := hold(root, log)
	if err != nil {
		return err
	}
	return errors.Join(h.repair(ctx, how), h.Close())
}

// salvage sets aside what is damaged in the log and in the checkpoint, since a start leaves it out
// and removes it.
func salvage(ctx context.Context, root disk.Folder, how Checking) error {
	lock, err := root.Lock(serverLock) // no server starts meanwhile; if one does later, all is as well
	if err != nil {
		return err
	}
	var found []Problem
	err = newChecker(ctx, root, Checking{Tell: func(f Problem) {
		if f.Severity == Damage {
			found = append(found, f)
		}
	}}).checkLog()
	for _, f := range found {
		if err == nil && f.Offset >= 0 {
			err = keepAside(root, f)
		}
		if err == nil {
			how.Tell(f)
		}
	}
	return errors.Join(err, lock.Close())
}

// keepAside copies the bytes of a problem to the .torn file.
func keepAside(in disk.Folder, found Problem) error {
	name := found.File
	if dir, base, ok := strings.Cut(name, "/"); ok {
		sub, err := in.Sub(dir)
		if err != nil {
			return err
		}
		defer func() { _ = sub.Close() }() // it is synced by then
		in, name = sub, base
	}
	f, st, err := openStat(in, name, false)
	if err != nil {
		return err
	}
	if end := min(found.Offset+found.Size, st.Size); end > found.Offset {
		err = quarantine(in, name, f, extent{found.Offset, end})
	}
	return errors.Join(err, f.Close())
}

// repair mends every history. The log is empty, and its numbers go on after the greatest in the
// histories.
func (h *Held) repair(ctx context.Context, how Checking) error {
	s := h.s
	names, err := s.dirs.owners()
	if err != nil {
		return err
	}
	s.log = discard // what it would log from here on is reported
	most, lastID := s.applied, s.LastID()
	var bad []string
	for _, name := range names {
		found := false
		in, base := s.dirs.place(name)
		c := newChecker(ctx, in, Checking{Step: how.Step, Tell: func(f Problem) {
			found = found || f.Severity == Damage && f.Offset >= 0
			how.Tell(f)
		}})
		c.last = s.applied
		if err := c.history(in, path(name), base); err != nil {
			return err
		}
		most, lastID = max(most, c.most), max(lastID, c.sum.LastID)
		if found {
			bad = append(bad, name)
		}
	}
	s.applied = most
	for _, name := range bad {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.rewrite(name, ""); err != nil {
			return fmt.Errorf("%s: %w; it is as it was, apart from what was set aside", path(name), err)
		}
	}
	if saved, err := loadCheckpoint(s.dirs.root); err != nil || most > saved.Seq || lastID > saved.LastID {
		if err := saveCheckpoint(s.dirs.root, checkpoint{most, lastID}); err != nil {
			return err
		}
	}
	return s.dirs.sync() // also of what an interrupted call has replaced, which is well now
}
