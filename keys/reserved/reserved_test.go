package reserved

import (
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
		if _, err := l.Remove("erin"); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Remove("nobody"); err != nil {
			t.Error(err)
		}
		again, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for nick, want := range map[string]bool{"carol": true, "dave": true, "erin": false, "bob": false} {
			if until, is := again.Until(nick); is != want || want && !until.After(time.Now()) {
				t.Errorf("%s: %v, %v", nick, until, is)
			}
		}
		time.Sleep(time.Hour)
		if _, is := again.Until("carol"); is {
			t.Error("it does not end")
		}
	})
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
