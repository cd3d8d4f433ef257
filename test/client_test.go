package test

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// Without a terminal: lines in, lines out.
func TestPipe(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	bob := sitDown(t, "bob", s.openSSH("bob", []string{newKey(t)}, nil))
	bob.sees("you are bob", "> ")
	out, status := output(t, s.openSSH("carol", []string{newKey(t)}, []string{"-T"}), "one\r\ntwo\n@bob the last, without a newline")
	if status != 0 {
		t.Errorf("exit status %d", status)
	}
	for _, want := range []string{"you are carol", "carol: one\n", "carol: two\n", "[you -> bob] the last, without a newline\n", " * delivered to bob\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if strings.ContainsAny(out[strings.Index(out, " * you are"):], "\x1b\a\r") || strings.Contains(out, "> one") {
		t.Errorf("there is more than text in %q", out)
	}
	bob.sees("carol: one", "carol: two", "[carol -> you] the last, without a newline")
}

// An empty input leaves at once.
func TestPipeWithoutInput(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	if out, status := output(t, s.openSSH("carol", []string{newKey(t)}, []string{"-T"}), ""); status != 0 {
		t.Errorf("exit status %d:\n%s", status, out)
	}
}

func TestSingleCommands(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	bobKey, carolKey := []string{newKey(t)}, []string{newKey(t)}
	bob := sitDown(t, "bob", s.openSSH("bob", bobKey, nil))
	bob.sees("you are bob", "> ")
	for _, tt := range []struct {
		command []string
		status  int
		shows   string
	}{
		{[]string{"send", "bob", "it's"}, 0, "delivered to bob"},
		{[]string{"send bob \"quoted\" and 'single"}, 0, "delivered to bob"},
		{[]string{"@bob", "hello"}, 0, "delivered to bob"},
		{[]string{"whoelse"}, 0, "bob\t20"},
		{[]string{"/whoelse"}, 0, "bob\t20"},
		{[]string{"send", "zebra", "hi"}, 67, "nobody is called zebra"},
		{[]string{"send", "bob"}, 2, "usage:"},
		{[]string{"nonsense"}, 2, "no command"},
		{[]string{"wholast", "x"}, 2, "usage:"},
		{[]string{"say", "hello", "room"}, 0, ""},
		{[]string{"history", "1"}, 0, "\troom\tcarol\t#lobby\thello room\n"},
		{[]string{"inbox"}, 0, ""},
	} {
		out, status := output(t, s.openSSH("carol", carolKey, nil, tt.command...), "")
		if status != tt.status || !strings.Contains(out, tt.shows) {
			t.Errorf("%q: exit status %d, want %d; it shows %q", tt.command, status, tt.status, out)
		}
	}
	bob.sees("[carol -> you] it's", `[carol -> you] "quoted" and 'single`, "[carol -> you] hello", "carol: hello room")
	if strings.Contains(bob.all(), "carol joined") {
		t.Error("who runs a command is not there")
	}
}

// A message can come from a pipe, several lines of it too.
func TestCommandFromInput(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	bob := sitDown(t, "bob", s.openSSH("bob", []string{newKey(t)}, nil))
	bob.sees("you are bob", "> ")
	carolKey := []string{newKey(t)}
	if out, status := output(t, s.openSSH("carol", carolKey, nil, "send bob -"), "one\ntwo\n"); status != 0 || !strings.Contains(out, "delivered to bob") {
		t.Errorf("%d %q", status, out)
	}
	bob.sees("[carol -> you] one\n", "two\n")
	if out, status := output(t, s.openSSH("carol", carolKey, nil, "send bob -"), strings.Repeat("x", 10_001)); status != 1 || !strings.Contains(out, "at most 10,000") {
		t.Errorf("%d %q", status, out)
	}
}

