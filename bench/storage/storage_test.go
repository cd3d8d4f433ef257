package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"whoelse/bench/scenario"
	"whoelse/bench/target"
	"whoelse/room"
	"whoelse/room/history"
)

// childEnv makes this test binary a child, with the words that follow.
const childEnv = "WHOELSE_BENCH_STORAGE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := Child(context.Background(), os.Stdout, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// small is everything in tiny numbers, in a folder that has to be empty after.
func small(t *testing.T) (Storage, scenario.Env) {
	t.Helper()
	if _, err := target.OwnCPU(); err != nil {
		t.Skip(err)
	}
	t.Setenv(childEnv, "1")
	env := scenario.Env{Dir: t.TempDir(), Progress: func(string, ...any) {}}
	t.Cleanup(func() {
		if left, err := os.ReadDir(env.Dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
	return Storage{
		Parts: Parts(), Senders: []int{1, 3}, Rounds: 2, Slice: 20 * time.Millisecond, Records: 12_000,
		Nicks: 2000, Budget: time.Minute, Journal: 100_000, Files: 1500, Child: []string{os.Args[0]},
	}, env
}

func figures(t *testing.T, s Storage, env scenario.Env) map[string]Figure {
	t.Helper()
	report, err := s.Run(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]Figure{}
	for _, f := range report.Runs.([]Figure) {
		name := f.Part + ": " + f.What
		if _, twice := all[name]; twice || f.Measured < f.Low || f.Measured > f.High {
			t.Errorf("%+v", f)
		}
		all[name] = f
	}
	if len(report.Table.Rows) != len(all) || len(report.Checks) == 0 {
		t.Errorf("the report does not show its %d figures:\n%s", len(all), report)
	}
	return all
}

// TestAllParts: every part finds something to measure, and what can be counted
// is right.
func TestAllParts(t *testing.T) {
	s, env := small(t)
	all := figures(t, s, env)
	for _, what := range []string{
		"send: 1 sender: acknowledged, to bare writing",
		"send: 3 senders: p99",
		"inbox: in memory: a history of 12000 to one of 10",
		"inbox: not in memory: a history of 12000 to one of 10000",
		"inbox: not even in the kernel's cache: a history of 10000 to one of 10",
		"nicks: Open with 2000 nicks: time",
		"nicks: Open with 2000 nicks: heap after it",
		"nicks: Open with 2000 nicks: resident memory after it",
		"nicks: Open after a kill, messages of 100 nicks: time",
		"nicks: Open after a kill, messages of 2000 nicks: journals",
		"nicks: 2000 nicks: writing them took",
		"nicks: 2000 nicks: writing the last tenth of them to the first",
		"nicks: 2000 nicks: journals while writing, at most",
		"folder: 1000 files, warm: lstat: 256 folders to one",
		"folder: 1500 files, warm: make 256 new names durable: 256 folders to one",
	} {
		if all[what].Measured <= 0 {
			t.Errorf("%s: %+v", what, all[what])
		}
	}
	if files := all["nicks: 2000 nicks: inodes of them"]; files.Measured != 2000 {
		t.Errorf("not one file for each nick: %+v", files)
	}
	if open := all["nicks: 2000 nicks: open files while writing"]; open.Measured < 100 || open.HeldTo == "" {
		t.Errorf("open files were not counted: %+v", open)
	}
	if left := all["nicks: Open after a kill, messages of 2000 nicks: journals"]; left.Low < 0.09 || left.High > 1 {
		t.Errorf("the journal was not left as a kill leaves it: %+v", left)
	}
}

// TestBudget: writing nicks ends with its time, which is said.
func TestBudget(t *testing.T) {
	s, env := small(t)
	s.Parts, s.Nicks, s.Budget = []string{PartNicks}, 1000, time.Nanosecond
	report, err := s.Run(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	told := slices.ContainsFunc(report.Summary, func(line string) bool {
		return strings.HasPrefix(line, "writing nicks was stopped at 100 after")
	})
	if !told {
		t.Errorf("%q", report.Summary)
	}
}

func TestRefusesToFillTheDisk(t *testing.T) {
	s, env := small(t)
	for what, change := range map[string]func(*Storage){
		PartNicks:  func(s *Storage) { s.Nicks = 1 << 45 },
		PartInbox:  func(s *Storage) { s.Records = 1 << 45 },
		PartFolder: func(s *Storage) { s.Files = 1 << 45 },
	} {
		big := s
		change(&big)
		if _, err := big.Run(t.Context(), env); !errors.Is(err, ErrDisk) {
			t.Errorf("%s: %v", what, err)
		}
		big.Parts = []string{PartSend} // which needs none of it
		if _, err := big.Run(t.Context(), env); err != nil {
			t.Errorf("without %s: %v", what, err)
		}
	}
}

// TestNeed: what is asked of the disk is no less than what is written.
func TestNeed(t *testing.T) {
	for part, want := range map[string][2]uint64{ // bytes, files
		PartInbox:  {1000 * 200, 1},
		PartNicks:  {1000 * 4096, 1000},
		PartFolder: {1000, 2000},
	} {
		sized := &bench{Storage: Storage{Parts: []string{part}, Records: 1000, Nicks: 1000, Files: 1000}}
		bytes, inodes := sized.need()
		empty := &bench{Storage: Storage{Parts: []string{part}}}
		spareBytes, spareInodes := empty.need()
		if bytes-spareBytes < want[0] || inodes-spareInodes+1 < want[1] {
			t.Errorf("%s: %d bytes, %d files", part, bytes-spareBytes, inodes-spareInodes)
		}
	}
}

// TestStreamEnds: writing a long history can be interrupted, and tells of what
// could not be kept.
func TestStreamEnds(t *testing.T) {
	store, err := history.Open(t.TempDir(), history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := newStream(store)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := in.add(ctx, records(message("bob", "carol"))...); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(in.add(t.Context(), records(message("bob", "carol"))...), in.wait()); !errors.Is(err, room.ErrStorage) {
		t.Error(err)
	}
}

func TestInterrupted(t *testing.T) {
	s, env := small(t)
	for _, part := range Parts() {
		ctx, cancel := context.WithCancel(t.Context())
		env.Progress = func(string, ...any) { cancel() } // as soon as there is something to tell
		one := s
		one.Parts = []string{part}
		if _, err := one.Run(ctx, env); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", part, err)
		}
	}
}

// TestFill: a history has as many records as asked for, and three unread,
// wherever its marks come to lie.
func TestFill(t *testing.T) {
	dir := t.TempDir()
	err := within(dir, history.Options{}, func(store *history.Store) error {
		var readers []*reader
		for _, n := range []int{10, 53, 54, 55, 56, 57, 58, 104, 105, 106, 107, 108, 109} {
			r := &reader{nick: fmt.Sprint("carol", n), length: n}
			readers = append(readers, r)
			if err := r.fill(t.Context(), store); err != nil {
				return err
			}
			content, err := os.ReadFile(filepath.Join(dir, "users", r.nick+".jsonl"))
			if err != nil {
				return err
			}
			lines := bytes.Count(content, []byte("\n")) - bytes.Count(content, []byte(`"kind":"state"`))
			if lines != n {
				t.Errorf("%d records instead of %d", lines, n)
			}
		}
		if _, err := askAll(t.Context(), store, readers, 1, nil); err != nil {
			return err
		}
		for _, r := range readers {
			if err := r.grow(t.Context(), store); err != nil {
				return err
			}
		}
		_, err := askAll(t.Context(), store, readers, 1, nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSpread(t *testing.T) {
	if got, want := spreadOf([]float64{4, 1, 2, 3}), (spread{2.5, 1, 4}); got != want {
		t.Errorf("of four: %v", got)
	}
	if got, want := spreadOf([]float64{9, 1, 2}), (spread{2, 1, 9}); got != want {
		t.Errorf("of three: %v", got)
	}
}

func TestRatiosAndPromises(t *testing.T) {
	b := &bench{}
	f := b.addRatios("ours", "/s", []float64{30, 20, 90}, []float64{10, 10, 10})
	if f.Measured != 3 || f.Low != 2 || f.High != 9 || f.Of != "30 /s to 10 /s" || !f.Met {
		t.Errorf("%+v", f)
	}
	for promised, met := range map[float64]bool{2: true, 3: true, 4: false} {
		if f.atLeast(promised); f.Met != met {
			t.Errorf("at least %g: %+v", promised, f)
		}
	}
	for promised, met := range map[float64]bool{2: false, 3: true, 4: true} {
		if f.atMost(promised); f.Met != met {
			t.Errorf("at most %g: %+v", promised, f)
		}
	}
}
