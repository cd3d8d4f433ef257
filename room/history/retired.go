package history

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"whoelse/internal/disk"
)

// retiredFolder, in users, has the histories of nicks that nobody holds any more, as
// NICK-STAMP-SEQ.jsonl, and in rooms those of rooms that were closed. Nothing reads them there.
const retiredFolder = ".retired"

// retiredStamp is when a history was set aside, in UTC.
const retiredStamp = "20060102T150405Z"

// historyFiles are the ends of the names of one history's files. What was set aside
// goes first, so that a history that is not moved yet still has its own name.
var historyFiles = []string{".jsonl.torn", ".jsonl"}

// retire sets a history aside: whoever gets the nick, or room, next has an empty one. It is the event seq, of
// this time, which may be applied again after a crash: a history with later lines is the next
// holder's, and where one was set aside by the same event already, all that is in the file was applied
// again. That is in the former, too, since it was synced before it was moved. All its lines have to be
// in the file.
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
	if err := v.file.Sync(); err != nil {
		return err
	}
	name := strings.TrimSuffix(base, ".jsonl")
	as := fmt.Sprintf("%s-%s-%020d", name, at.UTC().Format(retiredStamp), seq)
	_, err = aside.Lstat(as + ".jsonl")
	again := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
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
	s.dirty[o.name] = []uint64{0}
	s.forget(o.name)
	s.log.Info("history: set aside", "owner", o.name, "as", as+".jsonl")
	return errors.Join(aside.Sync(), in.Sync())
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
		m := retiredName.FindStringSubmatch(file)
		if m != nil && m[2] < now.Add(-s.opts.Retention).UTC().Format(retiredStamp) {
			_ = aside.Remove(file)
		}
	}
}

// retiredName matches the name of a history that was set aside, or of its torn part: the nick or
// room, the time, and the number of the event, which older versions left out. Nicks have no capitals.
var retiredName = regexp.MustCompile(`^([a-z0-9._-]+)-(\d{8}T\d{6}Z)(?:-(\d{20}))?\.jsonl(\.torn)?$`)
