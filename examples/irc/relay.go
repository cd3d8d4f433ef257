package main

import (
	"context"
	"log"
	"strings"
	"time"

	"whoelse/examples/client"
)

// tooOld is the age from which messages are not relayed to IRC after an outage.
const tooOld = 15 * time.Minute

// toIRC relays a message of the room as NOTICE. IRC programs must not answer or relay NOTICEs, so bridges make
// no loops. The place moves when the server has answered the PING after the lines. Waiting for that also keeps
// the bridge within the server's rate.
func (b *bridge) toIRC(ctx context.Context, irc *conn, f client.Frame) error {
	switch at, _ := time.Parse(time.RFC3339, f.At); {
	case f.Of == "JOIN":
		b.me = f.UID
		return nil
	case f.CMD != "MSG":
		return nil
	case f.Direct() && f.From != b.me:
		log.Printf("%s writes: %q", f.From, f.Msg)
	case f.From != b.me && time.Since(at) < tooOld:
		prefix := "<" + f.From + "> "
		if f.Kind == "me" {
			prefix = "* " + f.From + " "
		}
		if f.Replay {
			prefix = at.Format("[15:04 UTC] ") + prefix
		}
		for _, line := range split(prefix, f.Msg) {
			irc.send("NOTICE " + b.channel + " :" + line)
		}
		irc.send("PING :" + f.ID)
		for answer := ""; answer != f.ID; {
			select {
			case answer = <-irc.pongs:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	if f.Ref != "" { // from the inbox, before the first place
		return nil
	}
	b.place = f.ID
	return client.SavePlace(b.file, f.ID)
}

// toRoom relays the messages of the channel, until the connection ends.
func (b *bridge) toRoom(ctx context.Context, irc *conn) error {
	for {
		m, err := irc.next()
		if err != nil {
			return err
		}
		action, acts := strings.CutPrefix(m.params[1], "\x01ACTION ")
		text := "<" + m.from + "@irc> " + m.params[1]
		if acts {
			text = "* " + m.from + "@irc " + action
		}
		switch {
		case m.command == "PONG":
			select {
			case irc.pongs <- m.params[1]:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		case m.command == "ERROR", m.command == "404", m.command == "KICK" && m.params[1] == b.nick:
			return m.failure()
		case m.command != "PRIVMSG", !strings.EqualFold(m.params[0], b.channel):
		case strings.HasPrefix(m.params[1], "\x01") && !acts: // a CTCP request to a client
		default:
			if err := b.room.Send(client.Frame{CMD: "SEND", Msg: clean(text)}); err != nil {
				log.Print("not relayed: ", err)
			}
		}
	}
}
