package invites

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/internal/disk"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func store(t *testing.T) (s *Store, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "invites.json")
	return Open(path), path
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
	synctest.Test(t, func(t *testing.T) {
		s, _ := store(t)
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
		time.Sleep(time.Hour - time.Second)
		if err := s.Check("carol", code); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if err := s.Check("carol", code); !errors.Is(err, ErrWrong) {
			t.Errorf("expired: %v", err)
		}
		if open, err := s.Invited("carol"); err != nil || open {
			t.Errorf("%v, %v", open, err)
		}
	})
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

// An entry that somebody made by hand lets nobody in without a code.
func TestAnEntryWithoutAHash(t *testing.T) {
	s, path := store(t)
	if err := os.WriteFile(path, []byte(`[{"nick":"carol","expires":"2999-01-01T00:00:00Z"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"", "x", "0123-4567-89ab-cdef"} {
		if err := s.Check("carol", code); !errors.Is(err, ErrWrong) {
			t.Errorf("%q: %v", code, err)
		}
		if err := s.Redeem("carol", code, enrolled); !errors.Is(err, ErrWrong) {
			t.Errorf("%q: %v", code, err)
		}
	}
}

func TestNoCodeIsStored(t *testing.T) {
	s, path := store(t)
	code := create(t, s, "carol")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{code, readCode(code), code[:4]} {
		if strings.Contains(strings.ReplaceAll(string(text), `"carol"`, ""), `"`+secret) {
			t.Errorf("%s is in %s", secret, text)
		}
	}
	if fi, _ := os.Stat(path); fi.Mode() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	list := s.All()
	if open, err := s.Invited("carol"); err != nil || !open || len(list) != 1 || list[0].Nick != "carol" || list[0].By != "alice" || list[0].Expires.Sub(list[0].Made) != time.Hour {
		t.Errorf("%+v, %v, %v", list, open, err)
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
	a, path := store(t)
	b := Open(path) // another process
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
	synctest.Test(t, func(t *testing.T) {
		s, path := store(t)
		for _, n := range []string{"", "../x", "admin", "~guest1"} {
			if _, err := s.Create(n, "alice", time.Hour); err == nil {
				t.Errorf("%q was invited", n)
			}
		}
		s.Disk.Fault = func(op, _ string) error {
			if op == "sync" {
				return errors.New("no space left")
			}
			return nil
		}
		if code, err := s.Create("carol", "alice", time.Hour); err == nil || code != "" {
			t.Errorf("%q, %v", code, err)
		}
		s.Disk = disk.Store{}
		var many []string
		for i := range maxOpen {
			many = append(many, fmt.Sprintf(`{"nick":"n%d","expires":"2030-01-01T00:00:00Z","hash":"x"}`, i))
		}
		if err := os.WriteFile(path, []byte("["+strings.Join(many, ",")+"]"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Create("carol", "alice", time.Hour); !errors.Is(err, ErrTooMany) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Until(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)))
		if _, err := s.Create("carol", "alice", time.Hour); err != nil {
			t.Errorf("expired ones count: %v", err)
		}
	})
}

func TestADamagedFileIsLeftAlone(t *testing.T) {
	s, path := store(t)
	for _, text := range []string{"{", "null garbage", `{"a":1}`, "\x00"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Create("carol", "alice", time.Hour); err == nil {
			t.Errorf("%q was taken", text)
		}
		if err := s.Check("carol", "0123-4567-89ab-cdef"); err == nil || errors.Is(err, ErrWrong) {
			t.Errorf("%v", err)
		}
		if got, _ := os.ReadFile(path); string(got) != text {
			t.Errorf("%q became %q", text, got)
		}
	}
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
