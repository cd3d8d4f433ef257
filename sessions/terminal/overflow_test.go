package terminal

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestPrintIsNeverDropped: all that the writer prints is shown, and typing goes on after it.
func TestPrintIsNeverDropped(t *testing.T) {
	term := newTerminal(strings.NewReader("hello\r"), Config{})
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

// TestNothingIsTaken: however much is typed by somebody whose client takes no output, little
// waits for it. Then they see how it ended.
func TestNothingIsTaken(t *testing.T) {
	for name, c := range map[string]struct {
		keys string
		most int
	}{
		"keys": {"a\x01", 16 << 10}, "lines": {"hello\r", 16 << 10}, "rows that stay": {strings.Repeat("x", 100) + "\r", maxKept + 1<<10},
		"^L": {"\x0c", 16 << 10}, "^L and keys": {"\x0cx", 16 << 10}, "completions": {"wh\t", 16 << 10}, "lines called back": {"\x1b[A", 16 << 10},
	} {
		in := &repeated{first: strings.Repeat("y", 3000), keys: c.keys, n: 10_000}
		r := newRig(t, Config{Complete: completeTest})
		r.term.in.src = in
		for {
			if _, r.err = r.term.ReadLine(func(Line) bool { return name != "rows that stay" }); r.err != nil {
				break
			}
		}
		r.term.Print([]byte("last words\n"))
		r.show()
		if r.err != io.EOF || r.out > c.most {
			t.Errorf("%s: %d bytes wait, %v", name, r.out, r.err)
		}
		r.checkScreen()
		if r.failed != "" || !strings.Contains(strings.Join(r.screen.All(), "\n"), "last words") {
			t.Errorf("%s: %s, and the screen shows\n%s", name, r.failed, quoted(r.screen.All()))
		}
	}
}
