package terminal

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const home, end = "\x1b[H", "\x1b[F"

func TestKeys(t *testing.T) {
	enters(t, "hello\r", "hello")
	enters(t, "a\nb\r\nc\r\rd\n\re\r", "a", "b", "c", "", "d", "", "e")
	enters(t, "a\r\n\nb\r", "a", "", "b")
	enters(t, "héllo 日本 👩\u200d💻\r", "héllo 日本 👩\u200d💻")
	enters(t, "wh\t\r", "whoelse")
	enters(t, "x\t\r", "x")
	enters(t, "abc\x01X\x05Y\x02\x02Z\x06W\r", "XabZcWY")
	enters(t, "abc\x7f\x08\r", "a")
	enters(t, "one two\x17three\r", "one three")
	enters(t, "abc\x02\x0b\r", "ab")
	enters(t, "abc\x02\x15\r", "c")
	enters(t, "ab\x14\r", "ba")
	enters(t, "abc\x01\x04\r", "bc")
	enters(t, "abc\x03d\r", "d")
	enters(t, "abc\x01\x03d\r", "d")
	enters(t, "a\x00\x07\x0f\x11\x12\x13\x16\x18\x1a\x1c\x1d\x1e\x1fb\r", "ab")
	enters(t, "abc\x0cd\r", "abcd")
	enters(t, "never entered")
	enters(t, "a\r\x04b\r", "a")
}

// What is one character to a person is one to the keys.
func TestCharacters(t *testing.T) {
	const family, flag, thumb, heart, couple = "👩\u200d👩\u200d👧\u200d👦", "🇩🇪", "👍🏽", "❤\ufe0f", "👩🏽\u200d❤\ufe0f\u200d💋\u200d👨🏽"
	enters(t, "a"+family+flag+"\x7fb\r", "a"+family+"b")
	for _, c := range []string{family, flag, thumb, heart, couple, "1\ufe0f\u20e3", "e\u0301", "日", "x", "가\u11a8", "\u1100\u1161"} {
		enters(t, "a"+c+"\x7fb\r", "ab")
		enters(t, "a"+c+"\x02b\r", "ab"+c)
		enters(t, "a"+c+"c"+"\x01\x06\x06b\r", "a"+c+"bc")
		enters(t, "a"+c+"c"+"\x01\x06\x1b[3~b\r", "abc")
		enters(t, "a"+c+"c"+"\x01\x06\x04b\r", "abc")
		enters(t, c+c+"\x02\x7f\x05\x04\x1b[3~\r", c)
		enters(t, c+"\x7f\x7f\x02\x06\x1b[3~b\r", "b")
		enters(t, c+"a\r\x1b[A\x7f\x7fb\r", c+"a", "b")
		enters(t, c+"\x7f\x04more\r")
	}
	enters(t, flag+"🇫"+"\x7f\r", flag)
	enters(t, flag+flag+"\x02\x7f🇫🇷\r", "🇫🇷"+flag)
	enters(t, "กำ\x7f\r", "ก")
}

func TestEscapeSequences(t *testing.T) {
	for _, k := range []string{home, "\x1bOH", "\x1b[1~", "\x1b[7~", "\x1b[1;5H", "\x1b[1;2H"} {
		enters(t, "abc"+k+"X\r", "Xabc")
	}
	for _, k := range []string{end, "\x1bOF", "\x1b[4~", "\x1b[8~", "\x1b[1;5F"} {
		enters(t, "abc\x01"+k+"X\r", "abcX")
	}
	for _, k := range []string{"\x1b[D", "\x1bOD", "\x1b[1;2D"} {
		enters(t, "abc"+k+"X\r", "abXc")
	}
	for _, k := range []string{"\x1b[C", "\x1bOC"} {
		enters(t, "abc\x01"+k+"X\r", "aXbc")
	}
	for _, k := range []string{"\x1b[1;3D", "\x1b[1;5D", "\x1b[1;7D", "\x1b[1;9D", "\x1bb", "\x1bOd", "\x1b\x1bb"} {
		enters(t, "one two"+k+"X\r", "one Xtwo")
	}
	for _, k := range []string{"\x1b[1;3C", "\x1b[1;5C", "\x1bf", "\x1bOc"} {
		enters(t, "one two\x01"+k+"X\r", "one Xtwo")
	}
	for _, k := range []string{"\x1b[3~", "\x1b[3;5~"} {
		enters(t, "abc\x01"+k+"\r", "bc")
	}
	enters(t, "one two\x1b\x7f\r", "one ")
	enters(t, "first\r\x1b[A\r\x1bOA\x1b[B\r", "first", "first", "")
	enters(t, "x\x1bOM", "x")
}

