package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRetryAfterACrash: the server is killed while messages with keys are being sent; each is sent again
// until it is answered, and is stored once, with one id.
func TestRetryAfterACrash(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	data, keys := t.TempDir(), map[string][]string{"bob": {newKey(t)}, "carol": {newKey(t)}}
	s := startServer(t, data, keepAll...)
	s.runs("carol", keys["carol"], "", "nick")
	s.runs("bob", keys["bob"], "", "nick")
	for round := range crashes(t) {
		commands := [][]string{
			{"send", "--id", fmt.Sprint("d", round), "carol", fmt.Sprint("direct ", round)},
			{"say", "--id", fmt.Sprint("r", round), fmt.Sprint("room ", round)},
		}
		var first []*exec.Cmd
		for _, c := range commands {
			cmd := s.openSSH("bob", keys["bob"], nil, c...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			first = append(first, cmd)
		}
		<-time.After(time.Duration(50+37*round%200) * time.Millisecond) // at some moment of it
		s.kill()
		for _, cmd := range first {
			_ = cmd.Wait() // answered or not
		}
		s = startServer(t, data, keepAll...)
		for _, c := range commands {
			for range 2 {
				if said, status := s.runs("bob", keys["bob"], "", c...); status != 0 {
					t.Fatalf("round %d: %q: %d, %s", round, c, status, said)
				}
			}
		}
		for _, file := range []string{"users/bob.jsonl", "users/carol.jsonl"} {
			storedOnce(t, filepath.Join(data, "history", file), fmt.Sprint("direct ", round))
		}
		storedOnce(t, filepath.Join(data, "history/rooms/lobby.jsonl"), fmt.Sprint("room ", round))
	}
	// A program is told the same ID before and after.
	before := s.sendFrame(t, keys["bob"])
	s.kill()
	s = startServer(t, data, keepAll...)
	if after := s.sendFrame(t, keys["bob"]); before != after {
		t.Errorf("first %s, after a crash %s", before, after)
	}
}

// sendFrame sends carol a frame with a key, and returns the answer to it.
func (s *server) sendFrame(t testing.TB, keys []string) string {
	t.Helper()
	frames := `{"CMD":"JOIN","HIDDEN":true}` + "\n" + `{"CMD":"SEND","MSG":"from a program","TO":"carol","KEY":"p","REF":"1"}` + "\n"
	said, status := output(t, s.openSSH("bob", keys, []string{"-T"}, "json"), frames)
	for line := range strings.Lines(said) {
		var f struct{ CMD, REF, STATUS, ID string }
		if json.Unmarshal([]byte(line), &f) == nil && f.CMD == "ACK" && f.REF == "1" {
			return f.STATUS + " " + f.ID
		}
	}
	t.Fatalf("no answer: %d, %s", status, said)
	return ""
}

func storedOnce(t testing.TB, path, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	n := strings.Count(string(b), fmt.Sprintf(`"text":%q`, text))
	if n != 1 {
		t.Errorf("%s has %q %d times", filepath.Base(path), text, n)
	}
}

// TestWaitAgain: a client that is killed while it waits has lost nothing; with the same key it waits again.
func TestWaitAgain(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	s := startServer(t, t.TempDir(), keepAll...)
	bob, carol := []string{newKey(t)}, []string{newKey(t)}
	output(t, s.openSSH("carol", carol, nil, "nick"), "")
	command := []string{"send", "--id", "w", "--wait", "1s", "carol", "hello"}
	if said, status := output(t, s.openSSH("bob", bob, nil, command...), ""); status != 124 || !strings.Contains(said, "not received in time by carol") {
		t.Errorf("in vain: %d, %s", status, said)
	}
	command[4] = "10m"
	first := plug(t, "bob", s.openSSH("bob", bob, nil, command...))
	first.sees("kept for carol")
	first.vanishes()
	again := plug(t, "bob", s.openSSH("bob", bob, nil, command...))
	again.sees("kept for carol")
	if said, status := output(t, s.openSSH("carol", carol, nil, "inbox"), ""); status != 0 || strings.Count(said, "hello") != 1 {
		t.Errorf("carol's inbox: %d, %s", status, said)
	}
	again.sees("read by carol")
	if status := again.leaves(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if said, status := output(t, s.openSSH("bob", bob, nil, command...), ""); status != 0 || !strings.Contains(said, "read by carol") {
		t.Errorf("afterwards: %d, %s", status, said)
	}
}
