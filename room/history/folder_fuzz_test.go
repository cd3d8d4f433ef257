package history

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// FuzzFolder: whatever a history and a journal hold, the store opens, and what is
// then acknowledged is there after a restart, last and once.
func FuzzFolder(f *testing.F) {
	carol := readAll(f, "testdata/v1/users/carol.jsonl")
	log := readAll(f, "testdata/v1/journal/000001.log")
	f.Add(carol, log)
	f.Add(carol[:100], log[300:])
	f.Add(append(trimLine(epoch, trimMark{at: 91, was: 5000}), carol...), log)
	f.Add(append(trimLine(epoch, trimMark{at: 1 << 40, was: 1 << 50}), carol...), bytes.Repeat(log, 2))
	f.Add([]byte("\n\n{}\x00"), appendRecord(header(0, 0), true, 1<<33, "carol", mustLine(f, direct(1, "bob", "carol"))))
	f.Fuzz(func(t *testing.T, file, journal []byte) {
		fs := newMemFS()
		root := fs.folder()
		for _, x := range []struct {
			sub, name string
			data      []byte
		}{{"users", "carol.jsonl", file}, {"journal", journalName(1), journal}} {
			in, _ := root.sub(x.sub)
			if err := writeFile(in, x.name, x.data); err != nil {
				t.Fatal(err)
			}
		}
		m := direct(2_000_000, "bob", "carol")
		for range 2 {
			s, err := open(root, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if m.Text == "again" {
				sameIDs(t, "after a restart", tail(t, s, "carol", 1), m.ID)
				if n := len(unread(t, s, "carol")); n == 0 || unread(t, s, "carol")[n-1].ID != m.ID {
					t.Error("it is not the last unread")
				}
			}
			m.Text = "again"
			mustPut(t, s, to(m)...)
			sameIDs(t, "last", tail(t, s, "carol", 1), m.ID)
			fs = fs.crash(rand.New(rand.NewPCG(uint64(len(file)), uint64(len(journal)))))
			root = fs.folder()
			mustClose(t, s)
		}
	})
}
