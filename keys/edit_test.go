package keys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"whoelse/internal/disk"
)

func TestClaimKeepsEverythingElse(t *testing.T) {
	key := keyText(newKey(t))
	for _, before := range []string{
		"",
		"\n\n# a comment\n\n",
		"\xef\xbb\xbf# with a BOM\r\n" + key + " alice@laptop\r\n",
		key + " alice@no-newline-at-the-end",
		"ssh-unknown AAAA== who@knows\nnonsense\n\t  \n" + key + " alice\n",
		"# \xff\xfe invalid \x00 bytes\n",
		strings.Repeat("x", 5<<10) + "\n",
	} {
		r, bob := registry(t), newKey(t)
		write(t, r.path, before)
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		if err := r.Claim("bob", bob); err != nil {
			t.Fatalf("%.30q: %v", before, err)
		}
		after, ok := strings.CutPrefix(r.text(), before)
		if before != "" && !strings.HasSuffix(before, "\n") {
			after, ok = strings.CutPrefix(r.text(), before+"\n")
		}
		if !ok || strings.Count(after, "\n") != 1 {
			t.Errorf("%.60q became %.200q", before, r.text())
		}
		r.wantHolder(bob, "bob")
		if e := reopen(t, r.path, disk.Store{}).Keys("bob"); len(e) != 1 || e[0].Line != r.Keys("bob")[0].Line {
			t.Errorf("line numbers: %+v, %+v", e, r.Keys("bob"))
		}
	}
}

func TestClaimKeepsAHandEditThatWasNotRead(t *testing.T) {
	t.Parallel()
	r, alice, bob := registry(t), newKey(t), newKey(t)
	r.now = time.Now // too fresh for a Lookup to read it
	write(t, r.path, "# mine\n"+keyText(alice)+" alice\n")
	if err := r.Claim("bob", bob); err != nil {
		t.Fatal(err)
	}
	r.wantHolder(alice, "alice")
	r.wantHolder(bob, "bob")
	if !strings.HasPrefix(r.text(), "# mine\n") {
		t.Errorf("%q", r.text())
	}
	write(t, r.path, keyText(alice)+" carol\n")
	if err := r.Claim("carol", newKey(t)); !errors.Is(err, ErrHeld) {
		t.Errorf("a hand edit took carol, and yet: %v", err)
	}
}

// An editor has emptied the file and has not written it yet: a claim waits.
func TestClaimDoesNotBuildOnAnEditorsHalf(t *testing.T) {
	alice, bob := newKey(t), newKey(t)
	r := registry(t, keyText(alice)+" alice")
	var ended []Entry
	r.OnChange(func(c Change) { ended = append(ended, c.Removed...) })
	write(t, r.path, "")
	var asked, ahead atomic.Int64
	at := time.Now().Add(-time.Hour)
	r.now = func() time.Time { // stands still: however slow this machine is, nothing settles before
		if asked.Add(1) == 3 {
			write(t, r.path, keyText(alice)+" alice\n# and more\n")
			ahead.Store(int64(2 * time.Hour))
		}
		return at.Add(time.Duration(ahead.Load()))
	}
	if err := r.Claim("bob", bob); err != nil {
		t.Fatal(err)
	}
	r.wantHolder(alice, "alice")
	r.wantHolder(bob, "bob")
	if len(ended) != 0 || !strings.HasPrefix(r.text(), keyText(alice)+" alice\n# and more\n") {
		t.Errorf("%+v; %q", ended, r.text())
	}
}

// An editor saves in the very moment in which a claim is written.
func TestClaimLosesNoConcurrentEdit(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"write", "sync", "link"} { // the last is where there was no file
		for name, save := range map[string]func(testing.TB, string, string){
			"replacing": func(t testing.TB, path, text string) {
				write(t, path+"~", text)
				if err := os.Rename(path+"~", path); err != nil {
					t.Fatal(err)
				}
			},
			"in place": write,
		} {
			for _, had := range []bool{true, false} {
				if had && moment == "link" {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%v", moment, name, had), func(t *testing.T) {
					testConcurrentEdit(t, moment, save, had)
				})
			}
		}
	}
}

func testConcurrentEdit(t *testing.T, moment string, save func(testing.TB, string, string), had bool) {
	path := filepath.Join(t.TempDir(), "authorized_keys")
	if had {
		write(t, path, "# old\n")
	}
	alice, bob, saves := newKey(t), newKey(t), 0
	store := disk.Store{Fault: func(op, p string) error {
		if op == moment && saves < 3 {
			saves++
			save(t, path, fmt.Sprintf("# saved %d\n%s alice\n", saves, keyText(alice)))
		}
		return nil
	}}
	r := reopen(t, path, store)
	if err := r.Claim("bob", bob); err != nil {
		t.Fatal(err)
	}
	text := r.text()
	if saves == 0 || !strings.HasPrefix(text, fmt.Sprintf("# saved %d\n", saves)) || !strings.Contains(text, "bob@claimed") {
		t.Errorf("%q", text)
	}
	r.wantHolder(alice, "alice")
	r.wantHolder(bob, "bob")
	noLitter(t, filepath.Dir(path), "authorized_keys", "authorized_keys.lock")
}

func TestClaimFollowsALink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "authorized_keys")
	write(t, real, "# real\n")
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	r, key := reopen(t, link, disk.Store{}), newKey(t)
	if err := r.Claim("bob", key); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != "real" {
		t.Errorf("the link is %q, %v", to, err)
	}
	if b, _ := os.ReadFile(real); !strings.Contains(string(b), "bob@claimed") {
		t.Errorf("%q", b)
	}
}

// Every step on the disk fails once: nothing is claimed then, everything still
// works, and a second try is durable.
func TestClaimWhenTheDiskFails(t *testing.T) {
	broken := errors.New("no space left")
	for _, op := range []string{"lock", "read", "create", "write", "truncate", "sync", "rename", "syncdir"} {
		t.Run(op, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "authorized_keys")
			alice, bob := newKey(t), newKey(t)
			write(t, path, keyText(alice)+" alice\n")
			var fail atomic.Bool
			var synced atomic.Int32
			r := reopen(t, path, disk.Store{Fault: func(o, _ string) error {
				if o == op && fail.Load() {
					return broken
				}
				if o == "syncdir" {
					synced.Add(1)
				}
				return nil
			}})
			fail.Store(true)
			if err := r.Claim("bob", bob); !errors.Is(err, broken) {
				t.Fatalf("%v", err)
			}
			r.wantHolder(alice, "alice")
			if _, err := r.Lookup(bob, here); op != "syncdir" && !errors.Is(err, ErrUnknownKey) {
				t.Errorf("after a failed claim: %v", err)
			}
			if err := r.Claim("bob", bob); !errors.Is(err, broken) {
				t.Fatalf("again: %v", err)
			}
			fail.Store(false)
			if err := r.Claim("bob", bob); err != nil {
				t.Fatal(err)
			}
			r.wantHolder(bob, "bob")
			if n := strings.Count(r.text(), "bob@"); n != 1 || synced.Load() == 0 {
				t.Errorf("%d lines for bob, %d folder syncs", n, synced.Load())
			}
			noLitter(t, filepath.Dir(path), "authorized_keys", "authorized_keys.lock")
		})
	}
}