// A forced terminal on a pipe announces a window of 0 by 0.
func TestForcedTerminal(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	carol := plug(t, "carol", s.openSSH("carol", []string{newKey(t)}, []string{"-tt"}))
	carol.sees("you are carol", "> ")
	carol.types("hello")
	carol.sees("carol: hello\n> ")
	carol.types("quit")
	if status := carol.leaves(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// Several keys: those that do not fit are passed over. Who has none that fits is
// told what to do.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	right, wrong := newKey(t), newKey(t)
	whoami := func(user string, keys ...string) (string, int) {
		return output(t, s.openSSH(user, keys, nil, "nick"), "")
	}
	if out, status := whoami("bob", right); status != 0 || !strings.Contains(out, "you are bob, with the key SHA256:") {
		t.Errorf("%d %q", status, out)
	}
	if out, status := whoami("bob", wrong, right); status != 0 || !strings.Contains(out, "you are bob,") {
		t.Errorf("the right key after a wrong one: %d %q", status, out)
	}
	if out, status := whoami("robert", right); status != 0 || !strings.Contains(out, "you are bob,") {
		t.Errorf("another username: %d %q", status, out)
	}
	if out, status := whoami("visitor"); status != 0 || !strings.Contains(out, "you are ~visitor, a guest") {
		t.Errorf("no key: %d %q", status, out)
	}
	for name, want := range map[string]string{"bob": "bob is held by another key; connect with bob's key", "root": "reserved", "x/y": "a nick has 1 to 32 characters of a-z"} {
		if out, status := whoami(name, wrong); status != 255 || !strings.Contains(out, want) {
			t.Errorf("%s with the wrong key: %d %q", name, status, out)
		}
		if out, status := whoami(name); status != 255 || !strings.Contains(out, want) {
			t.Errorf("%s without a key: %d %q", name, status, out)
		}
	}
}

// Who quits leaves at once; whose client is killed, 10 seconds later, unless back
// by then.
func TestKilledClientLeavesLater(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	s := startServer(t, t.TempDir())
	carolKey, daveKey := []string{newKey(t)}, []string{newKey(t)}
	bob := sitDown(t, "bob", s.openSSH("bob", []string{newKey(t)}, nil))
	bob.sees("you are bob", "> ")
	carol := sitDown(t, "carol", s.openSSH("carol", carolKey, nil))
	bob.sees("carol joined")
	dave := sitDown(t, "dave", s.openSSH("dave", daveKey, nil))
	bob.sees("dave joined")

	died := time.Now() // at the earliest
	carol.vanishes()
	dave.vanishes()
	bob.types("@carol are you there?")
	bob.sees("kept for carol (connection lost)")
	dave = sitDown(t, "dave", s.openSSH("dave", daveKey, nil)) // back in time
	dave.sees("welcome back, dave")
	bob.sees("carol's connection was lost")
	if late := time.Since(died); late < 9*time.Second {
		t.Errorf("carol's connection was lost after %v already", late)
	}
	bob.types("@carol still?")
	bob.sees("kept for carol (offline)")
	if strings.Contains(bob.all(), "dave left") {
		t.Error("dave was back and left all the same")
	}
	dave.types("quit")
	bob.sees("dave left")
	if status := dave.leaves(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// SIGTERM: everyone is told, and the server ends in time whatever they do.
func TestShutdown(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	bob := sitDown(t, "bob", s.openSSH("bob", []string{newKey(t)}, nil))
	bob.sees("you are bob", "> ")
	carol := plug(t, "carol", s.openSSH("carol", []string{newKey(t)}, []string{"-T"}))
	carol.sees("you are carol")
	if err := s.signal(syscall.SIGTERM, patience); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	for _, p := range []*person{bob, carol} {
		p.sees("the server is shutting down")
		if status := p.leaves(); status != 1 {
			t.Errorf("%s: exit status %d", p.name, status)
		}
	}
	if strings.Contains(s.log(), "goroutine ") || strings.Contains(s.log(), "DATA RACE") {
		t.Error(s.log())
	}
}

// A client that reads nothing holds up neither the others nor the end.
func TestShutdownWithStoppedClient(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	bob := sitDown(t, "bob", s.openSSH("bob", []string{newKey(t)}, nil))
	bob.sees("you are bob", "> ")
	if err := bob.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := s.signal(syscall.SIGTERM, patience); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
