package server

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"whoelse/internal/config"
	"whoelse/room"
	"whoelse/room/settings"
)

// Whoever has left a history or settings, even some that can't be read, has left traces; so
// has who leaves them while it is found out.
func TestTraces(t *testing.T) {
	data := t.TempDir()
	var st storage
	var err error
	if st.histories, err = openHistories(&config.Config{Data: data}, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.close() })
	if st.settings, err = settings.Open(filepath.Join(data, "settings")); err != nil {
		t.Fatal(err)
	}
	block := func(nick string) error { return st.settings.Save(nick, room.Preferences{Blocked: []string{"mallory"}}) }
	for what, err := range map[string]error{
		"a history": os.WriteFile(filepath.Join(historyFolder(data), "users", "reader.jsonl"), nil, 0o600),
		"settings":  block("blocker"),
		"a pipe":    syscall.Mkfifo(filepath.Join(data, "settings", "odd.json"), 0o600),
	} {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	left := st.traces()
	for nick, want := range map[string]bool{"idle": false, "later": false, "reader": true, "blocker": true, "odd": true} {
		if got := left(nick); got != want {
			t.Errorf("%s: %v", nick, got)
		}
	}
	if err := block("later"); err != nil || !left("later") {
		t.Errorf("who has set something since: %v", err)
	}
	if err := st.settings.Save("gone", room.Preferences{Absence: room.Absence{Since: time.Now()}}); err != nil || !left("gone") {
		t.Errorf("who went away since: %v", err)
	}
}
