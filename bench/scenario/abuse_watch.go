package scenario

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"whoelse/bench/target"
)

const (
	watchEvery = 100 * time.Millisecond // memory, which can grow fast
	lookEvery  = time.Second            // all else, which takes longer to count
)

// holding is what a server has at one moment.
type holding struct {
	rss, disk  int64 // bytes
	files      int
	goroutines int // unknown where the server, or one too busy, does not tell
}

const unknown = -1

func holdingOf(ctx context.Context, server *target.Target) (holding, error) {
	usage, err1 := server.Usage()
	files, err2 := server.Files()
	disk, err3 := server.Disk()
	goroutines, err := server.Goroutines(ctx)
	if err != nil {
		goroutines = unknown
	}
	return holding{usage.RSS, disk, files, goroutines}, errors.Join(err1, err2, err3)
}

// errTooMuch ends an attack that takes more than this machine should give.
var errTooMuch = errors.New("stopped early")

// watched does work, keeps the most that the server has meanwhile in peak, and ends
// the work early when that is more than so many times what the measurement may take.
func (a Abuse) watched(
	ctx context.Context, server *target.Target, peak *holding, times int64, work func(context.Context) error,
) error {
	ctx, stop := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := a.watch(ctx, server, peak, times); err != nil {
			stop(err)
		}
	})
	err := work(ctx)
	stop(nil)
	watching.Wait()
	if why := context.Cause(ctx); errors.Is(why, errTooMuch) {
		return why
	}
	return err
}

// watch is over with ctx, or with an error as soon as the server has too much.
func (a Abuse) watch(ctx context.Context, server *target.Target, peak *holding, times int64) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		if usage, err := server.Usage(); err == nil {
			peak.rss = max(peak.rss, usage.RSS)
		}
		if n%int(lookEvery/watchEvery) == 0 {
			if now, err := holdingOf(ctx, server); err == nil {
				peak.files, peak.goroutines = max(peak.files, now.files), max(peak.goroutines, now.goroutines)
				peak.disk = max(peak.disk, now.disk)
			}
		}
		switch {
		case peak.rss > times*a.MaxMemory:
			return fmt.Errorf("%w: %.0f MB of memory", errTooMuch, megabytes(peak.rss))
		case peak.disk > times*a.MaxDisk:
			return fmt.Errorf("%w: %.0f MB on disk", errTooMuch, megabytes(peak.disk))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// megabytes counts as the kernel does, by 1,048,576.
func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
