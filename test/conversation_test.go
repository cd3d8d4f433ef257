package test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// dropbear makes the command of dropbear's client, in a terminal.
func (s *server) dropbear(user string) *exec.Cmd {
	s.t.Helper()
	key := newKey(s.t)
	mustRun(s.t, "dropbearconvert", "openssh", "dropbear", key, key+".db")
	return clientCommand(s.t, "dbclient", "-y", "-y", "-p", s.port, "-i", key+".db", user+"@127.0.0.1")
}

// plink makes the command of PuTTY's client, in a terminal.
func (s *server) plink(user string) *exec.Cmd {
	s.t.Helper()
	key := filepath.Join(s.t.TempDir(), "key.ppk")
	mustRun(s.t, "puttygen", newKey(s.t), "-o", key)
	return clientCommand(s.t, "plink", "-batch", "-ssh", "-t", "-no-antispoof", "-P", s.port, "-i", key, "-hostkey", s.hostKey, user+"@127.0.0.1")
}

// Two people on OpenSSH and one on another client hold a conversation with most
// commands.
func TestConversation(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	for name, other := range map[string]func(*server, string) *exec.Cmd{
		"ssh":      func(s *server, user string) *exec.Cmd { return s.openSSH(user, []string{newKey(t)}, nil) },
		"dbclient": (*server).dropbear,
		"plink":    (*server).plink,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needClient(t, name)
			s := startServer(t, t.TempDir())
			s.t = t
			converse(t, s, other)
		})
	}
}

func converse(t *testing.T, s *server, other func(*server, string) *exec.Cmd) {
	bobKey := []string{newKey(t)}
	bob := sitDown(t, "bob", s.openSSH("bob", bobKey, nil))
	bob.sees("you are bob", "nobody else is here")
	alice := sitDown(t, "alice", s.openSSH("alice", []string{newKey(t)}, nil))
	alice.sees("you are alice", "bob is here")
	carol := sitDown(t, "carol", other(s, "carol"))
	carol.sees("you are carol", "are here")
	bob.sees("carol joined")
	all := []*person{alice, bob, carol}

	talk(all)
	direct(alice, bob, carol)
	awayAndBlocked(alice, bob, carol)
	alone(carol)

	bob.types(`\q`)
	bob.sees("bye")
	if status := bob.leaves(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	alice.sees("bob left")
	carol.types("@bob good night")
	carol.sees("kept for bob (offline)")
	bob = sitDown(t, "bob", s.openSSH("bob", bobKey, nil))
	bob.sees("you are bob", "1 unread: carol (1); type inbox")
	bob.types("inbox")
	bob.sees("[carol -> you] good night")
	carol.sees("bob has read your message of")
	for _, p := range []*person{alice, bob, carol} {
		p.types("quit")
		if p.sees("bye"); p.leaves() != 0 {
			t.Errorf("%s: exit status %d", p.name, p.leaves())
		}
	}
}

// talk says things to everyone, in all the ways.
func talk(all []*person) {
	alice, bob, carol := all[0], all[1], all[2]
	bob.types("hello everyone, it's me")
	for _, p := range all {
		p.t.Helper()
		p.sees("bob: hello everyone, it's me\n")
		if n := p.rows("hello everyone"); n != 1 {
			p.t.Errorf("%s sees it %d times:\n%s", p.name, n, p.screen)
		}
	}
	carol.types("me too")
	alice.types("/me waves")
	bob.types("broadcast to all of you")
	carol.types("/say whoelse")
	alice.types(" /literally")
	for _, p := range all {
		for _, said := range []string{"carol: me too\n", "* alice waves\n", "bob: to all of you\n", "carol: whoelse\n", "alice: /literally\n"} {
			p.again()
			p.sees(said)
		}
	}
	for _, p := range all { // from here on only what is new
		p.types("/clear")
		p.types("/nick")
		p.sees("you are "+p.name+", with the key", "SHA256:")
	}
}

// direct writes to some, in all the ways.
func direct(alice, bob, carol *person) {
	bob.types("send carol hi there")
	bob.sees("[you -> carol] hi there", "delivered to carol")
	carol.sees("[bob -> you] hi there")
	carol.types("/reply hi yourself")
	carol.sees("[you -> bob] hi yourself", "delivered to bob")
	bob.sees("[carol -> you] hi yourself")
	alice.types("@bob,carol both of you")
	alice.sees("[you -> bob, carol] both of you", "delivered to", "delivered to")
	carol.sees("[alice -> you, bob] both of you")
	bob.sees("[alice -> you, carol] both of you")
	alice.types("broadcast user bob, carol, zebra and again")
	alice.sees("nobody is called zebra", "[you -> bob, carol] and again", "delivered to", "delivered to")
	carol.sees("and again")
	bob.types("send carrol oops")
	bob.sees("nobody is called carrol; did you mean carol?")
	bob.types("send")
	bob.sees("usage: send NICK")
	bob.types("/sned carol private")
	bob.sees("did you mean /send?")
	for _, p := range []*person{alice, carol} {
		if strings.Contains(p.all(), "private") {
			p.t.Errorf("%s sees what was for nobody", p.name)
		}
	}
}

func awayAndBlocked(alice, bob, carol *person) {
	carol.types("/away lunch")
	carol.sees("you are marked away")
	bob.types("@carol coffee?")
	bob.sees("kept for carol (away: lunch)")
	bob.types("whoelse")
	bob.sees("2 other people are here:", "alice: since", "carol: since", "away: lunch")
	carol.types("/back")
	carol.sees("welcome back; 1 unread: bob (1); type inbox")
	carol.types("inbox")
	carol.sees("[bob -> you] coffee?")
	bob.sees("carol has read your message of")
	carol.types("inbox")
	carol.sees("your inbox is empty")

	alice.types("/block bob")
	alice.sees("bob's messages are hidden")
	alice.types("/blocked")
	alice.sees("you block bob")
	bob.types("@alice are you cross?")
	bob.sees("alice does not accept messages from you")
	bob.types("is alice cross?")
	carol.sees("bob: is alice cross?")
	carol.types("no idea")
	alice.sees("carol: no idea")
	if strings.Contains(alice.all(), "cross") {
		alice.t.Error("alice hears whom she blocks")
	}
	alice.types("/unblock bob")
	alice.sees("bob's messages are shown again")
}

// alone looks things up.
func alone(p *person) {
	p.types("wholast 5")
	p.sees("alice: online now", "bob: online now")
	p.types("inbox all 2")
	p.sees("and again", "coffee?")
	p.types("inbox alice")
	p.sees("both of you", "and again")
	p.types("/history 1")
	p.sees("carol: no idea")
	p.types("help")
	p.sees("wholast [#ROOM] [MINUTES]", "/history [#ROOM] [N]", "quit")
	p.types("/help send")
	p.sees("send NICK[,NICK...] TEXT:")
}

// A guest needs no key at all.
func TestGuestClient(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	guest := sitDown(t, "guest", s.openSSH("visitor", nil, nil))
	guest.sees("you are ~visitor, a guest", "> ")
	guest.types("hello")
	guest.sees("~visitor: hello")
	guest.types("inbox")
	guest.sees("nothing is kept for guests")
	guest.types("\x04")
	if status := guest.leaves(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
