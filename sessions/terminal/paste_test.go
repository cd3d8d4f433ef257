package terminal

import (
	"io"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const pasteStart, pasteEnd = "\x1b[200~", "\x1b[201~"

func paste(s string) string { return pasteStart + s + pasteEnd }

func TestPaste(t *testing.T) {
	enters(t, paste("hello")+"\r", "hello")
	enters(t, "a"+paste("1\n2\r\n3\r4")+"b\r", "a1\n2\n3\n4b")
	enters(t, "ab\x02"+paste("X\nY")+"Z\r", "aX\nYZb")
	enters(t, paste("text\n\r\n\n")+"\r", "text")
	enters(t, paste("\n\n")+"x\r", "x")
	enters(t, paste("")+"x\r", "x")
	enters(t, paste("a\tb")+"\r", "a    b")
	enters(t, paste("wh\t")+"\r", "wh    ")
	enters(t, paste("a\x00\x07\x1b[31mb\u202e\x04\x15\x17\x7fc")+"\r", "abc")
	enters(t, paste("a\x1b]0;b")+"\r", "a]0;b")
	enters(t, paste("a\x1b"+pasteStart+"b")+"\r", "ab")
	enters(t, paste("a\x1b[20"+"b\x1b\x1b")+"c\r", "ac")
	enters(t, paste("a\x1b[Mb\x1b[[c\x1b[A\x1b[200~d")+"\r", "abcd")
	enters(t, paste("caf\xe9\xe9\xe2\x82")+"\r", "caf\ufffd")
	enters(t, paste("\u2424")+"\u2424x\r", "  x")
	enters(t, paste("日本\n語")+"\r", "日本\n語")
}

// TestInterruptedPaste loses the end marker: ^C, pressed, ends the paste. One that
// is part of the pasted text does not.
func TestInterruptedPaste(t *testing.T) {
	for name, script := range map[string][]any{
		"pressed":            {"draft" + pasteStart + "a\n", "typed\r", "\x03", "ok\r"},
		"in the text":        {pasteStart + "o\x03k" + pasteEnd + "\r"},
		"first in its read":  {pasteStart + "o", "\x03k" + pasteEnd + "\r"},
		"marker in portions": {pasteStart[:3], pasteStart[3:], "ok\x1b", "[20", "1~", "\r"},
	} {
		r := newRig(t, Config{}, script...).run()
		if diff := cmp.Diff([]string{"ok"}, r.texts()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestPasteOnTheScreen(t *testing.T) {
	play(t, small, func(r *rig) []any {
		return []any{
			r.print("one\n"), "a" + pasteStart + "b\nc", r.print("two\n"), r.expect("one", "two", "> a"),
			"d" + pasteEnd, r.expect("one", "two", "> ab␤cd"), "\r", r.expect("one", "two", ">"),
		}
	})
}

func TestLimits(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	const max = maxText
	tests := []struct {
		name, keys string
		want       Line
	}{
		{"typed to the limit", x(max), Line{Text: x(max)}},
		{"typed one over", x(max + 1), Line{Text: x(max), Over: max + 1}},
		{"typed far over", x(1 << 20), Line{Text: x(max), Over: 1 << 20}},
		{"pasted to the limit", paste(x(max)), Line{Text: x(max)}},
		{"pasted over", paste(x(5000)), Line{Text: x(max), Over: 5000}},
		{"pasted over, with newlines", paste(strings.Repeat("x\n", 2500) + "y"), Line{Text: strings.Repeat("x\n", max/2), Over: 5001}},
		{"newlines count as one", paste(strings.Repeat("x\n", 1999) + "y"), Line{Text: strings.Repeat("x\n", 1999) + "y"}},
		{"pasted into a line", x(3000) + paste(x(3000)), Line{Text: x(max), Over: 6000}},
		{"typed after a paste", paste(x(3999)) + "abc", Line{Text: x(3999) + "a", Over: 4002}},
		{"wide ones to the limit", strings.Repeat("日", max), Line{Text: strings.Repeat("日", max)}},
		{"wide ones", strings.Repeat("日", max+1), Line{Text: strings.Repeat("日", max), Over: max + 1}},
		{"pasted wide ones", paste(x(max-1) + "日日x"), Line{Text: x(max-1) + "日", Over: max + 2}},
		{"edited after it was over", x(max+10) + "\x7f\x7f!", Line{Text: x(max-2) + "!"}},
		{"begun anew after it was over", x(max+10) + "\x15" + "short", Line{Text: "short"}},
		{"filled again", x(max) + "\x7f" + "ab", Line{Text: x(max-1) + "a", Over: max + 1}},
		{"over in the middle", x(max) + "\x01" + "ab", Line{Text: x(max), Over: max + 2}},
		{"pasted in the middle", x(max-1) + "\x02" + paste("日é"), Line{Text: x(max-2) + "日x", Over: max + 1}},
		{"another line called back", x(max+10) + "\x1b[A\x1b[B" + "\x7f", Line{Text: x(max - 1)}},
		{"interrupted", x(max+10) + "\x03" + "short", Line{Text: "short"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Config{}, "before\r", tt.keys+"\r", "next\r", "\x1b[A\x1b[Az\r").run()
			r.lines = r.lines[1:]
			if diff := cmp.Diff(tt.want, r.lines[0]); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(Line{Text: "next"}, r.lines[1]); diff != "" {
				t.Error(diff)
			}
			called := tt.want.Text + "z"
			if tt.want.Over > 0 { // a part of it is not what was meant
				called = "beforez"
			}
			if again := r.lines[2]; (tt.want.Over > 0 || utf8.RuneCountInString(tt.want.Text) < max) && again.Text != called {
				t.Errorf("called back as %.20q of %d bytes", again.Text, len(again.Text))
			}
		})
	}
}

func TestSmallLimit(t *testing.T) {
	r := newRig(t, Config{MaxText: 5}, "abcdefg\r", paste("1234567")+"\r", "abc\xffd\r").run()
	want := []Line{{Text: "abcde", Over: 7}, {Text: "12345", Over: 7}, {Text: "abc\ufffdd"}}
	if diff := cmp.Diff(want, r.lines); diff != "" {
		t.Error(diff)
	}
}

// endless is a paste, or a line, without an end.
type endless struct {
	start string
	left  int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.start != "" {
		n := copy(p, e.start)
		e.start = ""
		return n, nil
	}
	if e.left -= len(p); e.left < 0 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = '1'
	}
	return len(p), nil
}

func TestFloodsAreDropped(t *testing.T) {
	for _, start := range []string{pasteStart, "typed", "\x1b[", "\x1b[M", "\x1b]"} {
		term := newTerminal(&endless{start, 4 << 20}, Config{})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := term.ReadLine(erased)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 256<<10 || err != io.EOF {
			t.Errorf("%q: %d bytes allocated, %v", start, n, err)
		}
	}
}
