package sessions_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// runs is one command with what it printed, standard error marked with "! ".
func runs(t testing.TB, r *rig, d dial) string {
	t.Helper()
	c := connect(t, r.addr, d)
	rows, ok := c.await(patience, func(rows []string) bool {
		return len(rows) > 0 && strings.HasPrefix(rows[len(rows)-1], "(")
	})
	if !ok {
		t.Errorf("%s: it goes on, with %q", d.command, rows)
	}
	return strings.Join(rows, "\n")
}

// shell is runs for many commands of somebody with a key, on one connection: a handshake takes longer than a command.
func (r *rig) shell(nick string) (run func(command string) string) {
	r.t.Helper()
	conn := dialSSH(r.t, r.addr, nick)
	r.t.Cleanup(func() { conn.Close(); conn.Wait() })
	stays, err := conn.NewSession() // a connection ends with its last session
	r.must(err)
	r.must(stays.Start("tail"))
	return func(command string) string {
		r.t.Helper()
		s := r.session(conn)
		var out, words bytes.Buffer
		s.Stdout, s.Stderr = &out, &words
		defer time.AfterFunc(patience, func() { conn.Close() }).Stop()
		end := "(exit status 0)"
		if err := s.Run(command); err != nil {
			failed, ok := errors.AsType[*gossh.ExitError](err)
			if !ok {
				r.t.Fatalf("%s: %v, with %q", command, err, out.String())
			}
			end = fmt.Sprintf("(exit status %d)", failed.ExitStatus())
		}
		rows := append(linesOf(out.Bytes(), ""), linesOf(words.Bytes(), "! ")...)
		return strings.Join(append(rows, end), "\n")
	}
}

// session opens one more session. The server counts one that has ended a moment longer than its client does, so
// a connection may be said to have too many.
func (r *rig) session(conn *gossh.Client) *gossh.Session {
	r.t.Helper()
	late := time.After(patience)
	for {
		s, err := conn.NewSession()
		full, is := errors.AsType[*gossh.OpenChannelError](err)
		if err == nil || !is || full.Reason != gossh.ResourceShortage {
			r.must(err)
			return s
		}
		select {
		case <-late:
			r.t.Fatal(err)
		default:
		}
	}
}

// expects waits until a row holds all of want.
func (c *client) expects(want string) {
	c.t.Helper()
	rows, ok := c.await(patience, func(rows []string) bool {
		return slices.ContainsFunc(rows, func(row string) bool { return strings.Contains(row, want) })
	})
	if !ok {
		c.t.Errorf("%q is missing in:\n%s", want, strings.Join(rows, "\n"))
	}
}

// A command of somebody without a key is not the guest of that name who is in the room:
// it speaks under another name, and changes nothing of theirs.
func TestGuestsCommandIsNotTheGuest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := connect(t, r.addr, dial{user: "bob", key: "bob"})
	dave := connect(t, r.addr, dial{user: "dave"})
	bob.expects("~dave joined")
	bob.typed("@~dave a secret\n")
	bob.expects("delivered to ~dave")

	run := func(command string) string { return runs(t, r, dial{user: "dave", command: command}) }
	if said := run("say I am leaving"); !strings.Contains(said, "you are ~dave2, a guest") {
		t.Errorf("say: %s", said)
	}
	bob.expects("~dave2: I am leaving")
	run("send bob give me the key")
	bob.expects("[~dave2 -> you] give me the key")
	for command, status := range map[string]string{
		"away gone fishing": "4", "back": "4", "block bob": "4", "unblock bob": "4", "reply what was it?": "1",
	} {
		if said := run(command); !strings.HasSuffix(said, "(exit status "+status+")") {
			t.Errorf("%s: %s", command, said)
		}
	}

	bob.typed("@~dave still there?\n")
	dave.expects("[bob -> you] still there?") // neither away nor blocking
	bob.typed("whoelse\n")
	bob.expects("~dave (guest): since")
	for _, row := range strings.Split(bob.received(), "\n") {
		if strings.Contains(row, "~dave:") || strings.Contains(row, "[~dave ->") || strings.Contains(row, "fishing") {
			t.Errorf("bob sees %q", row)
		}
	}
	dave.typed("/reply yes\n")
	bob.expects("[~dave -> you] yes")
}

// While a command runs, its name is taken: who joins meanwhile is not spoken for by it.
func TestNameOfARunningCommandIsTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := connect(t, r.addr, dial{user: "bob", key: "bob"})
	running := connect(t, r.addr, dial{user: "dave", command: "say -"})
	running.typed("hello")
	r.awaitCommand(t, "~dave")
	connect(t, r.addr, dial{user: "dave"})
	bob.expects("~dave2 joined")
	running.ch.CloseWrite()
	bob.expects("~dave: hello")
	running.expects("(exit status 0)")
	connect(t, r.addr, dial{user: "dave"}) // and free again
	bob.expects("~dave joined")
}

// What only a session can do says so, instead of doing nothing.
func TestCommandsThatNeedTheRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, command := range []string{"clear", "quit"} {
		want := "! whoelse: " + command + " works only in the room; to enter it, connect without a command\n(exit status 2)"
		if said := runs(t, r, dial{user: "bob", key: "bob", command: command}); !strings.HasSuffix(said, want) {
			t.Errorf("%s: %s", command, said)
		}
	}
}
