package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// line is an event as a server of some version writes it: members without the closing brace.
func line(members string) []byte {
	sum := crc32.Checksum([]byte(members), crc32.MakeTable(crc32.Castagnoli))
	return fmt.Appendf(nil, `%s,"crc":"%08x"}`, members, sum)
}

// publish has the stream take a message of a server that this test only pretends to run.
func (c *cluster) publish(subject string, data []byte, header nats.Header) {
	c.t.Helper()
	c.must(c.eventually(func() error {
		return c.withJetStream(func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.PublishMsg(ctx, &nats.Msg{Subject: "whoelse." + subject, Data: data, Header: header})
			return err
		})
	}))
}

// announce says who is on such a server.
func (c *cluster) announce(subject, text string) {
	c.t.Helper()
	c.must(c.withJetStream(func(ctx context.Context, js jetstream.JetStream) error {
		return errors.Join(js.Conn().Publish("whoelse."+subject, []byte(text)), js.Conn().FlushWithContext(ctx))
	}))
}

// TestVersions: servers of other versions write to the stream of two that run. An earlier version writes fewer members and
// no headers; a later one writes members that these don't know, and they keep them. What they can't understand stops
// them, and they say why.
func TestVersions(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	c := newCluster(t, options{chats: 2})
	alice, bob := newIdentity(t), newIdentity(t)
	c.must(c.eventually(func() error { return c.chats[0].ran("alice", alice, "say", "now") }))
	c.must(c.eventually(func() error { return c.chats[1].ran("bob", bob, "nick") }))
	const past = `{"v":1,"id":"01","time":"2026-01-01T00:00:00.000Z","kind":"room","from":"carol"`
	c.publish("log.event", line(past+`,"text":"before","room":"lobby"`), nil)
	c.publish("log.event", line(past+`,"text":"later","mood":{"is":"fine"},"room":"lobby"`),
		nats.Header{"Whoelse-Node": {"chat9"}, "Whoelse-Version": {"2"}, "Whoelse-Moon": {"full"}})
	c.publish("log.event", line(`{"v":1,"id":"02","time":"2026-01-01T00:00:00.000Z","kind":"direct","from":"alice",`+
		`"to":["bob"],"text":"psst","tone":"low"`), nil)
	c.announce("roster.chat9", `{"v":1,"run":"x","seq":1,"parts":1,"moon":1,"here":[{"nick":"carol","since":1,"mood":2}]}`)
	c.announce("roster.chat8", `{"v":2,"run":"y","here":"some other way"}`)
	c.agreeOn("alice", alice, "now", "before", "later")
	for _, chat := range c.chats {
		c.must(c.eventually(func() error {
			if out := chat.run("bob", bob, "inbox", "all").out; !strings.Contains(out, "psst") {
				return fmt.Errorf("%s has for bob: %s", chat.name, out)
			}
			return nil
		}))
		c.announce("roster.chat9", `{"v":1,"run":"x","seq":1,"parts":1,"moon":1,"here":[{"nick":"carol","since":1,"mood":2}]}`)
		if a := chat.run("alice", alice, "whoelse"); !strings.Contains(a.out, "carol") {
			t.Errorf("%s does not show carol: %+v", chat.name, a)
		}
	}
	for _, chat := range c.chats {
		c.must(c.eventually(func() error {
			return keeps(filepath.Join(chat.data, "history"), `"mood":{"is":"fine"}`, `"tone":"low"`)
		}))
	}
	c.exported(alice)
	c.publish("log.event", line(`{"v":2,"kind":"thought","of":"carol"`), nil)
	for _, chat := range c.chats {
		c.must(c.eventually(func() error {
			a := chat.run("alice", alice, "say", "after")
			if a.status == 0 || !strings.Contains(chat.log(), "upgrade this one") {
				return fmt.Errorf("%s takes messages, or does not say why not: %+v\n%s", chat.name, a, chat.log())
			}
			return nil
		}))
	}
	c.agreeOn("alice", alice, "now", "before", "later")
}

// exported checks the single server that whoelse cluster export makes of the first one.
func (c *cluster) exported(alice identity) {
	c.t.Helper()
	folder := filepath.Join(c.folder, "alone")
	if out, err := exec.Command(binary, "cluster", "export", folder, "--data", c.chats[0].data).CombinedOutput(); err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
	alone := &chatServer{host: "127.0.0.1", port: freePort(), data: folder}
	alone.process = process{
		name: "alone", ready: c.chats[0].ready,
		argv: []string{binary, "serve", "--data", folder, "--listen", alone.address()},
	}
	c.must(alone.start())
	defer alone.kill()
	if a := alone.run("alice", alice, "history", "100"); !strings.Contains(a.out, "later") {
		c.t.Errorf("the export has: %+v", a)
	}
	c.must(keeps(filepath.Join(folder, "history"), `"mood":{"is":"fine"}`, `"tone":"low"`))
}

// keeps looks for texts in the files of a folder.
func keeps(folder string, texts ...string) error {
	var all []byte
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var text []byte
			text, err = os.ReadFile(path)
			all = append(all, text...)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // replaced meanwhile
		}
		return err
	})
	for _, text := range texts {
		if !bytes.Contains(all, []byte(text)) {
			err = errors.Join(err, fmt.Errorf("nothing in %s has %s", folder, text))
		}
	}
	return err
}
