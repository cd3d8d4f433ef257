package scenario

import (
	"context"
	"errors"
	"fmt"
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

// watch keeps the most that the server has had in peak until ctx is over, and calls
// stop when that is more than the measurement may take.
func (a Abuse) watch(ctx context.Context, server *target.Target, peak *holding, stop func(error)) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		if usage, err := server.Usage(); err == nil {
			peak.rss = max(peak.rss, usage.RSS)
		}
		if peak.rss > a.MaxMemory {
			stop(fmt.Errorf("%w: %.0f MB of memory", errTooMuch, megabytes(peak.rss)))
		}
		if n%int(lookEvery/watchEvery) == 0 {
			if now, err := holdingOf(ctx, server); err == nil {
				peak.files, peak.goroutines = max(peak.files, now.files), max(peak.goroutines, now.goroutines)
				peak.disk = max(peak.disk, now.disk)
			}
			if peak.disk > a.MaxDisk {
				stop(fmt.Errorf("%w: %.0f MB on disk", errTooMuch, megabytes(peak.disk)))
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// megabytes counts as the kernel does, by 1,048,576.
func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
