package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a server, of either kind, that can be started again and again. Its methods may be called
// concurrently, but only one of start, kill and stop at a time.
type process struct {
	name  string
	argv  []string
	ready *regexp.Regexp // a line of its output

	mu     sync.Mutex // owns the fields below
	cmd    *exec.Cmd  // nil unless it runs
	ended  chan struct{}
	paused bool
	last   time.Time // when it was last paused, resumed, started or ended
	lines  []string
	news   chan struct{} // closed at the next line; nil while nobody waits
}

// start runs it and waits until it is ready.
func (p *process) start() error {
	from, err := p.launch()
	if err != nil {
		return err
	}
	return p.await(from, p.ready, patience)
}

// launch runs it, and returns the number of its next line of output.
func (p *process) launch() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return 0, err
	}
	p.cmd, p.ended, p.paused, p.last = cmd, make(chan struct{}), false, time.Now()
	go p.follow(cmd, r, p.ended)
	return len(p.lines), nil
}

// follow keeps the output of cmd until it ends.
func (p *process) follow(cmd *exec.Cmd, r *os.File, ended chan struct{}) {
	defer r.Close()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := lines.Text()
		if !strings.Contains(line, `msg="login refused"`) { // there are many, of rivals
			p.change(func() { p.lines = append(p.lines, line) })
		}
	}
	cmd.Wait() // its status is in the log, if anywhere
	p.change(func() {
		if p.cmd == cmd {
			p.cmd = nil
		}
	})
	close(ended)
}

func (p *process) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	if p.news != nil {
		close(p.news)
		p.news = nil
	}
}

// await waits until one of the lines of output, beginning with the number from, matches.
func (p *process) await(from int, want *regexp.Regexp, limit time.Duration) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		p.mu.Lock()
		for _, line := range p.lines[from:] {
			if want.MatchString(line) {
				p.mu.Unlock()
				return nil
			}
		}
		if p.news == nil {
			p.news = make(chan struct{})
		}
		news, running := p.news, p.cmd != nil
		p.mu.Unlock()
		if !running {
			return fmt.Errorf("%s has ended without %q:\n%s", p.name, want, p.log())
		}
		select {
		case <-news:
		case <-late.C:
			return fmt.Errorf("%s: no %q within %v:\n%s", p.name, want, limit, p.log())
		}
	}
}

// log is the end of what it has written.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines[max(0, len(p.lines)-100):], "\n")
}

// end sends sig, unless it does not run, and waits for the end.
func (p *process) end(sig syscall.Signal) {
	p.mu.Lock()
	cmd, ended := p.cmd, p.ended
	if cmd != nil {
		cmd.Process.Signal(sig)
		if p.paused {
			cmd.Process.Signal(syscall.SIGCONT)
		}
	}
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	select {
	case <-ended:
	case <-time.After(patience):
		cmd.Process.Kill()
		<-ended
	}
}

func (p *process) kill() { p.end(syscall.SIGKILL) }
func (p *process) stop() { p.end(syscall.SIGTERM) }

// pause stops it in its tracks, as an overloaded machine would; resume lets it go on.
func (p *process) pause()  { p.signal(syscall.SIGSTOP, true) }
func (p *process) resume() { p.signal(syscall.SIGCONT, false) }

func (p *process) signal(sig syscall.Signal, paused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil && p.paused != paused {
		p.cmd.Process.Signal(sig)
		p.paused, p.last = paused, time.Now()
	}
}

// disturbed reports whether somebody stopped it, or let it go on, since then.
func (p *process) disturbed(since time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paused || p.cmd == nil || p.last.After(since)
}

func (p *process) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil && !p.paused
}

// given are the ports that this process has chosen.
var given = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// freePort chooses a port of the loopback interface that nobody listens on, nor on those at the offsets from it. Nobody else
// gets them, since systems give outgoing connections ports from 32768 on.
func freePort(offsets ...int) int {
	given.Lock()
	defer given.Unlock()
	taken := func(port int) bool {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			err = l.Close()
		}
		return err != nil || given.ports[port]
	}
	for {
		first := 10_000 + rand.IntN(22_000)
		row := []int{first}
		for _, offset := range offsets {
			row = append(row, first+offset)
		}
		if !slices.ContainsFunc(row, taken) {
			for _, port := range row {
				given.ports[port] = true
			}
			return first
		}
	}
}

// cluster is three engines and some chat servers, each chat server with links of its own to the engines.
type cluster struct {
	t       testing.TB
	folder  string
	options options
	net     *network // nil: all are on the loopback interface
	urls    []string // of the engines, past the links
	engines []*process
	chats   []*chatServer
}

// options of a cluster.
type options struct {
	chats    int
	replicas int    // and engines; 0 is 3
	engine   string // lines for the engines' configuration
	args     []string
	binaries []string // by chat server, other than binary
}

type chatServer struct {
	process
	host  string // where people reach it
	port  int
	links []link // by engine
	data  string
}

// link is the network between a chat server and an engine.
type link interface {
	set(mode)
	close()
}

