package audit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The log is a file of its own: what is on record goes nowhere else.
func TestWhatIsNoFileOfItsOwn(t *testing.T) {
	for name, put := range map[string]func(path, target string) error{
		"dangling link": func(p, target string) error { return os.Symlink(target, p) },
		"link": func(p, target string) error {
			return errors.Join(os.WriteFile(target, nil, 0o600), os.Symlink(target, p))
		},
		"hard link": func(p, target string) error { return errors.Join(os.WriteFile(target, nil, 0o600), os.Link(target, p)) },
		"pipe":      func(p, _ string) error { return syscall.Mkfifo(p, 0o600) },
		"folder":    func(p, _ string) error { return os.Mkdir(p, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			path, target := filepath.Join(t.TempDir(), "audit.jsonl"), filepath.Join(t.TempDir(), "target")
			if err := put(path, target); err != nil {
				t.Fatal(err)
			}
			l, err := Open(path)
			if err == nil {
				l.Close()
				t.Fatal("it is opened")
			}
			if !strings.HasPrefix(err.Error(), "the audit log: "+path) {
				t.Errorf("%v", err)
			}
			if info, err := os.Stat(target); err == nil && info.Size() > 0 || name == "dangling link" && err == nil {
				t.Error("something was written elsewhere")
			}
		})
	}
}
