package cluster

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy is the network between one chat server and one engine, without namespaces.
type proxy struct {
	listener net.Listener
	target   string

	mu     sync.Mutex // owns the fields below
	mode   mode
	change chan struct{} // closed at the next change of the mode
	conns  map[net.Conn]bool
	done   bool
}

// mode is what a link does with what is sent.
type mode int

const (
	open   mode = iota
	closed      // connections end, and new ones are refused
	held        // nothing gets through and nothing is refused, as when a cable was pulled; later it all comes
	deaf        // the engine gets everything, and what it answers is lost
	slow        // each packet takes a while
	crawl       // a long while
)

// delays of what a slow link carries. They are not longer than a lost packet or two.
const (
	slowDelay  = 20 * time.Millisecond
	crawlDelay = 250 * time.Millisecond
)

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, change: make(chan struct{}), conns: map[net.Conn]bool{}}
	go p.accept()
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		chat, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.serve(chat)
	}
}

func (p *proxy) serve(chat net.Conn) {
	defer chat.Close()
	if !p.add(chat) {
		return
	}
	defer p.remove(chat)
	if p.wait() == closed {
		return
	}
	engine, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer engine.Close()
	if !p.add(engine) {
		return
	}
	defer p.remove(engine)
	go func() {
		p.copy(engine, chat, false)
		engine.Close()
	}()
	p.copy(chat, engine, true)
}

// copy carries what comes, until either side ends.
func (p *proxy) copy(to io.Writer, from io.Reader, answers bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		switch m := p.wait(); {
		case m == closed:
			return
		case m == deaf && answers:
			continue
		case m == slow:
			<-time.After(slowDelay)
		case m == crawl:
			<-time.After(crawlDelay)
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// wait returns the mode once it is not held.
func (p *proxy) wait() mode {
	for {
		p.mu.Lock()
		m, change := p.mode, p.change
		p.mu.Unlock()
		if m != held {
			return m
		}
		<-change
	}
}

func (p *proxy) add(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == closed || p.done {
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) remove(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// set changes what it does. Connections that were deaf have lost something, and end.
func (p *proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m == closed || p.mode == deaf {
		for c := range p.conns {
			c.Close()
		}
	}
	p.mode = m
	close(p.change)
	p.change = make(chan struct{})
}

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.done = true
	p.mu.Unlock()
	p.set(closed)
}
