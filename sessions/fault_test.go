package sessions_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// wire is a connection to a server that can be cut without either end noticing.
type wire struct {
	addr string
	cut  chan struct{} // closed when nothing gets through any more
	end  chan struct{}
	all  sync.WaitGroup
}

func newWire(t testing.TB, to string) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String(), cut: make(chan struct{}), end: make(chan struct{})}
	w.all.Go(func() {
		near, err := l.Accept()
		if err != nil {
			return
		}
		defer near.Close()
		far, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer far.Close()
		w.all.Go(func() { w.pass(far, near) })
		w.all.Go(func() { w.pass(near, far) })
		<-w.end
	})
	t.Cleanup(func() {
		close(w.end)
		l.Close()
		w.all.Wait()
	})
	return w
}

// pass copies until the wire is cut; then it holds back what comes.
func (w *wire) pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-w.cut:
			return
		default:
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// terminal connects nick at a terminal.
func (r *rig) terminal(nick, addr string) *client {
	r.t.Helper()
	return connect(r.t, addr, dial{user: nick, key: nick, width: 100, height: 40, term: "xterm", env: map[string]string{}})
}

// pipe connects nick without one.
func (r *rig) pipe(nick string) *client {
	r.t.Helper()
	return connect(r.t, r.addr, dial{user: nick, key: nick})
}

// sees waits until a row with each of texts is shown.
func (c *client) sees(texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		rows, ok := c.await(patience, func(rows []string) bool { return slices.ContainsFunc(rows, holds(text)) })
		if !ok {
			c.t.Fatalf("%q is not shown, but:\n%s", text, strings.Join(rows, "\n"))
		}
	}
}

func holds(text string) func(string) bool {
	return func(row string) bool { return strings.Contains(row, text) }
}

// A connection that hangs looks alive for a while. Who connects anew meanwhile gets
// what was sent into the void: at once, and without asking for it, or with a word
// that it waits in the inbox.
func TestReconnectWhileOldConnectionHangs(t *testing.T) {
	t.Parallel()
	for name, answered := range map[string]bool{"before the receipt": false, "after the receipt": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			bob := r.terminal("bob", r.addr)
			w := newWire(t, r.addr)
			r.terminal("carol", w.addr)
			bob.sees("carol joined")
			close(w.cut)
			bob.typed("@carol are you there?\rsomething for all\r")
			bob.sees("[you -> carol] are you there?", "bob: something for all")
			if answered {
				bob.sees("kept for carol")
			}
			again := r.terminal("carol", r.addr)
			again.sees("bob: something for all")
			rows, ok := again.await(patience, func(rows []string) bool {
				return slices.ContainsFunc(rows, holds("are you there?")) || slices.ContainsFunc(rows, holds("1 unread: bob"))
			})
			if !ok {
				t.Fatalf("carol is not told:\n%s", strings.Join(rows, "\n"))
			}
			if slices.ContainsFunc(rows, holds("1 unread")) {
				again.typed("inbox\r")
				again.sees("[bob -> you] are you there?")
			}
			// Where coming back took more than the time for an answer, "before" was after it.
			last, _ := bob.await(patience, func(rows []string) bool {
				return slices.ContainsFunc(rows, holds("delivered to carol")) || slices.ContainsFunc(rows, holds("carol has read your message"))
			})
			kept, read := slices.ContainsFunc(last, holds("kept for carol")), slices.ContainsFunc(last, holds("carol has read"))
			if kept != read || answered && !kept {
				t.Errorf("bob is told:\n%s", strings.Join(last, "\n"))
			}
		})
	}
}

// Somebody who stops reading delays nobody and is let go.
func TestStuckSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := r.pipe("bob")
	stuck := stuckSession(t, r.addr)
	carol := r.pipe("carol")
	gone := make(chan error, 1)
	go func() { gone <- stuck.Wait() }()
	line := strings.Repeat("x", 3900)
	lines := 1800 // more than a client's window and the queue hold
	if full {
		lines = 1200 // more than its window, which takes 10 s longer to be noticed
	}
	for i := range lines {
		bob.typed(fmt.Sprintf("%d %s\n", i, line))
		if i%20 == 19 { // bob's and carol's own queues are bounded too
			carol.sees(fmt.Sprintf(" bob: %d ", i))
			bob.sees(fmt.Sprintf(" bob: %d ", i))
		}
	}
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("who takes nothing is still there")
	}
	carol.typed("whoelse\n")
	carol.sees("bob: since")
}

