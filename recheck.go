package main

import (
	"context"
	"time"
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

// recheck ends the sessions, commands and connections of those whose key would not
// let them in any more.
func (s *server) recheck() {
	s.host.EndWhere(s.ssh.Stale)
	s.ssh.EndStale()
}
