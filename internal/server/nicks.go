package server

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"whoelse/keys/audit"
	"whoelse/keys/duration"
	"whoelse/room"
)

// storedNicks are all nicks that have a history or settings.
func (s *server) storedNicks() (map[string]bool, error) {
	nicks := make(map[string]bool)
	for _, list := range []func() ([]string, error){s.histories.Nicks, s.settings.Nicks} {
		some, err := list()
		if err != nil {
			return nil, err
		}
		for _, nick := range some {
			nicks[nick] = true
		}
	}
	return nicks, nil
}

// speakers are all who said something in the room, as far back as its history goes.
func (s *server) speakers() (map[string]bool, error) {
	spoke := make(map[string]bool)
	_, err := room.Collect(s.histories.Tail(room.RoomHistory, 1, func(m *room.Message) (bool, error) {
		spoke[m.From] = true
		return false, nil
	}))
	return spoke, err
}

// traces returns a function that reports whether a nick has left any: a history, settings, or
// something that was said in the lobby. Where that can't be found out, it has. Files are listed when
// the first nick is asked about; what each has written since is looked at every time.
func (s *server) traces() func(nick string) bool {
	nicks, speakers := sync.OnceValues(s.storedNicks), sync.OnceValues(s.speakers)
	return func(nick string) bool {
		if listed, err := nicks(); err != nil || listed[nick] {
			return true
		}
		if last, err := room.Collect(s.histories.Tail(nick, 1, nil)); err != nil || len(last) > 0 {
			return true
		}
		if set, err := s.settings.Load(nick); err != nil || len(set.Blocked) > 0 || set.Absence.Away() {
			return true
		}
		spoke, err := speakers()
		return err != nil || spoke[nick]
	}
}

// nickInUse returns a function that reports whether a nick has done anything: it was here lately,
// is in a room's lists, or has left traces. Where that can't be found out, and when ctx is over, it has.
func (s *server) nickInUse(ctx context.Context) func(nick string) bool {
	left := s.traces()
	return func(nick string) bool {
		return ctx.Err() != nil || s.room.Known(nick) || s.room.HasRoom(nick) || left(nick)
	}
}

// expireNicks frees nicks that were claimed and not used for --nick-expiry.
func (s *server) expireNicks(ctx context.Context) {
	if !s.leads() {
		return
	}
	if err := s.expire(s.cfg.NickExpiry, s.nickInUse(ctx)); err != nil {
		s.log.Error("unused nicks could not be freed", "err", err)
	}
}

// whomMost is how many nicks the audit log has on a line: it cuts long ones.
const whomMost = 25

// expire frees nicks that were claimed, and not used for so long, and puts that on
// record. Like others that lost their keys they are nobody's until retireDeparted has looked
// whether one came into use meanwhile.
func (s *server) expire(unused time.Duration, inUse func(nick string) bool) error {
	before := time.Now().Add(-unused)
	for {
		freed, err := s.registry.Expire(before, s.used.Last, inUse)
		if err != nil || len(freed) == 0 {
			return err
		}
		nicks := make([]string, len(freed))
		for i, e := range freed {
			nicks[i] = e.Nick
		}
		s.log.Info("unused nicks are free again", "nicks", len(nicks))
		slices.Sort(nicks)
		for whom := range slices.Chunk(slices.Compact(nicks), whomMost) {
			err := s.audit.Append(audit.Entry{
				Who: "server", What: "expire", Whom: strings.Join(whom, ", "), Why: "claimed and not used for " + duration.Format(unused),
			})
			if err != nil {
				return err
			}
		}
	}
}

// certify notes that somebody comes with a certificate for nick, before they are let in. From then on no key can
// claim it.
func (s *server) certify(nick string) error {
	free := s.registry.Free(nick)
	err := s.reserved.Certify(nick)
	if err == nil && free {
		s.manager.EndGuests(s.registry.Free)
	}
	return err
}

// retireAfter is how long a nick has to be without a key, and nobody online with it, until
// what belongs to it is set aside: editors remove lines and put them back.
const retireAfter = 5 * time.Second

