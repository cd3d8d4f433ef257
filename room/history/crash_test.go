package history

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestEveryCrash ends the process before each operation of the scenario in
// turn, and cuts the power or not. What then survives is any part of what was
// not synced.
func TestEveryCrash(t *testing.T) {
	each(t, func(t *testing.T, opts Options) {
		steps := countSteps(t, opts)
		for n := 1; n <= steps; n += stride(steps, 1) {
			fs, l := dieAt(t, opts, n)
			recheck(t, fmt.Sprint("killed at ", n), fs.killed(), l)
			for seed := range uint64(8) {
				rng := rand.New(rand.NewPCG(seed, uint64(n)))
				recheck(t, fmt.Sprintf("power cut %d at %d", seed, n), fs.crash(rng), l)
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
				fs = fs.crash(rng)
				fs.fault = func(step int, _ string) fault { return fault{dead: step == m} }
				s, err := open(fs.folder(), l.opts)
				if err == nil {
					_ = s.Close()
				}
			}
			recheck(t, fmt.Sprint("after all, died at ", n), fs.crash(rng), l)
		}
	})
}

// dieAt plays the scenario until operation n.
func dieAt(t *testing.T, opts Options, n int) (*memFS, *ledger) {
	t.Helper()
	fs, l := newMemFS(), &ledger{opts: opts}
	fs.fault = func(step int, _ string) fault { return fault{dead: step == n, part: true} }
	run(t, fs, l)
	return fs, l
}
