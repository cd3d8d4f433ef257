package disk

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestOpenRegular(t *testing.T) {
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
		f, err := OpenRegular(name)
		if errors.Is(err, ErrNotRegular) != odd || !odd && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			f.Close()
		}
	}
	if _, err := OpenRegular(at("missing")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
