package history

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"time"

	"whoelse/room/history/record"
	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
)

// retiredFolder, in users, has the histories of nicks that nobody holds any more, as
// NICK-STAMP.jsonl, and in rooms those of rooms that were closed. Nothing reads them there.
const retiredFolder = ".retired"

// retiredStamp is when a history was set aside, in UTC.
const retiredStamp = "20060102T150405Z"

// historyFiles are the ends of the names of one history's files. What was set aside
// goes first, so that a history that is not moved yet still has its own name.
var historyFiles = []string{".jsonl.torn", ".jsonl"}

// retire sets a history aside: whoever gets the nick, or room, next has an empty one. It is the event seq, of
// this time, which may be applied again after a crash: a history with later lines is the next
// holder's, and of one that was set aside already, all that is in the file was applied again. That
// is in the former, too, since it was synced before it was moved. All its lines have to be in
// the file.
func (s *Store) retire(o *owner, seq uint64, at time.Time) error {
	if o.unusable != nil {
		s.complain(o.name, "history: the file is unusable, and not set aside", o.unusable)
		return nil
	}
	if o.ino == 0 || o.last > seq {
		return nil
	}
	in, base := s.dirs.place(o.name)
	aside, err := in.Sub(retiredFolder)
	if err != nil {
		return err
	}
	defer func() { _ = aside.Close() }() // it was only synced
	v, err := s.view(o)
	if err != nil {
		return err
	}
	defer v.close()
	if named, err := in.Lstat(base); err != nil || named.Ino != o.ino {
		return errors.Join(errReplaced, err)
	}
	if err := v.file.(disk.File).Sync(); err != nil {
		return err
	}
	as, again, err := retiredAs(aside, v, at)
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(base, ".jsonl")
	for _, end := range historyFiles {
		if again {
			err = in.Remove(name + end)
		} else {
			err = in.Rename(name+end, retiredFolder+"/"+as+end)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("history of %s: %w", o.name, err)
		}
	}
	s.changed(o.name, 0)
	s.drop(o.name)
	s.log.Info("history: set aside, its nick or room has no holder any more", "owner", o.name, "as", as+".jsonl")
	return errors.Join(aside.Sync(), in.Sync())
}

// retiredAs returns the name for a history that is set aside, without its end, and whether
// it has that name already: another one of the same second ends before this one begins.
func retiredAs(aside disk.Folder, v *view, at time.Time) (as string, again bool, err error) {
	first, err := numberOf(jsonl.Lines(v, 0, v.end()))
	if err != nil {
		return "", false, err
	}
	for ; ; at = at.Add(time.Second) {
		as = strings.TrimPrefix(v.o.name, "#") + "-" + at.UTC().Format(retiredStamp)
		f, st, err := openStat(aside, as+".jsonl", false)
		if errors.Is(err, fs.ErrNotExist) {
			return as, false, nil
		}
		if unusable(err) {
			continue
		}
		if err != nil {
			return "", false, err
		}
		last, err := numberOf(jsonl.Backward(f, st.Size))
		if err = errors.Join(err, f.Close()); err != nil || last >= first && first > 0 {
			return as, true, err
		}
	}
}

// numberOf returns that of the first good line, 0 when there is none.
func numberOf(lines iter.Seq2[jsonl.Line, error]) (uint64, error) {
	for l, err := range lines {
		if err != nil {
			return 0, err
		}
		if found, whole := record.Parse(l); whole {
			return found[0].Seq, nil
		}
	}
	return 0, nil
}

// sweepRetired removes histories that were set aside so long ago that all in them is
// too old.
func (s *Store) sweepRetired(now time.Time) {
	for _, in := range []disk.Folder{s.dirs.users, s.dirs.rooms} {
		s.sweepIn(in, now)
	}
}

func (s *Store) sweepIn(in disk.Folder, now time.Time) {
	if _, err := in.Lstat(retiredFolder); err != nil {
		return // there are none
	}
	aside, err := in.Sub(retiredFolder)
	if err != nil {
		return
	}
	defer func() { _ = aside.Close() }() // a removal that does not last is done again
	names, err := aside.Names()
	if err != nil {
		s.log.Error("history: can't look for what was set aside and is too old", "error", err)
	}
	for _, file := range names {
		if _, at, ok := retiredName(file); ok && at.Before(now.Add(-s.opts.Retention)) {
			_ = aside.Remove(file)
		}
	}
}

// retiredName reads the name of a history that was set aside, or of what was torn of one.
func retiredName(file string) (name string, at time.Time, ok bool) {
	base := strings.TrimSuffix(strings.TrimSuffix(file, ".torn"), ".jsonl")
	cut := len(base) - len(retiredStamp) - 1
	if base == file || cut < 1 || base[cut] != '-' || !ValidNick(base[:cut]) {
		return "", time.Time{}, false
	}
	at, err := time.Parse(retiredStamp, base[cut+1:])
	return base[:cut], at, err == nil
}
