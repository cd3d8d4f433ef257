package load

import (
	"sync"

	"golang.org/x/crypto/ssh"
)

// bufferSize holds a burst of a few hundred short messages, and keeps thousands
// of idle clients small.
const bufferSize = 8 << 10

// read hands all output to the sink. The clock is read once for every piece
// that arrives, before any of it is looked at.
func (c *Client) read(sink Sink) {
	defer close(c.ended)
	var greeted sync.Once
	buffer := make([]byte, bufferSize)
	kept := 0
	for {
		n, err := c.channel.Read(buffer[kept:])
		at := now()
		if n > 0 {
			greeted.Do(func() { close(c.greeted) })
			rest := sink.Take(buffer[:kept+n], at)
			kept = copy(buffer, rest)
		}
		if kept == len(buffer) {
			kept = 0 // a sink that never finishes must not end the reading
		}
		if err != nil {
			return
		}
	}
}

// refuse turns down channels that a server opens: a client offers none.
func refuse(channels <-chan ssh.NewChannel) {
	for offered := range channels {
		_ = offered.Reject(ssh.Prohibited, "")
	}
}

// ptyRequest is the payload of a pty-req for a wide and ordinary terminal.
func ptyRequest(columns int) []byte {
	return ssh.Marshal(struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}{Term: "xterm-256color", Columns: uint32(columns), Rows: 50, Modes: "\x00"})
}
