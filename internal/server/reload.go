package server

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"whoelse/keys"
)

// watch has edits of authorized_keys read as they are made, and everything that
// can be edited on SIGHUP. Who is not let in any more by it has to go. It also has
// nicks freed that nobody uses.
func (s *server) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	var all sync.WaitGroup
	s.registry.OnChange(func(c keys.Change) {
		if len(c.Removed) > 0 { // a changed line is among them, a claim never is
			s.recheck()
			s.nickDeparted()
		}
		if len(c.Added) > 0 {
			s.host.EndGuests(s.registry.Free)
		}
	})
	all.Go(func() { s.registry.Watch(ctx) })
	all.Go(func() { s.recheckAll(ctx) })
	all.Go(func() { s.retireNicks(ctx) })
	all.Go(func() { s.expireNicks(ctx) })
	all.Go(func() { s.space.Run(ctx) })
	all.Go(func() {
		for {
			select {
			case <-hangup:
				s.reload()
			case <-ctx.Done():
				return
			}
		}
	})
	s.unwatch = func() {
		signal.Stop(hangup)
		cancel()
		all.Wait()
	}
}

// reload reads the operator's files again. What can't be read stays as it was.
func (s *server) reload() {
	err := errors.Join(s.registry.Reload(), s.bans.Reload(), s.reserved.Reload(), s.mutes.Reload())
	if s.revoked != nil {
		err = errors.Join(err, s.revoked.Reload())
	}
	if err != nil {
		s.log.Error("reloading the files failed; what was read before stays in force", "err", err)
		return
	}
	s.log.Info("files reloaded")
	s.recheck()
}

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
