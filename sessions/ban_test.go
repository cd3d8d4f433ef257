package sessions_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/room"
	"whoelse/sessions/sshd"
	"whoelse/sessions/text"
)

// A ban of an address ends who comes from there, under any name, lets nobody in
// from there again, and tells the operator whom it has met.
func TestBanOfAddress(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia", "oscar")
	office := via(t, r.addr, "127.0.0.2")
	olivia := r.terminal("olivia", r.addr)
	oscar, bob := r.terminal("oscar", office), r.terminal("bob", office)
	guest := connect(t, office, dial{user: "eve"})
	carol := r.terminal("carol", r.addr)
	olivia.enters("/ban 127.0.0.2 2h noise", "not banned: that ban would cover the operator oscar")
	bob.enters("nothing has happened", "bob: nothing has happened")
	olivia.enters("/ban 127.0.0.2 2h anyway noise", "banned 127.0.0.2 for 2h; it ended the sessions of bob, oscar and ~eve")
	for _, c := range []*client{oscar, bob, guest} {
		c.sees("you are banned by olivia for 2h, with everyone from 127.0.0.2: noise", "(exit status 1)")
	}
	oscar.sees("olivia banned 127.0.0.2 for 2h: noise")
	connect(t, office, dial{user: "dave", key: "dave", command: "say hello"}).sees("whoelse: you are banned until", "(exit status 4)")
	for _, command := range []string{"say --json hello", "json"} {
		dave := connect(t, office, dial{user: "dave", key: "dave", command: command})
		dave.sees(`{"CMD":"BYE","CODE":"ended","REASON":"you are banned until`, "(exit status 4)")
	}
	connect(t, office, dial{user: "dave", key: "dave", width: 80, height: 9}).sees("noise")
	olivia.enters("/bans", "1 ban:", "127.0.0.2 by olivia on ", " UTC: noise")
	carol.enters("not me", "carol: not me")
	r.stop()
	r.start()
	connect(t, via(t, r.addr, "127.0.0.2"), dial{user: "bob", key: "bob", command: "say hello"}).sees("you are banned")
}

// A key is banned under whatever name, and no operator's by chance, be they here
// or not.
func TestBanOfKey(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia", "oscar")
	olivia, bob := r.terminal("olivia", r.addr), r.terminal("bob", r.addr)
	olivia.enters("/ban "+keys.Fingerprint(signer("oscar").PublicKey()), "would cover the operator oscar")
	olivia.enters("/ban "+keys.Fingerprint(signer("olivia").PublicKey()), "would cover you")
	olivia.enters("/ban "+keys.Fingerprint(signer("bob").PublicKey())+" lost", "it ended the sessions of bob")
	bob.sees("your key is banned by olivia for good: lost")
	connect(t, r.addr, dial{user: "bob", key: "bob", command: "say x"}).sees("you are banned: lost")
	olivia.enters("/unban "+keys.Fingerprint(signer("bob").PublicKey()), "is no longer banned")
	connect(t, r.addr, dial{user: "bob", key: "bob", command: "say back"}).sees("(exit status 0)")
	want := []string{"ban", "unban"}
	var got []string
	for _, e := range r.audited() {
		got = append(got, e["what"])
	}
	if !slices.Equal(got, want) {
		t.Errorf("on record: %v, want %v", got, want)
	}
}

// Ending sessions while people come and go neither blocks nor misses anybody who
// is there before it begins.
func TestEndWhereConcurrently(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			c := connect(t, r.addr, dial{user: fmt.Sprintf("p%d", i), key: fmt.Sprintf("p%d", i)})
			c.sees("gone with \ufffd", "(exit status 1)")
		})
		all.Go(func() {
			r.manager.EndWhere(func(*sshd.Login, netip.AddrPort) (string, bool) { return "not a word", false })
		})
	}
	deadline := time.Now().Add(patience)
	for r.room.Stats().Members < 8 && time.Now().Before(deadline) {
		connect(t, r.addr, dial{user: "probe", key: "probe", command: "whoelse"}).sees("(exit")
	}
	r.manager.EndWhere(func(l *sshd.Login, from netip.AddrPort) (string, bool) {
		if !from.IsValid() {
			t.Error("a session without an address")
		}
		return "gone with \xff\x1b[2J", strings.HasPrefix(l.Nick, "p")
	})
	all.Wait()
}

// Bans are asked about after a session can be found, so that a ban that falls between
// the login and the session is not missed.
func TestAdmit(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	r.terminal("olivia", r.addr)
	config := &gossh.ClientConfig{
		User: "bob", Auth: []gossh.AuthMethod{gossh.PublicKeys(signer("bob"))},
		HostKeyCallback: gossh.FixedHostKey(signer("host").PublicKey()),
	}
	bob, err := gossh.Dial("tcp", r.addr, config)
	r.must(err)
	defer bob.Close()
	_, err = r.files.Bans.Add(bans.Target{Nick: "bob"}, "olivia", "x\u202ey", 0)
	r.must(err)
	session, err := bob.NewSession()
	r.must(err)
	out, err := session.CombinedOutput("say hello")
	if _, ok := errors.AsType[*gossh.ExitError](err); !ok || !strings.Contains(string(out), "you are banned: x?y") {
		t.Errorf("%q, %v", out, err)
	}
	if text.Clean(string(out)) != strings.TrimRight(strings.ReplaceAll(string(out), "\r", ""), " ") {
		t.Errorf("not clean: %q", out)
	}
}

// via forwards connections to a server, from another address of this machine.
func via(t testing.TB, to, local string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := dialer.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			for _, p := range [][2]net.Conn{{near, far}, {far, near}} {
				all.Go(func() {
					defer p[0].Close()
					defer p[1].Close()
					io.Copy(p[0], p[1])
				})
			}
		}
	})
	t.Cleanup(all.Wait)
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// Who takes nothing any more is gone soon after a kick, too.
func TestKickOfStuckSession(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	gone := make(chan struct{})
	stuck := stuckSession(t, r.addr)
	go func() {
		defer close(gone)
		stuck.Wait()
	}()
	bob, line := r.room.Visit(room.Identity{Nick: "bob"}), strings.Repeat("x", 3900)
	say := func(lines int) {
		said := make(chan error, lines)
		for range lines {
			sayInLobby(bob, line, func(err error) { said <- err })
		}
		for range lines {
			r.must(<-said)
		}
	}
	for range 530 { // not quite a client's window
		say(1)
	}
	say(30) // more than that, less than that and the queue; all at once, since a write stands from now on
	connect(t, r.addr, dial{user: "olivia", key: "olivia", command: "kick stuck"}).sees("kicked stuck: 1 session", "(exit status 0)")
	began := time.Now()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Fatal("it stays")
	}
	if took := time.Since(began); took > 8*time.Second { // 2 s for the last words; a write may stand for 10 s
		t.Errorf("it took %v", took)
	}
}

// A pipe is told on standard error why it is turned away.
func TestTurnedAwayFromAPipe(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	r.terminal("olivia", r.addr).enters("/ban bob 1h noise", "banned bob for 1h")
	bob := connect(t, r.addr, dial{user: "bob", key: "bob"})
	bob.sees("! whoelse: you are banned", "(exit status 1)")
	if rows := bob.rows(); slices.ContainsFunc(rows, func(row string) bool { return row[0] != '!' && row[0] != '(' }) {
		t.Errorf("%q", rows)
	}
}
