package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// Nicks that somebody claimed and did nothing with are free again after a while, which
// is on record; whoever did anything keeps theirs.
func TestNickExpiry(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	data := t.TempDir()
	s := startServer(t, data)
	for _, words := range []string{"reader nick", "talker say hello", "writer send reader hello", "blocker block writer"} {
		nick, command, _ := strings.Cut(words, " ")
		if out, status := output(t, s.openSSH(nick, []string{newKey(t)}, nil, command), ""); status != 0 {
			t.Fatalf("%s: %d: %q", nick, status, out)
		}
	}
	end := func() {
		t.Helper()
		if err := s.signal(syscall.SIGTERM, patience); err != nil {
			t.Fatal(err)
		}
	}
	end()

	// All that was two months ago.
	then := time.Now().AddDate(0, -2, 0).UTC().Format(time.DateOnly)
	file := filepath.Join(data, "authorized_keys")
	old := regexp.MustCompile(`claimed-\S+`).ReplaceAllString(readFile(t, file), "claimed-"+then)
	for _, n := range []string{"idle1", "idle2", "used"} {
		old += publicKey(t) + " " + n + "@claimed-" + then + "\n"
	}
	used, _, _, _, err := gossh.ParseAuthorizedKey([]byte(strings.Split(old, "\n")[6]))
	if err != nil {
		t.Fatal(err)
	}
	old += publicKey(t) + " byhand\n"
	writeFile(t, file, old)
	writeFile(t, filepath.Join(data, "used.json"), fmt.Sprintf(`{%q: %q}`, gossh.FingerprintSHA256(used), time.Now().UTC().Format(time.RFC3339)))

	s = startServer(t, data, "--nick-expiry", "0")
	end()
	if now := readFile(t, file); now != old {
		t.Errorf("with --nick-expiry 0 the file becomes %q", now)
	}

	s = startServer(t, data)
	s.logs(1, `msg="unused nicks are free again" nicks=2`)
	left := readFile(t, file)
	for _, n := range []string{"reader", "talker", "writer", "blocker", "used", "byhand"} {
		if !strings.Contains(left, " "+n) {
			t.Errorf("%s is gone", n)
		}
	}
	if strings.Contains(left, "idle") {
		t.Errorf("nobody is gone: %s", left)
	}
	// A server that stops before this is on record gives the nicks back.
	audited(t, data, `"who":"server","what":"expire","whom":"idle1, idle2","why":"claimed and not used for 30d"`)
	end()
}

// audited waits until want is on record.
func audited(t *testing.T, data, want string) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for late := time.After(patience); ; {
		audit := readFile(t, filepath.Join(data, "audit.jsonl"))
		if strings.Contains(audit, want) {
			return
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("on record is %q", audit)
		}
	}
}

// publicKey is a fresh one, without a comment.
func publicKey(t *testing.T) string {
	t.Helper()
	words := strings.Fields(readFile(t, newKey(t)+".pub"))
	return words[0] + " " + words[1]
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// writeFile replaces the file, as editors do, so that nobody reads half of it.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
