package terminal

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestPrintIsNeverDropped: what the writer prints does not count against the limit
// of echoes, and typing goes on after it.
func TestPrintIsNeverDropped(t *testing.T) {
	in := &repeated{first: "hello\r", n: 0}
	term := newTerminal(in, Config{MaxOutput: 100})
	batch := strings.Repeat(strings.Repeat("x", 79)+"\n", 1000)
	for range 3 {
		term.Print([]byte(batch))
	}
	if got := bytes.Count(term.Take(nil), []byte(strings.Repeat("x", 79)+"\r\n")); got != 3000 {
		t.Errorf("%d of 3000 lines are shown", got)
	}
	if line, err := term.ReadLine(erased); err != nil || line.Text != "hello" {
		t.Errorf("%q, %v", line.Text, err)
	}
}

// TestOverflowEndsAtOnce: once echoes are too many, reading ends without another
// key, and what is printed after that is still shown.
func TestOverflowEndsAtOnce(t *testing.T) {
	in, keys := io.Pipe()
	defer keys.Close()
	typed := make(chan error, 1)
	go func() {
		_, err := io.WriteString(keys, strings.Repeat("abcdefgh", 4))
		typed <- err
	}()
	term := newTerminal(in, Config{MaxOutput: 20})
	if _, err := term.ReadLine(erased); err != ErrOverflow {
		t.Error(err)
	}
	if err := <-typed; err != nil {
		t.Error(err)
	}
	term.Clear()
	term.Print([]byte("last words\n"))
	if out := string(term.Take(nil)); !strings.Contains(out, "last words\r\n") || strings.Contains(out, "\x1b[2J") {
		t.Errorf("%q", out)
	}
}
