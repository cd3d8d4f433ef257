package cluster

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy passes connections on to one server, until it is told otherwise.
type proxy struct {
	listen net.Listener
	ends   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	to      string
	open    map[net.Conn]bool
	broken  bool
	stalled chan struct{} // is closed when bytes pass; nil: they do
	lost    func(toClient []byte) bool
}

// newProxy starts a proxy to an address. It ends with the test.
func newProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: to, listen: l, open: map[net.Conn]bool{}}
	p.ends.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.resume()
		p.cut()
		p.ends.Wait()
	})
	return p
}

// url is where the proxy is reached.
func (p *proxy) url() string { return "nats://" + p.listen.Addr().String() }

// cut breaks all connections, and refuses new ones until heal.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = true
	for c := range p.open {
		_ = c.Close()
	}
}

// heal ends a cut.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = false
}

// aim passes later connections on to another address.
func (p *proxy) aim(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

// stall keeps all bytes, both ways, until resume: connections stay open.
func (p *proxy) stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled == nil {
		p.stalled = make(chan struct{})
	}
}

// resume ends a stall.
func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled != nil {
		close(p.stalled)
		p.stalled = nil
	}
}

// drop has answers lost: what the server sends is not passed on where drop says so, and the connection is cut there. nil ends it.
func (p *proxy) drop(drop func(toClient []byte) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = drop
}

func (p *proxy) accept() {
	for {
		in, err := p.listen.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		to := p.to
		p.mu.Unlock()
		out, err := net.Dial("tcp", to)
		if err != nil || !p.add(in, out) {
			_ = in.Close()
			if out != nil {
				_ = out.Close()
			}
			continue
		}
		p.ends.Go(func() { p.pass(in, out, true) })
		p.ends.Go(func() { p.pass(out, in, false) })
	}
}

func (p *proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if !p.broken {
			p.open[c] = true
		}
	}
	return !p.broken
}

// pass copies bytes until one side ends, and ends both.
func (p *proxy) pass(to io.WriteCloser, from io.ReadCloser, toClient bool) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err == nil {
			err = p.hold(b[:n], toClient)
		}
		if err == nil {
			_, err = to.Write(b[:n])
		}
		if err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close() // both are of no use any more
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, to.(net.Conn))
	delete(p.open, from.(net.Conn))
}

// hold waits while bytes are kept. The error says that they are lost.
func (p *proxy) hold(b []byte, toClient bool) error {
	for {
		p.mu.Lock()
		stalled, lost := p.stalled, p.lost
		p.mu.Unlock()
		if stalled == nil {
			if toClient && lost != nil && lost(b) {
				return io.ErrClosedPipe
			}
			return nil
		}
		<-stalled
	}
}
