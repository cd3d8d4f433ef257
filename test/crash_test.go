package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// crashes is how often the server is killed: as often as WHOELSE_CRASHES says, if it
// says anything.
func crashes(t testing.TB) int {
	switch n := os.Getenv("WHOELSE_CRASHES"); {
	case n != "":
		count, err := strconv.Atoi(n)
		if err != nil || count < 1 {
			t.Fatalf("WHOELSE_CRASHES=%s: a number of 1 or more is needed", n)
		}
		return count
	case full && raceDetector:
		return 20
	case full:
		return 50
	}
	return 3
}

// The server is killed in the middle of it, again and again, at times before it is
// even ready. Everything that anybody was told is there afterwards, once, in order.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	c := newCrasher(t, t.TempDir())
	rounds := crashes(t)
	for c.n = range rounds {
		c.round((*server).kill, func() {})
		if c.n%100 == 99 {
			t.Logf("%d of %d rounds; %+v", c.n+1, rounds, c.count)
		}
	}
	c.finish()
}

// crasher has people talk to a server that is killed, and holds what is on disk
// against what they were told.
type crasher struct {
	t      *testing.T
	data   string
	keys   map[string][]string
	n      int // of the round
	random *rand.Rand
	told   *ledger
	found  *histories

	mu      sync.Mutex                 // owns the fields below
	waiting map[string]map[string]bool // by nick: what is kept for them and they have not seen
	seen    map[string]bool            // by nick and text: what their inbox has shown in this round
	count   struct{ Room, Direct, Commands, Inboxes, EarlyKills int }
}

// Who talks in the room, and who is only written to.
// keepAll has a server take everything from everybody, and keep it.
var keepAll = []string{"--message-rate", "0", "--inbox-max", "0", "--history-max-bytes", "0", "--room-history-max", "0", "--max-bytes-per-nick", "0", "--max-bytes-per-minute", "0"}

var talkers, absent = []string{"bob", "carol", "erin"}, []string{"dave", "gina"}

func newCrasher(t *testing.T, data string) *crasher {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &crasher{t: t, data: data, keys: map[string][]string{}, random: rand.New(rand.NewPCG(seed, 0)),
		told: newLedger(), found: readHistories(data),
		waiting: map[string]map[string]bool{"dave": {}, "gina": {}}, seen: map[string]bool{}}
	s := startServer(t, data, keepAll...)
	for _, nick := range append([]string{"frank"}, append(talkers, absent...)...) {
		c.keys[nick] = []string{newKey(t)}
		s.runs(nick, c.keys[nick], "", "nick") // who is known is written to
	}
	s.kill()
	return c
}

// round starts the server, checks what the round before has left, and has everyone
// talk until the server is killed; then is called when all clients have ended.
func (c *crasher) round(kill func(*server), then func()) {
	in := newScope(c.t)
	defer in.end()
	if c.random.IntN(4) == 0 {
		c.killEarly()
	}
	s := startServer(in, c.data, keepAll...)
	c.check(in, s)
	r := &crashRound{crasher: c, t: in, s: s, command: make(chan struct{}, 1), inbox: make(chan struct{}, 1)}
	r.talk(kill)
	then()
	if log := s.log(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") || strings.Contains(log, "damaged line skipped") {
		c.t.Error(log)
	}
	if c.t.Failed() {
		c.t.Fatalf("in round %d", c.n)
	}
}

// killEarly starts a server and kills it at a random moment, most likely before it is
// ready, while it writes what the journal holds to the histories.
func (c *crasher) killEarly() {
	cmd := exec.Command(binary, append([]string{"--listen", "127.0.0.1:0", "--data", c.data}, keepAll...)...)
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	<-time.After(time.Duration(c.random.Int64N(int64(100 * time.Millisecond))))
	cmd.Process.Kill()
	cmd.Wait()
	c.count.EarlyKills++
}

// check looks at what is new on disk, and at the same through the real client.
func (c *crasher) check(t testing.TB, s *server) {
	t.Helper()
	found := c.found.next(t)
	c.told.check(t, found)
	c.told.forget()
	clear(c.seen)
	said := textsOf(found.lines["room"])
	if len(said) > 0 {
		same(t, "the room's history", shownIn("", c.ask(t, s, "bob", "history", fmt.Sprint(len(said)))).room, said)
	}
	nick := []string{"bob", "carol", "erin", "frank", "dave", "gina"}[c.n%6]
	if wrote := textsOf(found.lines[nick]); len(wrote) > 0 {
		same(t, nick+"'s history", shownIn("", c.ask(t, s, nick, "inbox", "all", fmt.Sprint(len(wrote)))).direct, wrote)
	}
	c.empty(t, s, "dave")
	if c.n%10 == 9 {
		c.empty(t, s, "gina")
	}
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("%s: %d lines, want %d; number %d is %q, want %q", what, len(got), len(want), i, got[i:min(i+1, len(got))], want[i:min(i+1, len(want))])
			return
		}
	}
}

// empty has nick read the inbox, after which nothing that was kept is still unseen.
func (c *crasher) empty(t testing.TB, s *server, nick string) {
	t.Helper()
	c.sawInbox(nick, c.ask(t, s, nick, "inbox"))
	c.mu.Lock()
	defer c.mu.Unlock()
	var wrong complaints
	for text := range c.waiting[nick] {
		wrong.add("%q was kept for %s, who has never seen it", text, nick)
	}
	wrong.report(t)
	clear(c.waiting[nick])
}

func (c *crasher) sawInbox(nick, output string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range shownIn(nick, output).direct {
		delete(c.waiting[nick], text)
		c.seen[nick+" "+text] = true
	}
}

func (c *crasher) ask(t testing.TB, s *server, nick string, command ...string) string {
	t.Helper()
	out, status := s.runs(nick, c.keys[nick], "", command...)
	if status != 0 {
		t.Fatalf("%s %v: exit status %d: %s\n%s", nick, command, status, out, s.log())
	}
	return out
}

// finish looks at everything once more.
func (c *crasher) finish() {
	c.n = 9 // gina reads her inbox, too
	s := startServer(c.t, c.data, keepAll...)
	c.check(c.t, s)
	c.found.unchanged(c.t)
	same(c.t, "the room's history", shownIn("", c.ask(c.t, s, "bob", "history", fmt.Sprint(askedAtMost))).room, c.found.newest("room"))
	for nick := range c.keys {
		all := c.ask(c.t, s, nick, "inbox", "all", fmt.Sprint(askedAtMost))
		same(c.t, nick+"'s history", shownIn("", all).direct, c.found.newest(nick))
	}
	c.t.Logf("%+v", c.count)
	if c.count.Room == 0 || c.count.Direct == 0 || c.count.Commands == 0 || c.count.Inboxes == 0 {
		c.t.Error("hardly anything was said")
	}
}
