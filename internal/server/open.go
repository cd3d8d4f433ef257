package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"whoelse/internal/cli"
	"whoelse/internal/config"
	"whoelse/internal/disk"
	"whoelse/keys"
	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/keys/certs"
	"whoelse/keys/invites"
	"whoelse/keys/lastused"
	"whoelse/keys/reserved"
	"whoelse/room"
	"whoelse/room/attachments"
	"whoelse/room/history"
	"whoelse/room/settings"
)

// file is where something is in the data folder.
func (s *server) file(name string) string { return filepath.Join(s.cfg.Data, name) }

// openFiles opens what is in the data folder, the history first: its lock tells
// whether another server is at work here.
func (s *server) openFiles() (err error) {
	if err = (disk.Store{}).MakeDir(s.cfg.Data); err == nil {
		err = cli.CheckOwner(s.file("history"), os.Geteuid())
	}
	if err == nil {
		s.histories, err = history.Open(s.file("history"), historyOptions(s.cfg, s.log))
	}
	if errors.Is(err, history.ErrInUse) {
		return fmt.Errorf("another whoelse is running on the data folder %s; stop it, or name another folder with --data", s.cfg.Data)
	} else if err != nil {
		return fmt.Errorf("the data folder can't be used: %w", err)
	}
	s.onStop(s.histories.Close)
	if s.cluster != nil {
		s.onStop(s.cluster.Close) // when what the room appends is in the histories
	}
	if err = keys.Unfinished(s.cfg.Data); err != nil {
		return err
	}
	_, missing := os.Stat(s.file("host_key"))
	if s.hostKey, err = keys.HostKey(s.file("host_key")); err != nil {
		return err
	}
	if s.cluster != nil && missing != nil {
		s.log.Warn("a host key was made; unless this is the cluster's first server, give it the others' before anybody comes: " +
			"whoelse hostkey export there, whoelse hostkey import --force here, and a restart")
	}
	if s.settings, err = settings.Open(s.file("settings")); err != nil {
		return err
	}
	if s.rooms, err = settings.OpenRooms(s.file("rooms"), s.log); err != nil {
		return err
	}
	keep := s.cfg.AttachmentKeep
	if s.cfg.Retention > 0 && (keep == 0 || keep > s.cfg.Retention) {
		keep = s.cfg.Retention
	}
	if s.files, err = attachments.Open(s.file(attachments.Folder), s.cfg.AttachmentMax, keep); err != nil {
		return err
	}
	s.onStop(s.files.Close)
	return nil
}

// recoverFiles removes files whose messages a crash has prevented: the histories have all that was
// acknowledged by now. Where a history can't be read, its files stay for the next start.
func (s *server) recoverFiles() error {
	err := s.files.Recover(func(nick, ref string, at time.Time) (bool, error) {
		// The clock may have been set back a little since the upload.
		sent, err := room.Since(s.histories, nick, at.Add(-time.Hour))
		return slices.ContainsFunc(sent, func(m *room.Message) bool { return m.File != nil && m.File.Ref == ref }), err
	})
	if errors.Is(err, room.ErrUnusable) || errors.Is(err, room.ErrStorage) {
		s.log.Warn("whether files of the last run were sent can't be found out; they stay", "err", err)
		return nil
	}
	return err
}

// sweepFiles removes files that are too old.
func (s *server) sweepFiles() {
	if err := s.files.Sweep(time.Now()); err != nil {
		s.log.Error("files that are too old can't be removed", "err", err)
	}
}

func historyOptions(cfg *config.Config, log *slog.Logger) history.Options {
	return history.Options{Log: log, MaxBytes: cfg.HistoryMax, RoomMaxBytes: cfg.RoomMax, Retention: cfg.Retention,
		Given: len(cfg.Cluster.URLs) > 0}
}

// openKeys opens what says who may come in and as whom.
func (s *server) openKeys() (err error) {
	if err = s.checkKeysFile(); err != nil {
		return err
	}
	if s.registry, err = keys.Open(s.file("authorized_keys"), s.log); err != nil {
		return err
	}
	if s.reserved, err = reserved.Open(s.file("reserved.json")); err != nil {
		return err
	}
	s.registry.Reserve(s.reserved.By)
	if s.cfg.RevokedKeys != "" {
		if s.revoked, err = certs.OpenRevoked(s.cfg.RevokedKeys, s.log); err != nil {
			return fmt.Errorf("--revoked-keys: %w", err)
		}
		s.registry.Revoke(s.revoked.Key)
	}
	if s.bans, err = bans.Open(s.file("bans.json")); err != nil {
		return err
	}
	if s.mutes, err = bans.OpenMutes(s.file("mutes.json")); err != nil {
		return err
	}
	s.invites = invites.Open(s.file("invites.json"))
	if s.audit, err = audit.Open(s.file("audit.jsonl")); err != nil {
		return err
	}
	s.onStop(func() error { s.audit.Close(); return nil })
	s.used = openUsed(s.cfg.Data, s.registry, s.log)
	s.onStop(func() error { s.used.Write(); return nil })
	return nil
}

// checkKeysFile refuses to start without authorized_keys where nicks have histories or settings:
// every nick would be free, for anyone to claim.
func (s *server) checkKeysFile() error {
	path := s.file("authorized_keys")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // the registry says what is wrong with it, if anything is
	}
	nicks, err := s.storedNicks()
	if err != nil || len(nicks) == 0 {
		return err
	}
	return fmt.Errorf("%s is gone, and nicks have histories or settings in %s, which anybody could claim now; "+
		"restore the file from a backup, or make an empty one to start over", path, s.cfg.Data)
}

// openUsed opens the times of last use. Where they can't be read, all keys count as used
// now: otherwise nicks of people who were here yesterday would expire.
func openUsed(data string, registry *keys.Registry, log *slog.Logger) *lastused.Times {
	times := lastused.Open(filepath.Join(data, "used.json"), log)
	if times.Lost() {
		for _, e := range registry.List() {
			times.Note(e.Fingerprint)
		}
	}
	return times
}

// maxMOTD bounds the message of the day, in bytes.
const maxMOTD = 4 << 10

// motd returns a function that reads the message of the day each time, so that it can
// be changed without a restart.
func motd(path string, log *slog.Logger) func() string {
	return func() string {
		if path == "" {
			return ""
		}
		f, err := disk.OpenRegular(path)
		var text []byte
		if err == nil {
			text, err = io.ReadAll(io.LimitReader(f, maxMOTD))
			f.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("the message of the day can't be read", "err", err)
		}
		return string(text)
	}
}
