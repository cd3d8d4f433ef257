package sshd

import (
	"io"
	"math"
	"sync"
	"sync/atomic"
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
	gone   <-chan struct{} // closed with the connection

	mu      sync.Mutex
	changed *sync.Cond // when any of these has
	buf     []byte
	err     error // what the library's Read ended with
	over    bool  // the channel is closed
}

func newInput(raw io.Reader, c *conn) *input {
	in := &input{raw: raw, unread: &c.unread, gone: c.gone}
	in.changed = sync.NewCond(&in.mu)
	return in
}

// take reads until the input or the channel ends.
func (in *input) take() {
	p := make([]byte, 256)
	behind := false
	for {
		n, err := in.raw.Read(p)
		switch {
		case behind && n < len(p): // the library has no more
			behind = false
			in.unread.resume()
		case behind:
			in.unread.took(n)
		}
		if in.put(p[:n], err) && !behind {
			behind = true
			in.unread.pause()
		}
		if !in.await() {
			break
		}
	}
	if behind {
		in.unread.resume()
	}
}

// put adds to the buffer and reports whether it is full.
func (in *input) put(p []byte, err error) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.buf, in.err = append(in.buf, p...), err
	in.changed.Broadcast()
	return len(in.buf) >= maxInput
}

// await waits until there is room, and reports whether there can be more input.
func (in *input) await() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.buf) >= maxInput && !in.over && in.err == nil {
		in.changed.Wait()
	}
	return !in.over && in.err == nil
}

// Read implements io.Reader for one goroutine. What a client has sent that is gone
// is not worked off: its input ends with the connection.
func (in *input) Read(p []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.buf) == 0 && !in.over && in.err == nil {
		in.changed.Wait()
	}
	select {
	case <-in.gone:
		return 0, io.EOF
	default:
	}
	if len(in.buf) == 0 {
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

// drop reads and forgets what nobody asks for: clients have nothing to send on
// their standard error, and it would be kept.
func drop(r io.Reader) {
	p := make([]byte, 64)
	for {
		if _, err := r.Read(p); err != nil {
			return
		}
	}
}

// unread counts the bytes that come from the network while what came before them
// is not taken: because a channel's buffer is full, or a write stands and the
// library waits behind it. It counts them as they come, encrypted, so that packets
// count too: the smallest has 28 bytes and takes some 50 of memory. Who goes on
// sending those gets ever deeper into debt, since what is read pays for text alone.
type unread struct {
	conn   *conn
	behind atomic.Int32 // full channels and writes that go on

	mu      sync.Mutex // owns the fields below
	held    int        // bytes since behind was 0
	charged int        // of them, with admission
}

func (u *unread) pause() { u.behind.Add(1) }

func (u *unread) resume() {
	if u.behind.Add(-1) == 0 {
		u.took(math.MaxInt)
	}
}

// add counts n more bytes, and reports whether there is room for them.
func (u *unread) add(n int) bool {
	if u.behind.Load() == 0 || u.conn.visit == nil {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.held += n
	more := u.held - freeInput - u.charged
	if more <= 0 {
		return true
	}
	u.charged += more
	return u.conn.visit.Hold(more)
}

// took notes that n bytes of text were read.
func (u *unread) took(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.held -= min(n, u.held)
	if back := u.charged - max(0, u.held-freeInput); back > 0 {
		u.charged -= back
		u.conn.visit.Release(back)
	}
}
