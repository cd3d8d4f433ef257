package history

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"whoelse/internal/disk/disktest"
	"whoelse/room/log"
)

// FuzzFolder: whatever a history, a segment and the checkpoint hold, the store opens, and what is
// then acknowledged is there after a power cut and a restart, last and once.
func FuzzFolder(f *testing.F) {
	fs := disktest.New()
	s := openIn(f, fs, Options{})
	for n := range 60 {
		mustPut(f, s, event(direct(n, "bob", "carol")))
		if n%5 == 0 {
			mustPut(f, s, read("carol", direct(n, "").ID), receiptsTo(100+10*n, "carol", 2))
		}
	}
	mustPut(f, s, retired("carol", 900), event(direct(901, "bob", "carol")))
	carol, _ := fileIn(fs, "users", "bob.jsonl"), fileIn(fs, "users", "carol.jsonl")
	segment := fileIn(fs, logFolder, namesIn(fs, logFolder)[0])
	killed := fs.Killed()
	mustClose(f, s)
	point := []byte(`{"seq":40,"last_id":"id-000000020"}`)
	f.Add(carol, segment, point)
	f.Add(fileIn(killed, "users", "carol.jsonl"), segment[500:], []byte(`{"seq":3}`))
	f.Add(carol[:1000], segment[300:], []byte("{}"))
	f.Add(bytes.Repeat(carol, 2), bytes.Repeat(segment, 2), []byte(`{"seq":1000000}`))
	f.Add([]byte("\n\n{}\x00"), []byte{}, []byte{})
	far, _ := log.AppendLine(nil, 1<<40, event(direct(1, "bob", "carol")))
	f.Add(carol, slices.Concat(segment, far), point)
	f.Fuzz(func(t *testing.T, file, segment, point []byte) {
		fs := disktest.New()
		setFile(fs, "users", "carol.jsonl", file)
		setFile(fs, logFolder, "00000000000000000001.jsonl", segment)
		setRoot(fs, checkpointFile, string(point))
		m := direct(2_000_000, "bob", "carol")
		for round := range 2 {
			s, err := open(fs.Folder(), Options{})
			if err != nil {
				return // a number that is too great
			}
			follow(s)
			if round > 0 {
				sameIDs(t, "after a power cut", tail(t, s, "carol", 1), m.ID)
				if all := unreadOf(t, s, "carol"); len(all) == 0 || !slices.Contains(ids(all), m.ID) {
					t.Error("it is not unread")
				}
				m.ID += "-again"
			}
			for _, nick := range []string{"bob", "carol"} { // as the room does before it sends
				if _, err := s.Waiting(nick); errors.Is(err, errAhead) {
					mustClose(t, s)
					return
				} else if err != nil {
					t.Fatal(err)
				}
			}
			mustPut(t, s, event(m))
			sameIDs(t, "last", tail(t, s, "carol", 1), m.ID)
			fs = fs.Crash(rand.New(rand.NewPCG(uint64(len(file)), uint64(len(segment)))))
			mustClose(t, s)
		}
	})
}
