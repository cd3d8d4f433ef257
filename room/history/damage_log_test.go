package history

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"whoelse/internal/disk"
	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// cutOff is what a power cut left of a server with eight messages to carol: all but the first four are in
// the log, and in her history, or only there.
func cutOff(t *testing.T, both bool) (m *disktest.FS, want []string) {
	t.Helper()
	m = disktest.New()
	for round := range 2 {
		s, err := open(m.Folder(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		follow(s)
		for n := range 4 {
			msg := direct(4*round+n, "bob", "carol")
			mustPut(t, s, event(msg))
			want = append(want, msg.ID)
		}
		if round == 1 {
			after := m.Killed()
			users, err := after.Folder().Sub("users")
			for _, name := range []string{"bob.jsonl", "carol.jsonl"} {
				lines := bytes.SplitAfter(contentOf(t, after, "users", name), []byte("\n"))
				if !both {
					err = errors.Join(err, disk.WriteFile(users, name, bytes.Join(lines[:4], nil)))
				}
			}
			if err := errors.Join(err, s.Close()); err != nil {
				t.Fatal(err)
			}
			return after, want
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return nil, nil
}

// TestEveryByteOfTheLog: whatever byte of the log or of the checkpoint is flipped or missing, a start
// loses the one event that it was in at most; wherever the log ends, a repair loses what is nowhere.
func TestEveryByteOfTheLog(t *testing.T) {
	t.Parallel()
	const segment = "00000000000000000005.jsonl"
	m, all := cutOff(t, true)
	text := contentOf(t, m, "log", segment)
	lines := slices.Collect(func(yield func(int) bool) { // where they end
		for i, b := range text {
			if b == '\n' && !yield(i+1) {
				return
			}
		}
	})
	if len(lines) != 4 {
		t.Fatalf("the log has %q", text)
	}
	for i := 0; i < len(text); i += stride(len(text), 1) {
		flipped := slices.Clone(text)
		flipped[i] ^= 1 << (i % 8)
		oneDamage(t, fmt.Sprint("flipped ", i), logFolder, segment, flipped, all, 1)
		oneDamage(t, fmt.Sprint("without ", i), logFolder, segment, slices.Delete(slices.Clone(text), i, i+1), all, 1)
		whole := 0
		for _, end := range lines {
			if end-1 <= i { // the newline is not needed
				whole++
			}
		}
		oneDamage(t, fmt.Sprint("until ", i), logFolder, segment, text[:i], all, 4-whole)
	}
	point := contentOf(t, m, "", checkpointFile)
	for i := 0; i < len(point); i += stride(len(point), 1) {
		for bit := range few(8) {
			flipped := slices.Clone(point)
			flipped[i] ^= 1 << bit
			oneDamage(t, fmt.Sprint("the checkpoint's byte ", i), "", checkpointFile, flipped, all, 0)
		}
		oneDamage(t, fmt.Sprint("the checkpoint until ", i), "", checkpointFile, point[:i], all, 0)
	}
}

// oneDamage starts and repairs after a file was damaged. At most so many of the messages that only the
// log has may be lost.
func oneDamage(t *testing.T, what, dir, name string, content []byte, all []string, most int) {
	t.Helper()
	for n := range 4 {
		both, repaired := n%2 == 0, n/2 == 0
		m, _ := cutOff(t, both)
		in := m.Folder()
		var err error
		if dir != "" {
			in, err = in.Sub(dir)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := disk.WriteFile(in, name, content); err != nil {
			t.Fatal(err)
		}
		if repaired {
			mustRepair(t, m)
		} else if refuses(t, m) {
			if most == 0 || dir == "" || !both {
				t.Fatalf("%s: a history is not used", what)
			}
			continue
		}
		got, fresh := messagesOf(t, m, repaired)
		lost := slices.DeleteFunc(slices.Clone(all), func(id string) bool { return slices.Contains(ids(got), id) })
		if len(lost) > most || slices.ContainsFunc(lost, func(id string) bool { return slices.Contains(all[:4], id) }) {
			t.Fatalf("%s, repaired %v: %v are lost", what, repaired, lost)
		}
		if !slices.Equal(ids(got), ids(fresh)) || !slices.IsSorted(ids(got)) {
			t.Fatalf("%s, repaired %v: %v, of which %v are unread", what, repaired, ids(got), ids(fresh))
		}
	}
}

// refuses reports whether a server starts and does not use carol's history: it has events that the log
// has lost.
func refuses(t *testing.T, m *disktest.FS) bool {
	t.Helper()
	m = m.Killed()
	s, err := open(m.Folder(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Waiting("carol")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return errors.Is(err, room.ErrUnusable)
}
