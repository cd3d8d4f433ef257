package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"whoelse/internal/disk"
	"whoelse/room/history"
)

// TestRestoreFails at each operation in turn, and is run again.
func TestRestoreFails(t *testing.T) {
	t.Parallel()
	from, _ := mustTake(t, makeData(t))
	for n := 1; ; n++ {
		data := filepath.Join(t.TempDir(), "new", "data")
		if n%2 == 0 {
			must(t, os.MkdirAll(data, 0o700)) // an empty one is as good as none
		}
		s := &steps{fail: n, err: syscall.EIO}
		_, err := Restore(t.Context(), from, data, nil, s.options())
		if s.failed == "" {
			must(t, err)
			if n < 30 {
				t.Errorf("only %d operations", n)
			}
			return
		}
		if !errors.Is(err, syscall.EIO) {
			t.Fatalf("%s failed: %v", s.failed, err)
		}
		if _, err := vacant(data); err != nil {
			if s.failed != "syncdir "+filepath.Dir(data) {
				t.Errorf("%s failed, and something is there: %v", s.failed, err)
			}
			continue
		}
		_, err = Restore(t.Context(), from, data, nil, Options{})
		if err != nil {
			t.Fatalf("after %s failed: %v", s.failed, err)
		}
		wantRestored(t, "after "+s.failed+" failed", data)
		if left, _ := filepath.Glob(data + ".*"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}

// TestRestoreFailsAtTheEnd: what was copied can't be opened as a start would.
func TestRestoreFailsAtTheEnd(t *testing.T) {
	t.Parallel()
	from, _ := mustTake(t, makeData(t))
	data := filepath.Join(t.TempDir(), "data")
	opts := Options{disk: disk.Store{Fault: func(op, path string) error {
		if op == "syncdir" && path == data+stagingEnd {
			return os.WriteFile(path+"/history/version", []byte("99\n"), 0o600)
		}
		return nil
	}}}
	if _, err := Restore(t.Context(), from, data, nil, opts); !errors.Is(err, history.ErrNewer) {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(data + "*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	from, _ := mustTake(t, makeData(t))
	dir := t.TempDir()
	refuses := func(data, want string) {
		t.Helper()
		if _, err := Restore(t.Context(), from, data, nil, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("to %s: %v, want %q", data, err, want)
		}
	}
	write(t, dir+"/full/x", "")
	refuses(dir+"/full", "is not empty; move it away")
	s := openStore(t, dir+"/used", history.Options{})
	refuses(dir+"/used", "a whoelse is running")
	must(t, s.Close())
	write(t, dir+"/file", "")
	refuses(dir+"/file", "/file is not a folder")
	refuses(dir+"/file/below", "is below something that is not one")
	must(t, os.Symlink("nowhere", dir+"/link"))
	refuses(dir+"/link", "not a directory")
	write(t, dir+"/other.restoring/precious", "")
	refuses(dir+"/other", "is in the way: another restore")
	if _, err := os.Stat(dir + "/other.restoring/precious"); err != nil {
		t.Error("what is no restore's was removed")
	}
	must(t, os.Mkdir(dir+"/empty", 0o700))
	must(t, os.Symlink("empty", dir+"/linked"))
	_, err := Restore(t.Context(), from, dir+"/linked", nil, Options{})
	must(t, err)
	wantRestored(t, "through a link", dir+"/empty")
}

// TestRestoreOfWhatWasAltered: any change is found, before there is a data folder.
func TestRestoreOfWhatWasAltered(t *testing.T) {
	t.Parallel()
	data := makeData(t)
	to, taken := mustTake(t, data)
	refuses := func(what, want string) {
		t.Helper()
		target := filepath.Join(t.TempDir(), "data")
		if _, err := Restore(t.Context(), to, target, nil, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
		if _, err := os.Lstat(target); err == nil {
			t.Errorf("%s: there is a data folder", what)
		}
	}
	for _, f := range taken.Files {
		path := filepath.Join(to, f.Path)
		text, err := os.ReadFile(path)
		must(t, err)
		if len(text) > 0 {
			text[len(text)/2] ^= 1
			write(t, path, string(text))
			refuses("a flipped bit", path)
			text[len(text)/2] ^= 1
		}
		write(t, path, string(text)+"x")
		refuses("a byte more", path)
		must(t, os.Remove(path))
		refuses("a missing file", path+" is missing")
		must(t, os.Mkdir(path, 0o700))
		refuses("a folder for a file", path+" is not a regular file")
		must(t, os.Remove(path))
		write(t, path, string(text))
	}
	write(t, to+"/extra", "nobody's")
	wantRestored(t, "with one more file", mustRestore(t, to))
}

// TestAlteredManifest: whatever happens to it, nothing else than the data folder comes
// of it.
func TestAlteredManifest(t *testing.T) {
	t.Parallel()
	to, taken := mustTake(t, makeData(t))
	text, err := os.ReadFile(to + "/" + ManifestName)
	must(t, err)
	by := 33
	if full {
		by = 7
	}
	for i := 0; i < len(text); i += by {
		b := bytes.Clone(text)
		b[i] ^= 1 << (i % 7)
		write(t, to+"/"+ManifestName, string(b))
		data := filepath.Join(t.TempDir(), "data")
		if _, err := Restore(t.Context(), to, data, nil, Options{}); err == nil {
			wantRestored(t, "a flipped bit that tells nothing", data)
		}
	}
	for want, change := range map[string]func(*Manifest){
		"a newer whoelse":        func(m *Manifest) { m.Layout = history.Version + 1 },
		"of a newer whoelse":     func(m *Manifest) { m.Format++ },
		"is not the path":        func(m *Manifest) { m.Files[0].Path = "../outside" },
		"is not the path of":     func(m *Manifest) { m.Files[0].Path = "/etc/passwd" },
		"not in order":           func(m *Manifest) { m.Files[1] = m.Files[0] },
		"numbers in it":          func(m *Manifest) { m.Files = m.Files[1:] },
		"the numbers in it":      func(m *Manifest) { m.Bytes++ },
		"numbers in it do not":   func(m *Manifest) { *m = Manifest{} },
		"is not what was copied": func(m *Manifest) { m.Files[0].SHA256 = "" },
	} {
		m := *taken
		m.Files = append([]File(nil), m.Files...)
		change(&m)
		text, err := json.Marshal(m)
		must(t, err)
		if want == "numbers in it do not" {
			text = []byte("{}")
		}
		write(t, to+"/"+ManifestName, string(text))
		data := filepath.Join(t.TempDir(), "data")
		if _, err := Restore(t.Context(), to, data, nil, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	must(t, os.Remove(to+"/"+ManifestName))
	if _, err := Restore(t.Context(), to, to+".data", nil, Options{}); !errors.Is(err, ErrNone) {
		t.Errorf("without a manifest: %v", err)
	}
}
