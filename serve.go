package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
	_ "time/tzdata" // for the zones that clients name, where the system has none

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/keys/certs"
	"whoelse/keys/claims"
	"whoelse/keys/command"
	"whoelse/keys/invites"
	"whoelse/keys/reserved"
	"whoelse/room"
	"whoelse/room/history"
	"whoelse/room/regular"
	"whoelse/room/settings"
	"whoelse/sessions"
	"whoelse/sessions/desk"
	"whoelse/sessions/door"
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
// stopped in the reverse order.
type server struct {
	log      *slog.Logger
	listener net.Listener
	store    *history.Store
	hostKey  gossh.Signer
	registry *keys.Registry
	revoked  *certs.Revoked // nil without --revoked-keys
	bans     *bans.List
	people   *desk.People
	desk     *desk.Desk
	unwatch  func() // ends what watch has started
	settings *settings.Store
	room     *room.Room
	host     *sessions.Host
	door     *door.Door
	ssh      *sshd.Server
	metrics  *metrics // nil without --metrics
	quota    *quota.Limiter
	space    *space.Guard
	hostname hostname

	reserved   *reserved.List
	departed   chan struct{}   // has one when a nick may have lost its last key
	onRecord   map[string]bool // departed nicks that the audit log has; of whoever retires
	notRetired rate.Sometimes  // to the log
}

