// Package floor is the yardstick of the measurements: the least that a chat
// relay over ssh can do. It uses golang.org/x/crypto/ssh alone, lets every key
// in, stores nothing, draws nothing, and writes each message to each session as
// one packet of its own. It is meant to be well written, so that what a real
// server costs more, or less, is told by the comparison and not by its flaws.
//
//	listener, _ := net.Listen("tcp", "127.0.0.1:0")
//	err := floor.Serve(ctx, listener)
package floor

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// handshakeTime bounds how long a connection may stay without a login.
const handshakeTime = 30 * time.Second

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

// serverConfig lets in whoever asks: the floor knows nobody. Algorithms are the
// library's own; the load generator's offer decides which are used.
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
		PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
			return nil, nil
		},
		KeyboardInteractiveCallback: func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			return nil, nil
		},
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
		parts.Go(func() { serveSession(server.User(), conn, channel, requests, relay) })
	}
}
