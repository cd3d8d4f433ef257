package server

import (
	"context"
	"maps"
	"time"

	"whoelse/keys/audit"
	"whoelse/keys/duration"
)

// settleNick is how long a nick has to be without a key, and nobody online with it, until
// what belongs to it is set aside: editors remove lines and put them back.
const settleNick = 5 * time.Second

// lookForDeparted is how often that is looked at while there is any such nick.
const lookForDeparted = time.Second

// nickDeparted wakes retireNicks.
func (s *server) nickDeparted() {
	select {
	case s.departed <- struct{}{}:
	default:
	}
}

// retireNicks sets aside what belongs to nicks that nobody holds any more, until ctx is
// over.
func (s *server) retireNicks(ctx context.Context) {
	tick := time.NewTicker(lookForDeparted)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.departed:
		}
		for s.retireDeparted(ctx) {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// retireFound sets aside what belongs to nicks that lost their keys while no server ran.
// With certificates it is not known who held a nick: the line is their authority's. And
// without a file nothing is known.
func (s *server) retireFound() error {
	if len(s.registry.Authorities()) > 0 || !s.registry.Exists() {
		return nil
	}
	nicks, err := s.storage.nicks()
	if err != nil {
		return err
	}
	for nick := range nicks {
		s.registry.Depart(nick, time.Time{})
	}
	if s.retireDeparted(context.Background()) {
		s.nickDeparted() // once more, when it may succeed
	}
	return nil
}

// retireDeparted retires those nicks that have departed for long enough, and reports
// whether some are left, or may be.
func (s *server) retireDeparted(ctx context.Context) (left bool) {
	now := time.Now()
	used := s.nickInUse(ctx)
	departed, known := s.registry.Departed()
	left = !known
	maps.DeleteFunc(s.onRecord, func(nick string, _ bool) bool { _, still := departed[nick]; return known && !still })
	for nick, since := range departed {
		if now.Sub(since) < settleNick || s.room.Here(nick) {
			left = true
			continue
		}
		if used(nick) {
			if err := s.retire(nick, s.cfg.NickReserve, now); err != nil {
				s.complainRetire(nick, err)
				left = true
				continue
			}
		}
		s.registry.Release(nick)
	}
	return left
}

// complainRetire logs that a nick could not be retired, though not each second.
func (s *server) complainRetire(nick string, err error) {
	s.notRetired.Do(func() {
		s.log.Error("what belongs to a nick that nobody holds can't be set aside yet, and the nick stays taken", "nick", nick, "err", err)
	})
}

// recordRetired puts it on record, once, that a nick is retired.
func (s *server) recordRetired(nick string, reserve time.Duration) error {
	if s.onRecord[nick] {
		return nil // it is tried again
	}
	action := audit.Entry{Who: "server", What: "retire", Whom: nick, Why: "its last key is gone"}
	if reserve > 0 {
		action.For = duration.Format(reserve)
	}
	if err := s.audit.Append(action); err != nil {
		return err
	}
	s.onRecord[nick] = true
	return nil
}

// retire reserves a nick, sets aside its history and settings, and tells those whose
// messages were not read. Where there are authorities it only reserves it: who had a key
// may have been given a certificate instead, which a reservation does not keep out. Done
// again after it was interrupted, it completes that.
func (s *server) retire(nick string, reserve time.Duration, now time.Time) error {
	if err := s.recordRetired(nick, reserve); err != nil {
		return err
	}
	if reserve > 0 {
		if err := s.reserved.Add(nick, reserve); err != nil {
			return err
		}
	}
	if len(s.registry.Authorities()) > 0 {
		s.log.Info("a nick has no key any more; its history stays, since somebody may come with a certificate for it", "nick", nick, "reserved", reserve)
		return nil
	}
	if err := s.storage.settings.Retire(nick, now); err != nil {
		return err
	}
	unread := 0
	err := s.storage.histories.WithoutBackup(func() (err error) { // a copy could have half of each
		unread, err = s.room.Retire(nick)
		return err
	})
	if err != nil {
		return err
	}
	s.log.Info("a nick is nobody's any more", "nick", nick, "unread", unread, "reserved", reserve)
	return nil
}
