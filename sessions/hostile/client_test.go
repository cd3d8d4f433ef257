package hostile

import (
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/sessions/internal/rawssh"
	"whoelse/sessions/internal/vt"
)

// patience bounds every expectation.
const patience = 20 * time.Second

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
	t   testing.TB
	ssh *gossh.Client
	ch  gossh.Channel
	all sync.WaitGroup

	mu     sync.Mutex // owns the fields below
	news   chan struct{}
	plain  []byte     // all that came
	screen *vt.Screen // nil without a pty
	part   string     // of a line
	line   func(string)
	over   bool
}

// config logs in as v; what is said about it goes to words.
func (v visit) config(words func(string)) *gossh.ClientConfig {
	answer := func(_, said string, questions []string, _ []bool) ([]string, error) {
		words(said)
		return make([]string, len(questions)), nil
	}
	methods := v.methods
	if v.key != "" {
		methods = append(methods, gossh.PublicKeys(signer(v.key)))
	}
	return &gossh.ClientConfig{
		Config: gossh.Config{RekeyThreshold: v.rekey},
		User:   v.user, Auth: append(methods, gossh.KeyboardInteractive(answer)), Timeout: patience,
		HostKeyCallback: gossh.FixedHostKey(signer("host").PublicKey()),
		BannerCallback:  func(said string) error { words(said); return nil },
	}
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
	c := &client{t: r.T, ssh: sc, news: make(chan struct{}), line: v.line}
	if v.term != "" {
		c.screen = vt.New(100, 40)
	}
	ch, reqs, err := sc.OpenChannel("session", nil)
	r.must(err)
	c.ch = ch
	c.all.Go(func() { gossh.DiscardRequests(reqs) })
	for name, value := range v.env {
		c.ask("env", struct{ Name, Value string }{name, value})
	}
	if v.term != "" {
		c.must("pty-req", ptyRequest{Term: v.term, W: 100, H: 40})
	}
	var ends sync.WaitGroup
	for _, out := range []io.Reader{ch, ch.Stderr()} {
		ends.Add(1)
		c.all.Go(func() { defer ends.Done(); c.follow(out) })
	}
	c.all.Go(func() { ends.Wait(); c.end() })
	r.visitors = append(r.visitors, c)
	if v.command != "" {
		c.must("exec", struct{ S string }{v.command})
		return c
	}
	c.must("shell", nil)
	c.sees("type help for help")
	return c
}

// Close hangs up, and may be called again.
func (c *client) Close() {
	c.ssh.Close()
	c.all.Wait()
}

type ptyRequest struct {
	Term       string
	W, H, X, Y uint32
	Modes      string
}

// ask sends a request and returns whether the server agreed.
func (c *client) ask(name string, payload any) bool {
	var p []byte
	if payload != nil {
		p = gossh.Marshal(payload)
	}
	ok, err := c.ch.SendRequest(name, true, p)
	return ok && err == nil
}

func (c *client) must(name string, payload any) {
	c.t.Helper()
	if !c.ask(name, payload) {
		c.t.Errorf("%s is refused", name)
	}
}

func (c *client) follow(out io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := out.Read(buf)
		c.show(buf[:n])
		if err != nil {
			return
		}
	}
}

func (c *client) show(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plain = append(c.plain, p...)
	if c.screen != nil {
		c.screen.Write(p)
	}
	if c.line != nil {
		c.part += string(p)
		for {
			line, rest, ok := strings.Cut(c.part, "\n")
			if !ok {
				break
			}
			c.line(strings.TrimRight(line, "\r"))
			c.part = rest
		}
	}
	c.changed()
}

func (c *client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.changed()
}

func (c *client) changed() {
	close(c.news)
	c.news = make(chan struct{})
}

// await waits until ok, which is asked with c.mu held.
func (c *client) await(ok func() bool) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		c.mu.Lock()
		met, news := ok(), c.news
		c.mu.Unlock()
		if met {
			return true
		}
		select {
		case <-news:
		case <-late.C:
			return false
		}
	}
}

// sees waits until each of texts was shown.
func (c *client) sees(texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		if !c.await(func() bool { return strings.Contains(c.shown(), text) }) {
			all := c.received()
			c.t.Fatalf("%q is not shown, but: %q", text, all[max(0, len(all)-2000):])
		}
	}
}

// shown is what the person sees; c.mu is held.
func (c *client) shown() string {
	if c.screen != nil {
		return c.screen.String()
	}
	return string(c.plain)
}

func (c *client) received() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.plain)
}

// leaves waits for the end of the output.
func (c *client) leaves() {
	c.t.Helper()
	if !c.await(func() bool { return c.over }) {
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
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.screen == nil {
		if bad := unclean(string(c.plain)); bad != "" {
			c.t.Errorf("%s gets %s", who, bad)
		}
		return
	}
	if bad := unclean(c.screen.String()); bad != "" {
		c.t.Errorf("on %s's screen: %s", who, bad)
	}
	c.known(who)
}

// drawn is clean for a terminal alone, whatever the text on it.
func (c *client) drawn(who string) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known(who)
}

func (c *client) known(who string) {
	c.t.Helper()
	if odd := slices.Concat(c.screen.Unknown, c.screen.Strings); len(odd) > 0 {
		c.t.Errorf("%s's terminal gets %q", who, odd)
	}
}

// raw dials by hand, as somebody who is let in.
func (r *rig) raw(nick string) *rawssh.Client {
	r.Helper()
	c := rawssh.Dial(r.T, r.addr)
	r.visitors = append(r.visitors, c)
	if got := c.Prove(nick, signer(nick)); got != rawssh.AuthSuccess {
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
