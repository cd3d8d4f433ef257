package space

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const most = 100 * 100 * block

// rig is a folder with a guard, and what the guard has told.
type rig struct {
	t    *testing.T
	dir  string
	log  bytes.Buffer
	told []string
	*Guard
}

func newRig(t *testing.T, max int64) *rig {
	r := &rig{t: t, dir: t.TempDir()}
	r.Guard = New(Config{Dir: r.dir, Max: max, Log: slog.New(slog.NewTextHandler(&r.log, nil)), Tell: func(words string) { r.told = append(r.told, words) }})
	disk(t, 50)
	return r
}

// disk makes it look as if so much of the disk was free, in percent.
func disk(t *testing.T, percent uint64) {
	t.Helper()
	real := diskOf
	diskOf = func(string) (free, total uint64, err error) { return percent << 30, 100 << 30, nil }
	t.Cleanup(func() { diskOf = real })
}

// fill makes the folder as full as that, in percent, in some depth.
func (r *rig) fill(percent int64) {
	r.t.Helper()
	deep := filepath.Join(r.dir, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(deep, "file"), nil, 0o600); err != nil {
		r.t.Fatal(err)
	}
	empty := sizeOf(r.t.Context(), r.dir)
	if err := os.Truncate(filepath.Join(deep, "file"), most/100*percent-empty); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) at(guest, keyed, claims error) {
	r.t.Helper()
	if g, k, c := r.Messages(true), r.Messages(false), r.Claims(); !errors.Is(g, guest) || !errors.Is(k, keyed) || !errors.Is(c, claims) {
		r.t.Errorf("at %v: a guest %v, somebody %v, a claim %v", r.Stats(), g, k, c)
	}
}

func TestStages(t *testing.T) {
	r := newRig(t, most)
	for _, step := range []struct {
		percent              int64
		guest, keyed, claims error
	}{
		{10, nil, nil, nil}, {79, nil, nil, nil},
		{80, ErrGuests, nil, nil}, {78, ErrGuests, nil, nil}, {77, nil, nil, nil}, {79, nil, nil, nil},
		{94, ErrGuests, nil, ErrClaims}, {95, ErrFull, ErrFull, ErrClaims}, {93, ErrFull, ErrFull, ErrClaims},
		{92, ErrGuests, nil, ErrClaims}, {88, ErrGuests, nil, ErrClaims}, {87, ErrGuests, nil, nil}, {10, nil, nil, nil},
		{300, ErrFull, ErrFull, ErrClaims}, {0, nil, nil, nil},
	} {
		r.fill(max(1, step.percent))
		for range 3 { // it is told once
			r.Measure(r.t.Context())
		}
		r.at(step.guest, step.keyed, step.claims)
	}
	if want := 9; len(r.told) != want || strings.Count(r.log.String(), "--data-max: ") != want {
		t.Errorf("told %d times, want %d: %q\n%s", len(r.told), want, r.told, r.log.String())
	}
	if want := "the data folder is at 95 % of --data-max: nobody can send messages"; !slices.Contains(r.told, want) {
		t.Errorf("%q is not among %q", want, r.told)
	}
}

// What is sent counts at once, and is counted once.
func TestAdd(t *testing.T) {
	r := newRig(t, most)
	r.fill(50)
	r.Measure(r.t.Context())
	r.Add(most / 100 * 45)
	r.at(ErrFull, ErrFull, ErrClaims)
	r.Add(-most / 100 * 45) // it was not stored
	r.at(nil, nil, nil)
	r.Add(most / 100 * 45)
	r.fill(60) // it was less than it looked like
	r.Measure(r.t.Context())
	r.at(nil, nil, nil)
	if got := r.Stats(); got.Bytes != most/100*60 || got.Max != most {
		t.Errorf("%+v", got)
	}
}

func TestNoMaximum(t *testing.T) {
	r := newRig(t, 0)
	r.fill(300)
	r.Measure(r.t.Context())
	r.Add(1 << 60)
	r.at(nil, nil, nil)
	if len(r.told) > 0 {
		t.Errorf("told %q", r.told)
	}
}

func TestDiskNearlyFull(t *testing.T) {
	r := newRig(t, 0)
	for i, step := range []struct {
		free uint64
		told int
	}{{50, 0}, {5, 0}, {4, 1}, {1, 1}, {6, 1}, {7, 1}, {4, 2}} {
		disk(t, step.free)
		r.Measure(r.t.Context())
		if len(r.told) != step.told {
			t.Errorf("step %d: told %q, want %d", i, r.told, step.told)
		}
	}
	if got := strings.Count(r.log.String(), "level=WARN"); got != 2 {
		t.Errorf("warned %d times:\n%s", got, r.log.String())
	}
}

func TestRun(t *testing.T) {
	r := newRig(t, most)
	r.fill(99)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go r.Run(ctx)
		time.Sleep(walkEvery + time.Second)
		synctest.Wait()
		r.at(ErrFull, ErrFull, ErrClaims)
		cancel()
		synctest.Wait()
	})
}

func BenchmarkMeasure(b *testing.B) {
	dir := b.TempDir()
	for i := range 10_000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	g := New(Config{Dir: dir, Max: most, Log: slog.New(slog.DiscardHandler), Tell: func(string) {}})
	for b.Loop() {
		g.Measure(b.Context())
	}
}
