package text

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var characters = [][]string{
	{"a", "b", " ", "日"},
	{"e\u0301", "e", "\u1100\u1161\u11a8", "x"},
	{"👩\u200d👩\u200d👧\u200d👦", "🇩🇪", "🇫🇷", "🇫", "a"},
	{"👍🏽", "👍", "❤\ufe0f", "1\ufe0f\u20e3", "1"},
	{"👩🏽\u200d❤\ufe0f\u200d💋\u200d👨🏽", "👩🏽"},
	{"a\u200d", "👩\u200d", "b"}, // joined to nothing
	{"ก", "ำ"},
	{strings.Repeat("👩\u200d", maxParts), "👩"},
	{"e" + strings.Repeat("\u0301", maxRunes-1), "\u0301"},
}

func TestCharacter(t *testing.T) {
	for _, want := range characters {
		var got, back []string
		s := strings.Join(want, "")
		for rest := s; rest != ""; {
			n, _ := Character(rest)
			got, rest = append(got, rest[:n]), rest[n:]
		}
		for rest := s; rest != ""; {
			n := LastCharacter(rest)
			back, rest = append(back, rest[len(rest)-n:]), rest[:len(rest)-n]
		}
		if slices.Reverse(back); !slices.Equal(got, want) || !slices.Equal(back, want) {
			t.Errorf("%q has the characters %q, and from behind %q", want, got, back)
		}
	}
	if n, _ := Character(""); n != 0 || LastCharacter("") != 0 {
		t.Error("an empty text has characters")
	}
}

// From where Begins says, the characters are those of the whole text.
func TestBeginsAtACharacter(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "日", "\u0301", "\u200d", "\ufe0f", "👩", "🏽", "🇩", "❤", "\u1161", "1"})
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), "")
		begins := []int{0}
		for at := 0; at < len(s); {
			n, _ := Character(s[at:])
			at += n
			begins = append(begins, at)
		}
		if at := Begins(s); !slices.Contains(begins, at) || at == len(s) && s != "" {
			t.Fatalf("%q: %d, and characters begin at %d", s, at, begins)
		}
	})
}
