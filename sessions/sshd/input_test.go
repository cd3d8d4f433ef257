package sshd

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
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
