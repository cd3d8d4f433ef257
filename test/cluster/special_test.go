package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestEngineFull: what the engine has no space for is refused at once, and nothing else is lost.
func TestEngineFull(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	c := newCluster(t, options{chats: 2})
	alice, bob := newIdentity(t), newIdentity(t)
	c.must(c.eventually(func() error { return c.chats[0].ran("alice", alice, "nick") }))
	c.must(c.eventually(func() error { return c.chats[1].ran("bob", bob, "nick") }))
	c.must(c.eventually(func() error { return c.chats[0].ran("alice", alice, "say", "before") }))
	full := func(most int64) {
		c.must(c.eventually(func() error {
			return c.withJetStream(func(ctx context.Context, js jetstream.JetStream) error {
				stream, err := js.Stream(ctx, "whoelse_LOG")
				if err != nil {
					return err
				}
				config := stream.CachedInfo().Config
				config.MaxMsgs = most
				_, err = js.UpdateStream(ctx, config)
				return err
			})
		}))
	}
	full(1)
	began := time.Now()
	a := c.chats[1].run("bob", bob, "say", "too much")
	if a.status == 0 || time.Since(began) > answerLimit {
		t.Errorf("after %v: %+v", time.Since(began), a)
	}
	t.Logf("%+v", a)
	full(-1)
	c.must(c.eventually(func() error { return c.chats[1].ran("bob", bob, "say", "after") }))
	c.agreeOn("alice", alice, "before", "after")
}

// ran is the failure of a command, if it fails.
func (s *chatServer) ran(nick string, id identity, command ...string) error {
	if a := s.run(nick, id, command...); a.status != 0 {
		return fmt.Errorf("%s %q on %s: %+v", nick, command, s.name, a)
	}
	return nil
}

// agreeOn waits until the lobby is the same on all servers, as nick sees it: these texts.
func (c *cluster) agreeOn(nick string, id identity, want ...string) {
	c.t.Helper()
	for _, chat := range c.chats {
		c.must(c.eventually(func() error {
			has, err := chat.run(nick, id, "history", "--json", "100").messages()
			var texts []string
			for _, m := range has {
				texts = append(texts, m.text)
			}
			if strings.Join(texts, "|") != strings.Join(want, "|") {
				err = errors.Join(err, fmt.Errorf("%s has %q, want %q", chat.name, texts, want))
			}
			return err
		}))
	}
}

// TestAwayTooLong: a server that was away longer than the stream keeps does not start, and says so. With a
// snapshot of another server it begins anew.
func TestAwayTooLong(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	c := newCluster(t, options{chats: 2})
	alice := newIdentity(t)
	c.must(c.eventually(func() error { return c.chats[0].ran("alice", alice, "say", "before") }))
	c.agreeOn("alice", alice, "before")
	away := c.chats[1]
	away.stop()
	c.must(c.eventually(func() error { return c.chats[0].ran("alice", alice, "say", "meanwhile") }))
	snapshot := exec.Command(binary, "cluster", "snapshot", "--data", c.chats[0].data, "--cluster", strings.Join(c.urls, ","), "--node", "chat1")
	if out, err := snapshot.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c.expire()
	c.must(c.eventually(func() error { return c.chats[0].ran("alice", alice, "say", "after") }))
	if err := away.start(); err == nil || !strings.Contains(err.Error(), "the stream begins at") {
		t.Fatalf("it starts, or says: %v", err)
	}
	c.must(os.Rename(away.data, away.data+".old"))
	c.must(shareHostKey(c.chats[0].data, away.data))
	c.must(away.restart())
	c.agreeOn("alice", alice, "before", "meanwhile", "after")
}

// expire removes all that the stream has, as its maximum age would.
func (c *cluster) expire() {
	c.must(c.eventually(func() error {
		return c.withJetStream(func(ctx context.Context, js jetstream.JetStream) error {
			stream, err := js.Stream(ctx, "whoelse_LOG")
			if err != nil {
				return err
			}
			config := stream.CachedInfo().Config
			keep := config.MaxAge
			config.MaxAge, config.Duplicates = 200*time.Millisecond, 100*time.Millisecond
			if _, err := js.UpdateStream(ctx, config); err != nil {
				return err
			}
			for {
				info, err := stream.Info(ctx)
				if err != nil {
					return err
				}
				if info.State.Msgs == 0 {
					break
				}
				<-time.After(50 * time.Millisecond)
			}
			config.MaxAge, config.Duplicates = keep, 2*time.Minute
			_, err = js.UpdateStream(ctx, config)
			return err
		})
	}))
}

// TestClocksApart: two servers whose clocks differ by ten minutes have the same times, and the same order.
func TestClocksApart(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	c := newCluster(t, options{chats: 2, binaries: []string{binary, fast(t)}})
	during(t, c, seed(t), func(talking context.Context, _ *rand.Rand) { pause(talking, 4*time.Second) })
	zoe := newIdentity(t)
	var first string
	at := regexp.MustCompile(`"AT":"([^"]*)"`)
	for _, chat := range c.chats {
		a := chat.run("zoe", zoe, "history", "--json", "1000")
		if first == "" {
			first = a.out
		}
		if a.out != first {
			t.Errorf("%s has\n%s\nand chat1\n%s", chat.name, a.out, first)
		}
		times := at.FindAllStringSubmatch(a.out, -1)
		if len(times) == 0 {
			t.Errorf("%s shows no times: %+v", chat.name, a)
		}
		for _, m := range times {
			if when, err := time.Parse(time.RFC3339Nano, m[1]); err != nil || time.Since(when).Abs() > 5*time.Minute {
				t.Errorf("a message has the time %s: %v", m[1], err)
			}
		}
	}
}

// fast builds a server whose clock is ten minutes fast: time.Now is another one there.
func fast(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	const now = "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {\n"
	if strings.Count(string(text), now) == 0 {
		t.Fatalf("time.Now in %s is not as this test knows it", original)
	}
	changed, overlay := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json")
	program := filepath.Join(dir, "whoelse")
	text = []byte(strings.Replace(string(text), now, "\tsec, nsec, mono := runtimeNow()\n\tsec += 600\n\tif mono == 0 {\n", 1))
	err = errors.Join(os.WriteFile(changed, text, 0o600),
		os.WriteFile(overlay, fmt.Appendf(nil, `{"Replace":{%q:%q}}`, original, changed), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", program, "whoelse").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}
