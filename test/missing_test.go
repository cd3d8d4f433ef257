package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Without authorized_keys every nick would be free, and its inbox whoever's came first:
// where there are histories of nicks the server does not start.
func TestKeysFileIsMissing(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	data := t.TempDir()
	s := startServer(t, data)
	bob := []string{newKey(t)}
	if out, status := output(t, s.openSSH("carol", []string{newKey(t)}, nil, "say hello"), ""); status != 0 {
		t.Fatalf("%d: %s", status, out)
	}
	if out, status := output(t, s.openSSH("bob", bob, nil, "send carol a secret"), ""); status != 0 {
		t.Fatalf("%d: %s", status, out)
	}
	if err := s.signal(syscall.SIGTERM, patience); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(data, "authorized_keys")
	if err := os.Rename(file, file+".bak"); err != nil {
		t.Fatal(err)
	}

	out, err := exec.Command(binary, "--listen", "127.0.0.1:0", "--data", data).CombinedOutput()
	if err == nil || !strings.Contains(string(out), file+" is gone") || !strings.Contains(string(out), "restore the file from a backup, or make an empty one") {
		t.Errorf("%v: %s", err, out)
	}
	if err := os.Rename(file+".bak", file); err != nil {
		t.Fatal(err)
	}
	s = startServer(t, data)
	if out, status := output(t, s.openSSH("bob", bob, nil, "nick"), ""); status != 0 || !strings.Contains(out, "you are bob") {
		t.Errorf("with the file: %d: %s", status, out)
	}
}
