package admission

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	gossh "golang.org/x/crypto/ssh"
	"pgregory.net/rapid"
)

const version = "SSH-2.0-whoelse"

var errFull = &Refusal{Why: TooManySessions, words: "the room is full: 10000 connections; try again later"}

// refuser turns everybody away on 127.0.0.1 until the test ends.
func refuser(t *testing.T, why error) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { New(Limits{}, nil).TurnAway(conn, version, why) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().(*net.TCPAddr)
}

// run starts a client and returns what it said.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	said, _ := cmd.CombinedOutput() // some end with 0
	return string(said)
}

// Real clients show the words.
func TestRefuseClients(t *testing.T) {
	port := func(a *net.TCPAddr) string { return strconv.Itoa(a.Port) }
	for name, c := range map[string]struct {
		args string
		port string
		says string
	}{
		"ssh":      {"-F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null", "-p", errFull.Error()},
		"plink":    {"-batch -ssh", "-P", errFull.Error()},
		"dbclient": {"-y", "-p", "Disconnect received"}, // it shows nobody's words
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 { // a reset that swallows the words comes only sometimes
				args := append(strings.Fields(c.args), c.port, port(refuser(t, errFull)), "eve@127.0.0.1")
				if said := run(t, name, args...); !strings.Contains(said, c.says) {
					t.Fatalf("%s does not say why:\n%s", name, said)
				}
			}
		})
	}
}

func TestRefuseGoClient(t *testing.T) {
	for _, c := range []struct {
		why  error
		want string
	}{
		{errFull, `reason 12: "the room is full: 10000 connections; try again later"`},
		{&Refusal{Why: Banned, words: "your address is banned: spam"}, `reason 1: "your address is banned: spam"`},
		{errors.New("closed for today\r\n\x1b]0;"), `reason 12: "closed for today 0;"`},
	} {
		_, err := gossh.Dial("tcp", refuser(t, c.why).String(), &gossh.ClientConfig{
			User: "eve", HostKeyCallback: gossh.InsecureIgnoreHostKey(),
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// The words come, and no reset, even to a client that talks a lot before it
// listens.
func TestRefuseTalker(t *testing.T) {
	conn, err := net.DialTCP("tcp", nil, refuser(t, errFull))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(bytes.Repeat([]byte("hello"), 1000)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	got, err := io.ReadAll(conn)
	if took := time.Since(began); took >= refuseWithin {
		t.Errorf("the end of the words came after %v", took)
	}
	if err != nil || !bytes.Contains(got, []byte(errFull.Error())) {
		t.Fatalf("read %q, %v", got, err)
	}
	conn.CloseWrite()
}

// Whatever the other side does or does not, it is over after two seconds.
func TestRefuseStuck(t *testing.T) {
	for name, peer := range map[string]func(net.Conn){
		"never reads": func(net.Conn) {},
		"never hangs up": func(c net.Conn) {
			c.Read(make([]byte, 1000))
		},
		"never stops talking": func(c net.Conn) {
			go io.Copy(io.Discard, c)
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		},
		"talks too much": func(c net.Conn) {
			go io.Copy(io.Discard, c)
			for {
				if _, err := c.Write(make([]byte, 1000)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				var all sync.WaitGroup
				all.Go(func() { peer(theirs) })
				began := time.Now()
				New(Limits{}, nil).TurnAway(ours, version, errFull)
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("took %v", took)
				}
				if _, err := ours.Write(nil); err == nil {
					t.Error("the connection is still open")
				}
				theirs.Close()
				all.Wait()
			})
		})
	}
}

// The hundred-and-first to be told at the same time is not.
func TestTurnAwayFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Limits{}, nil)
		var stuck []net.Conn
		for range maxLeaving {
			ours, theirs := net.Pipe()
			stuck = append(stuck, theirs)
			go d.TurnAway(ours, version, errFull)
		}
		synctest.Wait()
		began := time.Now()
		ours, theirs := net.Pipe()
		d.TurnAway(ours, version, errFull)
		if got, err := io.ReadAll(theirs); len(got) > 0 || err != nil {
			t.Errorf("was told %q, %v", got, err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v", took)
		}
		time.Sleep(refuseWithin)
		synctest.Wait()
		ours, theirs = net.Pipe()
		go d.TurnAway(ours, version, errFull)
		if got, _ := io.ReadAll(io.LimitReader(theirs, 80)); !bytes.Contains(got, []byte("the room is full")) {
			t.Errorf("afterwards was told %q", got)
		}
		theirs.Close()
		for _, c := range stuck {
			c.Close()
		}
	})
}

// A packet is whole blocks, padded as the protocol asks, and its words are one
// clean line of bounded length.
func TestDisconnectPacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.OneOf(rapid.String(), rapid.StringN(0, 2000, -1)).Draw(t, "words")
		p := disconnect(tooManyConnections, words)
		padding := int(p[4])
		if len(p)%8 != 0 || len(p) < 16 || padding < 4 || padding > 11 {
			t.Fatalf("%d bytes with %d of padding", len(p), padding)
		}
		if got := int(p[2])<<8 | int(p[3]); p[0] != 0 || p[1] != 0 || got != len(p)-4 {
			t.Fatalf("says %d bytes, has %d", got, len(p)-4)
		}
		var msg struct {
			Reason   uint32 `sshtype:"1"`
			Words    string
			Language string
		}
		if err := gossh.Unmarshal(p[5:len(p)-padding], &msg); err != nil {
			t.Fatal(err)
		}
		if msg.Reason != 12 || len(msg.Words) > refuseWords || !utf8.ValidString(msg.Words) || strings.ContainsAny(msg.Words, "\r\n\x1b") {
			t.Fatalf("says %+q for reason %d", msg.Words, msg.Reason)
		}
	})
}
