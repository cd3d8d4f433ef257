package main

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"whoelse/sessions/sshd"
)

// recheckEvery bounds how long a session outlives its key's expiry-time, or a
// change of the revoked keys that nobody told us of.
const recheckEvery = 30 * time.Second

// recheckAll asks about everyone's key now and then, until ctx is over. Changes of
// authorized_keys are acted on at once, see watch.
func (s *server) recheckAll(ctx context.Context) {
	tick := time.NewTicker(recheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.recheck()
		case <-ctx.Done():
			return
		}
	}
}

// recheck ends the sessions of those whose key would not let them in any more.
func (s *server) recheck() {
	s.host.EndWhere(func(l *sshd.Login, address string) (reason string, end bool) {
		if l.Key == nil {
			return "", false
		}
		from, _ := netip.ParseAddrPort(address) // none: then only the key counts
		holder, err := s.people.Holder(l.Key, l.Asked, from.Addr().Unmap())
		switch {
		case errors.Is(err, sshd.ErrUnknownKey):
			return "your key is not known here any more", true
		case err != nil:
			return "your key is not accepted any more: " + err.Error(), true
		case holder.Nick != l.Nick:
			return "your key is " + holder.Nick + "'s now; connect again", true
		case holder.Role != l.Role:
			return "your key's role has changed; connect again", true
		}
		return "", false
	})
}
