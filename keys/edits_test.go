package keys

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"whoelse/internal/disk"
)

// Edits that never stop for as long as it takes one to settle are read all the same.
func TestEditsThatDoNotStop(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "authorized_keys")
	_, changes := watched(t, path)
	line := keyText(newKey(t)) + " alice\n"
	tick := time.NewTicker(disk.SettleTime / 3)
	defer tick.Stop()
	for i := range 600 { // 20 s
		select {
		case c := <-changes:
			if len(c.Added) != 1 || c.Added[0].Nick != "alice" {
				t.Errorf("%+v", c)
			}
			return
		case <-tick.C:
		}
		write(t, path+"~", fmt.Sprintf("%s# edit %d\n", line, i))
		if err := os.Rename(path+"~", path); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("the edits were not read")
}

// Also then the moment in which an editor has emptied the file is not read.
func TestAFileBeingWrittenAgainAndAgain(t *testing.T) {
	key := newKey(t)
	r := registry(t, keyText(key)+" bob")
	at := time.Now()
	r.now = func() time.Time { return at }
	set := func(text string, ago time.Duration) {
		t.Helper()
		write(t, r.path, text)
		if err := os.Chtimes(r.path, at, at.Add(-ago)); err != nil {
			t.Fatal(err)
		}
	}
	for range 30 {
		at = at.Add(disk.SettleTime / 2)
		set("", 0)
		r.wantHolder(key, "bob")
		at = at.Add(5 * time.Millisecond) // half of quietTime
		r.wantHolder(key, "bob")
		set(keyText(key)+" bob\n", 0)
		r.wantHolder(key, "bob")
	}
	at = at.Add(disk.SettleTime)
	set(keyText(key)+" robert\n", 10*time.Millisecond)
	r.wantHolder(key, "robert")
}
