package reserved

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "reserved.json")
		l, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for nick, lasts := range map[string]time.Duration{"carol": time.Hour, "dave": 2 * time.Hour, "erin": time.Hour} {
			if err := l.Add(nick, lasts); err != nil {
				t.Fatal(err)
			}
		}
		for _, nick := range []string{"erin", "nobody"} {
			if err := l.Remove(nick); err != nil {
				t.Fatal(err)
			}
		}
		again, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for nick, want := range map[string]bool{"carol": true, "dave": true, "erin": false, "bob": false} {
			if _, until, is := again.By(nick); is != want || want && !until.After(time.Now()) {
				t.Errorf("%s: %v, %v", nick, until, is)
			}
		}
		time.Sleep(time.Hour)
		if _, _, is := again.By("carol"); is {
			t.Error("it does not end")
		}
	})
}

// What is for a certificate is so until it is reserved for a former holder, or removed; nicks that read like it, too.
func TestCertify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserved.json")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	wantBy := func(nick, want string, forGood bool) {
		t.Helper()
		again, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []*List{l, again} {
			if by, until, ok := l.By(nick); ok != (want != "") || by != want || ok && until.IsZero() != forGood {
				t.Errorf("%s is reserved by %q until %v", nick, by, until)
			}
		}
	}
	do := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	do(l.Add("dora", time.Hour), l.Certify("dora"), l.Certify("dora"), l.Certify("d0ra"))
	if all := l.All(); len(all) != 1 {
		t.Errorf("%+v", all)
	}
	wantBy("dora", "dora", true)
	wantBy("d0ra", "dora", true)
	wantBy("dor", "", false)
	do(l.Remove("d0ra"))
	wantBy("dora", "dora", true)
	do(l.Add("dora", time.Hour))
	wantBy("dora", "dora", false)
	wantBy("d0ra", "", false)
	do(l.Certify("dora"), l.Remove("dora"))
	wantBy("dora", "", false)
}

// A file that cannot be read must not free the nicks in it.
func TestBadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserved.json")
	for _, text := range []string{"{", `[{"nick":"../x"}]`, `[{"nick":"BOB"}]`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}

// With many at once the file, which has all of them, is not written for each.
func TestCertifyMany(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserved.json")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	writes := 0
	l.Disk.Fault = func(op, _ string) error {
		if op == "rename" {
			writes++
		}
		return nil
	}
	if err := l.Add("person7q", time.Hour); err != nil {
		t.Fatal(err)
	}
	nicks := []string{"dora", "d0ra"}
	for i := range 1000 {
		nicks = append(nicks, fmt.Sprintf("person%dq", i))
	}
	for range 2 {
		if err := l.Certify(nicks...); err != nil {
			t.Fatal(err)
		}
	}
	alikes := map[string]bool{}
	for _, n := range nicks {
		alikes[alike(n)] = true
		if _, until, ok := l.By(n); !ok || !until.IsZero() {
			t.Errorf("%s: until %v, %v", n, until, ok)
		}
	}
	if all := l.All(); len(all) != len(alikes) || writes < 2 || writes > 6 {
		t.Errorf("%d for %d, written %d times", len(all), len(alikes), writes)
	}
}
