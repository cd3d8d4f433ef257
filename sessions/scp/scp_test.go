package scp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pkg/sftp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// box is a Drop for bob and carol.
type box struct {
	sent []string
	open int

	now, most atomic.Int64 // calls of WriteAt
}

const boxLimit = 1000

func (b *box) Create(people, name string, size int64) (File, error) {
	if people != "bob" && people != "bob,carol" {
		return nil, errors.New("nobody is called " + people)
	}
	if size > boxLimit {
		return nil, errors.New("too large")
	}
	b.open++
	return &boxed{box: b, to: people + "/" + name}, nil
}

func (b *box) Refuse(why error) error { return why }

type boxed struct {
	box     *box
	to      string
	content []byte
	ended   bool
}

func (f *boxed) Write(p []byte) (int, error) { return f.WriteAt(p, int64(len(f.content))) }

func (f *boxed) WriteAt(p []byte, at int64) (int, error) {
	f.box.most.Store(max(f.box.most.Load(), f.box.now.Add(1)))
	defer f.box.now.Add(-1)
	runtime.Gosched()
	if at < 0 || at > boxLimit || at+int64(len(p)) > boxLimit {
		return 0, errors.New("too large")
	}
	if end := int(at) + len(p); end > len(f.content) {
		f.content = append(f.content, make([]byte, end-len(f.content))...)
	}
	return copy(f.content[at:], p), nil
}

func (f *boxed) Finish() error {
	f.box.sent = append(f.box.sent, f.to+"="+string(f.content))
	return nil
}

func (f *boxed) Discard() {
	if !f.ended {
		f.ended = true
		f.box.open--
	}
}

type pipe struct {
	io.Reader
	io.Writer
}

func TestSinkCommands(t *testing.T) {
	for command, want := range map[string]string{
		"scp -t bob/": "bob/", "scp -v -p -r -d -t bob/x y": "bob/x y", "scp -pt -- -bob": "-bob", "scp -t": "",
	} {
		if to, is, err := Sink(command); !is || err != nil || to != want {
			t.Errorf("%s: %q %v %v", command, to, is, err)
		}
	}
	for _, command := range []string{"scp -f bob/x", "scp", "scp x"} {
		if _, is, err := Sink(command); is && !errors.Is(err, ErrOnlySend) {
			t.Errorf("%s: %v", command, err)
		}
	}
	for _, command := range []string{"send bob scp -t x", "scpx -t", ""} {
		if _, is, _ := Sink(command); is {
			t.Error(command)
		}
	}
}

// What a client sends, and what it is answered.
func TestSink(t *testing.T) {
	for _, c := range []struct{ to, in, answers, sent string }{
		{"bob/", "C0644 5 a.txt\nhello\x00", "\x00\x00\x00", "bob/a.txt=hello"},
		{"bob", "T1 0 1 0\nC0644 0 a b\n\x00C0644 1 c\nx\x00", "\x00\x00\x00\x00\x00\x00", "bob/a b=|bob/c=x"},
		{"bob,carol/b.txt", "C0644 1 a.txt\nx\x00", "\x00\x00\x00", "bob,carol/b.txt=x"},
		{"bob/", "\x01scp: x: No such file\nC0644 1 a\nx\x00", "\x00\x00\x00", "bob/a=x"},
		{"bob/", "D0755 0 dir\nC0644 1 a\nx\x00", "\x00\x01whoelse: " + ErrFolder.Error() + "\n\x00\x00", "bob/a=x"},
		{"nosuch/", "C0644 1 a\n", "\x00\x01whoelse: nobody is called nosuch\n", ""},
		{"", "", "\x01whoelse: " + ErrNoPeople.Error() + "\n", ""},
		{"bob/a/b", "", "\x01whoelse: " + ErrFolder.Error() + "\n", ""},
		{"bob/", "C0644 1001 big\nC0644 1 a\nx\x00", "\x00\x01whoelse: too large\n\x00\x00", "bob/a=x"},
		{"bob/", "C0644 2 a\nxy\x01a changed\nC0644 1 b\nx\x00", "\x00\x00\x01whoelse: the file changed while it was sent\n\x00\x00", "bob/b=x"},
	} {
		b, out := &box{}, &bytes.Buffer{}
		err := Receive(pipe{strings.NewReader(c.in), out}, c.to, b)
		if got := strings.Join(b.sent, "|"); err != nil || got != c.sent || out.String() != c.answers || b.open != 0 {
			t.Errorf("%s %q: %v, sent %q, answered %q, %d are open", c.to, c.in, err, got, out, b.open)
		}
	}
}

// What is cut short, or no protocol, sends nothing.
func TestBrokenSink(t *testing.T) {
	for _, in := range []string{
		"C0644 5 a\nhell", "C0644 5 a\nhello", "C0644 5 a", "C0644 5", "C0644 x a\n", "C0644 -1 a\n", "C0644 99999999999999999999 a\n",
		"\n", "\x02fatal\n", "hello\n", "C\n", strings.Repeat("C", maxHeader+1), "C0644 2 a\nxy\x01", "\x01no end",
	} {
		b := &box{}
		if err := Receive(pipe{strings.NewReader(in), io.Discard}, "bob/", b); err == nil || len(b.sent) > 0 || b.open != 0 {
			t.Errorf("%.40q: %v, sent %q, %d are open", in, err, b.sent, b.open)
		}
	}
}

