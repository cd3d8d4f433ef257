package sshd

import (
	"context"
	"io"
	"math"
	"sync"
	"sync/atomic"

	"whoelse/internal/limit"
)

// Bounds of what is held of a client's input before somebody reads it.
const (
	maxInput  = 32 << 10 // bytes of a channel; then it is left to the library
	freeInput = 16 << 10 // bytes from the network that a connection may leave unread unasked
)

// input is what a client has sent on a channel and nobody has read yet.
//
// The library keeps each packet until it is read, up to a window of 2 MiB that
// can't be made smaller: 104 MiB in packets of one byte. So take reads along, into
// a plain buffer, until that is full. From then on what comes from the network is
// charged to the connection: see unread.
type input struct {
	raw    io.Reader
	unread *unread
	ctx    context.Context // over with the connection

	mu      sync.Mutex
	changed *sync.Cond // when any of these has
	buf     []byte
	over    bool // the channel is closed, or the library's Read ended
}

func newInput(raw io.Reader, c *conn) *input {
	in := &input{raw: raw, unread: &c.unread, ctx: c.ctx}
	in.changed = sync.NewCond(&in.mu)
	return in
}

// take reads until the input or the channel ends.
func (in *input) take() {
	p := make([]byte, 256)
	behind := false
	for more := true; more; {
		n, err := in.raw.Read(p)
		switch {
		case behind && n < len(p): // the library has no more
			behind = false
			in.unread.resume()
		case behind:
			in.unread.took(n)
		}
		in.mu.Lock()
		in.buf = append(in.buf, p[:n]...)
		in.over = in.over || err != nil
		in.changed.Broadcast()
		if len(in.buf) >= maxInput && !behind {
			behind = true
			in.unread.pause()
		}
		for len(in.buf) >= maxInput && !in.over {
			in.changed.Wait()
		}
		more = !in.over
		in.mu.Unlock()
	}
	if behind {
		in.unread.resume()
	}
}

// Read implements io.Reader for one goroutine. Input ends with the connection: the rest of
// what a client sent before it went is not processed.
func (in *input) Read(p []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.buf) == 0 && !in.over {
		in.changed.Wait()
	}
	if in.ctx.Err() != nil || len(in.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, in.buf)
	if in.buf = in.buf[n:]; len(in.buf) == 0 {
		in.buf = nil
	}
	in.changed.Broadcast()
	return n, nil
}

// end notes that the channel is closed. What is in the buffer can still be read.
func (in *input) end() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.over = true
	in.changed.Broadcast()
}

// unread counts the bytes that come from the network while what came before them
// is not taken: because a channel's buffer is full, or a write blocks and the
// library waits behind it. It counts them as they come, encrypted, so that packets
// count too: the smallest has 28 bytes and takes some 50 of memory. A client
// that goes on sending those gets ever deeper into debt, since what is read pays for text alone.
type unread struct {
	conn   *conn
	behind atomic.Int32 // full channels and writes that go on

	mu      sync.Mutex // owns the fields below
	held    int        // bytes since behind was 0
	charged int        // of them, with admission
	closed  bool
}

func (u *unread) pause() { u.behind.Add(1) }

func (u *unread) resume() {
	if u.behind.Add(-1) == 0 {
		u.took(math.MaxInt)
	}
}

// add counts n more bytes, and reports whether there is room for them.
func (u *unread) add(n int) bool {
	if u.behind.Load() == 0 {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.held += n
	more := max(0, u.held-freeInput-u.charged)
	if more > 0 && (u.closed || u.limiter().Charge(u.who(), int64(more)) != nil) {
		return false
	}
	u.charged += more
	return true
}

// close gives back all that is charged.
func (u *unread) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	u.refund(u.charged)
}

// took notes that n bytes of text were read.
func (u *unread) took(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.held -= min(n, u.held)
	u.refund(u.charged - max(0, u.held-freeInput))
}

// refund gives back n bytes; the caller holds the lock.
func (u *unread) refund(n int) {
	if n > 0 {
		u.charged -= n
		u.limiter().Refund(u.who(), int64(n))
	}
}

func (u *unread) limiter() *limit.Limiter { return u.conn.server.cfg.Admission.Unread }
func (u *unread) who() limit.Who          { return limit.Who{Addr: u.conn.from.Addr()} }
