// Package server runs a whoelse server: it makes all parts, connects them, starts and stops
// them in order, and reloads the operator's files. Beside that it holds the rules that need
// several parts at once: what becomes of a nick without a key (nicks.go), and warnings about
// addresses (sources.go).
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
	_ "time/tzdata" // for the zones that clients name, where the system has none

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"whoelse/internal/config"
	"whoelse/internal/limit"
	"whoelse/internal/metrics"
	"whoelse/keys"
	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/keys/certs"
	"whoelse/keys/invites"
	"whoelse/keys/lastused"
	"whoelse/keys/nick"
	"whoelse/keys/reserved"
	"whoelse/room"
	"whoelse/room/attachments"
	"whoelse/room/cluster"
	"whoelse/room/history"
	"whoelse/room/settings"
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

// gcPercent is GOGC unless the environment sets it. Garbage is collected earlier than with Go's default of 100. Most
// memory belongs to idle sessions, which make no garbage, so this costs little. See docs/measurements.md, "Idle sessions".
const gcPercent = 75

// server is everything that runs. No field is set again once start has returned.
type server struct {
	cfg     *config.Config
	version string
	log     *slog.Logger
	closers []func() error // end what was started, the last one first

	listener  net.Listener
	cluster   *cluster.Cluster // nil: this server is on its own
	histories *history.Store
	settings  *settings.Store
	files     *attachments.Store
	rooms     *settings.Rooms
	hostKey   gossh.Signer
	registry  *keys.Registry
	reserved  *reserved.List
	revoked   *certs.Revoked // nil without --revoked-keys
	bans      *bans.List
	mutes     *bans.Mutes
	invites   *invites.Store
	used      *lastused.Times
	audit     *audit.Log
	room      *room.Room
	quota     *limit.Limiter
	space     *space.Guard
	manager   *sessions.Manager
	ssh       *sshd.Server

	started     time.Time                        // when it had all events of the cluster
	open        atomic.Pointer[sessions.Manager] // manager, once there is one
	bansChanged atomic.Bool
	notShared   rate.Sometimes // to the log

	onRecord   map[string]bool // departed nicks that the audit log has; of whoever retires
	notRetired rate.Sometimes  // to the log
}

