package test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// histories reads the files of the histories as anybody can, from where it stopped
// the time before. What it has read must never change again.
type histories struct {
	dir    string
	until  map[string]*position // by file
	lastID string               // the greatest so far
}

type position struct {
	off  int64
	sum  hash.Hash // of all before off
	last []string  // the texts before off, so many as can be asked for
}

const askedAtMost = 10_000 // by one command

// newest returns the newest texts of owner, oldest first.
func (h *histories) newest(owner string) []string {
	file := filepath.Join(h.dir, "users", owner+".jsonl")
	if owner == "room" {
		file = filepath.Join(h.dir, "rooms", "lobby.jsonl")
	}
	if at := h.until[file]; at != nil {
		return at.last
	}
	return nil
}

func readHistories(data string) *histories {
	return &histories{dir: filepath.Join(data, "history"), until: map[string]*position{}}
}

// record is a line of a history.
type record struct {
	Seq                       uint64
	ID, Kind, From, Text, Ref string
	To, IDs                   []string
}

// findings are the lines that are new, by owner, and the messages in them.
type findings struct {
	lines map[string][]record
	byID  map[string]record
	read  map[string]bool // "nick id" for each mark
}

// next reads on. The server has to be at rest. It sees that every line is whole, that
// numbers go up, ids name one message each, and that every message is in all histories
// where it belongs, or in none.
func (h *histories) next(t testing.TB) *findings {
	t.Helper()
	var wrong complaints
	f := &findings{lines: map[string][]record{}, byID: map[string]record{}, read: map[string]bool{}}
	names, err := filepath.Glob(filepath.Join(h.dir, "users", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, filepath.Join(h.dir, "rooms", "lobby.jsonl"), filepath.Join(h.dir, "presence.jsonl")) {
		owner := strings.TrimSuffix(filepath.Base(name), ".jsonl")
		if owner == "lobby" {
			owner = "room"
		}
		f.lines[owner] = h.readOn(t, &wrong, name)
	}
	in := map[string][]string{} // owners, by id
	for owner, lines := range f.lines {
		last := uint64(0)
		for _, m := range lines {
			if m.Seq < last {
				wrong.add("%s: number %d comes after %d: %+v", owner, m.Seq, last, m)
			}
			last = m.Seq
			for _, id := range m.IDs {
				f.read[owner+" "+id] = true
			}
			if m.ID == "" {
				continue
			}
			if m.ID <= h.lastID {
				wrong.add("%s: id %s is not above all from before, %s: %+v", owner, m.ID, h.lastID, m)
			}
			if other, ok := f.byID[m.ID]; ok && !reflect.DeepEqual(other, m) {
				wrong.add("one id for two messages: %+v and %+v", other, m)
			}
			f.byID[m.ID] = m
			in[m.ID] = append(in[m.ID], owner)
		}
	}
	f.checkUnits(&wrong, in)
	for id := range f.byID {
		h.lastID = max(h.lastID, id)
	}
	for _, pattern := range []string{"*.torn", "*/*.torn"} {
		if torn, _ := filepath.Glob(filepath.Join(h.dir, pattern)); len(torn) > 0 {
			wrong.add("something was torn: %v", torn)
		}
	}
	wrong.report(t)
	return f
}

// checkUnits sees that each message is where it belongs. A receipt belongs to the
// sender of what was read, with a mark in the history of who has read it.
func (f *findings) checkUnits(wrong *complaints, in map[string][]string) {
	for id, m := range f.byID {
		want := append([]string{m.From}, m.To...)
		switch m.Kind {
		case "room", "me", "notice":
			want = []string{"room"}
		case "join", "leave", "alive":
			want = []string{"presence"}
		case "receipt":
			want = m.To
			if !f.read[m.From+" "+m.Ref] {
				wrong.add("there is a receipt and no mark: %+v", m)
			}
		}
		slices.Sort(want)
		slices.Sort(in[id])
		if !slices.Equal(in[id], want) {
			wrong.add("%+v is in the histories of %v, want %v", m, in[id], want)
		}
	}
}

// readOn reads what is new in one file.
func (h *histories) readOn(t testing.TB, wrong *complaints, name string) (lines []record) {
	t.Helper()
	at := h.until[name]
	if at == nil {
		at = &position{sum: sha256.New()}
		h.until[name] = at
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) && at.off == 0 {
		return nil // nothing has been said yet
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, at.off, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	at.off += int64(len(text))
	at.sum.Write(text)
	for line := range bytes.Lines(text) {
		var m record
		if err := json.Unmarshal(line, &m); err != nil || !sealedWell(line) {
			wrong.add("%s has a damaged line: %q, %v", name, line, err)
		}
		lines = append(lines, m)
	}
	at.last = append(at.last, textsOf(lines)...)
	at.last = slices.Clone(at.last[max(0, len(at.last)-askedAtMost):])
	return lines
}

// sealedWell reports whether the checksum of a line is right.
func sealedWell(line []byte) bool {
	i := bytes.LastIndex(line, []byte(`,"crc":"`))
	if i < 0 {
		return false
	}
	sum := crc32.Checksum(line[:i], crc32.MakeTable(crc32.Castagnoli))
	return string(line[i:]) == fmt.Sprintf(",\"crc\":\"%08x\"}\n", sum)
}

// unchanged sees that all that was read before is there still, to the byte.
func (h *histories) unchanged(t testing.TB) {
	t.Helper()
	for name, at := range h.until {
		if at.off == 0 {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		if _, err := io.CopyN(sum, f, at.off); err != nil || !bytes.Equal(sum.Sum(nil), at.sum.Sum(nil)) {
			t.Errorf("%s has changed in its first %d bytes (%v)", name, at.off, err)
		}
		f.Close()
	}
}

// complaints are told together, and only so many of them.
type complaints []string

func (c *complaints) add(format string, args ...any) { *c = append(*c, fmt.Sprintf(format, args...)) }

func (c *complaints) report(t testing.TB) {
	t.Helper()
	if len(*c) > 0 {
		t.Errorf("%d things are wrong:\n%s", len(*c), strings.Join((*c)[:min(10, len(*c))], "\n"))
	}
}
