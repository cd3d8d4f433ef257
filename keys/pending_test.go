package keys

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// wantAs asserts whom key makes somebody who asks for user: "" is a key that is unknown.
func (f *fixture) wantAs(key PublicKey, user, want string, pending bool) {
	f.t.Helper()
	h, err := f.LookupAs(key, user, here)
	if h.Nick != want || h.Pending != pending || (want == "") != errors.Is(err, ErrUnknownKey) {
		f.t.Errorf("as %s: %+v, %v; want %q", user, h, err, want)
	}
}

// A pending key is the nick's for whoever asks for that, and unknown otherwise, until it is confirmed, claimed or added by
// an operator. Then it is pending for nobody.
func TestPending(t *testing.T) {
	for name, done := range map[string]struct {
		by     func(r *Registry, key PublicKey) error
		holder string
	}{
		"confirmed": {func(r *Registry, key PublicKey) error { return r.Confirm("bob", key) }, "bob"},
		"claimed":   {func(r *Registry, key PublicKey) error { return r.Claim("alice", key) }, "alice"},
		"added":     {func(r *Registry, key PublicKey) error { return second(r.Add("bob", []PublicKey{key}, AddOptions{})) }, "bob"},
	} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t)
			r := registry(t, keyText(newKey(t))+" bob", keyText(newKey(t))+" mallory", keyText(newKey(t))+" carol")
			for _, nick := range []string{"mallory", "bob", "bob"} {
				added, err := r.Add(nick, []PublicKey{key}, AddOptions{Pending: true, From: here.String()})
				if err != nil || len(added) != 1 || !added[0].Pending {
					t.Errorf("%+v, %v", added, err)
				}
			}
			if n := strings.Count(r.text(), `environment="PENDING=yes",from=`); n != 2 {
				t.Errorf("%d lines are pending:\n%s", n, r.text())
			}
			for user, want := range map[string]string{"bob": "bob", "MALLORY": "mallory", "alice": "", "~bob": "", "bob+CODE": "", "": ""} {
				r.wantAs(key, user, want, want != "")
			}
			if err := done.by(r.Registry, key); err != nil {
				t.Fatal(err)
			}
			for _, user := range []string{"bob", "mallory", "alice"} {
				r.wantAs(key, user, done.holder, false)
			}
			if strings.Contains(r.text(), "PENDING") || len(r.Keys("mallory")) != 1 {
				t.Errorf("the file is now:\n%s", r.text())
			}
			if _, err := r.Add("carol", []PublicKey{key}, AddOptions{Pending: true}); !errors.Is(err, ErrKeyKnown) {
				t.Errorf("of a key that counts: %v", err)
			}
		})
	}
}

// However a line has the option, it is the only thing that Confirm changes; what it can't change it leaves alone.
func TestConfirm(t *testing.T) {
	key := newKey(t)
	for before, after := range map[string]string{
		`environment="PENDING=yes" %s bob@added-2026-11-26`:    `%s bob@added-2026-11-26`,
		`from="127.0.0.1",environment="PENDING=yes" %s bob`:    `from="127.0.0.1" %s bob`,
		`pty,environment="PENDING=yes",user-rc %s bob@PENDING`: `pty,user-rc %s bob@PENDING`,
		`Environment="PENDING=yes" %s bob`:                     "",
	} {
		r := registry(t, fmt.Sprintf(before, keyText(key)))
		err := r.Confirm("bob", key)
		want := after
		if after == "" {
			want = before
		}
		if got := r.text(); got != fmt.Sprintf(want, keyText(key))+"\n" || (err == nil) != (after != "") {
			t.Errorf("%s: %v, %q", before, err, got)
		}
	}
	for _, wrong := range []string{`environment="PENDING=no"`, `cert-authority,environment="PENDING=yes"`} {
		r := registry(t, wrong+" "+keyText(key)+" bob")
		if list := r.List(); list[0].Disabled == "" {
			t.Errorf("%s: %+v", wrong, list)
		}
	}
}

// TestPendingGoesWithTheLast: whoever has taken a key can't keep the nick by one that they have added with it.
func TestPendingGoesWithTheLast(t *testing.T) {
	stolen, other, added := newKey(t), newKey(t), newKey(t)
	r := registry(t, keyText(stolen)+" bob", keyText(other)+" bob@office")
	if _, err := r.Add("bob", []PublicKey{added}, AddOptions{Pending: true}); err != nil {
		t.Fatal(err)
	}
	if gone, err := r.Remove(Selector{Fingerprint: Fingerprint(other)}); err != nil || len(gone) != 1 {
		t.Errorf("%+v, %v", gone, err)
	}
	if gone, err := r.Remove(Selector{Fingerprint: Fingerprint(stolen)}); err != nil || len(gone) != 2 {
		t.Errorf("%+v, %v", gone, err)
	}
	if r.Registered("bob") {
		t.Errorf("bob is held: %q", r.text())
	}
}

// Pending keys are shared. One takes nothing from a line that was added by hand and is not shared yet.
func TestSharedPending(t *testing.T) {
	key := newKey(t)
	all := nodes(t, t.TempDir(), 2, keyLine(newKey(t), "mallory"))
	all[1].edit(t, func(text string) string { return text + keyLine(key, "alice") + "\n" })
	if _, err := all[0].Add("mallory", []PublicKey{key}, AddOptions{Pending: true}); err != nil {
		t.Fatal(err)
	}
	settle(t, all)
	wantAlike(t, all)
	for _, n := range all {
		if h, err := n.LookupAs(key, "mallory", here); err != nil || h.Nick != "alice" {
			t.Errorf("%+v, %v", h, err)
		}
	}
	if err := all[1].Confirm("alice", key); err != nil {
		t.Fatal(err)
	}
	settle(t, all)
	if lines := wantAlike(t, all); len(lines) != 2 {
		t.Errorf("%q", lines)
	}
}
