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

	"whoelse/sessions/internal/vt"
	"whoelse/sessions/text"
)

// patience bounds every expectation.
const patience = 10 * time.Second

// dial says how a client comes.
type dial struct {
	user          string
	key           string // "" for a guest
	width, height int    // of the pty; 0 is none
	term          string
	env           map[string]string
	command       string
}

// client is one ssh connection with one session, and what it has been shown.
type client struct {
	t    testing.TB
	conn net.Conn
	ssh  *gossh.Client
	ch   gossh.Channel
	over sync.WaitGroup

	mu     sync.Mutex // owns the fields below
	seen   chan struct{}
	screen *vt.Screen // nil without a pty
	plain  []byte     // all that came, as it came; without a pty only standard output
	errors []byte     // standard error, without a pty
	status string     // how the session ended; "" while it goes on
}

// connect logs in and starts a shell or the command. Who is refused has the banner
// to look at, and nothing else.
func connect(t testing.TB, addr string, d dial) *client {
	t.Helper()
	c := &client{t: t, seen: make(chan struct{})}
	if d.width > 0 {
		c.screen = vt.New(d.width, d.height)
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

// config logs in the way OpenSSH does: with the key, if there is one, and then
// without. What the server has to say about it is shown.
func (c *client) config(d dial) *gossh.ClientConfig {
	answer := func(_, words string, questions []string, _ []bool) ([]string, error) {
		if words != "" {
			c.show([]byte(words + "\r\n"))
		}
		return make([]string, len(questions)), nil
	}
	cfg := &gossh.ClientConfig{
		User:            d.user,
		Auth:            []gossh.AuthMethod{gossh.KeyboardInteractive(answer)},
		HostKeyCallback: gossh.FixedHostKey(signer("host").PublicKey()),
		BannerCallback: func(words string) error {
			c.show([]byte(words))
			return nil
		},
	}
	if d.key != "" {
		cfg.Auth = append([]gossh.AuthMethod{gossh.PublicKeys(signer(d.key))}, cfg.Auth...)
	}
	return cfg
}

func (c *client) open(d dial) {
	c.t.Helper()
	ch, reqs, err := c.ssh.OpenChannel("session", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ch = ch
	for name, value := range d.env {
		c.request("env", gossh.Marshal(struct{ Name, Value string }{name, value}))
	}
	if d.width > 0 {
		c.request("pty-req", gossh.Marshal(struct {
			Term       string
			W, H, X, Y uint32
			Modes      string
		}{Term: d.term, W: uint32(d.width), H: uint32(d.height)}))
	}
	c.over.Add(3)
	exit := make(chan string, 1)
	go c.awaitExit(reqs, exit)
	var ends sync.WaitGroup
	ends.Add(2)
	go c.follow(c.ch, &ends, c.show)
	go c.follow(c.ch.Stderr(), &ends, c.showError)
	c.over.Go(func() {
		ends.Wait()
		c.close(<-exit)
	})
	if d.command == "" {
		c.request("shell", nil)
	} else {
		c.request("exec", gossh.Marshal(struct{ Command string }{d.command}))
	}
}

// request sends a request and fails the test unless the server agrees.
func (c *client) request(name string, payload []byte) {
	c.t.Helper()
	if ok, err := c.ch.SendRequest(name, true, payload); err != nil || !ok {
		c.t.Errorf("%s request: agreed %v, err %v", name, ok, err)
	}
}

func (c *client) awaitExit(reqs <-chan *gossh.Request, exit chan<- string) {
	defer c.over.Done()
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

func (c *client) follow(r io.Reader, ends *sync.WaitGroup, show func([]byte)) {
	defer c.over.Done()
	defer ends.Done()
	buf := make([]byte, 4<<10)
	for {
		n, err := r.Read(buf)
		show(buf[:n])
		if err != nil {
			return
		}
	}
}

func (c *client) show(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plain = append(c.plain, p...)
	if c.screen != nil {
		c.screen.Write(p)
	}
	c.news()
}

func (c *client) showError(p []byte) {
	if c.screen != nil { // a terminal makes no difference
		c.show(p)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errors = append(c.errors, p...)
	c.news()
}

func (c *client) close(status string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
	c.news()
}

// news wakes whoever waits for something to be shown. c.mu is held.
func (c *client) news() {
	close(c.seen)
	c.seen = make(chan struct{})
}

// look returns the rows that a person has in front of them, the cursor marked, and
// a channel that is closed when they change.
func (c *client) look() (rows []string, change <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.screen == nil {
		rows = linesOf(c.plain, "")
		rows = append(rows, linesOf(c.errors, "! ")...)
	} else {
		rows = c.screen.Screen()
		if row, col := c.screen.Cursor(); c.status == "" {
			rows[row] = markCursor(rows[row], col)
		}
	}
	for len(rows) > 0 && rows[len(rows)-1] == "" {
		rows = rows[:len(rows)-1]
	}
	if c.status != "" {
		rows = append(rows, "("+c.status+")")
	}
	return rows, c.seen
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
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		rows, change := c.look()
		if ok(rows) {
			return rows, true
		}
		select {
		case <-change:
		case <-late.C:
			return rows, false
		}
	}
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
	c.mu.Lock()
	c.screen.Resize(width, height)
	c.mu.Unlock()
	size := struct{ W, H, X, Y uint32 }{W: uint32(width), H: uint32(height)}
	c.request("window-change", gossh.Marshal(size)) // with an answer: from then on it counts
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
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.screen == nil {
		return nil
	}
	return append(c.screen.Unknown, c.screen.Strings...)
}

func (c *client) bells() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.screen.Bells
}

func (c *client) received() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.plain)
}
