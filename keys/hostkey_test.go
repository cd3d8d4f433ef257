package keys

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"whoelse/internal/disk"

	gossh "golang.org/x/crypto/ssh"
)

func TestHostKeyIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o751); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "host")
	a, err := HostKey(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := HostKey(path)
	if err != nil || !bytes.Equal(a.PublicKey().Marshal(), b.PublicKey().Marshal()) {
		t.Errorf("another key the second time: %v", err)
	}
	if a.PublicKey().Type() != gossh.KeyAlgoED25519 || !strings.HasPrefix(Fingerprint(a.PublicKey()), "SHA256:") {
		t.Errorf("%s %s", a.PublicKey().Type(), Fingerprint(a.PublicKey()))
	}
	if Fingerprint(a.PublicKey()) != gossh.FingerprintSHA256(a.PublicKey()) {
		t.Error("the fingerprint is not OpenSSH's")
	}
	if fi, _ := os.Stat(path); fi.Mode() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	if fi, _ := os.Stat(dir); fi.Mode().Perm() != 0o751 {
		t.Errorf("the folder's mode became %v", fi.Mode())
	}
	text, _ := os.ReadFile(path)
	if !bytes.HasPrefix(text, []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n")) {
		t.Errorf("%.40q", text)
	}
	noLitter(t, dir, "host")
}

func TestHostKeyOfRacingProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "host")
	prints := make([]string, 20)
	var wg sync.WaitGroup
	for i := range prints {
		wg.Go(func() {
			signer, err := HostKey(path)
			if err != nil {
				t.Error(err)
				return
			}
			prints[i] = Fingerprint(signer.PublicKey())
		})
	}
	wg.Wait()
	for _, p := range prints[1:] {
		if p != prints[0] {
			t.Fatalf("different keys: %q", prints)
		}
	}
	noLitter(t, filepath.Dir(path), "host")
}

func TestHostKeyTooOpen(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644, 0o660} {
		path := filepath.Join(t.TempDir(), "host")
		if _, err := HostKey(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := HostKey(path)
		if !errors.Is(err, ErrUnsafeFile) || !strings.Contains(err.Error(), "too open") || !strings.Contains(err.Error(), path) {
			t.Errorf("%o: %v", mode, err)
		}
		if fi, _ := os.Stat(path); fi.Mode() != mode {
			t.Errorf("the mode became %v", fi.Mode())
		}
	}
}

func TestHostKeyIsNeverOverwritten(t *testing.T) {
	for _, text := range []string{"", "nonsense", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"} {
		path := filepath.Join(t.TempDir(), "host")
		write(t, path, text)
		if _, err := HostKey(path); err == nil {
			t.Errorf("%q was taken", text)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
		if got, _ := os.ReadFile(path); string(got) != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	dir := t.TempDir()
	if _, err := HostKey(dir); err == nil {
		t.Error("a folder was taken")
	}
	if _, err := HostKey(filepath.Join(dir, "no", "host")); err == nil {
		t.Error("a folder was made")
	}
}

func TestHostKeyWhenTheDiskFails(t *testing.T) {
	broken := errors.New("no space left")
	for _, op := range []string{"read", "create", "write", "truncate", "sync", "link", "syncdir"} {
		path := filepath.Join(t.TempDir(), "host")
		_, err := hostKey(disk.Store{Fault: func(o, _ string) error {
			if o == op {
				return broken
			}
			return nil
		}}, path)
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", op, err)
		}
		if _, err := HostKey(path); err != nil {
			t.Errorf("after %s: %v", op, err)
		}
		noLitter(t, filepath.Dir(path), "host")
	}
}

// openssh gives the path of a program of OpenSSH, or skips.
func openssh(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed")
	}
	return path
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func TestOpenSSHReadsOurHostKey(t *testing.T) {
	keygen := openssh(t, "ssh-keygen")
	path := filepath.Join(t.TempDir(), "host")
	signer, err := HostKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if out := run(t, keygen, "-l", "-f", path); !strings.Contains(out, Fingerprint(signer.PublicKey())) {
		t.Errorf("%q", out)
	}
	if out := run(t, keygen, "-y", "-f", path); !strings.Contains(out, keyText(signer.PublicKey())) {
		t.Errorf("%q", out)
	}
}

func TestHostKeyMadeByOpenSSH(t *testing.T) {
	t.Parallel()
	keygen := openssh(t, "ssh-keygen")
	for _, args := range [][]string{{"-t", "ed25519"}, {"-t", "ecdsa"}, {"-t", "rsa", "-b", "2048", "-m", "PEM"}} {
		path := filepath.Join(t.TempDir(), "host")
		run(t, keygen, append(args, "-q", "-N", "", "-f", path)...)
		if _, err := HostKey(path); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
	path := filepath.Join(t.TempDir(), "host")
	run(t, keygen, "-t", "rsa", "-b", "1024", "-q", "-N", "", "-f", path)
	if _, err := HostKey(path); !errors.Is(err, ErrKeyRefused) {
		t.Errorf("a weak key: %v", err)
	}
	path = filepath.Join(t.TempDir(), "host")
	run(t, keygen, "-t", "ed25519", "-q", "-N", "secret", "-f", path)
	if _, err := HostKey(path); err == nil || !strings.Contains(err.Error(), "passphrase") {
		t.Errorf("%v", err)
	}
}