// stuckSession has a shell that nobody reads from.
func stuckSession(t *testing.T, addr string) *gossh.Client {
	t.Helper()
	c, err := gossh.Dial("tcp", addr, &gossh.ClientConfig{
		User: "stuck", Auth: []gossh.AuthMethod{gossh.PublicKeys(signer("stuck"))},
		HostKeyCallback: gossh.FixedHostKey(signer("host").PublicKey()),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); c.Wait() })
	ch, reqs, err := c.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go gossh.DiscardRequests(reqs)
	if ok, err := ch.SendRequest("shell", true, nil); !ok || err != nil {
		t.Fatal(ok, err)
	}
	return c
}

// Who leaves right after writing to somebody hears what became of it.
func TestQuitWaitsForReceipts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := r.pipe("bob")
	carol := r.pipe("carol")
	carol.typed("@bob one more thing\nquit\n")
	bob.sees("[carol -> you] one more thing")
	rows, ok := carol.await(patience, func(rows []string) bool { return slices.ContainsFunc(rows, holds("exit status")) })
	if !ok || !slices.ContainsFunc(rows, holds("delivered to bob")) {
		t.Errorf("carol sees\n%s", strings.Join(rows, "\n"))
	}
}

// Several people who come within the same second are told of together, and nobody
// of their own coming.
func TestJoinsAreMerged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := r.terminal("bob", r.addr)
	began := time.Now()
	var others []*client
	for i := range 12 {
		others = append(others, r.terminal(fmt.Sprint("n", i), r.addr))
	}
	rows, ok := bob.await(patience, func(rows []string) bool { return joined(rows) == len(others) })
	most := int(time.Since(began)/time.Second) + 2 // one a second, and the first at once
	if lines := strings.Count(strings.Join(rows, "\n"), " joined"); !ok || lines > most {
		t.Errorf("%d of 12 people are told of, in %d lines:\n%s", joined(rows), lines, strings.Join(rows, "\n"))
	}
	for i, c := range others {
		rows, _ := c.look()
		for _, row := range rows {
			if strings.Contains(row, "joined") && slices.Contains(strings.FieldsFunc(row, func(r rune) bool { return r == ' ' || r == ',' }), fmt.Sprint("n", i)) {
				t.Errorf("n%d is told %q", i, row)
			}
		}
	}
}

// joined counts the people that rows tell of.
func joined(rows []string) (n int) {
	for _, row := range rows {
		names, ok := strings.CutSuffix(row, " joined")
		if !ok {
			continue
		}
		names, last, _ := strings.Cut(strings.TrimPrefix(names, " * "), " and ")
		n += len(strings.Split(names, ", "))
		var more int
		if _, err := fmt.Sscanf(last, "%d others", &more); err == nil {
			n += more
		} else if last != "" {
			n++
		}
	}
	return n
}

// Nobody may talk faster than the rate, with all sessions together; nothing is lost
// by it.
func TestRate(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, dir: t.TempDir(), rate: 2}
	r.start()
	t.Cleanup(r.stop)
	bob := r.pipe("bob")
	one, two := r.pipe("carol"), r.pipe("carol")
	told := func() bool {
		return strings.Contains(one.received()+two.received(), "at most 2 messages a second")
	}
	began, said := time.Now(), 0
	for said == 0 || !told() { // a slow machine may need longer for lines than they have to wait
		for range 5 {
			one.typed(fmt.Sprintf("one %d\n", said))
			two.typed(fmt.Sprintf("two %d\n", said))
			said += 2
		}
		bob.sees(fmt.Sprintf("carol: one %d", said-2), fmt.Sprintf("carol: two %d", said-2))
		if took := time.Since(began); took < time.Duration(said-8)*time.Second/2-100*time.Millisecond {
			t.Errorf("%d lines at 2 a second and 8 at once took %v", said, took)
		}
		if time.Since(began) > patience {
			t.Fatal("nobody is told why it takes so long")
		}
	}
	for i := 0; i < said; i += 2 {
		bob.sees(fmt.Sprintf("carol: one %d", i), fmt.Sprintf("carol: two %d", i))
	}
}
