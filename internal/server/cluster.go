package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"whoelse/internal/disk"
	"whoelse/room"
	"whoelse/room/cluster"
	"whoelse/room/cluster/snapshot"
	"whoelse/room/history"
)

// A server of a cluster has the log of all servers in place of its own, and a copy of it on disk, from which its
// histories are made. Changes of what all servers have alike go through that log, too: see
// docs/decisions/017-cluster.md.

// joinCluster connects to the cluster, and readies the data folder, before that is opened.
func (s *server) joinCluster(ctx context.Context) (err error) {
	opts := s.cfg.Cluster
	if len(opts.URLs) == 0 {
		if name := snapshot.Belongs(s.cfg.Data); name != "" {
			return fmt.Errorf("the data folder %s belongs to the cluster with the stream %s; name its NATS servers "+
				"with --cluster, or make a folder for a single server from it: whoelse cluster export", s.cfg.Data, name)
		}
		return nil
	}
	opts.Bound, opts.Log = snapshot.Bound(s.cfg.Data), s.log
	if s.cluster, err = cluster.Connect(ctx, opts); err != nil {
		return err
	}
	return snapshot.Join(ctx, s.cluster, s.cfg.Data, snapshot.Options{
		Program: s.version, Log: s.log, Step: s.progress("restoring the cluster's snapshot in the new data folder"),
	})
}

// progressEvery is how often progress is logged.
const progressEvery = 5 * time.Second

// progress returns a function that logs progress now and then.
func (s *server) progress(words string) func(what string, bytes int64) {
	now := rate.Sometimes{Interval: progressEvery}
	return func(what string, bytes int64) {
		now.Do(func() { s.log.Info(words, "step", what, "bytes", bytes) })
	}
}

// document is a list that all servers of a cluster share, and each has in a file.
type document struct {
	name string
	list interface {
		Share(share disk.Share) error
		Receive(data []byte) error
		ShareEdits() error // changes made here by hand, or by whoelse keys
	}
}

// documents are in the order in which edits are shared: a nick that whoelse keys restore gives back has its key before its
// reservation ends.
func (s *server) documents() []document {
	return []document{{"keys", s.registry}, {"bans", s.bans}, {"mutes", s.mutes}, {"invites", s.invites}, {"reserved", s.reserved}}
}

// moderation is the name of the document that has an operator's last action, for the sessions on other servers.
const moderation = "moderation"

// moderated is that document.
type moderated struct {
	Node   string          `json:"node"` // where the operator is
	Action json.RawMessage `json:"action"`
}

// shareFiles has all changes go through the cluster.
func (s *server) shareFiles(ctx context.Context) error {
	applied := func(doc string, change func() ([]byte, error)) error {
		err := s.cluster.Change(doc, change)
		return cmp.Or(err, s.histories.Probe(context.Background())) // returns once the room has all changes until now
	}
	s.settings.Share(applied)
	s.rooms.Share(applied)
	s.files.Share(s.cluster)
	for _, d := range s.documents() {
		err := d.list.Share(func(change func() ([]byte, error)) error { return s.cluster.Change(d.name, change) })
		if err != nil {
			return err
		}
	}
	return s.cluster.KeepFiles(ctx, s.files.Keep())
}

// follow follows the cluster's log, and returns once this server has caught up.
func (s *server) follow(ctx context.Context) error {
	receive := map[string]cluster.Receive{"settings": s.settings.Receive, "rooms": s.rooms.Receive}
	for _, d := range s.documents() {
		receive[d.name] = func(_ string, data []byte) error { return d.list.Receive(data) }
	}
	bans := receive["bans"]
	receive["bans"] = func(doc string, data []byte) error {
		defer s.bansChanged.Store(true)
		return bans(doc, data)
	}
	receive[moderation] = s.receiveModeration
	if err := s.cluster.Follow(ctx, s.histories, receive); err != nil {
		return err
	}
	now := rate.Sometimes{Interval: progressEvery}
	for err := s.cluster.Probe(ctx); err != nil; err = s.cluster.Probe(ctx) {
		now.Do(func() { s.log.Info("catching up with the cluster before anybody can log in", "why", err) })
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// tellServers tells the session managers of all other servers of an operator's action.
func (s *server) tellServers(action []byte) error {
	data, err := json.Marshal(moderated{s.cfg.Cluster.Node, action})
	if err != nil {
		return err
	}
	return s.cluster.Change(moderation, func() ([]byte, error) { return data, nil })
}

func (s *server) receiveModeration(_ string, data []byte) error {
	manager := s.open.Load()
	var m moderated
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("%w: %w", room.ErrInvalid, err)
	}
	if manager == nil || m.Node == s.cfg.Cluster.Node { // no sessions yet, or it is done here already
		return nil
	}
	if err := manager.Moderated(bytes.Clone(m.Action)); err != nil {
		return fmt.Errorf("%w: %w", room.ErrInvalid, err)
	}
	return nil
}

// applied shows events to the people concerned, and notes what people do on other servers.
func (s *server) applied(batch []room.Entry) {
	s.room.Apply(batch)
	manager := s.open.Load()
	for _, e := range batch {
		elsewhere := e.Node != s.cfg.Cluster.Node
		switch e.Kind {
		case room.KindJoin:
			if elsewhere {
				s.noteUse(e.From)
			}
		case room.KindSay, room.KindMe, room.KindNotice, room.KindDirect, room.KindGroup:
			if elsewhere && manager != nil {
				manager.SentElsewhere(e.From)
			}
		case room.KindRetired:
			if e.Room == "" {
				s.registry.Release(e.From)
			}
		}
	}
}

// noteUse notes that nick joined on another server with one of its keys. It is not known which: all count as used.
func (s *server) noteUse(nick string) {
	for _, e := range s.registry.Keys(nick) {
		if !e.Pending && s.used.Last(e.Fingerprint).IsZero() {
			s.used.Note(e.Fingerprint)
		}
	}
}

// leads reports whether this server does the work that one server does for all.
func (s *server) leads() bool { return s.cluster == nil || s.cluster.Leads() }

// settled is how long after its start a server has heard of all others: two of them must not retire a nick.
const settled = 10 * time.Second

// shareEvery is how often edits of files are looked for.
const shareEvery = time.Second

// shareEdits shares edits of this server's files with the cluster, and ends sessions that a new ban covers.
func (s *server) shareEdits() {
	for _, d := range s.documents() {
		if err := d.list.ShareEdits(); err != nil {
			s.notShared.Do(func() {
				s.log.Error("an edit can't be shared with the other servers yet; trying again", "of", d.name, "err", err)
			})
		}
	}
	if s.bansChanged.CompareAndSwap(true, false) {
		s.manager.EndBanned()
	}
}

var _ cluster.Local = (*history.Store)(nil)
