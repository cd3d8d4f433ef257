package invites

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"whoelse/internal/atomicfile"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func store(t *testing.T) (*Store, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	s := Open(filepath.Join(t.TempDir(), "invites.json"))
	s.file.Now = c.now
	return s, c
}

func create(t *testing.T, s *Store, n string) string {
	t.Helper()
	code, err := s.Create(n, "alice", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func enrolled() error { return nil }

func TestACodeWorksOnce(t *testing.T) {
	s, _ := store(t)
	code := create(t, s, "Carol")
	if err := s.Check("carol", code); err != nil {
		t.Fatal(err)
	}
	if err := s.Check("carol", code); err != nil {
		t.Errorf("checking used it up: %v", err)
	}
	if err := s.Redeem("carol", code, enrolled); err != nil {
		t.Fatal(err)
	}
	if err := s.Check("carol", code); !errors.Is(err, ErrWrong) {
		t.Errorf("%v", err)
	}
	if err := s.Redeem("carol", code, func() error { t.Error("enrolled twice"); return nil }); !errors.Is(err, ErrWrong) {
		t.Errorf("%v", err)
	}
}

func TestWhatACodeIsNotGoodFor(t *testing.T) {
	s, c := store(t)
	code := create(t, s, "carol")
	for _, bad := range []struct{ nick, code string }{
		{"dave", code}, {"carol", ""}, {"carol", code[:len(code)-1]}, {"carol", code + "0"},
		{"carol", strings.Repeat("0", 16)}, {"carol", strings.Repeat("x", 1<<20)}, {"carol", "\x00\x1b\xff"}, {"", code},
		{"carol", strings.Repeat("-", 16)},
	} {
		if err := s.Check(bad.nick, bad.code); !errors.Is(err, ErrWrong) {
			t.Errorf("%s %.40q: %v", bad.nick, bad.code, err)
		}
	}
	c.t = c.t.Add(time.Hour - time.Second)
	if err := s.Check("carol", code); err != nil {
		t.Error(err)
	}
	c.t = c.t.Add(time.Second)
	if err := s.Check("carol", code); !errors.Is(err, ErrWrong) {
		t.Errorf("expired: %v", err)
	}
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestCodesSurviveBeingCopied(t *testing.T) {
	s, _ := store(t)
	for range 50 {
		code := create(t, s, "carol")
		for _, as := range []string{strings.ToUpper(code), strings.ReplaceAll(code, "-", ""), strings.ReplaceAll(code, "0", "O"), strings.ReplaceAll(code, "1", "l")} {
			if err := s.Check("carol", as); err != nil {
				t.Errorf("%s for %s: %v", as, code, err)
			}
		}
		if _, err := s.Revoke("carol"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoCodeIsStored(t *testing.T) {
	s, _ := store(t)
	code := create(t, s, "carol")
	text, err := os.ReadFile(s.file.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{code, readCode(code), code[:4]} {
		if strings.Contains(strings.ReplaceAll(string(text), `"carol"`, ""), `"`+secret) {
			t.Errorf("%s is in %s", secret, text)
		}
	}
	if fi, _ := os.Stat(s.file.Path); fi.Mode() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	list, err := s.List()
	if err != nil || len(list) != 1 || list[0].Nick != "carol" || list[0].By != "alice" || list[0].Expires.Sub(list[0].Made) != time.Hour {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAFailedEnrolmentUsesNothingUp(t *testing.T) {
	s, _ := store(t)
	code := create(t, s, "carol")
	full := errors.New("disk full")
	if err := s.Redeem("carol", code, func() error { return full }); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	if err := s.Redeem("carol", code, enrolled); err != nil {
		t.Error(err)
	}
}

func TestACodeEnrolsOneOfMany(t *testing.T) {
	a, _ := store(t)
	b := Open(a.file.Path) // another process
	b.file.Now = a.file.Now
	code := create(t, a, "carol")
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		s := a
		if i%2 == 1 {
			s = b
		}
		wg.Go(func() {
			if err := s.Redeem("carol", code, func() error { won.Add(1); return nil }); err != nil && !errors.Is(err, ErrWrong) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d were enrolled", won.Load())
	}
}

func TestCreateRefuses(t *testing.T) {
	s, c := store(t)
	for _, n := range []string{"", "../x", "admin", "~guest1"} {
		if _, err := s.Create(n, "alice", time.Hour); err == nil {
			t.Errorf("%q was invited", n)
		}
	}
	if _, err := s.Create("carol", "alice", 0); err == nil {
		t.Error("for no time")
	}
	s.file.Disk.Fault = func(op, _ string) error {
		if op == "sync" {
			return errors.New("no space left")
		}
		return nil
	}
	if code, err := s.Create("carol", "alice", time.Hour); err == nil || code != "" {
		t.Errorf("%q, %v", code, err)
	}
	s.file.Disk = atomicfile.Store{}
	var many []string
	for i := range maxOpen {
		many = append(many, fmt.Sprintf(`{"nick":"n%d","expires":"2030-01-01T00:00:00Z","hash":"x"}`, i))
	}
	if err := os.WriteFile(s.file.Path, []byte("["+strings.Join(many, ",")+"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create("carol", "alice", time.Hour); !errors.Is(err, ErrTooMany) {
		t.Errorf("%v", err)
	}
	c.t = c.t.AddDate(10, 0, 0)
	if _, err := s.Create("carol", "alice", time.Hour); err != nil {
		t.Errorf("expired ones count: %v", err)
	}
}

func TestADamagedFileIsLeftAlone(t *testing.T) {
	s, _ := store(t)
	for _, text := range []string{"{", "null garbage", `{"a":1}`, "\x00"} {
		if err := os.WriteFile(s.file.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Create("carol", "alice", time.Hour); err == nil {
			t.Errorf("%q was taken", text)
		}
		if err := s.Check("carol", "x"); err == nil || errors.Is(err, ErrWrong) {
			t.Errorf("%v", err)
		}
		if got, _ := os.ReadFile(s.file.Path); string(got) != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestGuard(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	g := &Guard{Now: c.now}
	a, sameNet, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff"), netip.MustParseAddr("2001:db8:0:1::1")
	for i := range freeTries {
		if w := g.Wait(a); w != 0 {
			t.Errorf("after %d: %v", i, w)
		}
		g.Wrong(a)
	}
	if g.Wait(a) != time.Minute || g.Wait(sameNet) != time.Minute || g.Wait(other) != 0 {
		t.Errorf("%v %v %v", g.Wait(a), g.Wait(sameNet), g.Wait(other))
	}
	c.t = c.t.Add(time.Minute)
	if g.Wait(a) != 0 {
		t.Errorf("%v", g.Wait(a))
	}
	g.Wrong(sameNet)
	if g.Wait(a) != 2*time.Minute {
		t.Errorf("%v", g.Wait(a))
	}
	for range 100 {
		g.Wrong(a)
	}
	if g.Wait(a) != time.Hour {
		t.Errorf("%v", g.Wait(a))
	}
	c.t = c.t.Add(2*time.Hour + 1)
	for i := range freeTries {
		if w := g.Wait(a); w != 0 {
			t.Errorf("after %d, long after the others: %v", i, w)
		}
		g.Wrong(a)
	}
	if g.Wait(a) != time.Minute {
		t.Errorf("%v", g.Wait(a))
	}
	v4, mapped := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.1")
	for range freeTries {
		g.Wrong(mapped)
	}
	if g.Wait(v4) == 0 || g.Wait(netip.MustParseAddr("192.0.2.2")) != 0 {
		t.Error("IPv4")
	}
}

func TestGuardIsBounded(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	g := &Guard{Now: c.now}
	for i := range 3 * guardMax {
		g.Wrong(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if len(g.wrong) > guardMax {
		t.Errorf("%d", len(g.wrong))
	}
	g.Wait(netip.Addr{})
	g.Wrong(netip.Addr{})
}

func FuzzReadCode(f *testing.F) {
	f.Add("0123-4567-89ab-cdef")
	f.Add("OIL0-4567-89AB-CDEF")
	f.Fuzz(func(t *testing.T, s string) {
		code := readCode(s)
		if code != "" && (len(code) != codeLen || readCode(code) != code) {
			t.Errorf("%q gives %q", s, code)
		}
	})
}