// retireFound sets aside what belongs to nicks that lost their keys while no server ran.
// With certificates it is not known who held a nick, the line is their authority's: such nicks are for
// whoever has a certificate then. Without a file nothing is known, see checkKeysFile.
func (s *server) retireFound() error {
	nicks, err := s.storedNicks()
	if err != nil {
		return err
	}
	maps.Copy(nicks, s.room.NicksInRooms())
	certificates := len(s.registry.Authorities(nil)) > 0
	var without []string // a line
	for nick := range nicks {
		if !certificates {
			s.registry.Depart(nick, time.Time{})
		} else if !s.registry.Registered(nick) {
			without = append(without, nick)
		}
	}
	slices.Sort(without)
	if err := s.reserved.Certify(without...); err != nil {
		return err
	}
	s.retireDeparted(context.Background())
	return nil
}

// retireDeparted retires those nicks that have departed for long enough. What fails is tried
// again with the next call. Only one goroutine calls it at a time.
func (s *server) retireDeparted(ctx context.Context) {
	departed, known := s.registry.Departed()
	if !known {
		return
	}
	maps.DeleteFunc(s.onRecord, func(nick string, _ bool) bool { _, still := departed[nick]; return !still })
	now, used := time.Now(), s.nickInUse(ctx)
	leads := s.leads() && (s.cluster == nil || now.Sub(s.started) > settled)
	for nick, since := range departed {
		if now.Sub(since) < retireAfter || s.room.Here(nick) {
			continue
		}
		if used(nick) && !leads {
			if !s.retiredElsewhere(nick) {
				continue
			}
		} else if used(nick) {
			if err := s.retire(nick, s.cfg.NickReserve, now); err != nil {
				s.notRetired.Do(func() {
					s.log.Error("what belongs to a nick that nobody holds can't be set aside yet, and the nick stays taken", "nick", nick, "err", err)
				})
				continue
			}
		}
		s.registry.Release(nick)
	}
}

// retiredElsewhere reports whether the leading server is done with retiring a nick. As a rule this server has applied
// an event for that; with certificate authorities only a reservation shows it.
func (s *server) retiredElsewhere(nick string) bool {
	if len(s.registry.Authorities(nil)) == 0 {
		return false
	}
	_, _, reserved := s.reserved.By(nick)
	return reserved
}

// retire reserves a nick, sets aside its history and settings, and tells those whose
// messages were not read. Where there are authorities the holder may have been given a certificate
// instead: then all stays, and the nick is for whoever has one, for good. Done
// again after it was interrupted, it completes that.
func (s *server) retire(nick string, reserve time.Duration, now time.Time) error {
	certificates := len(s.registry.Authorities(nil)) > 0
	if !s.onRecord[nick] {
		action := audit.Entry{Who: "server", What: "retire", Whom: nick, Why: "its last key is gone"}
		if reserve > 0 && !certificates {
			action.For = duration.Format(reserve)
		}
		if err := s.audit.Append(action); err != nil {
			return err
		}
		s.onRecord[nick] = true
	}
	if certificates {
		if err := s.reserved.Certify(nick); err != nil {
			return err
		}
		s.log.Info("a nick has no key any more; its history stays, for whoever comes with a certificate for it", "nick", nick)
		return nil
	}
	var err error
	if reserve > 0 {
		err = s.reserved.Add(nick, reserve)
	} else {
		err = s.reserved.Remove(nick)
	}
	if err != nil {
		return err
	}
	if err := s.room.LeaveRooms(nick); err != nil {
		return err
	}
	if err := s.settings.Retire(nick, now); err != nil {
		return err
	}
	unread := 0
	err = s.histories.WithoutBackup(func() (err error) { // a copy could have half of each
		unread, err = s.room.Retire(nick)
		return err
	})
	if err != nil {
		return err
	}
	s.registry.Release(nick) // first: whoever reads the log may go and claim it
	s.log.Info("nick retired", "nick", nick, "unread", unread, "reserved", duration.Format(reserve))
	return nil
}
