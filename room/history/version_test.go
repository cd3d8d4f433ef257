package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	for text, ok := range map[string]bool{"": true, "1": true, "1\n": true, "2\n": true, "3\n": false, "x": false, "0": false, "-1": false} {
		dir := t.TempDir()
		writeAll(t, dir+"/version", []byte(text))
		s, err := Open(dir, Options{})
		if (err == nil) != ok {
			t.Errorf("version %q: %v", text, err)
		}
		if err == nil {
			_ = s.Close()
			if got := string(readAll(t, dir+"/version")); got != fmt.Sprintln(version) {
				t.Errorf("version %q has become %q", text, got)
			}
		}
	}
}

func TestNewerVersion(t *testing.T) {
	dir := t.TempDir()
	writeAll(t, dir+"/version", []byte("7\n"))
	_, err := Open(dir, Options{})
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "have version 7, this one knows versions up to 2") {
		t.Errorf("got %v", err)
	}
}

// TestMigration brings a folder of version 1, with a journal that waits, up to
// date, and cuts the power at each operation of that in turn.
func TestMigration(t *testing.T) {
	both(t, func(t *testing.T, opts Options) {
		for n := 1; ; n++ {
			fs, l := oldFolder(t, opts)
			fs.fault = func(step int, _ string) fault { return fault{dead: step == n} }
			s, err := open(fs.folder(), l.opts)
			if err == nil {
				_ = s.Close()
			}
			fs.fail(nil)
			recheck(t, fmt.Sprint("cut at ", n), fs.crash(rand.New(rand.NewPCG(uint64(n), 0))), l)
			if !fs.isDead() {
				if v, err := readVersion(fs.folder()); v != version || err != nil {
					t.Errorf("the folder has version %d: %v", v, err)
				}
				t.Log(n, "operations")
				return
			}
		}
	})
}

// oldFolder is what a killed server of version 1 has left.
func oldFolder(t *testing.T, opts Options) (*memFS, *ledger) {
	t.Helper()
	fs, l := newMemFS(), &ledger{opts: opts}
	s, err := open(fs.folder(), l.opts)
	if err != nil {
		t.Fatal(err)
	}
	scenario(s, fs, l)
	killed := fs.killed()
	_ = s.Close()
	if err := writeFile(killed.folder(), versionFile, []byte("1\n")); err != nil {
		t.Fatal(err)
	}
	killed.steps = 0
	return killed, l
}
