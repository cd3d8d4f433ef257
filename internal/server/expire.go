package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"whoelse/keys"
	"whoelse/keys/audit"
	"whoelse/keys/duration"
)

// expireEvery is how often nicks that nobody uses are looked for.
const expireEvery = 24 * time.Hour

// expireNicks frees nicks that were claimed and not used for --nick-expiry, at once and then
// once a day, until ctx is over. 0 is never.
func (s *server) expireNicks(ctx context.Context) {
	unused := s.cfg.NickExpiry
	if unused == 0 {
		return
	}
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		if err := s.expire(unused, s.nickInUse(ctx)); err != nil {
			s.log.Error("unused nicks could not be freed", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// whomMost is how many nicks the audit log has on a line: it cuts long ones.
const whomMost = 25

// expire frees nicks that were claimed, and not used for so long, and puts that on
// record. inUse is asked about each of them, before and after.
func (s *server) expire(unused time.Duration, inUse func(nick string) bool) error {
	before := time.Now().Add(-unused)
	busy := make(map[string]bool) // a nick that is in use is asked about once
	asked := func(n string) bool {
		busy[n] = busy[n] || inUse(n)
		return busy[n]
	}
	for {
		freed, err := s.registry.Expire(before, s.used.Last, asked)
		if err != nil || len(freed) == 0 {
			return err
		}
		nicks, err := s.restore(freed, inUse)
		if err != nil {
			return err
		}
		for whom := range slices.Chunk(nicks, whomMost) {
			err := s.audit.Append(audit.Entry{
				Who: "server", What: "expire", Whom: strings.Join(whom, ", "), Why: "claimed and not used for " + duration.Format(unused),
			})
			if err != nil {
				return err
			}
		}
	}
}

// restore gives nicks back that came into use in the moment in which they were freed:
// somebody else would get what was just sent to them. It gives the others.
func (s *server) restore(freed []keys.Entry, inUse func(nick string) bool) (others []string, err error) {
	back := make(map[string]bool) // by nick, which is asked about once
	for _, e := range freed {
		if _, asked := back[e.Nick]; !asked {
			back[e.Nick] = inUse(e.Nick)
		}
		if !back[e.Nick] {
			others = append(others, e.Nick)
			continue
		}
		if _, err := s.registry.Add(e.Nick, []keys.PublicKey{e.Key()}, keys.AddOptions{How: "claimed", AllowConfusable: true}); err != nil {
			return nil, fmt.Errorf("%s is in use again, and can't be restored: %w", e.Nick, err)
		}
	}
	slices.Sort(others)
	return slices.Compact(others), nil
}

// nickInUse returns what tells whether a nick has done anything: it was here lately,
// has sent or got a message, said something in the room that is still known, or set
// something. Where that can't be found out, and when ctx is over, it has.
func (s *server) nickInUse(ctx context.Context) func(nick string) bool {
	left := s.storage.traces()
	return func(nick string) bool {
		return ctx.Err() != nil || s.room.Known(nick) || left(nick)
	}
}