func TestDroppedSequences(t *testing.T) {
	for _, s := range []string{
		"\x1b[I", "\x1b[O", // focus
		"\x1b[<0;10;20M", "\x1b[<0;10;20m", "\x1b[M !!", "\x1b[M\xc0\xc1\xc2", "\x1b[32;10;20M", // mouse
		"\x1b[?62;4c", "\x1b[>0;276;0c", "\x1b[24;80R", "\x1b[8;24;80t", "\x1b[?2026;2$y", // answers
		"\x1b[<0D", "\x1b[?5H", "\x1b[11~", "\x1b[15;5~", "\x1b[[A", "\x1bOP", "\x1bO5P", "\x1b[Z", "\x1b[E", "\x1b[27;5;13~", "\x1b[13;2u",
		"\x1b[99999999999999999999A"[:6] + "z", "\x1b[" + strings.Repeat("1;", 200) + "A",
		"\x1b[" + strings.Repeat("1", 255) + "C", "\x1b[1$~", "\x1b(" /* and no more */, "\x1bq",
		"\x1b]0;title\x07", "\x1b]52;c;aGk=\x1b\\", "\x1bP1$r0m\x1b\\", "\x1b_x\x1b\\", "\x1b^x\x07", "\x1bXx\x18",
		"\x1b]8;;http://x\x1b\\", "\x1b]50;font\x07", "\x1b]11;rgb:0/0/0\x1a",
		"\x1b[201~", "\u009b", "\u202e", "\u2066", "\u200b", "\ufeff", "\U000e0041", "\ue000", "\u2028", "\x7f",
	} {
		enters(t, s+"ok\r", "ok")
		enters(t, "o"+strings.ReplaceAll(s, "\x7f", "")+"k\r", "ok")
	}
}

func TestEnterEndsAnySequence(t *testing.T) {
	for _, s := range []string{"\x1b[", "\x1b[1;", "\x1bO", "\x1b]0;x", "\x1bP", "\x1b[M", "\x1b[["} {
		enters(t, "a"+s+"\rb\r", "a", "b")
		enters(t, "a"+s+"\x03b\r", "b")
		enters(t, "a"+s+"\x1b[Db\r", "ba")
	}
}

func TestUnfinishedSequencesDoNotSpin(t *testing.T) {
	enters(t, "\x1b"+strings.Repeat("0", 255)+"\r", strings.Repeat("0", 254))
	enters(t, "\x1b["+strings.Repeat("0", 255)+"\rok\r", "", "ok")
	r := newRig(t, Config{}, "\x1b]"+strings.Repeat("x", maxString)+"ok\r", "\x1b["+strings.Repeat("1", 1<<20)+"mfine\r").run()
	if diff := cmp.Diff([]string{"ok", "fine"}, r.texts()); diff != "" {
		t.Error(diff)
	}
}

