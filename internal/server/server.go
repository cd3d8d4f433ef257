// Package server runs a whoelse server: it makes all parts, connects them, starts and stops
// them in order, and has the operator's files read anew. What is here beside that are
// rules that need several parts at once, such as what becomes of a nick without a key.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"time"
	_ "time/tzdata" // for the zones that clients name, where the system has none

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"whoelse/internal/config"
	"whoelse/internal/metrics"
	"whoelse/keys"
	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/keys/certs"
	"whoelse/keys/claims"
	"whoelse/keys/invites"
	"whoelse/keys/lastused"
	"whoelse/keys/reserved"
	"whoelse/room"
	"whoelse/sessions"
	"whoelse/sessions/admission"
	"whoelse/sessions/quota"
	"whoelse/sessions/space"
	"whoelse/sessions/sshd"
)

// How long stopping may take: sessions first, then everything.
const (
	sessionsEnd = 3 * time.Second
	allEnd      = 4500 * time.Millisecond
)

// server is everything that runs, in the order in which it is started. It is
// stopped in the reverse order. No field is set again once it has started.
type server struct {
	cfg       *config.Config
	version   string
	log       *slog.Logger
	listener  net.Listener
	storage   storage
	hostKey   gossh.Signer
	registry  *keys.Registry
	revoked   *certs.Revoked // nil without --revoked-keys
	bans      *bans.List
	mutes     *bans.Mutes
	invites   *invites.Store
	used      *lastused.Times
	audit     *audit.Log
	unwatch   func() // ends what watch has started
	room      *room.Room
	host      *sessions.Host
	admission *admission.Controller
	ssh       *sshd.Server
	metrics   *metrics.Server // nil without --metrics
	quota     *quota.Limiter
	space     *space.Guard

	reserved   *reserved.List
	departed   chan struct{}   // has one when a nick may have lost its last key
	onRecord   map[string]bool // departed nicks that the audit log has; of whoever retires
	notRetired rate.Sometimes  // to the log
}

// Run runs a server until ctx is over. Once it accepts connections it says so in one line
// on stdout. cfg was checked; version is the program's. The error, in words for the
// operator, is about why it could not start, or did not stop in time. It is called once in
// a process: log becomes the default one, and SIGHUP has the operator's files read anew.
func Run(ctx context.Context, cfg *config.Config, version string, log *slog.Logger, stdout io.Writer) error {
	slog.SetDefault(log) // the ssh library's
	s := &server{
		cfg: cfg, version: version, log: log,
		departed: make(chan struct{}, 1), onRecord: map[string]bool{}, notRetired: rate.Sometimes{Interval: time.Minute},
	}
	if err := s.start(); err != nil {
		s.stop()
		return err
	}
	fmt.Fprintln(stdout, s.invitation())
	failed := make(chan error, 1)
	go func() { failed <- s.ssh.Serve(s.listener) }()
	select {
	case err := <-failed:
		s.stop()
		return err
	case <-ctx.Done():
	}
	log.Info("shutting down")
	return s.stopInTime()
}

func (s *server) start() (err error) {
	cfg := s.cfg
	if s.listener, err = listen(cfg); err != nil {
		return err
	}
	if s.metrics, err = metrics.Listen(cfg.Metrics, s.log); err != nil {
		return err
	}
	if err := takeFolder(cfg.Data); err != nil {
		return fmt.Errorf("the data folder can't be used: %w", err)
	}
	if err := s.openFiles(); err != nil {
		return err
	}
	s.logStart()
	if err := s.openKeys(); err != nil {
		return err
	}
	if s.room, err = room.New(s.storage.histories, s.storage.histories, s.registry, s.storage.settings, room.Options{InboxMax: cfg.InboxMax}); err != nil {
		return err
	}
	if err := s.storage.histories.Follow(s.room.Apply); err != nil {
		return err
	}
	if err := s.retireFound(); err != nil {
		return err
	}
	s.openQuota()
	s.host = sessions.New(sessions.Config{
		Room: s.room, MessageRate: cfg.MessageRate,
		Registry: s.registry, Bans: s.bans, Mutes: s.mutes, Invites: s.invites, Used: s.used, Audit: s.audit,
		MOTD: motd(cfg.MOTD, s.log), Log: s.log, JoinLine: s.joinLine, Came: s.watchSources(),
		Quota: s.quota, Space: s.space,
	})
	s.admission = admission.New(cfg.Admission, s.bans)
	s.ssh, err = sshd.New(sshd.Config{
		HostKey: s.hostKey, Handle: s.host.Handle, Log: s.log,
		Registry: s.registry, Invites: s.invites, Revoked: s.revoked, Bans: s.bans, Admission: s.admission,
		Claims: claims.New(cfg.Claims, s.log), MayClaim: s.space.Claims,
		Closed: cfg.Closed(), NoGuests: cfg.NoGuests(), Strict: cfg.StrictCrypto,
	})
	if err != nil {
		return err
	}
	s.watch()
	s.metrics.Serve(metrics.Sources{
		Version: s.version, Room: s.room.Stats, Store: s.storage.histories.Stats, Admission: s.admission.Stats, Quota: s.quota.Stats, Space: s.space.Stats,
	}, s.probe)
	return nil
}

// logStart is the log's first word: what runs, where, on which data, as whom, and who
// gets in.
func (s *server) logStart() {
	data, err := filepath.Abs(s.cfg.Data)
	if err != nil {
		data = s.cfg.Data
	}
	guests := "on"
	if s.cfg.NoGuests() {
		guests = "off"
	}
	s.log.Info("whoelse starts", "version", s.version, "listen", s.listener.Addr().String(), "data", data,
		"host_key", gossh.FingerprintSHA256(s.hostKey.PublicKey()), "access", s.cfg.Access, "guests", guests)
}

// invitation is the line that tells how to get in.
func (s *server) invitation() string {
	return fmt.Sprintf("whoelse is listening on %s, host key %s; join with: %s",
		s.listener.Addr(), gossh.FingerprintSHA256(s.hostKey.PublicKey()), s.joinLine("nick", s.listener.Addr().(*net.TCPAddr).AddrPort()))
}

// joinLine is what a person types to join as user, whose connection came in on at, or does.
func (s *server) joinLine(user string, at netip.AddrPort) string {
	return s.cfg.Host.JoinLine(user, at, s.listener.Addr().(*net.TCPAddr).Port)
}

// stopInTime stops and gives up waiting when a disk or a peer keeps it from that.
func (s *server) stopInTime() error {
	done := make(chan error, 1)
	go func() { done <- s.stop() }()
	select {
	case err := <-done:
		return err
	case <-time.After(allEnd):
		return errors.New("stopping took too long; what was acknowledged is on disk")
	}
}

// stop ends what start has started, last things first: nobody new comes in,
// everyone is told and leaves, what they said is synced.
func (s *server) stop() error {
	s.metrics.Stop()
	if s.ssh != nil {
		s.ssh.Stop()
	}
	if s.listener != nil {
		s.listener.Close()
	}
	if s.host != nil {
		ctx, cancel := context.WithTimeout(context.Background(), sessionsEnd)
		s.host.Shutdown(ctx)
		cancel()
	}
	if s.ssh != nil {
		s.ssh.Close()
	}
	if s.room != nil {
		s.room.Close()
	}
	if s.unwatch != nil {
		s.unwatch()
	}
	if s.used != nil {
		s.used.Close()
	}
	if s.audit != nil {
		s.audit.Close()
	}
	return s.storage.close()
}