// serve runs the server until ctx is over. Once it accepts connections it says so
// in one line on stdout.
func serve(ctx context.Context, cfg config, log *slog.Logger, stdout io.Writer) error {
	slog.SetDefault(log) // the ssh library's
	s := &server{
		log: log, hostname: cfg.host,
		departed: make(chan struct{}, 1), onRecord: map[string]bool{}, notRetired: rate.Sometimes{Interval: time.Minute},
	}
	if err := s.start(cfg); err != nil {
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

func (s *server) start(cfg config) error {
	var err error
	if s.listener, err = listen(cfg); err != nil {
		return err
	}
	if s.metrics, err = openMetrics(cfg.metrics, s.log); err != nil {
		return err
	}
	if err := takeFolder(cfg.data); err != nil {
		return fmt.Errorf("the data folder can't be used: %w", err)
	}
	if err := s.openFiles(cfg); err != nil {
		return err
	}
	s.logStart(cfg)
	if err := s.openKeys(cfg); err != nil {
		return err
	}
	if s.room, err = room.New(s.store, s.registry, s.settings, room.Options{InboxMax: cfg.inboxMax}); err != nil {
		return err
	}
	if err := s.retireFound(cfg); err != nil {
		return err
	}
	s.openQuota(cfg)
	s.host = sessions.New(sessions.Config{
		Room: s.room, Nicks: s.registry, MessageRate: cfg.messageRate,
		MOTD: motd(cfg.motd, s.log), Log: s.log,
		Keyring: s.desk, Warden: s.desk, Admit: s.lookingOut(cfg), JoinLine: s.joinLine,
		Quota: s.quota, Space: s.space,
	})
	doors := banned{s.bans}
	s.door = door.New(cfg.limits, doors)
	s.ssh, err = sshd.New(sshd.Config{
		HostKey: s.hostKey, Handle: s.host.Handle, Log: s.log,
		Keys: peopleInSpace{s.people, s.space},
		Door: s.door, Banned: doors.who,
		Closed: cfg.closed(), NoGuests: cfg.noGuests(), Strict: cfg.strictCrypto,
	})
	if err != nil {
		return err
	}
	s.watch(cfg)
	s.metrics.serve(collector{s.room.Stats, s.store.Stats, s.door.Stats, s.quota.Stats, s.space.Stats}.registry(), s.probe)
	return nil
}

// openFiles opens what is in the data folder, the history first: its lock tells
// whether another server is at work here.
func (s *server) openFiles(cfg config) (err error) {
	data := cfg.data
	s.store, err = history.Open(filepath.Join(data, "history"), cfg.histories(s.log))
	if errors.Is(err, history.ErrInUse) {
		return fmt.Errorf("another whoelse is running on the data folder %s; stop it, or name another folder with --data", data)
	}
	if err != nil {
		return fmt.Errorf("the data folder can't be used: %w", err)
	}
	if err = command.Unfinished(data); err != nil {
		return err
	}
	if s.hostKey, err = keys.HostKey(filepath.Join(data, "host_key")); err != nil {
		return err
	}
	s.settings, err = settings.Open(filepath.Join(data, "settings"))
	return err
}

// openKeys opens what says who may come in and as whom.
func (s *server) openKeys(cfg config) (err error) {
	if err = checkKeysFile(cfg.data); err != nil {
		return err
	}
	if s.registry, err = keys.Open(filepath.Join(cfg.data, "authorized_keys"), s.log); err != nil {
		return err
	}
	if s.reserved, err = reserved.Open(filepath.Join(cfg.data, "reserved.json")); err != nil {
		return err
	}
	s.registry.Reserve(s.reserved.Until)
	if cfg.revokedKeys != "" {
		if s.revoked, err = certs.OpenRevoked(cfg.revokedKeys, s.log); err != nil {
			return fmt.Errorf("--revoked-keys: %w", err)
		}
		s.registry.Revoke(s.revoked.Key)
	}
	if s.bans, err = bans.Open(filepath.Join(cfg.data, "bans.json"), s.log); err != nil {
		return err
	}
	codes := invites.Open(filepath.Join(cfg.data, "invites.json"))
	s.people = desk.NewPeople(s.registry, s.revoked, codes)
	s.people.Claims, s.people.NoGuests = claims.New(cfg.claims, s.log), cfg.noGuests()
	s.desk, err = desk.Open(cfg.data, s.registry, s.bans, codes, s.log)
	return err
}

// watch has edits of authorized_keys read as they are made, and everything that
// can be edited on SIGHUP. Who is not let in any more by it has to go. It also has
// nicks freed that nobody uses.
func (s *server) watch(cfg config) {
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
	all.Go(func() { s.retireNicks(ctx, cfg) })
	all.Go(func() { s.expireNicks(ctx, cfg.data, time.Duration(cfg.nickExpiry)) })
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
	err := errors.Join(s.registry.Reload(), s.bans.Reload(), s.reserved.Reload(), s.desk.Reload())
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

// logStart is the log's first word: what runs, where, on which data, as whom, and who
// gets in.
func (s *server) logStart(cfg config) {
	data, err := filepath.Abs(cfg.data)
	if err != nil {
		data = cfg.data
	}
	guests := "on"
	if cfg.noGuests() {
		guests = "off"
	}
	s.log.Info("whoelse starts", "version", version(), "listen", s.listener.Addr().String(), "data", data,
		"host_key", gossh.FingerprintSHA256(s.hostKey.PublicKey()), "access", cfg.access, "guests", guests)
}

// invitation is the line that tells how to get in.
func (s *server) invitation() string {
	return fmt.Sprintf("whoelse is listening on %s, host key %s; join with: %s",
		s.listener.Addr(), gossh.FingerprintSHA256(s.hostKey.PublicKey()), s.joinLine("nick", s.listener.Addr().(*net.TCPAddr).AddrPort()))
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
	s.metrics.stop()
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
	if s.desk != nil {
		s.desk.Close()
	}
	if s.settings != nil {
		s.settings.Close()
	}
	if s.store != nil {
		return s.store.Close()
	}
	return nil
}

// maxMOTD bounds the message of the day, in bytes.
const maxMOTD = 4 << 10

// motd returns a function that reads the message of the day afresh, so that it can
// be changed without a restart.
func motd(path string, log *slog.Logger) func() string {
	return func() string {
		if path == "" {
			return ""
		}
		text, err := regular.Read(os.OpenFile, path, maxMOTD)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("the message of the day can't be read", "err", err)
		}
		return string(text)
	}
}
