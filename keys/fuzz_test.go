package keys

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"whoelse/keys/nick"
)

// Whatever the file has: parsing ends, says nothing unsafe, lets nobody in by a line
// that is disabled, and a claim changes not one byte of what is there.
func FuzzAuthorizedKeys(f *testing.F) {
	key := keyText(newKey(f))
	for _, s := range []string{
		"", "\n", "# x\r\n", "\xef\xbb\xbf" + key + " bob\r\n", key, key + " a@b\n" + key + " c@d",
		`from="10.*,!10.1.*",expiry-time="20300101",environment="NICK=x" ` + key + " y\n",
		"cert-authority,principals=\"a,b\" " + key + " ca\n", "bogus " + key + " z\x00\n", `a="` + key,
		key + " \x1b[2J\u202e@x\n", "no-pty,,restrict " + key + " bob",
	} {
		f.Add([]byte(s))
	}
	bob := newKey(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		tab := parseTable(raw)
		for _, l := range tab.entries {
			checkFuzzedLine(t, l)
		}
		if same := tab.rewritten(func(_ *line, text []byte) []byte { return text }); !bytes.Equal(same, raw) {
			t.Errorf("%q became %q", raw, same)
		}
		r := &Registry{now: anHourAhead, table: tab}
		after, _, err := r.withKeys(tab, "fuzzer", []PublicKey{bob}, AddOptions{How: "claimed", LeaveRoom: true, OnlyNew: true, Labels: []string{label(string(raw))}})
		if err != nil {
			return
		}
		if !bytes.HasPrefix(after, raw) {
			t.Fatalf("%q became %q", raw, after)
		}
		again := parseTable(after)
		if len(after) == len(raw) {
			return
		}
		if len(again.entries) != len(tab.entries)+1 {
			t.Errorf("%d lines became %d", len(tab.entries), len(again.entries))
		}
		if l := again.find(bob); len(l) != 1 || l[0].Nick != "fuzzer" || l[0].Disabled != "" {
			t.Errorf("claimed, and yet: %+v", l)
		}
	})
}

func checkFuzzedLine(t *testing.T, l *line) {
	e := entries([]*line{l})[0]
	for _, s := range append(e.Principals, e.Comment, e.Disabled, e.From, e.Nick, e.Role) {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.Is(unicode.M, r) }) {
			t.Errorf("unsafe: %q", s)
		}
	}
	if l.key == nil && l.Disabled == "" {
		t.Error("in force without a key")
	}
	for _, n := range l.holds() {
		if got, err := nick.Parse(n); err != nil || got != n {
			t.Errorf("holds %q", n)
		}
	}
	if l.Disabled == "" && !l.Authority && l.Nick == "" {
		t.Error("in force for nobody")
	}
	l.refusalFrom(netip.Addr{}, anHourAhead())
}
