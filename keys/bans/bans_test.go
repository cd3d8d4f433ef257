package bans

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func list(t *testing.T) (l *List, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "bans.json")
	return reopen(t, path), path
}

func reopen(t *testing.T, path string) *List {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func target(t testing.TB, s string) Target {
	t.Helper()
	got, err := ParseTarget(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

const fingerprint = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]string{
		"Bob": "bob", "~Bob": "~bob", fingerprint: fingerprint, fingerprint + "=": fingerprint,
		"203.0.113.7": "203.0.113.7", "::ffff:203.0.113.7": "203.0.113.7", "203.0.113.7/24": "203.0.113.0/24",
		"2001:DB8::1": "2001:db8::1", "2001:db8::1/48": "2001:db8::/48", "::ffff:203.0.113.0/120": "203.0.113.0/24",
		"fe80::1%eth0": "fe80::1", "10.0.0": "10.0.0",
	} {
		got, err := ParseTarget(in)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
		if again, err := ParseTarget(got.String()); err != nil || again != got {
			t.Errorf("%s: %v, %v", got, again, err)
		}
	}
	for _, bad := range []string{
		"", "../x", "SHA256:", "SHA256:x", "MD5:00", "0.0.0.0/0", "10.0.0.0/7", "::/0", "1.2.3.4/33", "x/8",
		"::ffff:0.0.0.0/90", "a b", "\x1b[2J", strings.Repeat("/", 1000), "SHA256:" + strings.Repeat("\x1b", 50),
	} {
		got, err := ParseTarget(bad)
		if err == nil {
			t.Errorf("%.40q: %v", bad, got)
		} else if strings.ContainsAny(err.Error(), "\x1b\n") || len(err.Error()) > 400 {
			t.Errorf("%q", err)
		}
	}
}

func TestBansHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, path := list(t)
		for _, s := range []string{"bob", "~eve", fingerprint, "203.0.113.0/24", "198.51.100.9", "2001:db8::/48"} {
			if _, err := l.Add(target(t, s), "alice", "floods", time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		addr := netip.MustParseAddr
		banned := []Who{
			{Nick: "bob"}, {Nick: "~eve"}, {Key: fingerprint}, {Addr: addr("203.0.113.77")}, {Addr: addr("::ffff:203.0.113.77")},
			{Addr: addr("198.51.100.9")}, {Addr: addr("2001:db8::77")}, {Nick: "carol", Key: "x", Addr: addr("203.0.113.1")},
		}
		free := []Who{
			{}, {Nick: "carol"}, {Nick: "eve"}, {Nick: "~bob"}, {Key: "SHA256:x"}, {Addr: addr("203.0.114.1")},
			{Addr: addr("198.51.100.8")}, {Addr: addr("2001:db8:1::1")}, {Nick: "carol", Key: "x", Addr: addr("192.0.2.1")},
		}
		check := func(l *List, whose []Who, want bool) {
			t.Helper()
			for _, who := range whose {
				b, got := l.Find(who)
				if got != want || got && (b.Reason != "floods" || b.By != "alice" || !b.Target.Covers(who)) {
					t.Errorf("%+v: %+v, %v", who, b, got)
				}
			}
		}
		check(l, banned, true)
		check(l, free, false)
		again := reopen(t, path)
		check(again, banned, true)
		check(again, free, false)
		if diff := cmp.Diff(l.All(), again.All(), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Error(diff)
		}
		time.Sleep(time.Hour)
		check(l, banned, false)
		if len(l.All()) != 0 {
			t.Errorf("%+v", l.All())
		}
	})
}

func TestAddAgainAndLift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := list(t)
		bob := target(t, "bob")
		if _, err := l.Add(bob, "alice", "floods", time.Hour); err != nil {
			t.Fatal(err)
		}
		if b, err := l.Add(bob, "carol", "still", 0); err != nil || !b.Until.IsZero() {
			t.Fatalf("%+v, %v", b, err)
		}
		time.Sleep(50 * 365 * 24 * time.Hour)
		if b, ok := l.Find(Who{Nick: "bob"}); !ok || b.By != "carol" || len(l.All()) != 1 {
			t.Errorf("%+v, %v", b, ok)
		}
		if was, err := l.Remove(target(t, "carol")); was || err != nil {
			t.Errorf("%v, %v", was, err)
		}
		if was, err := l.Remove(bob); !was || err != nil {
			t.Errorf("%v, %v", was, err)
		}
		if _, ok := l.Find(Who{Nick: "bob"}); ok {
			t.Error("still banned")
		}
		if err := l.Reload(); err != nil || len(l.All()) != 0 {
			t.Errorf("%v, %+v", err, l.All())
		}
	})
}

func TestAddRefuses(t *testing.T) {
	l, path := list(t)
	for name, err := range map[string]error{
		"nothing": second(l.Add(Target{}, "a", "", 0)),
		"reason":  second(l.Add(target(t, "bob"), "a", strings.Repeat("x", maxReason+1), 0)),
	} {
		if err == nil {
			t.Error(name)
		}
	}
	var many []Ban
	for i := range maxBans {
		many = append(many, Ban{Target: target(t, fmt.Sprintf("n%d", i))})
	}
	text, err := json.Marshal(many)
	if err := errors.Join(err, os.WriteFile(path, text, 0o600), l.Reload()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Add(target(t, "bob"), "a", "", 0); !errors.Is(err, ErrTooMany) {
		t.Errorf("%v", err)
	}
	if _, err := l.Add(target(t, "n5"), "a", "", 0); err != nil {
		t.Errorf("replacing: %v", err)
	}
}

func TestTextIsSafeToShow(t *testing.T) {
	l, path := list(t)
	text := `[{"target":"bob","by":"\u001b[2J","reason":"\u202ex\u0000","made":"2026-11-21T12:00:00Z"}]`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Reload(); err != nil {
		t.Fatal(err)
	}
	b, ok := l.Find(Who{Nick: "bob"})
	if !ok || b.By != "?[2J" || b.Reason != "?x?" {
		t.Errorf("%+q", b)
	}
	if b, err := l.Add(target(t, "carol"), "a", "x\x1by", 0); err != nil || b.Reason != "x?y" {
		t.Errorf("%+q, %v", b, err)
	}
}

func second(_ Ban, err error) error { return err }

func TestADamagedFile(t *testing.T) {
	for _, text := range []string{"{", "[{}]", `[{"target":"../x"}]`, `{"a":1}`, "\x00"} {
		path := filepath.Join(t.TempDir(), "bans.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if l, err := Open(path); err == nil {
			t.Errorf("%q: %+v", text, l.All())
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"bob", fingerprint, "10.0.0.0/8", "::1", "~x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseTarget(s)
		if err != nil {
			return
		}
		if b, err := ParseTarget(a.String()); err != nil || a != b {
			t.Errorf("%q: %q, then %q, %v", s, a, b, err)
		}
	})
}
