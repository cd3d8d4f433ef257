package adversarial

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/internal/limit"
	"whoelse/keys"
	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/keys/invites"
	"whoelse/keys/lastused"
	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/room/attachments"
	"whoelse/room/history"
	"whoelse/room/settings"
	"whoelse/sessions"
	"whoelse/sessions/admission"
	"whoelse/sessions/internal/testclient"
	"whoelse/sessions/quota"
	"whoelse/sessions/space"
	"whoelse/sessions/sshd"
)

// raceOn tells whether the race detector slows everything down.
var raceOn bool

// full has everything tested at its full length, however long that takes.
var full = os.Getenv("WHOELSE_TEST") == "full"

// onlyFull is for tests that wait for long limits.
func onlyFull(t *testing.T) {
	t.Helper()
	if !full {
		t.Skip("takes long; runs with WHOELSE_TEST=full")
	}
}

// many is a count for a flood: a tenth of n, unless all of it is asked for and the race
// detector does not slow it down.
func many(n int) int {
	if full && !raceOn {
		return n
	}
	return n / 10
}

// options are how a server differs from one that anybody may talk to without limit,
// which is the hardest to keep standing.
type options struct {
	rate   float64       // messages a second
	within time.Duration // for a login, and then for a shell
	lines  []string      // of authorized_keys
	limits admission.Limits
	claims quota.Claims
	quota  quota.Limits
	past   []past
	rooms  int  // how many private rooms there are of somebody who is not here
	den    bool // everybody with a key is in a private room, and so is a second canary: see enterDen
}

// rig is a whole server on the loopback interface, as the command wires it.
type rig struct {
	*testing.T
	dir, addr string
	log       *diary
	private   bool

	store     *history.Store
	registry  *keys.Registry
	bans      *bans.List
	mutes     *bans.Mutes
	used      *lastused.Times
	audit     *audit.Log
	settings  *settings.Store
	room      *room.Room
	manager   *sessions.Manager
	admission *admission.Controller
	quota     *limit.Limiter
	files     *attachments.Store
	ssh       *sshd.Server
	listener  net.Listener
	served    chan error
	unwatch   func()
	stopped   bool

	visitors []interface{ Close() } // of the case that runs
}

func newRig(t *testing.T, o options) *rig {
	r := &rig{T: t, dir: t.TempDir(), log: &diary{}, private: o.den}
	r.start(o)
	t.Cleanup(r.stop)
	return r
}

func (r *rig) start(o options) {
	r.Helper()
	lines := slices.Concat(o.lines, []string{keyLine("bob"), keyLine("carol")})
	r.must(os.WriteFile(r.file(), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	log := slog.New(slog.NewMultiHandler(slog.NewTextHandler(r.log, nil), slog.NewJSONHandler(r.log, nil)))
	var err error
	if o.past != nil {
		r.remember(o.past)
	}
	r.store, err = history.Open(filepath.Join(r.dir, "history"), history.Options{Log: log})
	r.must(err)
	r.registry, err = keys.Open(r.file(), log)
	r.must(err)
	r.settings, err = settings.Open(filepath.Join(r.dir, "settings"))
	r.must(err)
	r.haveRooms(o.rooms)
	rooms, err := settings.OpenRooms(filepath.Join(r.dir, "rooms"), log)
	r.must(err)
	r.room, err = room.New(r.store, r.store, r.registry, r.settings, room.Options{
		Rooms: room.RoomOptions{Store: rooms, Skeleton: nick.Skeleton, Retiring: r.store.WithoutBackup},
	})
	r.must(err)
	r.store.Follow(r.room.Apply)
	r.quota = quota.New(o.quota)
	r.bans, err = bans.Open(filepath.Join(r.dir, "bans.json"))
	r.must(err)
	r.mutes, err = bans.OpenMutes(filepath.Join(r.dir, "mutes.json"))
	r.must(err)
	r.audit, err = audit.Open(filepath.Join(r.dir, "audit.jsonl"))
	r.must(err)
	r.used = lastused.Open(filepath.Join(r.dir, "used.json"), log)
	r.files, err = attachments.Open(filepath.Join(r.dir, "attachments"), 1<<20, 0)
	r.must(err)
	codes := invites.Open(filepath.Join(r.dir, "invites.json"))
	r.manager = sessions.New(sessions.Config{
		Room: r.room, MessageRate: o.rate, MOTD: func() string { return "" }, Log: log,
		Quota: r.quota, Space: space.New(space.Config{}),
		JoinLine: func(user string, _ netip.AddrPort) string { return "ssh " + user + "@HOST" },
		Registry: r.registry, Bans: r.bans, Mutes: r.mutes, Invites: codes, Used: r.used, Audit: r.audit,
		Files: r.files, RoomMakers: sessions.EverybodyMakes,
	})
	o.limits.Exempt = append(o.limits.Exempt, netip.MustParsePrefix("127.0.0.1/32"))
	r.admission = admission.New(o.limits, r.bans)
	r.ssh, err = sshd.New(sshd.Config{
		HostKey: signer("host"), Registry: r.registry, Invites: codes, Claims: quota.NewClaims(o.claims), Bans: r.bans,
		Handle: r.manager.Handle, Log: log,
		Admission: r.admission, LoginWithin: o.within, ShellWithin: o.within,
	})
	r.must(err)
	r.serve()
}

func (r *rig) serve() {
	r.Helper()
	var err error
	r.listener, err = net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	r.addr = r.listener.Addr().String()
	r.served = make(chan error, 1)
	go func() { r.served <- r.ssh.Serve(r.listener) }()
	r.registry.OnChange(func(keys.Change) {
		r.recheck()
		r.manager.EndGuests(r.registry.Free)
	})
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { r.registry.Watch(ctx) })
	r.unwatch = func() { cancel(); watching.Wait() }
}

// recheck is what the command does.
func (r *rig) recheck() { r.manager.EndWhere(r.ssh.Stale) }

// stop ends the server the way the command does.
func (r *rig) stop() {
	if r.stopped {
		return
	}
	r.stopped = true
	r.ssh.Stop()
	r.listener.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	r.manager.Shutdown(ctx)
	r.ssh.Close()
	r.room.Close()
	r.unwatch()
	r.used.Write()
	r.must(r.audit.Close())
	if err := cmp.Or(r.store.Close(), r.files.Close(), <-r.served); err != nil {
		r.Error(err)
	}
	r.log.check(r.T)
}

func (r *rig) file() string { return filepath.Join(r.dir, "authorized_keys") }

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// signer makes the key that goes by a name.
func signer(name string) gossh.Signer { return testclient.Signer(name) }

func publicKey(name string) string { return testclient.Public(name) }

// keyLine is nick's line in authorized_keys.
func keyLine(nick string) string { return publicKey(nick) + " " + nick }

// diary is the log, in both formats.
type diary struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all.Write(p)
}

// text is the log so far.
func (d *diary) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all.String()
}

// check asserts that nothing in the log is more than a line of text, and that
// nothing went wrong that a client could have brought about.
func (d *diary) check(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	log := d.all.String()
	if t.Failed() {
		t.Logf("the end of the log: %s", log[max(0, len(log)-8000):])
	}
	if bad := unclean(log); bad != "" {
		t.Errorf("in the log: %s", bad)
	}
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "time=") && !strings.HasPrefix(line, `{"time"`) {
			t.Errorf("a forged line in the log: %q", line)
		}
		if strings.Contains(line, "panic") || strings.Contains(line, "ERROR") {
			t.Errorf("in the log: %s", line)
		}
	}
}
