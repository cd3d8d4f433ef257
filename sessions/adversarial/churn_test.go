package adversarial

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"whoelse/sessions/internal/testclient"
)

// To come and go in a loop writes neither the log nor the history of presence full.
func TestComingAndGoing(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		presence := filepath.Join(r.dir, "history", "presence.jsonl")
		begun, logBegun, fileBegun := time.Now(), r.log.size(), size(presence)
		loops := many(300)
		for range loops {
			c := r.connect(visit{user: "mallory", key: "mallory"})
			c.types("quit\n")
			c.leaves()
			c.Close()
		}
		guest := r.connect(visit{user: "ann"}) // who stays, and has a second session, as ~ann2
		for range loops {
			ch, reqs, err := guest.ssh.OpenChannel("session", nil)
			r.must(err)
			go func() {
				for range reqs {
				}
			}()
			testclient.Ask(ch, "shell", nil)
			ch.Write([]byte("quit\n"))
			var out bytes.Buffer
			out.ReadFrom(ch)
			ch.Close()
			eventually(t, "a session is not gone", func() bool { return r.visits("~ann") == 1 }) // or there may be too many
		}
		minutes := int(time.Since(begun).Minutes()) + 2
		log, file := r.log.size()-logBegun, size(presence)-fileBegun
		t.Logf("%d sessions: the log grew by %d bytes, the history of presence by %d", 2*loops, log, file)
		if most := int64(minutes * 2 * 61 * 200); log > most { // each line twice, as text and JSON
			t.Errorf("the log grew by %d bytes, more than %d", log, most)
		}
		if most := int64(minutes*10*150) + 300; file > most {
			t.Errorf("the history of presence grew by %d bytes, more than %d", file, most)
		}
	})
}

func size(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (d *diary) size() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(d.all.Len())
}