func FuzzSink(f *testing.F) {
	f.Add("bob/", "T1 0 1 0\nC0644 5 a.txt\nhello\x00D0755 0 d\nE\n")
	f.Fuzz(func(t *testing.T, to, in string) {
		b := &box{}
		Receive(pipe{strings.NewReader(in), io.Discard}, to, b)
		if b.open != 0 {
			t.Errorf("%q: %d are open", in, b.open)
		}
	})
}

// client connects the library's client.
func client(t *testing.T, b *box, options ...sftp.ClientOption) *sftp.Client {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := ServeSFTP(pipe{inR, outW}, b, func(what string, _ []byte) { t.Errorf("panic: %s", what) })
		outW.Close()
		inR.Close()
		ended <- err
	}()
	c, err := sftp.NewClientPipe(outR, inW, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		inW.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if b.open != 0 {
			t.Errorf("%d files are open", b.open)
		}
	})
	return c
}

func TestSFTP(t *testing.T) {
	b := &box{}
	c := client(t, b)
	for path, want := range map[string]bool{
		"/": true, ".": true, "bob": true, "/bob/": true, "bob,carol": true, "bob/x": false, "bob/x/y": false, "../..": true,
	} {
		if info, err := c.Stat(path); (err == nil) != want || err == nil && !info.IsDir() {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := c.Lstat("bob"); err == nil { // as those do who want to get something
		t.Error("a folder can be listed")
	}
	if _, err := c.Create("nosuch/a"); err == nil {
		t.Error("somebody is called nosuch")
	}
	f, err := c.Create("bob/a.txt")
	if err == nil {
		_, err = f.Write([]byte("hello"))
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil || !slices.Equal(b.sent, []string{"bob/a.txt=hello"}) {
		t.Errorf("%v, %q", err, b.sent)
	}
	left, err := c.Create("bob/left.txt") // and nobody closes it
	if err == nil {
		_, err = left.Write([]byte("hello"))
	}
	if err != nil {
		t.Error(err)
	}
	refused := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s is not refused", what)
		}
	}
	for _, path := range []string{"bob", "/", "x", "nosuch/a", "bob/a/b", "../x"} {
		_, err := c.Create(path)
		refused(path, err)
	}
	_, err = c.Open("bob/a.txt")
	refused("open", err)
	_, err = c.ReadDir("/")
	refused("list", err)
	_, err = c.ReadLink("bob")
	refused("readlink", err)
	_, err = c.StatVFS("/")
	refused("statvfs", err)
	refused("mkdir", c.Mkdir("bob/x"))
	refused("remove", c.Remove("bob/a.txt"))
	refused("rmdir", c.RemoveDirectory("bob"))
	refused("rename", c.Rename("bob/a.txt", "carol/a.txt"))
	refused("posix rename", c.PosixRename("bob/a.txt", "carol/a.txt"))
	refused("symlink", c.Symlink("/etc/passwd", "bob/x"))
	refused("link", c.Link("/etc/passwd", "bob/x"))
	far, err := c.Create("bob/far.txt")
	if err == nil {
		_, err = far.WriteAt([]byte("x"), 1<<40)
	}
	refused("far", err)
	if len(b.sent) != 1 {
		t.Errorf("sent: %q", b.sent)
	}
}

// A client that asks for much at once is served one thing after the other.
func TestOneAtATime(t *testing.T) {
	b := &box{}
	c := client(t, b, sftp.UseConcurrentWrites(true), sftp.MaxPacketUnchecked(10))
	f, err := c.Create("bob/a.txt")
	if err == nil {
		_, err = f.ReadFrom(strings.NewReader(strings.Repeat("x", boxLimit)))
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil || len(b.sent) != 1 || b.most.Load() != 1 {
		t.Errorf("%v, %d sent, %d calls at once", err, len(b.sent), b.most.Load())
	}
}

// Packets that are too long, cut short or no protocol end the client, and cost no memory.
func TestLongPackets(t *testing.T) {
	long := binary.BigEndian.AppendUint32(nil, maxPacket+1)
	for _, in := range [][]byte{long, append(long, make([]byte, 1<<20)...), {0xff, 0xff, 0xff, 0xff}, {0, 0}, {0, 0, 0, 9, 3}, {0, 0, 0, 0}, {0, 0, 0, 1, 250}} {
		b := &box{}
		err := ServeSFTP(pipe{bytes.NewReader(in), io.Discard}, b, func(what string, _ []byte) { t.Errorf("panic: %s", what) })
		if err == nil && len(in) > 5 || b.open != 0 {
			t.Errorf("% .20x: %v, %d are open", in, err, b.open)
		}
	}
}

// A panic of ours is told, and ends nothing else.
func TestPanicOfADrop(t *testing.T) {
	told := make(chan string, 1)
	h := handlers{log: func(what string, _ []byte) { told <- what }}
	if err := h.Filecmd(&sftp.Request{Method: "Remove"}); err == nil {
		t.Error("no error")
	}
	if what := <-told; !strings.Contains(what, "nil pointer") {
		t.Error(what)
	}
}

func FuzzSFTP(f *testing.F) {
	f.Add([]byte{0, 0, 0, 5, 1, 0, 0, 0, 3})
	f.Add(fmt.Appendf(nil, "\x00\x00\x00\x16\x03\x00\x00\x00\x01\x00\x00\x00\x05bob/x\x00\x00\x00\x1a\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		b := &box{}
		ServeSFTP(pipe{bytes.NewReader(in), io.Discard}, b, func(what string, stack []byte) { t.Errorf("panic: %s\n%s", what, stack) })
		if b.open != 0 {
			t.Errorf("%x: %d are open", in, b.open)
		}
	})
}
