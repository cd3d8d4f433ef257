package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// With limits the files stay small, under the running server and when it was killed;
// what somebody has not read is there, and so is what came last.
func TestHistoriesStaySmall(t *testing.T) {
	t.Parallel()
	const limit, lines = 64 << 10, 1200
	data := t.TempDir()
	flags := []string{"--message-rate", "0", "--room-history-max", "64K", "--history-max-bytes", "64K", "--inbox-max", "0", "--max-bytes-per-nick", "0"}
	s := startServer(t, data, flags...)
	bobKey, carolKey := []string{newKey(t)}, []string{newKey(t)}
	s.runs("carol", carolKey, "", "nick")
	s.runs("bob", bobKey, "", "send", "carol", "the first of all")

	carol := sitDown(t, "carol", s.openSSH("carol", carolKey, nil)) // and does not look into her inbox
	carol.sees("1 unread: bob (1)")
	var talk strings.Builder
	for n := range lines {
		fmt.Fprintf(&talk, "line number %d of a long talk\n@carol message number %d for carol alone\n", n, n)
	}
	if out, status := output(t, s.openSSH("bob", bobKey, nil), talk.String()); status != 0 {
		t.Fatalf("exit status %d: %s", status, out)
	}
	files := map[string]string{"rooms/lobby.jsonl": "", "users/bob.jsonl": "", "users/carol.jsonl": "the first of all"}
	look := func(when string) {
		t.Helper()
		for name, text := range files {
			file := filepath.Join(data, "history", name)
			b, err := os.ReadFile(file)
			again := time.NewTicker(10 * time.Millisecond) // it is done in the background
			for late := time.Now().Add(patience); len(b) > limit && time.Now().Before(late); <-again.C {
				b, err = os.ReadFile(file)
			}
			again.Stop()
			if err != nil || len(b) > limit || !strings.Contains(string(b), text) {
				t.Errorf("%s: %s has %d bytes, with %q: %v (%v)", when, name, len(b), text, strings.Contains(string(b), text), err)
			}
		}
	}
	look("running")
	s.cmd.Process.Signal(syscall.SIGKILL)
	<-s.ended
	s = startServer(t, data, flags...)
	out, _ := s.runs("carol", carolKey, "", "inbox")
	if strings.Count(out, "\tbob\tcarol\t") != 1 || !strings.Contains(out, "the first of all") {
		t.Errorf("carol's inbox: %q", out)
	}
	out, _ = s.runs("carol", carolKey, "", "history", "50")
	if strings.Count(out, "\n") != 50 || !strings.HasSuffix(out, fmt.Sprintf("line number %d of a long talk\n", lines-1)) {
		t.Errorf("the room's history ends %q", out[max(0, len(out)-200):])
	}
	out, _ = s.runs("bob", bobKey, "", "inbox", "all", "3")
	if !strings.Contains(out, fmt.Sprintf("message number %d for carol alone", lines-1)) {
		t.Errorf("bob has sent %q", out)
	}
	look("started anew")
}
