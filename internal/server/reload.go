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

const (
	// recheckEvery bounds how long a session outlives its key's expiry-time, or a change of
	// the revoked keys.
	recheckEvery = 30 * time.Second
	// retireEvery is how often nicks without a key are looked for.
	retireEvery = time.Second
	// sweepEvery is how often files that are too old are removed.
	sweepEvery = time.Hour
	// expireEvery is how often nicks that nobody uses are looked for.
	expireEvery = 24 * time.Hour
)

// watch starts what runs beside the sessions: edits of authorized_keys are read as they are made,
// and everything that can be edited on SIGHUP; sessions whose key is no longer good end; nicks
// without a key are retired, unused ones freed; space is measured; used.json is written. It returns
// how to end that.
func (s *server) watch() (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	s.registry.OnChange(func(c keys.Change) {
		if len(c.Removed) > 0 { // a changed line is among them, a claim never is
			s.recheck()
		}
		if len(c.Added) > 0 {
			s.manager.EndGuests(s.registry.Free)
		}
	})
	all.Go(func() { s.registry.Watch(ctx) })
	all.Go(func() { s.space.Run(ctx) })
	all.Go(func() { every(ctx, recheckEvery, s.recheck) })
	all.Go(func() { every(ctx, time.Minute, s.used.Write) })
	all.Go(func() { every(ctx, sweepEvery, s.sweepFiles) })
	all.Go(func() { every(ctx, retireEvery, func() { s.retireDeparted(ctx) }) })
	if s.cfg.NickExpiry > 0 {
		all.Go(func() { every(ctx, expireEvery, func() { s.expireNicks(ctx) }) })
	}
	if s.cluster != nil {
		all.Go(func() { every(ctx, shareEvery, s.shareEdits) })
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	all.Go(func() {
		for range hangup {
			s.reload()
		}
	})
	return func() error {
		signal.Stop(hangup)
		close(hangup)
		cancel()
		all.Wait()
		return nil
	}
}

// every calls f at once, and then every interval until ctx is over.
func every(ctx context.Context, interval time.Duration, f func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		f()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// reload reads the operator's files again. What can't be read stays as it was.
func (s *server) reload() {
	err := errors.Join(s.registry.Reload(), s.bans.Reload(), s.reserved.Reload(), s.mutes.Reload(), s.revoked.Reload())
	if err != nil {
		s.log.Error("reload failed; what was read before stays in force", "err", err)
		return
	}
	s.log.Info("files reloaded")
	s.recheck()
}

// recheck ends the sessions and commands of those whose key would not let them in any more.
// Their connections end with these or, where there are none, for that.
func (s *server) recheck() { s.manager.EndWhere(s.ssh.Stale) }
