package keys

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A nick that lost its last line is nobody's until it is released, and then as long as it
// is reserved; one whose line is back is as before.
func TestDeparted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authorized_keys")
	r, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	reserved := map[string]time.Time{}
	r.Reserve(func(nick string) (string, time.Time, bool) { until, ok := reserved[nick]; return nick, until, ok })
	for nick, key := range map[string]PublicKey{"bob": newKey(t), "carol": newKey(t), "dave": newKey(t)} {
		if err := r.Claim(nick, key); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what string, want bool) {
		t.Helper()
		_, add := r.Add("carol", []PublicKey{newKey(t)}, AddOptions{})
		_, rename := r.Rename("bob", "carol")
		for how, err := range map[string]error{"claim": r.Claim("carol", newKey(t)), "add": add, "rename": rename} {
			if errors.Is(err, ErrReserved) != want {
				t.Errorf("%s, %s: %v", what, how, err)
			}
		}
		if r.Free("carol") {
			t.Errorf("%s: a guest may be called that", what)
		}
	}
	if _, err := r.Remove(Selector{Nick: "carol"}); err != nil {
		t.Fatal(err)
	}
	refused("just now", true)
	if gone, known := r.Departed(); !known || len(gone) != 1 || gone["carol"].IsZero() {
		t.Errorf("%v", gone)
	}
	reserved["carol"] = time.Now().Add(time.Hour)
	r.Release("carol")
	refused("reserved", true)
	if gone, known := r.Departed(); !known || len(gone) != 0 {
		t.Errorf("released, and %v", gone)
	}
	if _, err := r.Add("carol", []PublicKey{newKey(t)}, AddOptions{Restore: true}); err != nil {
		t.Error(err)
	}
	refused("held", false)
}

// A file that is emptied of several nicks is being repaired, and one that cannot be read
// says nothing.
func TestDepartedAllAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authorized_keys")
	r, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, nick := range []string{"bob", "carol"} {
		if err := r.Claim(nick, newKey(t)); err != nil {
			t.Fatal(err)
		}
	}
	write := func(text []byte, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, text, mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		_ = r.Reload() // which is refused where everybody may write it
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(nil, 0o600)
	if gone, known := r.Departed(); known {
		t.Errorf("emptied: %v", gone)
	}
	if err := r.Claim("bob", newKey(t)); !errors.Is(err, ErrReserved) {
		t.Errorf("emptied, and claimed: %v", err)
	}
	write(whole, 0o600)
	if _, err := r.Remove(Selector{Nick: "carol"}); err != nil {
		t.Fatal(err)
	}
	write(whole, 0o666)
	if gone, known := r.Departed(); known {
		t.Errorf("unreadable: %v", gone)
	}
}

// A file that is cut off within a line, or has something else in it, does not say who is gone: also not
// to a server that starts with it, which asks about every nick that it has something of.
func TestDepartedFromBrokenFile(t *testing.T) {
	bob, carol := keyText(newKey(t))+" bob\n", keyText(newKey(t))
	for name, broken := range map[string]string{
		"cut off":     bob + carol[:40],
		"overwritten": "oops\n",
		"no comment":  bob + carol + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "authorized_keys")
			if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Open(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Depart("carol", time.Time{})
			if gone, known := r.Departed(); known {
				t.Errorf("broken: %v", gone)
			}
			if err := r.Claim("carol", newKey(t)); !errors.Is(err, ErrReserved) {
				t.Errorf("broken, and claimed: %v", err)
			}
			if err := os.WriteFile(path, []byte(bob), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := r.Reload(); err != nil {
				t.Fatal(err)
			}
			gone, known := r.Departed()
			if _, ok := gone["carol"]; !known || !ok {
				t.Errorf("repaired without carol's line: %v, %v", gone, known)
			}
		})
	}
}
