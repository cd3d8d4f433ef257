package sessions_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/room"
	"whoelse/sessions/internal/testclient"
	"whoelse/sessions/protocol"
	"whoelse/sessions/sshd"
)

// sftp connects somebody's client of sftp.
func (r *rig) sftp(nick string) (*sftp.Client, *gossh.Client) {
	r.t.Helper()
	conn := dialSSH(r.t, r.addr, nick)
	c, err := sftp.NewClient(conn)
	r.must(err)
	return c, conn
}

// stored lists what is in the folder of the files, in new too.
func (r *rig) stored() (names []string) {
	r.t.Helper()
	for _, pattern := range []string{"attachments/*Z-*", "attachments/new/*"} {
		some, err := filepath.Glob(filepath.Join(r.dir, pattern))
		r.must(err)
		names = append(names, some...)
	}
	return names
}

func (r *rig) storesNothing() {
	r.t.Helper()
	r.stores(0)
}

// stores waits until there are so many files.
func (r *rig) stores(n int) {
	r.t.Helper()
	for end := time.Now().Add(patience); len(r.stored()) != n; {
		if time.Now().After(end) {
			r.t.Fatalf("there is %q, want %d", r.stored(), n)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// put sends a file by sftp.
func put(c *sftp.Client, path, content string) error {
	f, err := c.Create(path)
	if err != nil {
		return err
	}
	if _, err := f.Write([]byte(content)); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func TestHostileSFTP(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("bob")
	r.registers("carol")
	c, conn := r.sftp("bob")
	// Names of any kind stay names.
	names := []string{"..", "a\nb", "\x1b]0;x\a", strings.Repeat("x", 10_000), `..\..\x`, "\xff", "x (1 KB); to get it: ssh evil"}
	var want []string
	for i, name := range names {
		if err := put(c, "carol/"+name, fmt.Sprint(i)); (err == nil) != (name != "..") {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	all, err := room.Collect(r.store.Unread("carol"))
	r.must(err)
	for _, m := range all {
		want = append(want, m.File.Name)
		if n := []rune(m.File.Name); len(n) > 100 || strings.ContainsAny(m.File.Name, "\n\x1b/\\") {
			t.Errorf("%q", m.File.Name)
		}
	}
	if len(want) != len(names)-1 {
		t.Errorf("sent: %q", want)
	}
	before := len(r.stored())
	// One file at a time, and one that is left open is not sent.
	first, err := c.Create("carol/first")
	r.must(err)
	_, err = first.Write([]byte("x"))
	r.must(err)
	if _, err := c.Create("carol/second"); err == nil {
		t.Error("two files at a time")
	}
	if _, err := first.WriteAt([]byte("x"), 1<<50); err == nil {
		t.Error("a file of 1 PiB")
	}
	if err := first.Close(); err == nil {
		t.Error("a file that failed is sent")
	}
	left, err := c.Create("carol/left")
	r.must(err)
	_, err = left.Write([]byte("x"))
	r.must(err)
	conn.Close()
	r.stores(before)
	if all, err := room.Collect(r.store.Unread("carol")); err != nil || len(all) != len(want) {
		t.Errorf("%v, %d messages, want %d", err, len(all), len(want))
	}
}

// Clients that break the protocol, one after the other and as fast as they like, have few lines in the log.
func TestNonsenseIsNotLoggedForEver(t *testing.T) {
	t.Parallel()
	log, began := &strings.Builder{}, time.Now()
	r := &rig{t: t, dir: t.TempDir(), log: log}
	r.start()
	r.registers("bob")
	conn := dialSSH(t, r.addr, "bob")
	stays, err := conn.NewSession() // a connection ends with its last session
	r.must(err)
	r.must(stays.Start("tail"))
	for range 100 {
		s := r.session(conn)
		s.Stdin = strings.NewReader("nonsense\n")
		if err := s.Run("scp -t bob"); err == nil {
			t.Error("nonsense is taken for a file")
		}
	}
	conn.Close()
	r.stop()
	most := 40 * (1 + int(time.Since(began).Minutes())) // within each minute
	if n := strings.Count(log.String(), "a client of scp or sftp ended"); n == 0 || n > most {
		t.Errorf("%d lines:\n%.2000s", n, log)
	}
}

// packet is one of the sftp protocol.
func packet(kind byte, fields ...any) []byte {
	body := []byte{kind}
	for _, f := range fields {
		switch f := f.(type) {
		case int:
			body = binary.BigEndian.AppendUint32(body, uint32(f))
		case string:
			body = append(binary.BigEndian.AppendUint32(body, uint32(len(f))), f...)
		}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// A client of sftp that hangs up while something that it asks for waits for the rate gets nothing by
// that: no file to write to, and no panic.
func TestSFTPHangsUpWhileItWaits(t *testing.T) {
	t.Parallel()
	const open, readlink, stat, write = 3, 19, 17, 6
	for name, asked := range map[string][]byte{"open": packet(open, 1, "bob/x", 0x1a, 0), "readlink": packet(readlink, 1, "/")} {
		t.Run(name, func(t *testing.T) {
			log := &strings.Builder{}
			r := &rig{t: t, dir: t.TempDir(), log: log, rate: 1}
			r.start()
			r.registers("bob")
			conn := dialSSH(t, r.addr, "bob")
			s := r.session(conn)
			in, err := s.StdinPipe()
			r.must(err)
			out, err := s.StdoutPipe()
			r.must(err)
			r.must(s.RequestSubsystem("sftp"))
			const rounds = 30
			all := packet(1, 3)
			for i := range rounds { // what is written waits for what is asked for
				all = slices.Concat(all, asked, packet(stat, 2, "/"), packet(stat, 2, "/"), packet(write, 3, fmt.Sprint(i+1), 0, 0, "x"))
			}
			_, err = in.Write(all)
			r.must(err)
			for range 1 + 2*4 { // until a few of many were answered
				length := make([]byte, 4)
				_, err := io.ReadFull(out, length)
				r.must(err)
				_, err = io.CopyN(io.Discard, out, int64(binary.BigEndian.Uint32(length)))
				r.must(err)
			}
			conn.Close()
			for range 3 { // meanwhile the server notices
				runs(t, r, dial{user: "carol", key: "carol", command: "whoelse"})
			}
			r.stop()
			if strings.Contains(log.String(), "panic") {
				t.Errorf("%s", log)
			}
		})
	}
}

// Many clients of one person get few places, and all are free afterwards.
func TestManySFTP(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("bob")
	r.registers("carol")
	var all sync.WaitGroup
	var mu sync.Mutex
	let := 0
	hold := make(chan struct{})
	var ready sync.WaitGroup
	for range 12 {
		ready.Add(1)
		all.Go(func() {
			conn := dialSSH(t, r.addr, "bob")
			defer conn.Close()
			c, err := sftp.NewClient(conn)
			if err == nil {
				_, err = c.Create("carol/x")
			}
			if err == nil {
				mu.Lock()
				let++
				mu.Unlock()
			}
			ready.Done()
			<-hold
		})
	}
	ready.Wait()
	close(hold)
	all.Wait()
	if let != 4 {
		t.Errorf("%d files were let in", let)
	}
	r.storesNothing()
	r.awaitVisits("bob", 0) // a place is free a moment after its file is gone
	c, conn := r.sftp("bob")
	if err := put(c, "carol/x", "hello"); err != nil {
		t.Error(err)
	}
	conn.Close()
}

// Who is muted, or sent away, in the middle of a file has not sent it.
func TestSFTPOfWhoIsSentAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("bob")
	r.registers("carol")
	c, conn := r.sftp("bob")
	defer conn.Close()
	begin := func() *sftp.File {
		f, err := c.Create("carol/x")
		r.must(err)
		_, err = f.Write([]byte("hello"))
		r.must(err)
		return f
	}
	f := begin()
	_, err := r.files.Mutes.Add("bob", "op", 0)
	r.must(err)
	if f.Close() == nil {
		t.Error("a file of somebody who is muted is sent")
	}
	_, err = r.files.Mutes.Remove("bob")
	r.must(err)
	f = begin()
	r.manager.EndWhere(func(*sshd.Login, netip.AddrPort) (string, bool) { return "go", true })
	if f.Close() == nil {
		t.Error("a file of somebody who was sent away is sent")
	}
	r.storesNothing()
	if all, err := room.Collect(r.store.Unread("carol")); err != nil || len(all) > 0 {
		t.Errorf("%v, %d messages", err, len(all))
	}
}

// A client that closes the channel in the middle of its input has sent nothing, though the
// connection stays open.
func TestPasteIsClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("bob")
	r.registers("carol")
	conn := dialSSH(t, r.addr, "bob")
	defer conn.Close()
	other, err := conn.NewSession() // keeps the connection open
	r.must(err)
	r.must(other.Start("tail"))
	for range 20 {
		s := r.session(conn)
		in, err := s.StdinPipe()
		r.must(err)
		r.must(s.Start("paste carol"))
		_, err = in.Write([]byte("half"))
		r.must(err)
		r.stores(1)
		s.Close()
		r.storesNothing()
	}
	if all, err := room.Collect(r.store.Unread("carol")); err != nil || len(all) > 0 {
		t.Errorf("%v, %d messages", err, len(all))
	}
}

// A program is told of a file in a frame that the schema describes.
func TestProgramsFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("bob")
	carol := r.joins("carol")
	c, conn := r.sftp("bob")
	defer conn.Close()
	sent := make(chan error, 1)
	go func() { sent <- put(c, "carol/notes.txt", "hello") }()
	f := carol.frame()
	carol.writes(`{"CMD":"READ","IDS":"` + f.ID + `"}`)
	r.must(<-sent)
	if f.File == nil || *f.File != (protocol.File{Name: "notes.txt", Size: 5}) || f.Msg != "notes.txt" || f.Type != protocol.Private {
		t.Errorf("%+v", f)
	}
	if got := runs(t, r, dial{user: "carol", key: "carol", command: "fetch " + f.ID}); !strings.HasPrefix(got, "hello") {
		t.Errorf("%q", got)
	}
}

// dialSSH logs in with the nick's key.
func dialSSH(t testing.TB, addr, nick string) *gossh.Client {
	conn, err := gossh.Dial("tcp", addr, testclient.Login(nick, func(string) {}, gossh.PublicKeys(signer(nick))))
	if err != nil {
		t.Error(err)
		t.FailNow()
	}
	return conn
}