// newCluster starts one. All of it ends with the test.
func newCluster(t testing.TB, o options) *cluster {
	t.Helper()
	noteSources()
	if o.replicas == 0 {
		o.replicas = 3
	}
	c := &cluster{t: t, folder: t.TempDir(), options: o}
	var names []string
	for i := range o.replicas {
		names = append(names, fmt.Sprintf("engine%d", i+1))
	}
	engines := names
	for i := range o.chats {
		names = append(names, fmt.Sprintf("chat%d", i+1))
	}
	if inside {
		c.net = newNetwork(t, names)
	}
	var clients, routes []string
	for _, name := range engines {
		clients, routes = append(clients, c.place(name)), append(routes, c.place(name))
	}
	for i, name := range engines {
		c.urls = append(c.urls, "nats://"+clients[i])
		c.engines = append(c.engines, c.newEngine(name, clients[i], routes[i], routes))
	}
	for _, name := range names[len(engines):] {
		c.chats = append(c.chats, c.newChat(name, clients))
	}
	t.Cleanup(c.end)
	c.must(c.together(func(p *process) error { return p.start() }, c.engines...))
	c.must(c.startChats())
	return c
}

// place is an address for a server to listen on.
func (c *cluster) place(name string) string {
	host := "127.0.0.1"
	if c.net != nil {
		host = c.net.address(name)
	}
	return net.JoinHostPort(host, fmt.Sprint(freePort()))
}

// startChats starts the first one first: the others need its host key.
func (c *cluster) startChats() error {
	if err := c.chats[0].start(); err != nil {
		return err
	}
	var others []*process
	for _, chat := range c.chats[1:] {
		if err := shareHostKey(c.chats[0].data, chat.data); err != nil {
			return err
		}
		others = append(others, &chat.process)
	}
	return c.together(func(p *process) error { return p.start() }, others...)
}

func shareHostKey(from, to string) error {
	key, err := os.ReadFile(filepath.Join(from, "host_key"))
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(to, 0o700), os.WriteFile(filepath.Join(to, "host_key"), key, 0o600))
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// together calls do for all at once.
func (c *cluster) together(do func(*process) error, all ...*process) error {
	results := make(chan error)
	for _, p := range all {
		go func() { results <- do(p) }()
	}
	var err error
	for range all {
		err = errors.Join(err, <-results)
	}
	return err
}

func (c *cluster) all() []*process {
	all := append([]*process(nil), c.engines...)
	for _, chat := range c.chats {
		all = append(all, &chat.process)
	}
	return all
}

func (c *cluster) end() {
	c.together(func(p *process) error { p.kill(); return nil }, c.all()...)
	for _, chat := range c.chats {
		for _, l := range chat.links {
			l.close()
		}
		if at := slices.IndexFunc(chat.lines, func(line string) bool {
			return strings.Contains(line, "DATA RACE") || strings.Contains(line, "panic")
		}); at >= 0 {
			c.t.Errorf("%s: %s", chat.name, strings.Join(chat.lines[at:], "\n"))
		}
		if c.t.Failed() {
			c.t.Logf("%s:\n%s", chat.name, chat.log())
		}
	}
}

func (c *cluster) newEngine(name, client, route string, routes []string) *process {
	file := filepath.Join(c.folder, name+".conf")
	text := fmt.Sprintf("server_name: %s\nlisten: %s\n", name, client)
	text += fmt.Sprintf("jetstream {\n  store_dir: %q\n  sync_interval: always\n}\n", filepath.Join(c.folder, name))
	if len(routes) > 1 {
		text += fmt.Sprintf("cluster {\n  name: test\n  listen: %s\n  no_advertise: true\n  routes: [nats://%s]\n}\n",
			route, strings.Join(routes, ", nats://"))
	}
	c.must(os.WriteFile(file, []byte(text+c.options.engine), 0o600))
	return &process{name: name, argv: c.within(name, engineBinary, "--config", file), ready: regexp.MustCompile("Server is ready")}
}

// within is a command line in the namespace of a server, if it has one.
func (c *cluster) within(name string, argv ...string) []string {
	if c.net == nil {
		return argv
	}
	return append(c.net.within(name), argv...)
}

// keepAll has a server take everything from everybody.
var keepAll = []string{
	"--message-rate", "0", "--max-bytes-per-nick", "0", "--max-bytes-per-minute", "0",
	"--max-claims-per-address", "0", "--max-claims-per-hour", "0", "--exempt", "127.0.0.0/8,10.0.0.0/8",
}

func (c *cluster) newChat(name string, engines []string) *chatServer {
	chat := &chatServer{host: "127.0.0.1", port: freePort(), data: filepath.Join(c.folder, name)}
	if c.net != nil {
		chat.host = c.net.door(name)
	}
	var urls []string
	for i, engine := range engines {
		if c.net != nil {
			chat.links = append(chat.links, cable{c.net, name, c.engines[i].name})
		} else {
			proxy := newProxy(c.t, engine)
			chat.links, engine = append(chat.links, proxy), proxy.address()
		}
		urls = append(urls, "nats://"+engine)
	}
	program := binary
	if i := len(c.chats); i < len(c.options.binaries) {
		program = c.options.binaries[i]
	}
	argv := append([]string{
		program, "serve", "--data", chat.data, "--listen", chat.address(),
		"--node", name, "--cluster", strings.Join(urls, ","), "--cluster-replicas", fmt.Sprint(len(engines)),
	}, append(keepAll, c.options.args...)...)
	chat.process = process{name: name, argv: c.within(name, argv...), ready: regexp.MustCompile("^whoelse is listening")}
	return chat
}

// address is where people reach it.
func (s *chatServer) address() string { return net.JoinHostPort(s.host, fmt.Sprint(s.port)) }

// cut does something to all links of a chat server.
func (s *chatServer) cut(m mode) {
	for _, l := range s.links {
		l.set(m)
	}
}
