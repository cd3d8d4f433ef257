package history

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"whoelse/internal/disk/disktest"
)

// TestEveryCrash ends the process before each operation of the scenario in
// turn, and cuts the power or not. What then survives is any part of what was
// not synced.
func TestEveryCrash(t *testing.T) {
	each(t, func(t *testing.T, opts Options) {
		steps := countSteps(t, opts)
		for n := 1; n <= steps; n += stride(steps, 1) {
			fs, l := dieAt(t, opts, n)
			recheck(t, fmt.Sprint("killed at ", n), fs.Killed(), l)
			for seed := range few(8) {
				rng := rand.New(rand.NewPCG(seed, uint64(n)))
				recheck(t, fmt.Sprintf("power cut %d at %d", seed, n), fs.Crash(rng), l)
			}
		}
	})
}

// TestCrashInRecovery cuts the power in the middle of the recovery from a power
// cut, again and again, and at last lets it finish.
func TestCrashInRecovery(t *testing.T) {
	each(t, func(t *testing.T, opts Options) {
		steps := countSteps(t, opts)
		for n := 1; n <= steps; n += max(7, stride(steps, 1)) {
			fs, l := dieAt(t, opts, n)
			rng := rand.New(rand.NewPCG(1, uint64(n)))
			for m := 1; m < 60; m += 1 + rng.IntN(3) {
				fs = fs.Crash(rng)
				fs.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step == m} })
				s, err := open(fs.Folder(), l.opts)
				if err == nil {
					_ = s.Close()
				}
			}
			recheck(t, fmt.Sprint("after all, died at ", n), fs.Crash(rng), l)
		}
	})
}

// dieAt plays the scenario until operation n.
func dieAt(t *testing.T, opts Options, n int) (*disktest.FS, *ledger) {
	t.Helper()
	fs, l := disktest.New(), &ledger{opts: opts}
	fs.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step == n, Part: true} })
	run(t, fs, l)
	return fs, l
}
