// Archive writes all messages of the room, and all direct messages to it, to a file: one JSON object per
// line, each message once, even across restarts and crashes.
//
//	archive -key ~/.ssh/archive -known-hosts ~/.ssh/known_hosts archive@chat.example.org:2222 archive.jsonl
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"os"

	"whoelse/examples/client"
)

// archive is the file. The ID in its last line is the place in the room.
type archive struct {
	file  *os.File
	place string
}

func open(name string) (*archive, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	lines, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	lines = lines[:bytes.LastIndexByte(lines, '\n')+1]
	if err := file.Truncate(int64(len(lines))); err != nil { // a crash may leave half a line
		return nil, err
	}
	last := client.Frame{ID: client.Start}
	if len(lines) > 0 {
		begin := bytes.LastIndexByte(lines[:len(lines)-1], '\n') + 1
		err = json.Unmarshal(lines[begin:], &last)
	}
	return &archive{file, last.ID}, err
}

// handle writes a message to disk before it is marked as read, and before the next one.
func (a *archive) handle(f client.Frame) error {
	if f.CMD != "MSG" {
		return nil
	}
	line, err := json.Marshal(f)
	if err == nil {
		_, err = a.file.Write(append(line, '\n'))
	}
	if err := errors.Join(err, a.file.Sync()); err != nil {
		log.Fatal(err) // the next start cuts off a half-written line
	}
	a.place = f.ID
	return nil
}

func main() {
	key := flag.String("key", "", "`FILE` with the archive's private key")
	known := flag.String("known-hosts", "", "`FILE` with the server's host key")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("usage: archive -key FILE -known-hosts FILE NICK@HOST:PORT FILE")
	}
	c, err := client.New(flag.Arg(0), *key, *known)
	if err != nil {
		log.Fatal(err)
	}
	a, err := open(flag.Arg(1))
	if err != nil {
		log.Fatal(err)
	}
	client.Forever(func() error { return c.Session(context.Background(), a.place, a.handle) })
}
