package regular

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.WriteFile(at("file"), []byte("0123456789"), 0o600), syscall.Mkfifo(at("pipe"), 0o600), os.Mkdir(at("folder"), 0o700),
		os.Symlink("file", at("link")), os.Symlink("pipe", at("piped")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, odd := range map[string]bool{"file": false, "link": false, "pipe": true, "piped": true, "folder": true, "/dev/null": true} {
		if !filepath.IsAbs(name) {
			name = at(name)
		}
		b, err := Read(os.OpenFile, name, 5)
		if errors.Is(err, ErrNot) != odd || !odd && string(b) != "01234" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if _, err := Read(os.OpenFile, at("missing"), 5); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
