package log

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// given is what another log decided: numbers with gaps.
func given() (all []room.Entry) {
	seq := uint64(40)
	for n := range 14 {
		seq += 1 + uint64(n%3)
		all = append(all, room.Entry{Seq: seq, Event: direct(n)})
	}
	return all
}

// commitAll commits what lg does not have yet in batches, and repeats each until it is durable, or the
// disk is dead. It keeps acked up to date.
func commitAll(lg *Log, fs *disktest.FS, acked *int) {
	rest := given()
	for len(rest) > 0 && rest[0].Seq <= lg.Last() {
		rest = rest[1:]
	}
	for size := 1; len(rest) > 0; size++ {
		n := min(1+size%4, len(rest))
		for lg.Commit(rest[:n]) != nil {
			if fs.IsDead() {
				return
			}
			time.Sleep(retryAfter + time.Millisecond)
		}
		rest = rest[n:]
		*acked = len(given()) - len(rest)
	}
}

// checkGiven makes sure that a log has the first of what was given, without gaps of its own, and at least
// all that is acknowledged.
func checkGiven(t *testing.T, what string, lg *Log, acked int) {
	t.Helper()
	got := all(t, lg, 0)
	if len(got) < acked || len(got) > len(given()) {
		t.Fatalf("%s: %d events are there, %d are acknowledged", what, len(got), acked)
	}
	if diff := cmp.Diff(given()[:len(got)], got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s: %s", what, diff)
	}
	if n := len(got); n > 0 && lg.Last() != got[n-1].Seq {
		t.Fatalf("%s: the last number is %d, want %d", what, lg.Last(), got[n-1].Seq)
	}
}

// commitOn opens the log on fs, commits what is missing, and looks at what is there and was handed over.
func commitOn(t *testing.T, what string, fs *disktest.FS, acked *int) {
	t.Helper()
	in, err := fs.Folder().Sub("log")
	if err != nil {
		return
	}
	opts := Options{Log: quiet, SegmentBytes: 600, Given: true}
	lg, err := Open(in, opts)
	if err != nil {
		return
	}
	defer func() { _ = lg.Close() }()
	followed := lg.Last()
	if !fs.IsDead() {
		checkGiven(t, what+", opened", lg, *acked)
		*acked = len(all(t, lg, 0))
	}
	lg.Follow(func(batch []room.Entry) {
		for _, e := range batch {
			if e.Seq <= followed {
				t.Errorf("%s: %d is handed over after %d", what, e.Seq, followed)
			}
			followed = e.Seq
		}
	})
	commitAll(lg, fs, acked)
	if !fs.IsDead() {
		fs.Fail(nil)
		checkGiven(t, what, lg, *acked)
	}
	_ = lg.Close()
	if n := len(given()); !fs.IsDead() && (*acked != n || followed != given()[n-1].Seq) {
		t.Errorf("%s: %d are acknowledged, the follower has got up to %d", what, *acked, followed)
	}
}

// TestCommitInTrouble: a batch whose commit failed at any operation is committed again, and counts once;
// after a crash at any operation the log goes on at the first number that it lacks.
func TestCommitInTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs, acked := disktest.New(), 0
		commitOn(t, "no trouble", fs, &acked)
		steps := fs.Steps()
		for n := 1; n <= steps; n++ {
			for i, f := range []disktest.Fault{
				{Err: syscall.ENOSPC}, {Err: syscall.EIO, Part: true}, {Err: syscall.EIO, Takes: true}, {Dead: true, Part: true},
			} {
				if (n+i)%stride != 0 { // each way at other operations
					continue
				}
				for row := 1; row <= 4; row += 3 {
					what := fmt.Sprintf("%+v, %d from %d", f, row, n)
					fs, acked := disktest.New(), 0
					fs.Fail(func(step int, _ string) disktest.Fault {
						if step >= n && step < n+row {
							return f
						}
						return disktest.Fault{}
					})
					commitOn(t, what, fs, &acked)
					rng := rand.New(rand.NewPCG(uint64(n), uint64(row)))
					cut, killed := acked, acked
					commitOn(t, what+", power cut", fs.Crash(rng), &cut)
					commitOn(t, what+", killed", fs.Killed(), &killed)
				}
			}
		}
	})
}

// TestCommitRefuses: numbers that do not ascend, and what no line can hold; all of the batch with it.
func TestCommitRefuses(t *testing.T) {
	in := mustSub(t, disktest.New())
	lg := mustOpen(t, in, Options{Given: true})
	all := given()
	bad := direct(3)
	bad.Kind = ""
	for what, batch := range map[string][]room.Entry{
		"order":   {all[1], all[0]},
		"again":   {all[1], all[1]},
		"zero":    {{Seq: 0, Event: direct(1)}},
		"great":   {{Seq: maxSeq, Event: direct(1)}},
		"invalid": {all[0], {Seq: all[1].Seq, Event: bad}},
	} {
		if err := lg.Commit(batch); !errors.Is(err, room.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := put(lg, direct(1)); !errors.Is(err, room.ErrInvalid) {
		t.Errorf("an append: %v", err)
	}
	if err := lg.Commit(all[:2]); err != nil {
		t.Fatal(err)
	}
	checkGiven(t, "the first that is good", lg, 2)
	if err := lg.Commit(all[1:3]); !errors.Is(err, room.ErrInvalid) {
		t.Errorf("what is there already: %v", err)
	}
	_ = lg.Close()
	wantStorage(t, lg.Commit(all[2:3]))
}
