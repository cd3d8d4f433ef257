package test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"whoelse/examples/client"
)

// examples has the programs of examples/, once they are built.
var examples = sync.OnceValues(func() (folder string, err error) {
	folder = filepath.Join(filepath.Dir(binary), "examples")
	args := slices.Concat([]string{"build"}, buildFlags, []string{"-o", folder + "/", "../examples/..."})
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return folder, err
})

// example is one of examples/ that talks ssh itself.
func (s *server) example(name, key string, args ...string) *exec.Cmd {
	s.t.Helper()
	folder, err := examples()
	if err != nil {
		s.t.Fatal(err)
	}
	flags := []string{"-key", key, "-known-hosts", s.knownHosts()}
	return exec.Command(filepath.Join(folder, name), append(flags, args...)...)
}

// beside starts a program that is killed at the test's end, and logs to standard error.
func (s *server) beside(cmd *exec.Cmd) *server {
	s.t.Helper()
	p := &server{t: s.t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stderr = p
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	s.t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// at is how a program that talks ssh itself names the server.
func (s *server) at(nick string) string { return nick + "@127.0.0.1:" + s.port }

// again starts the server as it was, on the same port if that was chosen.
func (s *server) again() *server {
	s.t.Helper()
	next, err := launch(s.t, exec.Command(binary, s.cmd.Args[1:]...))
	if err != nil {
		s.t.Fatal(err)
	}
	next.data = s.data
	return next
}

// talker is somebody in the room who speaks the protocol, in the test's own process.
type talker struct {
	t      testing.TB
	client *client.Client
	leave  func()

	mu     sync.Mutex // owns the fields below
	frames []client.Frame
	news   chan struct{} // closed when there are more
	said   int
}

// joins has somebody in the room, until they leave or the test ends.
func (s *server) joins(nick, key string) *talker {
	s.t.Helper()
	c, err := client.New(s.at(nick), key, s.knownHosts())
	if err != nil {
		s.t.Fatal(err)
	}
	p := &talker{t: s.t, client: c, news: make(chan struct{})}
	ctx, leave := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := c.Session(ctx, "", p.hears)
		if ctx.Err() == nil {
			s.t.Errorf("%s's session ended: %v", nick, err)
		}
	}()
	p.leave = func() {
		leave()
		<-ended
	}
	s.t.Cleanup(p.leave)
	p.awaits("INBOX's end", func(f client.Frame) bool { return f.Of == "INBOX" })
	return p
}

func (p *talker) hears(f client.Frame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames = append(p.frames, f)
	close(p.news)
	p.news = make(chan struct{})
	return nil
}

// heard returns the frames until now, and what is closed when there are more.
func (p *talker) heard() ([]client.Frame, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clip(p.frames), p.news
}

// awaits waits for a frame.
func (p *talker) awaits(what string, wanted func(client.Frame) bool) client.Frame {
	p.t.Helper()
	late := time.After(patience)
	for {
		frames, news := p.heard()
		if i := slices.IndexFunc(frames, wanted); i >= 0 {
			return frames[i]
		}
		select {
		case <-news:
		case <-late:
			p.t.Fatalf("no %s among %+v", what, frames)
		}
	}
}

// sends sends a message, to everyone without a name, and returns the ACK.
func (p *talker) sends(msg string, to ...string) (ack client.Frame) {
	p.t.Helper()
	p.mu.Lock()
	p.said++
	ref := strconv.Itoa(p.said)
	p.mu.Unlock()
	if err := p.client.Send(client.Frame{CMD: "SEND", Msg: msg, To: to, Ref: ref}); err != nil {
		p.t.Fatal(err)
	}
	return p.awaits("ACK of "+msg, func(f client.Frame) bool { return f.Of == "SEND" && f.Ref == ref })
}

// isRead sends a direct message and waits until it is read.
func (p *talker) isRead(msg, to string) {
	p.t.Helper()
	ack := p.sends(msg, to)
	if ack.Status == "delivered" {
		return
	}
	p.awaits("news that "+msg+" is read", func(f client.Frame) bool {
		return f.CMD == "STATUS" && f.ID == ack.ID && f.Status == "read"
	})
}

// A bot that is killed at any moment, again and again, misses nothing that was said in the room and
// to it, and takes nothing twice.
func TestKilledBotMissesNothing(t *testing.T) {
	t.Parallel()
	rounds := 10
	if full && raceDetector {
		rounds = 40
	} else if full {
		rounds = 100
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := startServer(t, t.TempDir(), keepAll...)
	key, file := newKey(t), filepath.Join(t.TempDir(), "archive.jsonl")
	s.joins("archive", key).leave() // a nick that can be written to
	alice, bob := s.joins("alice", newKey(t)), s.joins("bob", newKey(t))

	stop := make(chan struct{})
	var talk sync.WaitGroup
	talk.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			bob.sends(fmt.Sprint("bob ", i), [][]string{nil, {"archive"}, {"archive", "alice"}}[i%3]...)
		}
	})
	start := func() *server { return s.beside(s.example("archive", key, s.at("archive"), file)) }
	for round := range rounds {
		bot := start()
		if random.IntN(3) > 0 {
			alice.isRead(fmt.Sprint("are you there? ", round), "archive")
		}
		for i := range random.IntN(20) {
			alice.sends(fmt.Sprint("alice ", round, " ", i), [][]string{nil, {"archive"}}[random.IntN(2)]...)
		}
		bot.kill()
	}
	close(stop)
	talk.Wait()
	bot := start()
	alice.isRead("goodbye", "archive")
	alice.isRead("and once more", "archive") // what INBOX gave is read before it
	bot.kill()

	said := map[string]string{}
	for _, p := range []*talker{alice, bob} {
		frames, _ := p.heard()
		for _, f := range frames {
			if f.CMD == "MSG" {
				said[f.ID] = f.From + ": " + f.Msg
			}
		}
	}
	var want, got []string
	for _, id := range slices.Sorted(maps.Keys(said)) {
		want = append(want, id+" "+said[id])
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		var f client.Frame
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got = append(got, f.ID+" "+f.From+": "+f.Msg)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d archived, %d said\nmissing: %q\ntoo much: %q",
			len(got), len(want), difference(want, got), difference(got, want))
	}
	frames, _ := s.joins("archive", key).heard()
	for _, f := range frames {
		if f.Direct() {
			t.Errorf("%s is not read", f.Msg)
		}
	}
	t.Logf("%d messages", len(want))
}

// A program of examples/ talks to no server but the one that it knows.
func TestExamplesKnowTheServer(t *testing.T) {
	t.Parallel()
	s, other := startServer(t, t.TempDir()), startServer(t, t.TempDir())
	file := filepath.Join(t.TempDir(), "archive.jsonl")
	archive := other.beside(other.example("archive", newKey(t), s.at("archive"), file))
	archive.logs(2, "the session ended: ssh: handshake failed: knownhosts: key is unknown")
}
