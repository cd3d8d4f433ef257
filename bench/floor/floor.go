// Package floor is what the server is measured against: the least that a chat
// relay over ssh can do. It uses golang.org/x/crypto/ssh alone, lets every key in,
// stores nothing, draws nothing, and writes each message to each session as a
// packet of its own.
//
//	listener, _ := net.Listen("tcp", "127.0.0.1:0")
//	err := floor.Serve(ctx, listener)
package floor

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	handshakeTime = 30 * time.Second
	lineLength    = 8 << 10 // a longer line ends the session
	queueLength   = 1024    // messages; a session with a full queue is ended
)

// Serve relays lines among all sessions until ctx ends or the listener fails.
// It returns after every connection's goroutines have ended.
func Serve(ctx context.Context, listener net.Listener) error {
	config, err := serverConfig()
	if err != nil {
		return err
	}
	relay := &hub{sessions: map[*session]struct{}{}}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()

	ctx, cancel := context.WithCancel(ctx)
	var connections sync.WaitGroup
	defer connections.Wait()
	defer cancel()
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		connections.Go(func() { serveConn(ctx, conn, config, relay) })
	}
}

// serverConfig lets everyone in. Algorithms are the library's own; the load
// generator's offer decides which are used.
func serverConfig() (*ssh.ServerConfig, error) {
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	signer, err := ssh.NewSignerFromSigner(secret)
	if err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil },
	}
	config.AddHostKey(signer)
	return config, nil
}

// serveConn owns one connection from accept to close.
func serveConn(ctx context.Context, conn net.Conn, config *ssh.ServerConfig, relay *hub) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()

	_ = conn.SetDeadline(time.Now().Add(handshakeTime))
	server, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})

	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { ssh.DiscardRequests(requests) })
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "only sessions here")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			continue
		}
		s := &session{
			name: server.User(), channel: channel, conn: conn,
			wake: make(chan struct{}, 1), done: make(chan struct{}),
		}
		parts.Go(func() { s.serve(requests, relay) })
	}
}

// hub owns the set of sessions. Its lock is held for map work and puts that
// cannot block, never across a write.
type hub struct {
	mu       sync.Mutex
	sessions map[*session]struct{}
}

func (h *hub) add(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[s] = struct{}{}
}

func (h *hub) remove(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
}

// say hands one message, shared by all, to every session's queue.
func (h *hub) say(message []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		s.put(message)
	}
}

// session is one shell. Only its writer writes to the channel. What waits for it is
// a slice that grows and not a buffered channel, which would charge every idle
// session for the longest backlog.
type session struct {
	name    string
	channel ssh.Channel
	conn    net.Conn // closed to end the session: a channel's Close can block
	done    chan struct{}

	mu      sync.Mutex
	waiting [][]byte
	wake    chan struct{} // holds one: something is waiting
}

// serve answers the channel's requests and, once a shell is asked for, relays until
// either side ends. It returns after its goroutines have.
func (s *session) serve(requests <-chan *ssh.Request, relay *hub) {
	var shell sync.WaitGroup
	defer shell.Wait()
	started := false
	for request := range requests {
		first := request.Type == "shell" && !started
		if request.WantReply {
			_ = request.Reply(first || request.Type == "pty-req", nil)
		}
		if first {
			started = true
			shell.Go(func() { s.run(relay) })
		}
	}
}

// run is the shell: it says every line that is typed, while the writer writes.
func (s *session) run(relay *hub) {
	var writer sync.WaitGroup
	writer.Go(s.write)
	s.put([]byte("welcome to the floor\r\n"))
	relay.add(s)
	lines := bufio.NewScanner(s.channel)
	lines.Buffer(make([]byte, 0, 256), lineLength)
	lines.Split(splitLine)
	for lines.Scan() {
		if text := lines.Bytes(); len(text) > 0 {
			relay.say(slices.Concat([]byte(s.name), []byte(": "), text, []byte("\r\n")))
		}
	}
	relay.remove(s)
	close(s.done)
	_ = s.conn.Close()
	writer.Wait()
}

// splitLine ends a line at a terminal's \r or a pipe's \n.
func splitLine(data []byte, _ bool) (advance int, token []byte, err error) {
	if end := bytes.IndexAny(data, "\r\n"); end >= 0 {
		return end + 1, data[:end], nil
	}
	return 0, nil, nil
}

// put never blocks: a full queue ends the session.
func (s *session) put(message []byte) {
	s.mu.Lock()
	full := len(s.waiting) >= queueLength
	if !full {
		s.waiting = append(s.waiting, message)
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	if full {
		_ = s.conn.Close()
	}
}

// write sends every message as a packet of its own, until the session is done or its
// peer is gone. Two slices take turns for ever.
func (s *session) write() {
	var batch [][]byte
	for {
		select {
		case <-s.done:
			return
		case <-s.wake:
		}
		s.mu.Lock()
		batch, s.waiting = s.waiting, batch[:0]
		s.mu.Unlock()
		for _, message := range batch {
			if _, err := s.channel.Write(message); err != nil {
				_ = s.conn.Close()
				return
			}
		}
		clear(batch)
	}
}
