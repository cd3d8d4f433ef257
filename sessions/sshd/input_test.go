package sshd

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"whoelse/sessions/admission"
)

func newTestInput(text string) (in *input, end func()) {
	ctx, end := context.WithCancel(context.Background())
	return newInput(strings.NewReader(text), &conn{ctx: ctx}), end
}

func TestInput(t *testing.T) {
	text := strings.Repeat("0123456789", 20_000)
	in, _ := newTestInput(text)
	go in.take()
	if got, err := io.ReadAll(in); err != nil || string(got) != text {
		t.Errorf("%d of %d bytes, %v", len(got), len(text), err)
	}
}

// No more is taken than fits the buffer and one read, until somebody reads.
func TestInputIsBounded(t *testing.T) {
	in, _ := newTestInput(strings.Repeat("x", 1<<20))
	taken := make(chan struct{})
	go func() { defer close(taken); in.take() }()
	p := make([]byte, 1)
	if _, err := in.Read(p); err != nil {
		t.Fatal(err)
	}
	in.end()
	<-taken
	if most := maxInput + 256; len(in.buf) > most {
		t.Errorf("%d bytes are held, more than %d", len(in.buf), most)
	}
}

// What is left of the input of a client that is gone is not worked off.
func TestInputEndsWithTheConnection(t *testing.T) {
	in, end := newTestInput("quit\n")
	in.take()
	end()
	if n, err := in.Read(make([]byte, 10)); n > 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// A connection that has ended holds nothing of its address's share of unread bytes, whatever still comes.
func TestUnreadIsGivenBack(t *testing.T) {
	const each = 1 << 20
	control := admission.New(admission.Limits{UnreadInAll: 8 * each}, nil)
	open := func() *unread {
		c := &conn{server: &Server{cfg: Config{Admission: control}}, from: netip.MustParseAddrPort("203.0.113.1:22")}
		c.unread.conn = c
		c.unread.pause()
		return &c.unread
	}
	for range 3 {
		a, b := open(), open()
		for name, step := range map[string]bool{
			"all there is": a.add(freeInput + each), "what costs nothing": b.add(freeInput), "more": !b.add(1),
		} {
			if !step {
				t.Error(name)
			}
		}
		a.close()
		if a.add(1) {
			t.Error("a connection that has ended holds more")
		}
		a.resume()
		if !b.add(1) {
			t.Error("nothing was given back")
		}
		b.resume()
	}
}
