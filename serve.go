package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"
	_ "time/tzdata" // for the zones that clients name, where the system has none

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/room"
	"whoelse/room/history"
	"whoelse/room/settings"
	"whoelse/sessions"
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
	store    *history.Store
	settings *settings.Store
	registry *keys.Registry
	unwatch  func()
	hostKey  gossh.Signer
	room     *room.Room
	host     *sessions.Host
	ssh      *sshd.Server
	listener net.Listener
}

// serve runs the server until ctx is over. Once it accepts connections it says so
// in one line on stdout.
func serve(ctx context.Context, cfg config, log *slog.Logger, stdout io.Writer) error {
	s := &server{log: log}
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
	if s.listener, err = net.Listen("tcp", cfg.listen); err != nil {
		return listenError(cfg.listen, err)
	}
	if err := os.MkdirAll(cfg.data, 0o700); err != nil {
		return fmt.Errorf("the data folder can't be used: %w", err)
	}
	if err := s.openFiles(cfg.data); err != nil {
		return err
	}
	if s.room, err = room.New(s.store, s.registry, s.settings); err != nil {
		return err
	}
	s.host = sessions.New(sessions.Config{
		Room: s.room, Nicks: s.registry.Nicks, MessageRate: cfg.messageRate,
		MOTD: motd(cfg.motd, s.log), Log: s.log,
	})
	s.ssh, err = sshd.New(sshd.Config{
		HostKey: s.hostKey, Keys: registry{s.registry}, Handle: s.host.Handle, Log: s.log,
	})
	return err
}

// openFiles opens what is in the data folder, the history first: its lock tells
// whether another server is at work here.
func (s *server) openFiles(data string) (err error) {
	s.store, err = history.Open(filepath.Join(data, "history"), history.Options{Log: s.log})
	if errors.Is(err, history.ErrInUse) {
		return fmt.Errorf("another whoelse is running on the data folder %s; stop it, or name another folder with --data", data)
	}
	if err != nil {
		return fmt.Errorf("the data folder can't be used: %w", err)
	}
	if s.hostKey, err = keys.HostKey(filepath.Join(data, "host_key")); err != nil {
		return err
	}
	if s.registry, err = keys.Open(filepath.Join(data, "authorized_keys"), s.log); err != nil {
		return err
	}
	s.watch()
	s.settings, err = settings.Open(filepath.Join(data, "settings"))
	return err
}

// watch has edits of authorized_keys read as they are made.
func (s *server) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.registry.Watch(ctx)
	}()
	s.unwatch = func() {
		cancel()
		<-done
	}
}

func listenError(addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use by another program; name another address with --listen", addr)
	}
	return fmt.Errorf("can't listen on %s: %w", addr, err)
}

// invitation is the line that tells how to get in.
func (s *server) invitation() string {
	addr := s.listener.Addr().(*net.TCPAddr)
	host := "localhost"
	if !addr.IP.IsUnspecified() {
		host = addr.IP.String()
	}
	return fmt.Sprintf("whoelse is listening on %s, host key %s; join with: ssh -p %d nick@%s",
		addr, gossh.FingerprintSHA256(s.hostKey.PublicKey()), addr.Port, host)
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
	if s.settings != nil {
		s.settings.Close()
	}
	if s.store != nil {
		return s.store.Close()
	}
	return nil
}

// registry is what sshd asks of keys, in its words.
type registry struct{ *keys.Registry }

func (r registry) Nick(key gossh.PublicKey, from netip.Addr) (string, error) {
	if err := keys.CheckKey(key); err != nil {
		return "", err
	}
	holder, err := r.Lookup(key, from)
	if errors.Is(err, keys.ErrUnknownKey) {
		return "", sshd.ErrUnknownKey
	}
	return holder.Nick, err
}

func (r registry) Claim(nick string, key gossh.PublicKey) error { return r.Registry.Claim(nick, key) }

// maxMOTD bounds the message of the day, in bytes.
const maxMOTD = 4 << 10

// motd returns a function that reads the message of the day afresh, so that it can
// be changed without a restart.
func motd(path string, log *slog.Logger) func() string {
	return func() string {
		if path == "" {
			return ""
		}
		f, err := os.Open(path)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				log.Warn("the message of the day can't be read", "err", err)
			}
			return ""
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxMOTD))
		if err != nil {
			log.Warn("the message of the day can't be read", "err", err)
		}
		return string(text)
	}
}
