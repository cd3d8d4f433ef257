package adversarial

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/room"
	"whoelse/sessions/internal/rawssh"
	"whoelse/sessions/internal/screen"
	"whoelse/sessions/internal/testclient"
)

// patience bounds every expectation: what takes the server 10 s takes a busy machine
// longer. The race detector makes it longer, too.
var patience = time.Minute

// visit says how somebody comes.
type visit struct {
	user    string
	key     string             // "" for a guest
	methods []gossh.AuthMethod // instead of key
	term    string             // of the pty; "" is none
	env     map[string]string
	command string
	rekey   uint64            // bytes between two key exchanges
	line    func(line string) // gets each line of the output
}

// client is somebody's connection, with one session, and what they were shown.
type client struct {
	testclient.Shown
	t   testing.TB
	ssh *gossh.Client
	ch  gossh.Channel
	all sync.WaitGroup

	part string // of a line; owned by Mu
	line func(string)
}

func (v visit) config(words func(string)) *gossh.ClientConfig {
	methods := v.methods
	if v.key != "" {
		methods = append(methods, gossh.PublicKeys(signer(v.key)))
	}
	cfg := testclient.Login(v.user, words, methods...)
	cfg.Timeout, cfg.RekeyThreshold = patience, v.rekey
	return cfg
}

// login connects without opening a session.
func (r *rig) login(v visit) (c *gossh.Client, words string, err error) {
	c, err = gossh.Dial("tcp", r.addr, v.config(func(s string) { words += s }))
	if err == nil {
		r.visitors = append(r.visitors, closer(func() { c.Close(); c.Wait() }))
	}
	return c, words, err
}

type closer func()

func (c closer) Close() { c() }

// connect comes in and starts a shell, or the command.
func (r *rig) connect(v visit) *client {
	r.Helper()
	sc, words, err := r.login(v)
	if err != nil {
		r.Fatalf("%s is refused: %v, %q", v.user, err, words)
	}
	c := &client{t: r.T, ssh: sc, line: v.line}
	if v.term != "" {
		c.Screen = screen.New(100, 40)
	}
	ch, reqs, err := sc.OpenChannel("session", nil)
	r.must(err)
	c.ch = ch
	c.all.Go(func() { gossh.DiscardRequests(reqs) })
	for name, value := range v.env {
		c.ask("env", struct{ Name, Value string }{name, value})
	}
	if v.term != "" {
		c.must("pty-req", testclient.PTY{Term: v.term, W: 100, H: 40})
	}
	var ends sync.WaitGroup
	for _, out := range []io.Reader{ch, ch.Stderr()} {
		ends.Add(1)
		c.all.Go(func() { defer ends.Done(); testclient.Follow(out, c.show) })
	}
	c.all.Go(func() { ends.Wait(); c.End() })
	r.visitors = append(r.visitors, c)
	if v.command != "" {
		c.must("exec", struct{ S string }{v.command})
		return c
	}
	c.must("shell", nil)
	c.sees("type help for a list of commands")
	if r.private && v.key != "" && !slices.Contains(lobbyists, v.user) {
		r.enterDen(c, v)
	}
	return c
}

// lobbyists are the canary of the lobby.
var lobbyists = []string{"bob", "carol"}

// enterDen has somebody write in the private room, which is there for cases that run in it.
func (r *rig) enterDen(c *client, v visit) {
	r.Helper()
	enter := "\n"
	if v.term != "" {
		enter = "\r"
	}
	if v.user == host {
		c.types("/join #den" + enter + "/room private" + enter)
		c.sees("#den is private")
		return
	}
	r.must(r.room.Visit(room.Identity{Nick: host}).Invite("den", v.user))
	c.types("/join #den" + enter)
	c.sees("you are in #den")
}

// host made the private room.
const host = "harry"

// Close hangs up, and may be called again.
func (c *client) Close() {
	c.ssh.Close()
	c.all.Wait()
}

// ask sends a request and returns whether the server agreed.
func (c *client) ask(name string, payload any) bool { return testclient.Ask(c.ch, name, payload) }

func (c *client) must(name string, payload any) {
	c.t.Helper()
	if !c.ask(name, payload) {
		c.t.Errorf("%s is refused", name)
	}
}

