package floor

import (
	"bufio"
	"bytes"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
)

// lineLength bounds one typed line; what is longer ends the session.
const lineLength = 8 << 10

// session is one shell. Only its writer writes to the channel.
type session struct {
	name    string
	channel ssh.Channel
	conn    net.Conn // closed to end the session: a channel's Close can block
	queue   *queue
	done    chan struct{}
}

// serveSession answers the channel's requests and, once a shell is asked for,
// relays until either side ends. It returns after its goroutines have.
func serveSession(name string, conn net.Conn, channel ssh.Channel, requests <-chan *ssh.Request, relay *hub) {
	s := &session{
		name: name, channel: channel, conn: conn,
		queue: newQueue(), done: make(chan struct{}),
	}
	var shell sync.WaitGroup
	defer shell.Wait()
	started := false
	for request := range requests {
		known := request.Type == "pty-req" || request.Type == "window-change" || request.Type == "env"
		first := request.Type == "shell" && !started
		if request.WantReply {
			_ = request.Reply(known || first, nil)
		}
		if first {
			started = true
			shell.Go(func() { s.run(relay) })
		}
	}
}

// run is the shell: it reads lines until the end, while the writer writes.
func (s *session) run(relay *hub) {
	var writer sync.WaitGroup
	writer.Go(s.write)
	s.put([]byte("welcome to the floor\r\n"))
	relay.add(s)
	s.read(relay)
	relay.remove(s)
	close(s.done)
	_ = s.conn.Close()
	writer.Wait()
}

// read says every line that comes, ended by a terminal's \r or a pipe's \n.
func (s *session) read(relay *hub) {
	lines := bufio.NewScanner(s.channel)
	lines.Buffer(make([]byte, 0, 256), lineLength)
	lines.Split(splitLine)
	for lines.Scan() {
		text := lines.Bytes()
		if len(text) == 0 {
			continue
		}
		message := make([]byte, 0, len(s.name)+len(text)+4)
		message = append(message, s.name...)
		message = append(message, ": "...)
		message = append(message, text...)
		message = append(message, "\r\n"...)
		relay.say(message)
	}
}

func splitLine(data []byte, _ bool) (advance int, token []byte, err error) {
	if end := bytes.IndexAny(data, "\r\n"); end >= 0 {
		return end + 1, data[:end], nil
	}
	return 0, nil, nil
}

// put never blocks: a full queue ends the session.
func (s *session) put(message []byte) {
	if !s.queue.put(message) {
		_ = s.conn.Close()
	}
}

// write sends what is queued until the session is done or its peer is gone.
func (s *session) write() {
	var batch [][]byte
	for {
		select {
		case <-s.done:
			return
		case <-s.queue.wake:
		}
		batch = s.queue.take(batch)
		if err := s.writeEach(batch); err != nil {
			_ = s.conn.Close()
			return
		}
		clear(batch)
	}
}

// writeEach sends every message as a packet of its own: what the floor is for.
func (s *session) writeEach(batch [][]byte) error {
	for _, message := range batch {
		if _, err := s.channel.Write(message); err != nil {
			return err
		}
	}
	return nil
}
