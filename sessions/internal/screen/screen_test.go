package screen

import (
	"slices"
	"testing"
)

func TestScreen(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		row, col int
	}{
		{"text", "ab\r\ncd", []string{"ab", "cd"}, 1, 2},
		{"wraps late", "0123456789", []string{"0123456789"}, 0, 9},
		{"wraps", "0123456789a", []string{"0123456789", "a"}, 1, 1},
		{"no gap after a full row", "0123456789\r\na", []string{"0123456789", "a"}, 1, 1},
		{"scrolls", "1\r\n2\r\n3\r\n4", []string{"1", "2", "3", "4"}, 2, 1},
		{"stops at the edges", "\x1b[9A\x1b[9D\x1b[9B\x1b[99Cx", []string{"", "", "         x"}, 2, 9},
		{"erases to the right", "abcdef\x1b[3D\x1b[K", []string{"abc"}, 0, 3},
		{"erases below", "ab\r\ncd\r\nef\x1b[2A\x1b[J", []string{"ab"}, 0, 2},
		{"erases all", "ab\r\ncd\x1b[H\x1b[2Jx", []string{"x"}, 0, 1},
		{"colours", "\x1b[1;31mred\x1b[m", []string{"red"}, 0, 3},
		{"wide", "日本語", []string{"日本語"}, 0, 6},
		{"wide does not fit", "012345678日", []string{"012345678", "日"}, 1, 2},
		{"half of a wide one overwritten", "日本\r\x1b[Cx", []string{" x本"}, 0, 2},
		{"other half overwritten", "日本\rx", []string{"x 本"}, 0, 1},
		{"marks", "e\u0301x", []string{"e\u0301x"}, 0, 2},
		{"mark on a wide one", "日\u0301x", []string{"日\u0301x"}, 0, 3},
		{"mark in the last column", "012345678e\u0301", []string{"012345678e\u0301"}, 0, 9},
		{"absolute", "\x1b[2;3Hx\x1b[5Gy", []string{"", "  x y"}, 1, 5},
		{"backspace", "ab\bc", []string{"ac"}, 0, 2},
	}
	for _, tt := range tests {
		s := New(10, 3)
		for i := range len(tt.in) { // split everywhere
			_, _ = s.Write([]byte(tt.in[i : i+1]))
		}
		row, col := s.Cursor()
		if !slices.Equal(s.All(), tt.want) || row != tt.row || col != tt.col || len(s.Unknown) > 0 {
			t.Errorf("%s: %q %d:%d %q", tt.name, s.All(), row, col, s.Unknown)
		}
	}
}

func TestReports(t *testing.T) {
	for _, in := range []string{
		"\x00", "\u009b", "\x1bc", "\x1b]0;t\x07", "\x1bPx\x1b\\", "\x1b[6n", "\x1b[?1049h", "\x1b[3J", "\xff", "\u202e",
		"\ue000", "\xe2a", "\x1b[1;2;xA", "\x7f", "\t",
	} {
		s := New(10, 3)
		_, _ = s.Write([]byte(in + "x"))
		if len(s.Unknown) == 0 {
			t.Errorf("%q is known", in)
		}
	}
	s := New(10, 3)
	_, _ = s.Write([]byte("\a\a\x1b[?2004h\x1b]0;x\a"))
	if s.Bells != 2 || !s.BracketedPaste || len(s.Strings) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestResize(t *testing.T) {
	s := New(10, 3)
	_, _ = s.Write([]byte("0123456789\r\nab\r\ncd"))
	s.Resize(5, 2)
	if got := s.All(); !slices.Equal(got, []string{"0123456789", "ab", "cd"}) || s.Scrolled() != 1 {
		t.Errorf("%q", got)
	}
	s.Resize(8, 4)
	_, _ = s.Write([]byte("\x1b[A5678"))
	if got := s.All(); !slices.Equal(got, []string{"0123456789", "ab5678", "cd"}) {
		t.Errorf("%q", got)
	}
}
