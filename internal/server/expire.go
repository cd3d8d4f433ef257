package server

import (
	"context"
	"time"
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
		if err := s.desk.Expire(unused, s.nickInUse(ctx)); err != nil {
			s.log.Error("unused nicks could not be freed", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
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
