package sessions_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/sessions/internal/screen"
	"whoelse/sessions/internal/testclient"
	"whoelse/sessions/text"
)

// patience bounds every expectation. The race detector makes it longer.
var patience = 20 * time.Second

// dial says how a client comes.
type dial struct {
	user          string
	key           string // "" for a guest
	width, height int    // of the pty; 0 is none
	term          string
	env           map[string]string
	command       string
}

// client is one ssh connection with one session, and what it has been shown. Without
// a terminal Out has only standard output.
type client struct {
	testclient.Shown
	t    testing.TB
	conn net.Conn
	ssh  *gossh.Client
	ch   gossh.Channel
	over sync.WaitGroup

	errors []byte // standard error, without a terminal; owned by Mu
	status string // how the session ended; "" while it goes on; owned by Mu
}

// connect logs in and starts a shell or the command. Who is refused has the banner
// to look at, and nothing else.
func connect(t testing.TB, addr string, d dial) *client {
	t.Helper()
	c := &client{t: t}
	if d.width > 0 {
		c.Screen = screen.New(d.width, d.height)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c.conn = conn
	t.Cleanup(c.end)
	sc, chans, reqs, err := gossh.NewClientConn(conn, addr, c.config(d))
	if err != nil {
		c.close("refused")
		return c
	}
	c.ssh = gossh.NewClient(sc, chans, reqs)
	c.open(d)
	if d.command == "" { // who has been greeted is in the room
		c.await(patience, func(rows []string) bool { return len(rows) > 1 })
	}
	return c
}

// config logs in with the key, if there is one. What the server has to say is shown.
func (c *client) config(d dial) *gossh.ClientConfig {
	words := func(said string) {
		if said != "" {
			c.show([]byte(strings.TrimSuffix(said, "\r\n") + "\r\n"))
		}
	}
	if d.key == "" {
		return testclient.Login(d.user, words)
	}
	return testclient.Login(d.user, words, gossh.PublicKeys(signer(d.key)))
}

func (c *client) open(d dial) {
	c.t.Helper()
	ch, reqs, err := c.ssh.OpenChannel("session", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ch = ch
	for name, value := range d.env {
		c.request("env", struct{ Name, Value string }{name, value})
	}
	if d.width > 0 {
		c.request("pty-req", testclient.PTY{Term: d.term, W: uint32(d.width), H: uint32(d.height)})
	}
	exit := make(chan string, 1)
	c.over.Go(func() { awaitExit(reqs, exit) })
	var ends sync.WaitGroup
	ends.Go(func() { testclient.Follow(c.ch, c.show) })
	ends.Go(func() { testclient.Follow(c.ch.Stderr(), c.showError) })
	c.over.Go(func() {
		ends.Wait()
		c.close(<-exit)
	})
	if d.command == "" {
		c.request("shell", nil)
	} else {
		c.request("exec", struct{ Command string }{d.command})
	}
}

// request sends a request and fails the test unless the server agrees.
func (c *client) request(name string, payload any) {
	c.t.Helper()
	if !testclient.Ask(c.ch, name, payload) {
		c.t.Errorf("%s is refused", name)
	}
}

func awaitExit(reqs <-chan *gossh.Request, exit chan<- string) {
	status := "connection lost"
	for req := range reqs {
		var code struct{ Status uint32 }
		if req.Type == "exit-status" && gossh.Unmarshal(req.Payload, &code) == nil {
			status = fmt.Sprintf("exit status %d", code.Status)
		}
		if req.WantReply {
			req.Reply(false, nil)
		}
	}
	exit <- status
}

func (c *client) show(p []byte) { c.Write(p) }

func (c *client) showError(p []byte) {
	if c.Screen != nil { // a terminal makes no difference
		c.show(p)
		return
	}
	c.Change(func() { c.errors = append(c.errors, p...) })
}

func (c *client) close(status string) { c.Change(func() { c.status = status }) }

// look returns the rows that a person has in front of them, the cursor marked, and
// a channel that is closed when they change.
func (c *client) look() (rows []string, change <-chan struct{}) {
	change = c.Look(func() { rows = c.rows() })
	return rows, change
}

// rows is what look returns; Mu is held.
func (c *client) rows() (rows []string) {
	if c.Screen == nil {
		rows = linesOf(c.Out, "")
		rows = append(rows, linesOf(c.errors, "! ")...)
	} else {
		rows = c.Screen.Screen()
		if row, col := c.Screen.Cursor(); c.status == "" {
			rows[row] = markCursor(rows[row], col)
		}
	}
	for len(rows) > 0 && rows[len(rows)-1] == "" {
		rows = rows[:len(rows)-1]
	}
	if c.status != "" {
		rows = append(rows, "("+c.status+")")
	}
	return rows
}

func linesOf(p []byte, mark string) (rows []string) {
	for line := range strings.Lines(string(p)) {
		rows = append(rows, mark+strings.TrimRight(line, "\r\n"))
	}
	return rows
}

// markCursor puts a mark before the character that the cursor is on.
func markCursor(row string, col int) string {
	at := len(row)
	for i := range row {
		if text.Width(row[:i]) >= col {
			at = i
			break
		}
	}
	pad := strings.Repeat(" ", max(0, col-text.Width(row[:at])))
	return row[:at] + pad + "‸" + row[at:]
}

// await waits until ok says that what is shown is what is wanted, and returns what
// was shown last.
func (c *client) await(limit time.Duration, ok func(rows []string) bool) (last []string, met bool) {
	met = c.Await(limit, func() bool {
		last, _ = c.look()
		return ok(last)
	})
	return last, met
}

// settle waits until nothing has come for a while: what a transcript is updated to.
func (c *client) settle(quiet time.Duration) []string {
	for {
		rows, change := c.look()
		select {
		case <-change:
		case <-time.After(quiet):
			return rows
		}
	}
}

func (c *client) typed(keys string) {
	c.t.Helper()
	if c.ch == nil {
		c.t.Fatal("there is no session to type into")
	}
	if _, err := io.WriteString(c.ch, keys); err != nil && !errors.Is(err, io.EOF) {
		c.t.Error(err)
	}
}

func (c *client) resize(width, height int) {
	c.Change(func() { c.Screen.Resize(width, height) })
	size := struct{ W, H, X, Y uint32 }{W: uint32(width), H: uint32(height)}
	c.request("window-change", size) // with an answer: from then on it counts
}

// end closes the connection, if it is open still, and waits for its goroutines.
func (c *client) end() {
	if c.ssh != nil {
		c.ssh.Close()
		c.ssh.Wait()
	}
	c.conn.Close()
	c.over.Wait()
}

// strange returns what came that a chat has no use for: sequences and characters
// that the screen does not know.
func (c *client) strange() []string {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	if c.Screen == nil {
		return nil
	}
	return append(c.Screen.Unknown, c.Screen.Strings...)
}

func (c *client) bells() int {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	return c.Screen.Bells
}

func (c *client) received() string { return c.Received() }