// Run runs a server until ctx is over. Once it accepts connections it says so in one line
// on stdout. cfg was checked; version is the program's. The error, in words for the
// operator, says why it could not start, or did not stop in time. It is called once in
// a process: log becomes the default one, and SIGHUP reloads the operator's files.
func Run(ctx context.Context, cfg *config.Config, version string, log *slog.Logger, stdout io.Writer) error {
	slog.SetDefault(log) // the ssh library's
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	s := &server{cfg: cfg, version: version, log: log, onRecord: map[string]bool{}, notRetired: rate.Sometimes{Interval: time.Minute}, notShared: rate.Sometimes{Interval: time.Minute}}
	if err := s.start(ctx); err != nil {
		s.stop()
		if ctx.Err() != nil { // nobody was let in yet
			log.Info("stopped before it was ready", "at", err)
			return nil
		}
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
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	select {
	case err := <-stopped:
		return err
	case <-time.After(allEnd):
		return errors.New("stopping took too long; what was acknowledged is on disk")
	}
}

// start makes and starts all parts. Nobody gets in before it has returned without an error.
func (s *server) start(ctx context.Context) (err error) {
	cfg := s.cfg
	if s.listener, err = listen(cfg); err != nil {
		return err
	}
	monitor, err := metrics.Listen(cfg.Metrics)
	if err != nil {
		return err
	}
	if err := s.joinCluster(ctx); err != nil {
		return err
	}
	if err := s.openFiles(); err != nil {
		return err
	}
	s.logStart()
	if err := s.openKeys(); err != nil {
		return err
	}
	if err := s.openRoom(ctx); err != nil {
		return err
	}
	if err := s.recoverFiles(); err != nil {
		return err
	}
	if err := s.retireFound(); err != nil {
		return err
	}
	s.quota = quota.New(cfg.Quota)
	s.space = space.New(space.Config{Dir: cfg.Data, Max: cfg.DataMax, Log: s.log, Tell: func(words string) {
		if s.manager != nil { // which there is before anybody could be told
			s.manager.TellOperators(words)
		}
	}})
	s.space.Measure(context.Background())
	config := sessions.Config{
		Room: s.room, MessageRate: cfg.MessageRate, BotRate: cfg.BotRate, RoomMakers: sessions.RoomMakers(cfg.RoomMakers),
		Registry: s.registry, Bans: s.bans, Mutes: s.mutes, Invites: s.invites, Used: s.used, Audit: s.audit,
		MOTD: motd(cfg.MOTD, s.log), Log: s.log, JoinLine: s.joinLine, Came: s.watchSources(),
		Quota: s.quota, Space: s.space, KeyChanges: quota.NewKeyChanges(cfg.Claims.Exempt), Version: s.version, Files: s.files,
	}
	if s.cluster != nil {
		config.TellServers = s.tellServers
	}
	s.manager = sessions.New(config)
	s.open.Store(s.manager)
	control := admission.New(cfg.Admission, s.bans)
	s.ssh, err = sshd.New(sshd.Config{
		HostKey: s.hostKey, Handle: s.manager.Handle, Log: s.log,
		Registry: s.registry, Invites: s.invites, Revoked: s.revoked, Bans: s.bans, Admission: control,
		Claims: quota.NewClaims(cfg.Claims), MayClaim: s.space.Claims, Certify: s.certify,
		Closed: cfg.Closed(), NoGuests: cfg.NoGuests(), Strict: cfg.StrictCrypto,
	})
	if err != nil {
		return err
	}
	s.onStop(s.watch())
	s.onStop(s.endConnections)
	sources := metrics.Sources{
		Version: s.version, Room: s.room.Stats, Store: s.histories.Stats,
		Admission: control.Stats, Quota: s.quota.Stats, Space: s.space.Stats,
	}
	if s.cluster != nil {
		s.cluster.Attach(s.room)
		sources.Cluster = s.cluster.Stats
	}
	s.onStop(metrics.Serve(monitor, s.log, sources, s.probe))
	return nil
}

// openRoom makes the room. In a cluster it returns once this server has all events.
func (s *server) openRoom(ctx context.Context) (err error) {
	opts := room.Options{
		InboxMax: s.cfg.InboxMax,
		Rooms:    room.RoomOptions{Store: s.rooms, Skeleton: nick.Skeleton, Idle: s.cfg.RoomIdle, Retiring: s.histories.WithoutBackup},
	}
	var log room.Log = s.histories
	if s.cluster != nil {
		if err := s.shareFiles(ctx); err != nil {
			return err
		}
		log, opts.Peers, opts.Leads = s.cluster, s.cluster, s.cluster.Leads
	}
	if s.room, err = room.New(log, s.histories, s.registry, s.settings, opts); err != nil {
		return err
	}
	s.onStop(func() error { s.room.Close(); return nil })
	if s.cluster == nil {
		s.histories.Follow(s.room.Apply)
		return nil
	}
	s.histories.Follow(s.applied)
	err = s.follow(ctx)
	s.started = time.Now()
	return err
}

// onStop has f called by stop, before what was given earlier.
func (s *server) onStop(f func() error) { s.closers = append(s.closers, f) }

// stop ends what start has started, last things first: no new connections, everyone is told and
// leaves, what they said is synced. The error is the histories'.
func (s *server) stop() (err error) {
	for _, f := range slices.Backward(s.closers) {
		err = f()
	}
	return err
}

// endConnections lets no more come in, and ends those there are.
func (s *server) endConnections() error {
	s.ssh.Stop()
	s.listener.Close()
	ctx, cancel := context.WithTimeout(context.Background(), sessionsEnd)
	defer cancel()
	s.manager.Shutdown(ctx)
	s.ssh.Close()
	return nil
}

// logStart logs what runs, where, on which data, as whom, and who gets in.
func (s *server) logStart() {
	data, err := filepath.Abs(s.cfg.Data)
	if err != nil {
		data = s.cfg.Data
	}
	guests := "on"
	if s.cfg.NoGuests() {
		guests = "off"
	}
	if s.cluster != nil {
		s.log.Info("this server is part of a cluster", "cluster", s.cfg.Cluster.Name, "node", s.cfg.Cluster.Node)
	}
	s.log.Info("whoelse starts", "version", s.version, "listen", s.listener.Addr().String(), "data", data,
		"host_key", gossh.FingerprintSHA256(s.hostKey.PublicKey()), "access", s.cfg.Access, "guests", guests)
}

// invitation is the line that says how to get in.
func (s *server) invitation() string {
	return fmt.Sprintf("whoelse is listening on %s, host key %s; join with: %s",
		s.listener.Addr(), gossh.FingerprintSHA256(s.hostKey.PublicKey()), s.joinLine("nick", s.listener.Addr().(*net.TCPAddr).AddrPort()))
}

// joinLine is what a person types to join as user. at is where their connection comes in.
func (s *server) joinLine(user string, at netip.AddrPort) string {
	return s.cfg.Host.JoinLine(user, at, s.listener.Addr().(*net.TCPAddr).Port)
}

// probe asks whether messages are accepted, and whether space is short.
func (s *server) probe(ctx context.Context) (remark string, err error) {
	stats := s.space.Stats()
	if stats.Stage > space.Free {
		remark = fmt.Sprintf("the data folder is at %d %% of --data-max", stats.Bytes*100/stats.Max)
	} else if stats.DiskLow {
		remark = "the disk is nearly full"
	}
	if stats.Stage >= space.Full {
		return "", errors.New(remark)
	}
	err = s.histories.Probe(ctx)
	if err == nil && s.cluster != nil {
		err = s.cluster.Probe(ctx)
	}
	return remark, err
}
