package load

import (
	"net"
	"sync"
)

// gate is a connection whose reading can be stopped, like a laptop's whose lid
// was closed: nothing is taken from the socket, so that first the client's and
// then the server's kernel buffers fill. Writing is not touched.
type gate struct {
	net.Conn

	mu   sync.Mutex
	open chan struct{} // closed while reading is allowed
}

func newGate(conn net.Conn) *gate {
	g := &gate{Conn: conn, open: make(chan struct{})}
	close(g.open)
	return g
}

// Read waits for the gate. A read that already waits in the kernel takes one
// more piece; it is handed on only after the gate has opened.
func (g *gate) Read(p []byte) (int, error) {
	<-g.passage()
	n, err := g.Conn.Read(p)
	<-g.passage()
	return n, err
}

func (g *gate) passage() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		g.open = make(chan struct{})
	default:
	}
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

// Stick stops all reading of a gated client, from the socket up.
func (c *Client) Stick() {
	if c.gate != nil {
		c.gate.shut()
	}
}

// Release lets a gated client read again.
func (c *Client) Release() {
	if c.gate != nil {
		c.gate.release()
	}
}