// show takes a piece of the output, and hands on the lines that end in it.
func (c *client) show(p []byte) {
	c.Write(p)
	if c.line == nil {
		return
	}
	c.Change(func() {
		c.part += string(p)
		for {
			line, rest, ok := strings.Cut(c.part, "\n")
			if !ok {
				return
			}
			c.line(strings.TrimRight(line, "\r"))
			c.part = rest
		}
	})
}

// await waits until ok, which is asked with Mu held.
func (c *client) await(ok func() bool) bool {
	return c.Await(patience, func() bool {
		c.Mu.Lock()
		defer c.Mu.Unlock()
		return ok()
	})
}

// sees waits until each of texts was shown.
func (c *client) sees(texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		if !c.shows(text) {
			all := c.Received()
			c.t.Fatalf("%q is not shown, but: %q", text, all[max(0, len(all)-2000):])
		}
	}
}

// shows waits until text is shown. It looks at each row once after that has scrolled
// off: to read a long screen again and again would make it a slow reader.
func (c *client) shows(text string) bool {
	read := 0 // rows, or bytes, that do not have it
	return c.await(func() bool {
		if c.Screen != nil {
			rows := c.Screen.From(read)
			read = c.Screen.Scrolled()
			return strings.Contains(strings.Join(rows, "\n"), text)
		}
		out := c.Out[max(0, read-len(text)):]
		read = len(c.Out)
		return bytes.Contains(out, []byte(text))
	})
}

// shown is what the person sees; Mu is held.
func (c *client) shown() string {
	if c.Screen != nil {
		return c.Screen.String()
	}
	return string(c.Out)
}

func (c *client) received() string { return c.Received() }

// leaves waits for the end of the output.
func (c *client) leaves() {
	c.t.Helper()
	if !c.await(func() bool { return c.Over }) {
		c.t.Fatal("the session does not end")
	}
}

func (c *client) types(keys string) {
	c.t.Helper()
	if _, err := io.WriteString(c.ch, keys); err != nil {
		c.t.Errorf("typing: %v", err)
	}
}

// clean asserts that nothing came but text, and on a terminal the few sequences
// that draw a line of input.
func (c *client) clean(who string) {
	c.t.Helper()
	c.Mu.Lock()
	defer c.Mu.Unlock()
	if c.Screen == nil {
		out := c.Out
		if !c.Over { // what has come so far can end within a character
			out = out[:bytes.LastIndexByte(out, '\n')+1]
		}
		if bad := unclean(string(out)); bad != "" {
			c.t.Errorf("%s gets %s", who, bad)
		}
		return
	}
	if bad := unclean(c.Screen.String()); bad != "" {
		c.t.Errorf("on %s's screen: %s", who, bad)
	}
	c.known(who)
}

// drawn is clean for a terminal alone, whatever the text on it.
func (c *client) drawn(who string) {
	c.t.Helper()
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.known(who)
}

func (c *client) known(who string) {
	c.t.Helper()
	if odd := slices.Concat(c.Screen.Unknown, c.Screen.Strings); len(odd) > 0 {
		c.t.Errorf("%s's terminal gets %q", who, odd)
	}
}

// raw dials by hand, as somebody who is let in.
func (r *rig) raw(nick string) *rawssh.Client {
	r.Helper()
	if r.private { // where it is over restarts and sessions
		r.connect(visit{user: nick, key: nick}).Close()
	}
	c := rawssh.Dial(r.T, r.addr)
	r.visitors = append(r.visitors, c)
	if got := c.Prove(nick, signer(nick)); got != rawssh.AuthSuccess {
		c.Close() // which has the server log why
		eventually(r.T, "the server does not log why "+nick+" is refused", func() bool { return strings.Contains(r.log.text(), "login refused") })
		r.Fatalf("logging in as %s: %d", nick, got)
	}
	return c
}

// stranger connects and exchanges keys at most.
func (r *rig) stranger(dial func(testing.TB, string) *rawssh.Client) *rawssh.Client {
	r.Helper()
	c := dial(r.T, r.addr)
	r.visitors = append(r.visitors, c)
	return c
}
