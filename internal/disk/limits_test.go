package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What could not be read again is not written, and what was there stays.
func TestTooLargeIsNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	s := Store{Limit: 10}
	if _, err := s.Replace(Content{Path: path}, []byte("12345678901")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a new file: %v", err)
	}
	if err := s.Write(path, []byte("1234567890")); err != nil {
		t.Errorf("as much as is allowed: %v", err)
	}
	f, err := s.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(path, []byte("12345678901")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Write: %v", err)
	}
	if _, err := s.Replace(f, []byte("12345678901")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Replace: %v", err)
	}
	wantText(t, path, "1234567890")
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left are %v", left)
	}
	if err := (Store{}).Write(path, make([]byte, MaxSize+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("without a test's limit: %v", err)
	}
}

// What somebody put in the place of a file of ours is refused, at once and in words,
// and nothing is made where it points to.
func TestOpenRefusesWhatIsNotOurs(t *testing.T) {
	for name, tt := range map[string]struct {
		put   func(path, target string) error
		words string
	}{
		"dangling link": {func(p, target string) error { return os.Symlink(target, p) }, "symbolic link"},
		"link": {func(p, target string) error {
			return errors.Join(os.WriteFile(target, []byte("theirs"), 0o600), os.Symlink(target, p))
		}, "symbolic link"},
		"hard link": {func(p, target string) error {
			return errors.Join(os.WriteFile(target, []byte("theirs"), 0o600), os.Link(target, p))
		}, "hard link"},
		"pipe":   {func(p, _ string) error { return syscall.Mkfifo(p, 0o600) }, "not a regular file"},
		"folder": {func(p, _ string) error { return os.Mkdir(p, 0o700) }, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, target := filepath.Join(dir, "f"), filepath.Join(dir, "target")
			if err := tt.put(path, target); err != nil {
				t.Fatal(err)
			}
			in, err := OpenExisting(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			for _, create := range []bool{true, false} {
				f, err := in.Open("f", create)
				if err == nil {
					f.Close()
					t.Fatal("it is opened")
				}
				if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tt.words) {
					t.Errorf("%v", err)
				}
			}
			if _, err := os.Lstat(target); name == "dangling link" && err == nil {
				t.Error("it was made where the link points to")
			}
		})
	}
	if unlock, err := (Store{}).Lock(t.TempDir()); err == nil {
		unlock()
		t.Error("a folder is no lock")
	}
}
