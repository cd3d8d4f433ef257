package server

import (
	"fmt"
	"log/slog"
	"path/filepath"

	"whoelse/keys"
	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/keys/certs"
	"whoelse/keys/invites"
	"whoelse/keys/lastused"
	"whoelse/keys/reserved"
	"whoelse/room/settings"
)

// openFiles opens what is in the data folder, the history first: its lock tells
// whether another server is at work here.
func (s *server) openFiles() (err error) {
	data := s.cfg.Data
	if s.storage.histories, err = openHistories(s.cfg, s.log); err != nil {
		return err
	}
	if err = keys.Unfinished(data); err != nil {
		return err
	}
	if s.hostKey, err = keys.HostKey(filepath.Join(data, "host_key")); err != nil {
		return err
	}
	s.storage.settings, err = settings.Open(filepath.Join(data, "settings"))
	return err
}

// openKeys opens what says who may come in and as whom.
func (s *server) openKeys() (err error) {
	if err = s.checkKeysFile(); err != nil {
		return err
	}
	cfg := s.cfg
	if s.registry, err = keys.Open(filepath.Join(cfg.Data, "authorized_keys"), s.log); err != nil {
		return err
	}
	if s.reserved, err = reserved.Open(filepath.Join(cfg.Data, "reserved.json")); err != nil {
		return err
	}
	s.registry.Reserve(s.reserved.Until)
	if cfg.RevokedKeys != "" {
		if s.revoked, err = certs.OpenRevoked(cfg.RevokedKeys, s.log); err != nil {
			return fmt.Errorf("--revoked-keys: %w", err)
		}
		s.registry.Revoke(s.revoked.Key)
	}
	if s.bans, err = bans.Open(filepath.Join(cfg.Data, "bans.json")); err != nil {
		return err
	}
	if s.mutes, err = bans.OpenMutes(filepath.Join(cfg.Data, "mutes.json")); err != nil {
		return err
	}
	s.invites = invites.Open(filepath.Join(cfg.Data, "invites.json"))
	if s.audit, err = audit.Open(filepath.Join(cfg.Data, "audit.jsonl")); err != nil {
		return err
	}
	s.used = openUsed(cfg.Data, s.registry, s.log)
	return nil
}

// openUsed opens the times of last use. Where they can't be read, all keys count as used
// now: else nicks would expire of people who were here yesterday.
func openUsed(data string, registry *keys.Registry, log *slog.Logger) *lastused.Times {
	times := lastused.Open(filepath.Join(data, "used.json"), log)
	if times.Lost() {
		for _, e := range registry.List() {
			times.Note(e.Fingerprint)
		}
	}
	return times
}
