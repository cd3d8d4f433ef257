package terminal

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"whoelse/sessions/text"
)

// checkScreen asserts that the screen shows the prompt and the line being edited
// as display believes it does, in full, with the cursor where it belongs, and
// nothing below.
func (r *rig) checkScreen() {
	r.show()
	d, width, height := &r.term.display, r.term.size.width, r.term.size.height
	row, col := r.screen.Cursor()
	if col != d.col {
		r.fail("the cursor is in column %d, not %d", col, d.col)
	}
	if d.line == "" {
		return
	}
	want := rowsOf(d.line, width)
	all, first := r.screen.All(), r.screen.Scrolled()+row-d.row
	if len(all) > first+len(want) {
		r.fail("below the line stands %q", all[first+len(want):])
	}
	for i, w := range want {
		got := ""
		if at := first + i; at < len(all) {
			got = all[at]
		}
		if i > d.low-height && got != strings.TrimRight(w, " ") {
			r.fail("row %d of the line is %q, not %q, in\n%s", i, got, w, quoted(all))
			return
		}
	}
	at := rowsOf(d.line[:d.pos]+"x", width)
	if wanted := len(at) - 1; d.row != wanted && wanted > d.low-height {
		r.fail("the cursor is in row %d of the line, not %d", d.row, wanted)
	}
}

// rowsOf breaks s into rows as a terminal does that knows no emoji of several parts. What fits of these stays.
func rowsOf(s string, width int) []string {
	rows, cells := []string{""}, 0
	for s != "" {
		size, sequence := text.Character(s)
		c := s[:size]
		s = s[size:]
		takes, parts := 0, 0
		for _, r := range c {
			takes += text.RuneWidth(r)
			parts += min(1, text.RuneWidth(r))
		}
		most := takes
		if sequence {
			takes = 2
			if most = max(2*parts, takes+1); most > width {
				c = string([]rune(c)[:1])
				takes = text.RuneWidth([]rune(c)[0])
				most = takes
			}
		}
		if takes > 0 && cells+most > width {
			rows, cells = append(rows, ""), 0
		}
		fits := 0
		for i, r := range c {
			w := text.RuneWidth(r)
			if fits+w > takes {
				c = c[:i]
				break
			}
			fits += w
		}
		rows[len(rows)-1] += c + strings.Repeat(" ", takes-fits)
		cells += takes
	}
	return rows
}

// checkSaid asserts that what was printed is still there, each line whole and in
// order: nothing that is typed or resized may take it away.
func (r *rig) checkSaid(said []string) {
	rest := r.screen.All()
	for _, s := range said {
		i := 0
		for i < len(rest) && rest[i] != s {
			i++
		}
		if i == len(rest) {
			r.fail("%q is gone from\n%s", s, quoted(r.screen.All()))
			return
		}
		rest = rest[i+1:]
	}
}

// session makes a script of arbitrary bytes: what is typed, in which portions,
// what is printed meanwhile, and how the window changes.
func (r *rig) session(data []byte) {
	var said []string
	check := func() { r.checkScreen(); r.checkSaid(said) }
	take := func(n int) (b []byte) {
		n = min(n, len(data))
		b, data = data[:n], data[n:]
		return b
	}
	for len(data) > 0 {
		switch b := take(1)[0]; b % 8 {
		case 0:
			r.script = append(r.script, func() {
				said = append(said, fmt.Sprintf("#%d", len(said)))
				r.term.Print([]byte(said[len(said)-1] + "\n"))
			})
		case 1:
			if s := take(2); len(s) == 2 {
				r.script = append(r.script, r.resize(10+int(s[0])%50, 2+int(s[1])%20))
			}
		case 2:
			r.script = append(r.script, func() { said = nil; r.term.Clear() })
		default: // ^L would make printed lines disappear, by right
			keys := strings.ReplaceAll(string(take(int(b)/8+1)), "\x0c", "")
			if keys != "" {
				r.script = append(r.script, keys)
			}
		}
		r.script = append(r.script, check)
	}
}

// checkLines asserts what is promised of any line.
func (r *rig) checkLines() {
	r.t.Helper()
	for _, l := range r.lines {
		if !utf8.ValidString(l.Text) || utf8.RuneCountInString(l.Text) > r.term.in.max || l.Over > 0 && l.Over <= r.term.in.max {
			r.t.Fatalf("%+v", l)
		}
		for _, c := range l.Text {
			if c != '\n' && !text.Allowed(c) || c == newlineRune {
				r.t.Fatalf("%U in %q", c, l.Text)
			}
		}
	}
}

func playBytes(t fatal, data []byte) {
	t.Helper()
	r := newRig(t, Config{Width: 20, Height: 8, MaxText: 300, Complete: completeTest})
	r.erase = func(l Line) bool { return len(l.Text)%2 == 0 }
	r.session(data)
	r.run()
	r.checkLines()
	// Each byte can at most have the whole line drawn anew, once.
	if most := (len(data) + 5) * 2000; r.out > most {
		t.Fatalf("%d bytes in, %d out", len(data), r.out)
	}
}

func FuzzTerminal(f *testing.F) {
	for _, keys := range []string{
		"hello\r", "日本語\x01x\x05\x7f\x7f", "e\u0301\u0301\x02\x7f", "\x1b[200~a\nb\x1b[201~\r\x1b[A\x1b[A\r",
		"wh\t\x03\x1b[A\x1b[B", "👩\u200d💻❤\ufe0f\x01\x04\x06\x14", "👩\u200d👩\u200d👧\u200d👦🇩🇪👍🏽\x02\x7f\x02x\x06\x04", "\x1b[1;5D\x1b]0;x\x07\x1bOH\x1b[3~\xff\xfe\x0b\x15\x17",
		strings.Repeat("0123456789", 40) + "\x01abc\x0b", strings.Repeat("日", 101) + "\x01\x04\x04",
	} {
		f.Add(append([]byte{0, 0, 0xff}, keys...))
		var cut []byte
		for i := range len(keys) {
			cut = append(cut, 3, keys[i])
			if i%5 == 0 {
				cut = append(cut, 0, 1, byte(i), byte(7*i))
			}
		}
		f.Add(cut)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 4000 {
			playBytes(t, data)
		}
	})
}

// TestSessions plays sessions of likelier keys than a fuzzer finds.
func TestSessions(t *testing.T) {
	key := rapid.SampledFrom([]string{
		"a", "b c", "日", "日本語", "e\u0301", "\u0301", "👩\u200d💻", "👩\u200d👩\u200d👧\u200d👦", "\u200d", "🇩🇪", "🇫", "👍🏽", "🏽", "❤\ufe0f", "\ufe0f", "\x01", "\x05", "\x02", "\x06", "\x7f", "\x17", "\x0b",
		"\x15", "\x14", "\x04", "\r", "\x03", "\t", "wh", "\x1b[A", "\x1b[B", "\x1bb", "\x1bf", pasteStart, pasteEnd, "\n",
		strings.Repeat("x", 17), strings.Repeat("日", 9), "\xff", "\u2424", "x\x1b[3~",
	})
	rapid.Check(t, func(t *rapid.T) {
		var data []byte
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				data = append(data, 0)
			case 1:
				data = append(data, 1, rapid.Byte().Draw(t, "width"), rapid.Byte().Draw(t, "height"))
			default:
				k := key.Draw(t, "key")
				k = k[:min(len(k), 31)]
				data = append(append(data, byte(8*(len(k)-1)+3)), k...)
			}
		}
		playBytes(t, data)
	})
}
