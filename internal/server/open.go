package server

import (
	"fmt"
	"path/filepath"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/keys/certs"
	"whoelse/keys/claims"
	"whoelse/keys/command"
	"whoelse/keys/invites"
	"whoelse/keys/reserved"
	"whoelse/room/settings"
	"whoelse/sessions/desk"
)

// openFiles opens what is in the data folder, the history first: its lock tells
// whether another server is at work here.
func (s *server) openFiles() (err error) {
	data := s.cfg.Data
	if s.storage.histories, err = openHistories(s.cfg, s.log); err != nil {
		return err
	}
	if err = command.Unfinished(data); err != nil {
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
	codes := invites.Open(filepath.Join(cfg.Data, "invites.json"))
	s.people = desk.NewPeople(s.registry, s.revoked, codes)
	s.people.Claims, s.people.NoGuests = claims.New(cfg.Claims, s.log), cfg.NoGuests()
	s.desk, err = desk.Open(cfg.Data, s.registry, s.bans, codes, s.log)
	return err
}
