package keys

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"whoelse/internal/atomicfile"
)

// Edits that never stop for as long as it takes one to settle are read all the same,
// be the folder watched or looked at.
func TestEditsThatDoNotStop(t *testing.T) {
	for _, watched := range []bool{true, false} {
		t.Run(fmt.Sprint("watched ", watched), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "authorized_keys")
			r, err := open(path, nil, atomicfile.Store{}, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			changes := make(chan Change, 100)
			r.OnChange(func(c Change) { changes <- c })
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				if watched {
					r.Watch(ctx)
				} else {
					r.watch(ctx, (*fsnotify.Watcher)(nil))
				}
			}()
			defer func() { cancel(); <-done }()
			line := keyText(newKey(t)) + " alice\n"
			tick := time.NewTicker(atomicfile.SettleTime / 3)
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
		})
	}
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
		at = at.Add(atomicfile.SettleTime / 2)
		set("", 0)
		r.wantHolder(key, "bob")
		at = at.Add(atomicfile.QuietTime / 2)
		r.wantHolder(key, "bob")
		set(keyText(key)+" bob\n", 0)
		r.wantHolder(key, "bob")
	}
	at = at.Add(atomicfile.SettleTime)
	set(keyText(key)+" robert\n", atomicfile.QuietTime)
	r.wantHolder(key, "robert")
}
