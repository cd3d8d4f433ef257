package nick_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"whoelse/keys/nick"

	"pgregory.net/rapid"
)

func TestParseFoldsAndAccepts(t *testing.T) {
	for in, want := range map[string]string{
		"alice": "alice", "ALICE": "alice", "Alice": "alice", "a": "a", "7": "7", "0x": "0x",
		"a.b_c-d": "a.b_c-d", "KAI": "kai", strings.Repeat("a", 32): strings.Repeat("a", 32),
	} {
		if got, err := nick.Parse(in); err != nil || got != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const syntax = "a nick has 1 to 32 characters of a-z, 0-9, '.', '_' and '-'"
	for in, words := range map[string]string{
		"":                        syntax,
		"../x":                    syntax,
		".":                       syntax,
		"-rf":                     syntax,
		"_a":                      syntax,
		"a/b":                     syntax,
		"a b":                     syntax,
		"a\x00":                   syntax,
		"a\r\nb":                  syntax,
		"\x1b]0;x":                syntax,
		"~bob":                    syntax,
		"bob+code":                syntax,
		"bob@host":                syntax,
		"\u0430lice":              syntax, // Cyrillic a
		"\u0130van":               syntax, // dotted capital I
		"\u212aai":                syntax, // Kelvin sign
		"\u017fam":                syntax, // long s
		"\ufb01n":                 syntax, // ligature fi
		"al\u200dice":             syntax,
		"bob\u202e":               syntax,
		"e\u0301":                 syntax,
		"\xff\xfe":                syntax,
		strings.Repeat("a", 33):   syntax,
		strings.Repeat("x", 1e5):  syntax,
		"admin":                   "reserved",
		"ROOT":                    "reserved",
		"Everyone":                "reserved",
		"me":                      "reserved",
		"whoelse":                 "reserved",
		"lobby":                   "reserved",
		"Staff":                   "reserved",
		strings.Repeat("\x00", 9): syntax,
	} {
		got, err := nick.Parse(in)
		if !errors.Is(err, nick.ErrBad) || got != "" {
			t.Errorf("Parse(%.40q) = %q, %v; want an error", in, got, err)
			continue
		}
		if !strings.Contains(err.Error(), words) {
			t.Errorf("Parse(%.40q): %q does not say %q", in, err, words)
		}
		fitToShow(t, err)
	}
}

func fitToShow(t interface{ Errorf(string, ...any) }, err error) {
	s := err.Error()
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			t.Errorf("%q is not plain ASCII", s)
			return
		}
	}
	if len(s) > 450 {
		t.Errorf("%d bytes of error: %.60q", len(s), s)
	}
}

func TestGuests(t *testing.T) {
	for _, in := range []string{"Bob", "~bob", "~BOB"} {
		if g, err := nick.Guest(in); err != nil || g != "~bob" {
			t.Errorf("Guest(%q) = %q, %v", in, g, err)
		}
	}
	for _, in := range []string{"", "~", "~~bob", "b~b", "~admin", "guest"} {
		if g, err := nick.Guest(in); err == nil {
			t.Errorf("Guest(%q) = %q", in, g)
		}
	}
	if !nick.IsGuest("~bob") || nick.IsGuest("bob") || nick.IsGuest("") {
		t.Error("IsGuest")
	}
	for in, want := range map[string]string{"Bob": "bob", "~Bob": "~bob"} {
		if got, err := nick.ParseAny(in); err != nil || got != want {
			t.Errorf("ParseAny(%q) = %q, %v", in, got, err)
		}
	}
}

func TestSkeletonJoinsWhatReadsAlike(t *testing.T) {
	for _, same := range [][]string{
		{"bob", "b0b", "bob.", "bob..", "~bob", "bob_", "bob-", "b.ob", "b-o_b"},
		{"bill", "b1ll", "bi1l", "blll", "biii"},
		{"mary", "rnary"},
		{"wvx", "vwx", "vvvx"},
		{"ab", "a-b", "a_b", "a.b", "a--b", "a._-b"},
		{"rnrn", "mm", "rnm"},
	} {
		for _, n := range same[1:] {
			if nick.Skeleton(n) != nick.Skeleton(same[0]) {
				t.Errorf("%q and %q read alike: %q, %q", n, same[0], nick.Skeleton(n), nick.Skeleton(same[0]))
			}
		}
	}
	for _, pair := range [][2]string{
		{"bob", "rob"}, {"bot10", "bot01"}, {"user1", "user2"}, {"anna", "ana"},
		{"nm", "mn"}, {"clan", "dan"}, {"alice", "alice2"}, {"alice", "alice-work"}, {"alice-work", "alice-home"},
	} {
		if nick.Skeleton(pair[0]) == nick.Skeleton(pair[1]) {
			t.Errorf("%q and %q do not read alike", pair[0], pair[1])
		}
	}
}

func TestNumberedNicksStayApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.StringMatching(`[a-h]{1,5}[0-9]{1,6}`).Draw(t, "a")
		b := rapid.StringMatching(`[a-h]{1,5}[0-9]{1,6}`).Draw(t, "b")
		if a != b && nick.Skeleton(a) == nick.Skeleton(b) {
			t.Fatalf("%q and %q", a, b)
		}
	})
}

func TestImitates(t *testing.T) {
	for in, want := range map[string]string{
		"adm1n": "admin", "r00t": "root", "0perator": "operator", "systern": "system", "vvhoelse": "whoelse",
		"sy5tem": "system", "5erver": "server", "ro0t.": "root", "a-d-m-i-n": "admin", "m0d3rat0r": "moderator", "n0t1ce": "notice",
		"a11": "all", "al1": "all", "4ll": "all", "r00m": "room", "gue5t": "guest", "h3re": "here", "y_o_u": "you", "m3": "me", "n08ody": "nobody",
		"l0bby": "lobby", "adm1ns": "admins", "0perator5": "operators", "rnoderators": "moderators", "5y50p": "sysop",
		"5taff": "staff", "supp0rt": "support", "security.": "security", "lobby": "lobby", "support": "support",
	} {
		if got, ok := nick.Imitates(in); !ok || got != want {
			t.Errorf("Imitates(%q) = %q, %v", in, got, ok)
		}
	}
	for _, n := range []string{"ali", "alice", "rooty", "herb", "ali", "a1i", "ali-", "tony", "user5", "s3rena", "mel", "admin-of-fun"} {
		if got, ok := nick.Imitates(n); ok {
			t.Errorf("Imitates(%q) = %q", n, got)
		}
	}
}

func TestNearest(t *testing.T) {
	among := []string{"alice", "bob", "bobby", "carol", "~dave", "al"}
	for in, want := range map[string]string{
		"alise": "alice", "allice": "alice", "alcie": "alice", "bo": "bob", "BOB": "bob", "bobb": "bob",
		"car": "carol", "caroool": "carol", "dave": "~dave", "~bob": "bob", "ali": "al", "alic": "alice",
	} {
		if got, ok := nick.Nearest(in, among); !ok || got != want {
			t.Errorf("Nearest(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "~", "xyz", "eve", "x", strings.Repeat("a", 99), "\x00\x00\x00"} {
		if got, ok := nick.Nearest(in, among); ok {
			t.Errorf("Nearest(%q) = %q", in, got)
		}
	}
}

func TestNearestDoesNotDependOnOrder(t *testing.T) {
	word := rapid.StringMatching(`[abc]{1,6}`)
	rapid.Check(t, func(t *rapid.T) {
		name := word.Draw(t, "name")
		among := rapid.SliceOf(word).Draw(t, "among")
		a, okA := nick.Nearest(name, among)
		slices.Reverse(among)
		b, okB := nick.Nearest(name, among)
		if a != b || okA != okB {
			t.Fatalf("%q %v, %q %v", a, okA, b, okB)
		}
		if okA && !slices.Contains(among, a) {
			t.Fatalf("%q is none of %q", a, among)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"alice", "ALICE", "~bob", "", "\u0130", "a\x1b[2J", "admin", strings.Repeat("a", 33)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := nick.Parse(s)
		if err != nil {
			if !errors.Is(err, nick.ErrBad) {
				t.Errorf("%v is not ErrBad", err)
			}
			fitToShow(t, err)
			return
		}
		if !strings.EqualFold(n, s) || len(n) != len(s) {
			t.Errorf("%q became %q", s, n)
		}
		if strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" || strings.IndexAny(n[:1], "._-") == 0 || len(n) > nick.MaxLen {
			t.Errorf("%q got through", n)
		}
		if again, err := nick.Parse(n); err != nil || again != n {
			t.Errorf("Parse(%q) = %q, %v", n, again, err)
		}
		if g, err := nick.Guest(s); err != nil || g != "~"+n {
			t.Errorf("Guest(%q) = %q, %v", s, g, err)
		}
		if nick.Skeleton(n) == "" {
			t.Errorf("no skeleton of %q", n)
		}
		nick.Nearest(s, []string{n, "alice"})
	})
}

func BenchmarkNearest(b *testing.B) {
	among := make([]string, 10000)
	for i := range among {
		among[i] = "person" + strings.Repeat("x", i%9) + string(rune('a'+i%26))
	}
	for b.Loop() {
		nick.Nearest("persomxxq", among)
	}
}
