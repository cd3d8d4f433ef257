// Irc is a bridge that relays messages between the room and a channel on IRC.
//
//	irc -key ~/.ssh/bridge -known-hosts ~/.ssh/known_hosts -place bridge.place \
//	    -server irc.libera.chat:6697 -nick roombridge -channel '#room' bridge@chat.example.org:2222
//
// If one of the two connections ends, the bridge closes the other and reconnects both. Then it relays the room's
// messages of the meantime. It can't relay those of IRC, which keeps no messages.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"sync"

	"whoelse/examples/client"
)

// bridge has a nick in the room and one on IRC.
type bridge struct {
	server, password, nick, channel string // of IRC
	plain                           bool   // without TLS

	room  *client.Client
	me    string // in the room
	file  string // where the place is kept
	place string // the ID of the last message of the room that IRC has
}

// session connects to both, until one connection ends.
func (b *bridge) session() error {
	irc, err := b.dial()
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(context.Background())
	var relay sync.WaitGroup
	relay.Go(func() { end(b.toRoom(ctx, irc)) })
	end(b.room.Session(ctx, b.place, func(f client.Frame) error { return b.toIRC(ctx, irc, f) }))
	irc.Close()
	relay.Wait()
	return context.Cause(ctx)
}

func main() {
	b := &bridge{password: os.Getenv("IRC_PASSWORD")}
	key := flag.String("key", "", "`FILE` with the bridge's private key")
	known := flag.String("known-hosts", "", "`FILE` with the server's host key")
	flag.StringVar(&b.file, "place", "irc.place", "`FILE` for the place in the room")
	flag.StringVar(&b.server, "server", "", "`HOST:PORT` of the IRC server")
	flag.BoolVar(&b.plain, "plain", false, "talk to it without TLS")
	flag.StringVar(&b.nick, "nick", "", "`NICK` on IRC")
	flag.StringVar(&b.channel, "channel", "", "`CHANNEL` on IRC")
	flag.Parse()
	if b.server == "" || b.nick == "" || b.channel == "" {
		log.Fatal("usage: irc -server HOST:PORT -nick NICK -channel CHANNEL -key FILE -known-hosts FILE" +
			" NICK@HOST:PORT")
	}
	var err error
	if b.room, err = client.New(flag.Arg(0), *key, *known); err != nil {
		log.Fatal(err)
	}
	if b.place, err = client.LoadPlace(b.file); err != nil {
		log.Fatal(err)
	}
	client.Forever(b.session)
}
