package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"whoelse/internal/disk"
	"whoelse/internal/disk/disktest"
)

func openAt(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// lines reads the file and fails unless each line is one object.
func lines(t *testing.T, path string) []Entry {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return entries(t, raw)
}

func entries(t *testing.T, raw []byte) []Entry {
	t.Helper()
	var all []Entry
	for line := range strings.Lines(string(raw)) {
		var e Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || !strings.HasSuffix(line, "\n") {
			t.Errorf("the line %q: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

func TestEntriesSurviveReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := openAt(t, path)
	if err := l.Append(Entry{Who: "alice", What: "ban", Whom: "bob", Why: "spam <b>", For: "2h"}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := l.Append(Entry{Who: "alice", What: "kick"}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	l = openAt(t, path)
	if err := l.Append(Entry{Who: "alice", What: "unban", Whom: "bob"}); err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(path)
	first, _, _ := strings.Cut(string(raw), "\n")
	const want = `Z","who":"alice","what":"ban","whom":"bob","why":"spam <b>","for":"2h"}`
	if !strings.HasPrefix(first, `{"when":"2`) || !strings.HasSuffix(first, want) {
		t.Errorf("%s\nwant\n%s", first, want)
	}
	if all := lines(t, path); len(all) != 2 || all[1].What != "unban" || time.Since(all[1].When) > time.Minute {
		t.Errorf("%+v", all)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestTextIsCleaned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := openAt(t, path)
	hostile := "a\x1b[2J\x07\r\nb\u202e\u2066\u200b\u2028\u009b\xff\x00e\u0301\u0301" + strings.Repeat("x", 5000)
	if err := l.Append(Entry{Who: hostile, What: hostile, Whom: hostile, Why: hostile, For: hostile, Failed: hostile}); err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(path)
	for _, r := range strings.TrimSuffix(string(raw), "\n") {
		if !unicode.IsGraphic(r) || unicode.In(r, unicode.M, unicode.C) {
			t.Errorf("%U is in the file", r)
		}
	}
	e := lines(t, path)[0]
	for _, s := range []string{e.Who, e.What, e.Whom, e.Why, e.For, e.Failed} {
		if !strings.HasPrefix(s, "a?[2J?? b???") || len(s) > textMax+10 {
			t.Errorf("%.40q, %d bytes", s, len(s))
		}
	}
}

func TestConcurrentAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := openAt(t, path)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := l.Append(Entry{Who: fmt.Sprint(i), What: "kick"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(lines(t, path)); n != 20 {
		t.Errorf("%d lines", n)
	}
}

// What a crash left half written is cut off, what an editor left is kept, and what
// is no log is refused.
func TestEndIsMended(t *testing.T) {
	for tail, want := range map[string]int{
		"": 1, "{\"who\":\"x": 1, "{\"who\":\"x\"}": 2, "nonsense": 1, "{\"who\":\"x\"}\n{": 2,
	} {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		whole := `{"when":"2026-11-21T08:00:00Z","who":"alice","what":"kick"}` + "\n"
		if err := os.WriteFile(path, []byte(whole+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := openAt(t, path).Append(Entry{Who: "bob", What: "kick"}); err != nil {
			t.Fatal(err)
		}
		if all := lines(t, path); len(all) != want+1 || all[want].Who != "bob" {
			t.Errorf("after %q: %+v", tail, all)
		}
	}
	dir := t.TempDir()
	long := filepath.Join(dir, "long")
	if err := os.WriteFile(long, []byte(strings.Repeat("x", tailMost+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{long, dir, filepath.Join(dir, "none", "audit.jsonl")} {
		if l, err := Open(path); err == nil {
			l.Close()
			t.Errorf("%s is opened", path)
		}
	}
}

func TestFailures(t *testing.T) {
	full := errors.New("no space")
	for name, c := range map[string]struct {
		faults map[string]disktest.Fault
		stays  bool // nothing is taken afterwards either
	}{
		"a short write":               {map[string]disktest.Fault{"write": {Err: full, Part: true}}, false},
		"a short write that stays":    {map[string]disktest.Fault{"write": {Err: full, Part: true}, "truncate": {Err: full}}, true},
		"a failed sync is not hidden": {map[string]disktest.Fault{"sync": {Err: full}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := disktest.New()
			l, err := open(m.Folder(), "audit.jsonl")
			if err == nil {
				err = l.Append(Entry{Who: "a", What: "kick"})
			}
			if err != nil {
				t.Fatal(err)
			}
			m.Fail(func(_ int, op string) disktest.Fault { return c.faults[op] })
			if err := l.Append(Entry{Who: "b", What: "kick"}); !errors.Is(err, full) {
				t.Errorf("the fault: %v", err)
			}
			m.Fail(nil)
			if err = l.Append(Entry{Who: "c", What: "kick"}); (err != nil) != c.stays {
				t.Errorf("after the fault: %v", err)
			}
			raw, err := disk.ReadFile(m.Folder(), "audit.jsonl", 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if !c.stays {
				if all := entries(t, raw); len(all) != 2 || all[1].Who != "c" {
					t.Errorf("%+v", all)
				}
			}
		})
	}
}
