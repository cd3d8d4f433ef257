package history

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// retiredFolder, in users, has the histories of nicks that nobody holds any more, as
// NICK-STAMP.jsonl. Nothing reads them there.
const retiredFolder = ".retired"

// retiredStamp is when a history was set aside, in UTC.
const retiredStamp = "20060102T150405Z"

// errBusyNick is given for a nick that has lines which are not in its file yet.
var errBusyNick = errors.New("lines of it are still to be written")

// Nicks lists who has a history.
func (s *Store) Nicks() ([]string, error) {
	names, err := s.home().users.names()
	if err != nil {
		return nil, err
	}
	var nicks []string
	for _, file := range names {
		if name, ok := strings.CutSuffix(file, ".jsonl"); ok && validOwner(name) {
			nicks = append(nicks, name)
		}
	}
	slices.Sort(nicks)
	return nicks, nil
}

// RetireNick sets nick's history aside, durably: whoever gets the nick next has an
// empty one. [Held.RestoreNick] brings it back, with what is unread in it. Without a
// history nothing happens. While a backup runs it is [ErrBackup], since that would copy
// half of each; after an error the history is where it was, or set aside as a whole.
//
// Nobody may write to nick meanwhile.
func (s *Store) RetireNick(nick string, now time.Time) error {
	if err := areNicks(nick); err != nil {
		return err
	}
	return s.onWriter(func() error {
		return s.home().withoutBackup(func() error { return s.retireNick(nick, now) })
	})
}

// retireNick runs on the writer. The order is what makes it whole: the file has all its
// lines, on disk, before the journals' are void; and they are void before the file goes,
// or a recovery would write them to a new one.
func (s *Store) retireNick(nick string, now time.Time) error {
	o, err := s.settled(nick)
	if err != nil || o.ino == 0 {
		return err
	}
	in, _ := s.place(nick)
	aside, err := in.sub(retiredFolder)
	if err != nil {
		return err
	}
	defer func() { _ = aside.close() }() // it was only synced
	if err := errors.Join(s.syncFile(nick), in.sync()); err != nil {
		s.ck.suspect.Store(true)
		return err
	}
	if err := s.void(nick, now); err != nil {
		return err
	}
	as := retiredFolder + "/" + nick + "-" + now.UTC().Format(retiredStamp)
	s.retired.Store(nick, true)
	for _, end := range historyFiles {
		if err := in.rename(nick+end, as+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("history of %s: %w", nick, err)
		}
	}
	s.owners.forget(nick)
	s.files.forget(nick)
	s.log.Info("history: set aside, nobody holds the nick any more", "owner", nick, "as", as+".jsonl")
	return errors.Join(aside.sync(), in.sync())
}

// settled returns nick's state when all that was acknowledged is in the file.
func (s *Store) settled(nick string) (*owner, error) {
	if s.ck.suspect.Load() || slices.ContainsFunc(s.carried, func(u *unit) bool {
		return slices.ContainsFunc(u.lines, func(l placed) bool { return l.owner == nick })
	}) {
		return nil, fmt.Errorf("history of %s: %w", nick, errBusyNick)
	}
	it, err := s.current(nick)
	if err != nil {
		return nil, err
	}
	defer s.owners.release(it)
	return it.val, nil
}

// void has recovery leave alone what the journals have for nick until now: see
// [redo.add].
func (s *Store) void(nick string, now time.Time) error {
	if err := s.readyJournal(now); err != nil {
		return err
	}
	err := s.journal.append(appendRecord(nil, true, 0, nick, stateLine(now, 0, nil)))
	if err != nil {
		s.breakJournal(now, err)
	}
	return err
}

// sweepRetired removes histories that were set aside so long ago that all in them is
// too old.
func (s *Store) sweepRetired(now time.Time) {
	if s.limits.age == 0 {
		return
	}
	if _, err := s.home().users.lstat(retiredFolder); err != nil {
		return // there are none
	}
	aside, err := s.home().users.sub(retiredFolder)
	if err != nil {
		return
	}
	defer func() { _ = aside.close() }() // a removal that does not last is done again
	names, err := aside.names()
	if err != nil {
		s.log.Error("history: can't look for what was set aside and is too old", "error", err)
	}
	for _, file := range names {
		if _, at, ok := retiredName(file); ok && at.Before(now.Add(-s.limits.age)) {
			_ = aside.remove(file)
		}
	}
}

// retiredName reads the name of a history that was set aside, or of what was torn of one.
func retiredName(file string) (nick string, at time.Time, ok bool) {
	base := strings.TrimSuffix(strings.TrimSuffix(file, ".torn"), ".jsonl")
	cut := len(base) - len(retiredStamp) - 1
	if base == file || cut < 1 || base[cut] != '-' || !validOwner(base[:cut]) {
		return "", time.Time{}, false
	}
	at, err := time.Parse(retiredStamp, base[cut+1:])
	return base[:cut], at, err == nil
}

// RestoreNick gives nick the history back that was set aside last, and reports whether
// there was one. It is an fs.ErrExist if nick has another one by now. It can be
// interrupted and called again.
func (h *Held) RestoreNick(nick string) (restored bool, err error) {
	if err := areNicks(nick); err != nil {
		return false, err
	}
	users := h.s.home().users
	if there, err := h.has(retiredFolder); err != nil || !there {
		return false, err
	}
	aside, err := users.sub(retiredFolder)
	if err != nil {
		return false, err
	}
	defer func() { _ = aside.close() }() // it was only read and synced
	names, err := aside.names()
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
	if taken, err := h.has(nick + ".jsonl"); err != nil || taken {
		return false, h.taken(nick+".jsonl", err)
	}
	for _, end := range historyFiles {
		if err := users.rename(retiredFolder+"/"+last+end, nick+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("history of %s: %w", nick, err)
		}
	}
	return true, errors.Join(users.sync(), aside.sync())
}
