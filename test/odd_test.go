package test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Named pipes where files are expected keep nobody from coming in, and the server from
// neither starting nor ending.
func TestPipesForFiles(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	motd := filepath.Join(t.TempDir(), "motd")
	for _, dir := range []string{"settings", "history/rooms"} {
		if err := os.MkdirAll(filepath.Join(data, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, pipe := range []string{
		motd, filepath.Join(data, "settings", "carol.json"), filepath.Join(data, "history", "rooms", "lobby.jsonl"), filepath.Join(data, "history", "presence.jsonl"),
	} {
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := startServer(t, data, "--motd", motd)
	carolKey := []string{newKey(t)}
	output(t, s.openSSH("carol", carolKey, nil, "nick"), "")
	bob := sitDown(t, "bob", s.openSSH("bob", []string{newKey(t)}, nil))
	bob.sees("you are bob", "> ")
	bob.types("send carol hello")
	bob.sees("not sent: storage trouble") // it is not known whether she blocks him
	bob.types("hello all")
	bob.sees("bob: hello all")
	s.logs(1, `the file is unusable, its lines go to the .torn file beside it" file=rooms/lobby.jsonl`)
	s.logs(1, "the message of the day can't be read")
	if err := s.signal(syscall.SIGTERM, patience); err != nil {
		t.Error(err)
	}
}
