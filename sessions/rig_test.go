package sessions_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/room/history"
	"whoelse/room/settings"
	"whoelse/sessions"
	"whoelse/sessions/internal/testclient"
	"whoelse/sessions/sshd"
)

// rig is a whole server on the loopback interface, its files in a folder of the
// test's. Only what main does with flags and signals is missing.
type rig struct {
	t    testing.TB
	dir  string
	motd string
	rate float64   // messages a second for one nick; 0 is no limit
	most int       // unread messages of one nick; 0 is no limit
	log  io.Writer // what the server logs, read after stop; nil is the test's output
	addr string

	store    *history.Store
	before   func(room.Log) room.Log // what is put before the store; nil is nothing
	settings *settings.Store
	room     *room.Room
	registry *keys.Registry
	files    sessions.Config // what is kept beside the registry
	manager  *sessions.Manager
	ssh      *sshd.Server
	served   chan error
	listener net.Listener
}

// motdPanics is a message of the day that makes whoever asks for it panic.
const motdPanics = "panic"

// newRig starts a server and stops it at the test's end.
func newRig(t testing.TB) *rig {
	r := &rig{t: t, dir: t.TempDir()}
	r.start()
	t.Cleanup(r.stop)
	return r
}

func (r *rig) start() {
	r.t.Helper()
	out := r.log
	if out == nil {
		out = r.t.Output()
	}
	lines := slog.New(slog.NewTextHandler(out, nil))
	var err error
	r.store, err = history.Open(filepath.Join(r.dir, "history"), history.Options{Log: lines})
	r.must(err)
	r.registry, err = keys.Open(filepath.Join(r.dir, "authorized_keys"), lines)
	r.must(err)
	r.settings, err = settings.Open(filepath.Join(r.dir, "settings"))
	r.must(err)
	log := room.Log(r.store)
	if r.before != nil {
		log = r.before(log)
	}
	rooms, err := settings.OpenRooms(filepath.Join(r.dir, "rooms"), lines)
	r.must(err)
	r.room, err = room.New(log, r.store, r.registry, r.settings, room.Options{
		InboxMax: r.most,
		Rooms:    room.RoomOptions{Store: rooms, Skeleton: nick.Skeleton, Retiring: r.store.WithoutBackup},
	})
	r.must(err)
	r.store.Follow(r.room.Apply)
	r.openFiles(lines)
	cfg := r.files
	cfg.Room, cfg.Registry, cfg.MessageRate, cfg.MOTD = r.room, r.registry, r.rate, func() string {
		if r.motd == motdPanics {
			panic("as asked")
		}
		return r.motd
	}
	cfg.Log, cfg.JoinLine, cfg.Version, cfg.RoomMakers = lines, joinLine, "1.2.3", sessions.EverybodyMakes
	r.manager = sessions.New(cfg)
	r.registry.OnChange(r.revoke)
	r.ssh, err = sshd.New(sshd.Config{
		HostKey: signer("host"), Registry: r.registry, Invites: r.files.Invites, Handle: r.manager.Handle, Log: lines,
	})
	r.must(err)
	r.listener, err = net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	r.addr = r.listener.Addr().String()
	r.served = make(chan error, 1)
	go func() { r.served <- r.ssh.Serve(r.listener) }()
}

// stop ends the server the way main does, but waits for sessions as long as a busy machine needs: what goes on after
// the test must not log to it.
func (r *rig) stop() {
	r.ssh.Stop()
	r.listener.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r.manager.Shutdown(ctx)
	r.ssh.Close()
	r.room.Close()
	r.files.Used.Write()
	r.must(r.files.Audit.Close())
	if err := r.store.Close(); err != nil {
		r.t.Error(err)
	}
	if err := <-r.served; err != nil {
		r.t.Error(err)
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// signer makes the key that goes by a name.
func signer(name string) gossh.Signer { return testclient.Signer(name) }

// sayInLobby says text in the lobby, and calls stored once.
func sayInLobby(m *room.Member, text string, stored func(error)) {
	if err := m.Once("", room.Lobby, room.KindSay, nil, text, func(got room.Receipt) { stored(got.Err) }); err != nil {
		stored(err)
	}
}
