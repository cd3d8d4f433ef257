package cluster

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// link is the network between one chat server and one engine: a proxy that can be cut.
type link struct {
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

func newLink(t testing.TB, target string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, target: target, change: make(chan struct{}), conns: map[net.Conn]bool{}}
	go l.accept()
	return l
}

func (l *link) address() string { return l.listener.Addr().String() }

func (l *link) accept() {
	for {
		chat, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.serve(chat)
	}
}

func (l *link) serve(chat net.Conn) {
	defer chat.Close()
	if !l.add(chat) {
		return
	}
	defer l.remove(chat)
	if l.wait() == closed {
		return
	}
	engine, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer engine.Close()
	if !l.add(engine) {
		return
	}
	defer l.remove(engine)
	go func() {
		l.copy(engine, chat, false)
		engine.Close()
	}()
	l.copy(chat, engine, true)
}

// copy carries what comes, until either side ends.
func (l *link) copy(to io.Writer, from io.Reader, answers bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		switch m := l.wait(); {
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
func (l *link) wait() mode {
	for {
		l.mu.Lock()
		m, change := l.mode, l.change
		l.mu.Unlock()
		if m != held {
			return m
		}
		<-change
	}
}

func (l *link) add(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mode == closed || l.done {
		return false
	}
	l.conns[c] = true
	return true
}

func (l *link) remove(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// set changes what it does. Connections that were deaf have lost something, and end.
func (l *link) set(m mode) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m == closed || l.mode == deaf {
		for c := range l.conns {
			c.Close()
		}
	}
	l.mode = m
	close(l.change)
	l.change = make(chan struct{})
}

func (l *link) close() {
	l.listener.Close()
	l.mu.Lock()
	l.done = true
	l.mu.Unlock()
	l.set(closed)
}
