package terminal

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What ^K, ^U and ^W take away, ^Y puts where the cursor is.
func TestYank(t *testing.T) {
	enters(t, "abc\x02\x0bX\x19\r", "abXc")
	enters(t, "abc\x02\x15\x05\x19\r", "cab")
	enters(t, "one two\x17\x01\x19\r", "twoone ")
	enters(t, "one two  \x1b\x7f\x19\x19\r", "one two  two  ")
	enters(t, "日本 語\x17\x19\r", "日本 語")
	enters(t, "a\x19b\r", "ab")
	enters(t, "one\x15\r\x19\r", "", "one")
	enters(t, "one\x15\x0b\x15\x17\x19\r", "one") // what takes nothing away is no loss
	enters(t, "abcdef\x02\x02\x02\x0b\x01\x19\r", "defabc")
	r := newRig(t, Config{MaxText: 6}, "abcd\x15\x19\x19\r", paste("a\nb")+"\x15\x19\r").run()
	if diff := cmp.Diff([]Line{{Text: "abcdab", Over: 8}, {Text: "a\nb"}}, r.lines); diff != "" {
		t.Error(diff)
	}
}

// Alt-Enter begins a new line of the message. ESC and then Enter, which come in two
// reads, send it.
func TestAltEnter(t *testing.T) {
	r := newRig(t, Config{MaxText: 6}, "a", "\x1b\r", "b\x1b\nc\r", "d", "\x1b", "\r", "x\x1b\r\ny\r", "12345\x1b\r\x1b\r\r").run()
	want := []Line{{Text: "a\nb\nc"}, {Text: "d"}, {Text: "x\ny"}, {Text: "12345\n", Over: 7}}
	if diff := cmp.Diff(want, r.lines); diff != "" {
		t.Error(diff)
	}
}

// More than x/term lets one type is taken all the same, whatever comes in between.
func TestLongLines(t *testing.T) {
	const most = 10_000
	x := strings.Repeat("é", most)
	for name, tt := range map[string]struct {
		keys string
		want Line
	}{
		"typed":            {x, Line{Text: x}},
		"one more":         {x + "é", Line{Text: x, Over: most + 1}},
		"edited":           {x + "\x7f\x7f" + "ab", Line{Text: x[:2*most-4] + "ab"}},
		"in the middle":    {x[:2*most-4] + "\x02" + "ab", Line{Text: x[:2*most-6] + "abé"}},
		"far from its end": {x[:2*most-400] + strings.Repeat("\x02", 100) + "a", Line{Text: x[:2*most-600] + "a" + x[:200]}},
		"with a paste":     {x[:2*most-6] + paste("a\nb"), Line{Text: x[:2*most-6] + "a\nb"}},
		"between pastes":   {paste(x[:2*most-8]) + "ab" + paste("cd") + "e", Line{Text: x[:2*most-8] + "abcd", Over: most + 1}},
		"with Alt-Enter":   {x[:2*most-4] + "\x1b\ra", Line{Text: x[:2*most-4] + "\na"}},
		"what is no UTF-8": {x[:2*most-6] + "\xffab", Line{Text: x[:2*most-6] + "\ufffdab"}},
	} {
		r := newRig(t, Config{MaxText: most}, tt.keys+"\r", "\x1b[A\r").run()
		if diff := cmp.Diff(tt.want, r.lines[0]); diff != "" {
			t.Errorf("%s: %.300s", name, diff)
		}
		if r.lines[0].Over == 0 && r.lines[1].Text != r.lines[0].Text {
			t.Errorf("%s: called back as %d bytes", name, len(r.lines[1].Text))
		}
	}
}
