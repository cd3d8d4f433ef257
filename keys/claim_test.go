package keys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"whoelse/internal/disk"
	"whoelse/keys/nick"
)

func TestClaimAddsOneLine(t *testing.T) {
	r, key := registry(t), newKey(t)
	if err := r.Claim("Bob", key); err != nil {
		t.Fatal(err)
	}
	want := keyText(key) + " bob@claimed-" + anHourAhead().UTC().Format(time.DateOnly) + "\n"
	if got := r.text(); got != want {
		t.Errorf("file is %q, want %q", got, want)
	}
	if fi, _ := os.Stat(r.path); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	noLitter(t, filepath.Dir(r.path), "authorized_keys", "authorized_keys.lock")
	if h := r.wantHolder(key, "bob"); h.Role != "" {
		t.Errorf("%+v", h)
	}
	if !r.Registered("bob") || r.Registered("alice") {
		t.Error("Registered")
	}
	e := r.Keys("bob")
	if len(e) != 1 || e[0].Added.Format(time.DateOnly) != anHourAhead().UTC().Format(time.DateOnly) || e[0].Key() == nil {
		t.Errorf("%+v", e)
	}
	reopen(t, r.path, disk.Store{}).wantHolder(key, "bob")
}

func TestClaimIsIdempotent(t *testing.T) {
	r, key := registry(t), newKey(t)
	for range 3 {
		if err := r.Claim("bob", key); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(r.text(), "\n"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestClaimRefusals(t *testing.T) {
	alice, ca, broken, old, fromKey := newKey(t), newKey(t), newKey(t), newKey(t), newKey(t)
	r := registry(t,
		keyText(alice)+" alice@laptop",
		"cert-authority "+keyText(ca)+" ca@example",
		"frobnicate "+keyText(broken)+" carol",
		`expiry-time="20200101" `+keyText(old)+" dave",
		`from="10.0.0.0/8" `+keyText(fromKey)+" erin",
		"ssh-ed25519 AAAAnonsense frank@home",
		`environment="NICK=grace",bogus ssh-ed25519 AAAAnonsense`,
	)
	before := r.text()
	stranger := newKey(t)
	for _, c := range []struct {
		nick string
		key  PublicKey
		want error
	}{
		{"alice", stranger, ErrHeld},
		{"al1ce", stranger, ErrConfusable},
		{"adm1n", stranger, ErrConfusable},
		{"admin", stranger, nick.ErrBad},
		{"../x", stranger, nick.ErrBad},
		{"carol", stranger, ErrHeld}, // a disabled line still holds
		{"dave", stranger, ErrHeld},  // and an expired one
		{"frank", stranger, ErrHeld}, // and one whose key cannot be read
		{"grace", stranger, ErrHeld},
		{"bob", alice, ErrKeyKnown},
		{"bob", ca, ErrKeyKnown},
		{"bob", broken, ErrKeyKnown},
		{"carol", broken, ErrKeyKnown},
		{"dave", old, ErrKeyKnown},
		{"erin", fromKey, ErrKeyKnown}, // nil would let it in from anywhere
	} {
		err := r.Claim(c.nick, c.key)
		if !errors.Is(err, c.want) {
			t.Errorf("Claim(%s): %v, want %v", c.nick, err, c.want)
		}
		t.Log(err)
	}
	if r.text() != before {
		t.Error("the file changed")
	}
	if err := r.Claim("ca", stranger); err != nil {
		t.Errorf("an authority's comment holds nothing: %v", err)
	}
}

func TestErrorsCarryWhatCallersNeed(t *testing.T) {
	alice := newKey(t)
	r := registry(t, keyText(alice)+" alice@laptop")
	if err := r.Claim("alice", newKey(t)); !errors.Is(err, ErrHeld) || !strings.HasPrefix(err.Error(), "alice ") {
		t.Errorf("%v", err)
	}
	var known *KeyKnownError
	if err := r.Claim("bob", alice); !errors.As(err, &known) || known.Nick != "alice" || known.Line != 1 {
		t.Errorf("%v", err)
	}
	var alike *ConfusableError
	if err := r.Claim("aIice", newKey(t)); !errors.As(err, &alike) || alike.Like != "alice" || alike.Nick != "aiice" {
		t.Errorf("%v", err)
	}
}

func TestManyClaimAtOnce(t *testing.T) {
	t.Parallel()
	const people = 300
	r := registry(t)
	keys := make([]PublicKey, people)
	for i := range keys {
		keys[i] = newKey(t)
	}
	var wg sync.WaitGroup
	for i, key := range keys {
		wg.Go(func() {
			n := fmt.Sprintf("p%d", i)
			if err := r.Claim(n, key); err != nil {
				t.Error(err)
			}
			r.wantHolder(key, n)
		})
	}
	wg.Wait()
	if n := strings.Count(r.text(), "\n"); n != people {
		t.Errorf("%d lines", n)
	}
	again := reopen(t, r.path, disk.Store{})
	for i, key := range keys {
		again.wantHolder(key, fmt.Sprintf("p%d", i))
	}
}

func TestOneNickWantedByMany(t *testing.T) {
	r := registry(t)
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		key := newKey(t)
		wg.Go(func() {
			switch err := r.Claim("bob", key); {
			case err == nil:
				won.Add(1)
				r.wantHolder(key, "bob")
			case !errors.Is(err, ErrHeld):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || strings.Count(r.text(), "\n") != 1 {
		t.Errorf("%d won; %q", won.Load(), r.text())
	}
}

func TestOneKeyWantsMany(t *testing.T) {
	r, key := registry(t), newKey(t)
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			switch err := r.Claim(fmt.Sprintf("n%d", i), key); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, ErrKeyKnown):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || strings.Count(r.text(), "\n") != 1 {
		t.Errorf("%d won; %q", won.Load(), r.text())
	}
}

// Two registries on one file are what the server and the command line are.
func TestTwoWritersLoseNothing(t *testing.T) {
	t.Parallel()
	a := registry(t)
	b := reopen(t, a.path, disk.Store{})
	var wg sync.WaitGroup
	for i := range 100 {
		r, key := a, newKey(t)
		if i%2 == 1 {
			r = b
		}
		wg.Go(func() {
			if err := r.Claim(fmt.Sprintf("p%d", i), key); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(a.text(), "\n"); n != 100 {
		t.Errorf("%d lines", n)
	}
	if n, m := len(a.NicksAround("", 0, 1000)), len(b.NicksAround("", 0, 1000)); n != 100 || m != 100 {
		t.Errorf("%d and %d nicks", n, m)
	}
}
