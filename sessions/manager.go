// Package sessions runs what a person has in front of them: a terminal, a pipe or
// a single command. It reads lines, carries out what they ask of the room, and
// shows what the room has to tell.
//
// A [Manager] serves all sessions; each session is a reading goroutine, which is the
// one that [Manager.Handle] is called on, and, while there is something to write, a
// writing goroutine, which alone writes to the person (see outbox).
package sessions

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"whoelse/internal/limit"
	"whoelse/keys"
	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/keys/invites"
	"whoelse/keys/lastused"
	"whoelse/room"
	"whoelse/room/attachments"
	"whoelse/sessions/floodlog"
	"whoelse/sessions/render"
	"whoelse/sessions/space"
	"whoelse/sessions/sshd"
)

// Limits that people meet. They stand in the README.
const (
	maxText      = 10_000           // characters of one message
	maxLine      = maxText + 4_000  // of a line: with the command and the recipients in front
	queueLimit   = 256 << 10        // bytes that may wait behind a write that stands, or for a sign that they came
	slowWrite    = time.Second      // then a write stands
	burstLimit   = 4 << 20          // bytes that may wait in any case; all sessions share them
	stallLimit   = 10 * time.Second // one write may stand this long, and that sign take
	goodbyeLimit = 2 * time.Second  // whoever is sent away is gone
	tellTooFast  = 10 * time.Second // a word about being too fast, at most this often
	lastReceipts = 7 * time.Second  // a pipe's end waits for what was sent
	lingerLimit  = 30 * time.Second // and each end for more than lingerAfter to be taken
	lingerAfter  = 16 << 10         // bytes

	// receiptsTogether is how long the receipt of something read waits for others.
	receiptsTogether = 200 * time.Millisecond
)

// What is written at once, and after how much the client is asked whether it came.
const (
	pieceLimit = 64 << 10
	askAfter   = queueLimit / 2
)

// How far apart two writes to a busy session are kept: flushEvery, and up to
// flushMost when there are so many sessions that writesPerSecond would be passed.
// A write costs some 20 us of a processor, most of it the system call and the
// cipher, whether it carries one line or five: docs/measurements.md.
const (
	flushEvery      = 10 * time.Millisecond
	flushMost       = 20 * time.Millisecond
	writesPerSecond = 15_000
)

// Config is what a Manager needs.
type Config struct {
	Room *room.Room
	// Who holds which nick, who may not come in or not speak, who is invited, when keys
	// were last used, and what operators did.
	Registry *keys.Registry
	Bans     *bans.List
	Mutes    *bans.Mutes
	Invites  *invites.Store
	Used     *lastused.Times
	Audit    *audit.Log
	// MessageRate is how many lines a second one nick may send, with a burst of
	// four times that, and BotRate that of a bot; 0 is no limit.
	MessageRate, BotRate float64
	// RoomMakers says who may make rooms; "" is nobody.
	RoomMakers RoomMakers
	// MOTD returns the message of the day, "" for none. Called for every join.
	MOTD func() string
	// JoinLine returns the command that joins as user. at is the server's address on the connection of the
	// person who asks.
	JoinLine func(user string, at netip.AddrPort) string
	// Came, unless nil, is told from where each session comes.
	Came func(netip.Addr)
	// Quota bounds what each person has stored, Space what all have, and KeyChanges how many keys each adds and removes;
	// nil is no limit.
	Quota      *limit.Limiter
	Space      *space.Guard
	KeyChanges *limit.Limiter
	Files      *attachments.Store
	// TellServers, in a cluster, makes all other servers call Moderated with data, and returns once the cluster
	// has stored data; nil on a single server.
	TellServers func(data []byte) error
	Log         *slog.Logger
	// Version is the program's, for people.
	Version string
}

// Manager serves sessions. Its methods may be called concurrently.
type Manager struct {
	cfg        Config
	rate       *rateLimit
	sessionLog floodlog.Handler
	colors     render.Colors
	list       atomic.Pointer[func() []byte] // LIST for programs

	mu       sync.Mutex // owns the fields below
	open     map[*session]bool
	stopping bool
	all      sync.WaitGroup

	crowd      atomic.Int64   // how many are open
	complaints rate.Sometimes // to the log
}

// complainEvery is how often the log is told that people meet trouble.
const complainEvery = time.Minute

// complain logs what went wrong for somebody, though not each time: where a disk is
// full everybody meets the same, the storage logs the cause itself, and the log may
// be on that very disk.
func (m *Manager) complain(what, nick string, err error) {
	m.complaints.Do(func() { m.cfg.Log.Error(what, "nick", nick, "err", err) })
}

// New returns a host for cfg's room.
func New(cfg Config) *Manager {
	sessionLog := floodlog.New(cfg.Log, "too many session lines within a minute; some were left out")
	cfg.Log = slog.New(sessionLog)
	cfg.KeyChanges = cmp.Or(cfg.KeyChanges, limit.New(limit.Limits{}))
	return &Manager{
		cfg: cfg, rate: newRateLimit(cfg.MessageRate, cfg.BotRate, cfg.Registry.Bot), sessionLog: sessionLog,
		open:       map[*session]bool{},
		complaints: rate.Sometimes{Interval: complainEvery},
	}
}

// Handle runs one session or command to its end.
func (m *Manager) Handle(ch *sshd.Channel) {
	c := newSession(m, ch)
	defer c.stop()
	if !m.enter(c) {
		c.turnAway(errShutdown)
		return
	}
	defer m.leave(c)
	if err := m.admit(c); err != nil {
		c.turnAway(err)
		return
	}
	c.run()
}

// admit refuses who is banned, and notes the use of the key. It is asked about each session
// once EndWhere would find it, so that nobody slips in between.
func (m *Manager) admit(c *session) error {
	who := c.person()
	if m.cfg.Came != nil {
		m.cfg.Came(who.Addr)
	}
	if ban, banned := m.cfg.Bans.Find(who); banned {
		return expelled(ban.Words())
	}
	if who.Key != "" {
		m.cfg.Used.Note(who.Key)
	}
	return nil
}

// enter makes a session or command known to those who may end it, unless the server is
// shutting down.
func (m *Manager) enter(c *session) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return false
	}
	m.open[c] = true
	m.crowd.Store(int64(len(m.open)))
	m.all.Add(1)
	return true
}

func (m *Manager) leave(c *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, c)
	m.crowd.Store(int64(len(m.open)))
	m.all.Done()
}

// flushInterval is how far apart two writes to the same session are kept right now.
func (m *Manager) flushInterval() time.Duration {
	shared := time.Duration(m.crowd.Load()) * time.Second / writesPerSecond
	return min(max(shared, flushEvery), flushMost)
}

// Shutdown tells everyone that the server is going down, ends all sessions and
// commands and waits for them until ctx is over.
func (m *Manager) Shutdown(ctx context.Context) {
	m.mu.Lock()
	m.stopping = true
	for c := range m.open {
		c.end(errShutdown)
	}
	m.mu.Unlock()
	done := make(chan struct{})
	go func() {
		m.all.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	m.sessionLog.Flush()
}

// recoverPanic keeps a panic in one session's writing goroutine from ending the server:
// it is logged, and the session's connection ends.
func (m *Manager) recoverPanic(ch *sshd.Channel) {
	if p := recover(); p != nil {
		m.cfg.Log.Error("panic in a session's writer", "panic", p, "from", ch.From(), "stack", string(debug.Stack()))
		ch.Abort()
	}
}