// A pressed Escape does nothing. The bytes of another key may come one by one, if they do not take too long.
func TestEscapeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		after := func(d time.Duration) func() { return func() { time.Sleep(d) } }
		late, soon := after(escapeWait+1), after(escapeWait)
		r := newRig(t, Config{},
			"\x1b", late, "bob\r",
			"ab\x1b\x1b", late, "\x1b", late, "[\r",
			"\x1b", late, "\r",
			"ab\x1b", soon, "[", late, "D", late, "X\r",
			"one two\x1b", soon, "bX\r",
			"\x1b[200~a\x1b", late, "[201~b\r",
		).run()
		if diff := cmp.Diff([]string{"bob", "ab[", "", "aXb", "one Xtwo", "ab"}, r.texts()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestInvalidUTF8(t *testing.T) {
	enters(t, "caf\xe9 au lait\r", "caf\ufffd au lait")
	enters(t, "\xff\xfe\xfdx\xc3\r", "\ufffdx\ufffd")
	enters(t, "\xe2\x82a\r", "\ufffda")
	enters(t, "\xed\xa0\x80a\r", "\ufffda")
	enters(t, "\xf0\x9f\x92\x1b[Da\r", "a\ufffd")
	enters(t, "ab\x02\xef\xbf\xbdc\r", "a\ufffdcb")
	enters(t, "\xc3\xc3\xa9\r", "\ufffdé")
}

func TestEndOfInput(t *testing.T) {
	r := newRig(t, Config{}, "said\r", "never", " entered").run()
	if r.err != io.EOF || len(r.lines) != 1 {
		t.Errorf("%v %+v", r.err, r.lines)
	}
	for range 3 {
		if line, err := r.term.ReadLine(r.erase); err != io.EOF || line != (Line{}) {
			t.Errorf("later: %+v %v", line, err)
		}
	}
	r = newRig(t, Config{}, "x\x7f\x04more\r").run()
	if r.err != io.EOF || len(r.lines) != 0 {
		t.Errorf("^D: %v %+v", r.err, r.lines)
	}
	if line, err := r.term.ReadLine(r.erase); err != io.EOF || line != (Line{}) {
		t.Errorf("after ^D: %+v %v", line, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestReadErrors(t *testing.T) {
	if _, err := newTerminal(failing{io.ErrClosedPipe}, Config{}).ReadLine(erased); err != io.ErrClosedPipe {
		t.Error(err)
	}
}

func TestHistory(t *testing.T) {
	up, down := "\x1b[A", "\x1b[B"
	enters(t, "a\rb\rb\r\r"+up+up+"\r", "a", "b", "b", "", "a")
	enters(t, "a\rb\rdraft"+up+up+up+down+down+"!\r", "a", "b", "draft!")
	enters(t, down+up+down+"x\r", "x")
	enters(t, "a\rb\rc\r"+up+up+"\x03"+up+"\r", "a", "b", "c", "c")
	enters(t, "gone\x03"+up+"x\r", "x")
	r := newRig(t, Config{}, "\x1b[200~a\nb\x1b[201~\r"+up+"\r").run()
	if diff := cmp.Diff([]string{"a\nb", "a\nb"}, r.texts()); diff != "" {
		t.Error(diff)
	}
}

// TestCalledBackIsWhatCounts walks away from a line that was too long, and back.
func TestCalledBackIsWhatCounts(t *testing.T) {
	r := newRig(t, Config{MaxText: 5}, "a\r", "1234567\x1b[A\x1b[B\r").run()
	if diff := cmp.Diff(Line{Text: "12345"}, r.lines[1]); diff != "" {
		t.Error(diff)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	var f filter
	for i := range 1000 {
		f.remember(fmt.Sprint(i))
	}
	if n := f.Len(); n != maxPast || f.At(n-1) != "950" || f.At(0) != "999" {
		t.Errorf("%d %q", n, f.past)
	}
	for i := range 100 {
		f.remember(fmt.Sprint(i) + strings.Repeat("x", 4000))
	}
	total := 0
	for _, l := range f.past {
		total += len(l)
	}
	if total > maxPastBytes || len(f.past) < 10 {
		t.Errorf("%d bytes in %d", total, len(f.past))
	}
}

// A completion that is too long for a line does nothing.
func TestLongCompletion(t *testing.T) {
	cfg := Config{MaxText: 5, Complete: func(string, int) (string, int, bool) { return "abcdef", 6, true }}
	if r := newRig(t, cfg, "ab\tc\r").run(); r.texts()[0] != "abc" {
		t.Errorf("%q", r.texts())
	}
}

// TestPanics has a callback panic: that must reach ReadLine's caller as a panic,
// and neither end the process nor leave anything locked.
func TestPanics(t *testing.T) {
	cfg := Config{Complete: func(string, int) (string, int, bool) { panic("complete") }}
	for want, r := range map[string]*rig{
		"complete": newRig(t, cfg, "a\tb\r"),
		"erase":    newRig(t, Config{}, "a\r"),
		"script":   newRig(t, Config{}, "a", func() { panic("script") }),
	} {
		r.erase = func(Line) bool { panic("erase") }
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("%v, want %v", got, want)
				}
			}()
			r.run()
		}()
		if !r.term.mu.TryLock() {
			t.Errorf("%s: the screen is left locked", want)
		}
	}
}

// Typing begins with the first key of each line, and anew when all was deleted.
func TestBegin(t *testing.T) {
	begun := 0
	want := func(n int) func() {
		return func() {
			if begun != n {
				t.Errorf("begun %d times, not %d", begun, n)
			}
		}
	}
	newRig(t, Config{Begin: func() { begun++ }},
		want(0), "a", want(1), "b", "\x1b[D", want(1), "\r", want(1), "a\rb\r", want(3), // a line
		"ab\x7f\x7f", want(4), "c", want(5), "\x03", want(5), "\x1b[A", want(6), "\r",
		"\x1b[200~pas", want(7), "ted", want(7), "\x1b[201~\r", want(7),
	).run()
}
