package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"
)

const (
	patience = time.Minute
	silence  = 5 * time.Minute // longer than the time between two PINGs of a server
)

// conn is a connection to an IRC server, and has joined a channel.
type conn struct {
	net.Conn
	lines *bufio.Reader
	pongs chan string // the server's answers to PING
}

// message is a line from the server. params has at least two; missing ones are "".
type message struct {
	from, command string
	params        []string
}

// dial connects to the server and joins the channel.
func (b *bridge) dial() (*conn, error) {
	dialer := &net.Dialer{Timeout: patience}
	c, err := dialer.Dial("tcp", b.server)
	if err != nil {
		return nil, err
	}
	if host, _, _ := net.SplitHostPort(b.server); !b.plain {
		c = tls.Client(c, &tls.Config{ServerName: host}) // the handshake comes with the first line
	}
	irc := &conn{c, bufio.NewReaderSize(c, 8<<10), make(chan string)}
	if b.password != "" {
		irc.send("PASS :" + b.password)
	}
	irc.send("NICK "+b.nick, "USER "+b.nick+" 0 * :bridge to a room of whoelse")
	for {
		m, err := irc.next()
		switch {
		case err != nil:
		case m.command == "001":
			irc.send("JOIN " + b.channel)
		case m.command == "366": // the end of the channel's names
			return irc, nil
		case m.command == "ERROR", m.command >= "400" && m.command < "600" && m.command != "422": // no MOTD
			err = m.failure()
		}
		if err != nil {
			c.Close()
			return nil, err
		}
	}
}

// send sends lines. If it fails, so does next.
func (c *conn) send(lines ...string) {
	c.SetWriteDeadline(time.Now().Add(patience))
	fmt.Fprint(c, strings.Join(lines, "\r\n")+"\r\n")
}

// next returns the next line. It answers PING itself.
func (c *conn) next() (m message, err error) {
	c.SetReadDeadline(time.Now().Add(silence))
	raw, err := c.lines.ReadSlice('\n') // no line of IRC is longer than the buffer
	if err != nil {
		return m, err
	}
	line, last, trailing := strings.Cut(strings.TrimRight(string(raw), "\r\n"), " :")
	if from, rest, ok := strings.Cut(line, " "); ok && strings.HasPrefix(from, ":") {
		m.from, _, _ = strings.Cut(from[1:], "!")
		line = rest
	}
	m.command, line, _ = strings.Cut(line, " ")
	m.params = strings.Fields(line)
	if trailing {
		m.params = append(m.params, last)
	}
	m.params = append(m.params, "", "")
	if m.command == "PING" {
		c.send("PONG :" + m.params[0])
	}
	return m, nil
}

func (m message) failure() error {
	return fmt.Errorf("IRC: %s %s", m.command, clean(strings.Join(m.params, " ")))
}
