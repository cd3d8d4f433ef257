package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"whoelse/room"
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

// TestVersion1 opens what version 1 has left in truth: killed, with a power cut that
// cost the end of carol's file. See testdata/v1.
func TestVersion1(t *testing.T) {
	dir := copyDir(t, "testdata/v1")
	s := mustOpen(t, dir, Options{})
	texts := func(list []*room.Message) (all []string) {
		for _, m := range list {
			all = append(all, m.From+": "+m.Text)
		}
		return all
	}
	talk := []string{"bob: a \"quoted\" line, ünïcode, 日本, 😀", "bob: two\nlines", "carol: thanks", "bob: not read yet"}
	for owner, want := range map[string][]string{
		room.RoomHistory: {"bob: hello, is anybody here?"},
		"carol":          talk,
		"bob":            {talk[0], talk[1], "carol: ", "carol: ", talk[2], talk[3]}, // two receipts
	} {
		if got := texts(tail(t, s, owner, 100)); !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", owner, got, want)
		}
	}
	if got := texts(unread(t, s, "carol")); !slices.Equal(got, talk[3:]) {
		t.Errorf("carol has not read %q", got)
	}
	if torn := readAll(t, userFile(dir, "carol")); len(torn) < 600 || s.Damaged() > 0 {
		t.Errorf("%d bytes, %d damaged", len(torn), s.Damaged())
	}
}

// TestMigration brings a folder of version 1, with a journal that waits, up to
// date, and cuts the power at each operation of that in turn.
func TestMigration(t *testing.T) {
	each(t, func(t *testing.T, opts Options) {
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
