// Package space bounds how large the data folder grows as a whole, and tells when its disk
// is nearly full.
//
// As the folder fills, less is taken: first nothing more from guests, then no new nicks
// are claimed, and at last nothing is sent at all. Reading, marks of what was read, and
// leaving go on, for which the rest of the room is kept. When there is room again, all
// of it comes back by itself.
//
// The folder is walked at start and about every minute; between two walks what people
// send is added to what was found.
package space

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Stage is how full the folder is.
type Stage int

const (
	Free   Stage = iota
	Guests       // guests can only read
	Claims       // and nobody claims a nick
	Full         // and nobody sends anything
)

// stages have the part of the maximum, in percent, at which each begins, and the words for
// operators. One ends when there is slack less than that, so that nobody is told of each
// message back and forth.
var stages = [...]struct {
	from  int64
	words string
}{
	Free:   {0, "back to normal"},
	Guests: {80, "guests can't send messages"},
	Claims: {90, "guests can't send messages, and nobody can claim a nick"},
	Full:   {95, "nobody can send messages"},
}

const slack = 2

// The part of the disk, in percent, that is free when it begins to be nearly full, and
// when that ends.
const (
	lowBelow = 5
	lowUntil = 7
)

// How often the folder is walked: every minute, or less often where a walk takes so
// long that it would take more than a twentieth of the time.
const (
	walkEvery = time.Minute
	walkShare = 20
)

// What is refused, in words for the person.
var (
	ErrGuests = errors.New("the server is short of space and keeps it for people with a key; please try again later")
	ErrClaims = errors.New("the server is short of space, so no new nicks can be claimed for now; please try again later")
	ErrFull   = errors.New("the server is out of space for messages; please try again later")
)

// Config is what a Guard needs.
type Config struct {
	Dir string
	Max int64 // bytes; 0 is no limit, and then only the disk is watched
	Log *slog.Logger
	// Tell shows words to the operators who are here. It is called without a lock held.
	Tell func(words string)
}

// Stats is how full it is.
type Stats struct {
	Bytes, Max int64 // 0 without a maximum
	Stage      Stage
	DiskLow    bool
}

// Guard watches one folder. Its methods may be called concurrently.
type Guard struct {
	cfg Config

	mu    sync.Mutex // owns the rest
	added int64      // bytes, since the last walk began
	stats Stats
}

// New returns a guard that knows nothing of the folder yet: call Measure, and then Run.
func New(cfg Config) *Guard { return &Guard{cfg: cfg, stats: Stats{Max: cfg.Max}} }

// Stats returns how full it is, without looking again.
func (g *Guard) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stats
}

// Run measures again and again until ctx is over.
func (g *Guard) Run(ctx context.Context) {
	for wait := walkEvery; ; {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		began := time.Now()
		g.Measure(ctx)
		wait = max(walkEvery, walkShare*time.Since(began))
	}
}

// Measure walks the folder and looks at its disk. It gives up when ctx is over.
func (g *Guard) Measure(ctx context.Context) {
	if g.cfg.Max > 0 {
		g.mu.Lock()
		g.added = 0
		g.mu.Unlock()
		size := sizeOf(ctx, g.cfg.Dir)
		if ctx.Err() != nil {
			return
		}
		g.update(func() { g.stats.Bytes = size + max(0, g.added) })
	}
	g.watchDisk()
}

// block is what sizes are rounded up to, as most file systems do.
const block = 4 << 10

// sizeOf adds up what is in a folder. What goes away meanwhile, or can't be read, has no size.
func sizeOf(ctx context.Context, dir string) (total int64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return filepath.SkipAll
		}
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil {
			total += (info.Size() + block - 1) / block * block
		}
		return nil
	})
	return total
}

// Add notes that the folder grows by bytes, or, after something failed, does not.
func (g *Guard) Add(bytes int64) {
	if g.cfg.Max <= 0 {
		return
	}
	g.update(func() {
		g.added += bytes
		g.stats.Bytes = max(0, g.stats.Bytes+bytes)
	})
}

// update changes the size, under the lock, and tells when that has changed the stage.
func (g *Guard) update(size func()) {
	g.mu.Lock()
	was := g.stats.Stage
	size()
	used, now := g.stats.Bytes, Free
	for s := Full; s > Free && now == Free; s-- {
		at := stages[s].from
		if s <= was {
			at -= slack
		}
		if used >= g.cfg.Max/100*at {
			now = s
		}
	}
	g.stats.Stage = now
	g.mu.Unlock()
	if now == was {
		return
	}
	words := fmt.Sprintf("the data folder is at %d %% of --data-max: %s", used*100/g.cfg.Max, stages[now].words)
	if now < was {
		g.cfg.Log.Info(words, "bytes", used, "max", g.cfg.Max)
	} else {
		g.cfg.Log.Warn(words+"; free some space or raise --data-max", "bytes", used, "max", g.cfg.Max)
	}
	g.cfg.Tell(words)
}

// Messages says why nothing can be sent now, by a guest or by somebody with a key.
func (g *Guard) Messages(guest bool) error {
	switch stage := g.Stats().Stage; {
	case stage >= Full:
		return ErrFull
	case stage >= Guests && guest:
		return ErrGuests
	}
	return nil
}

// Claims says why nobody can claim a nick now.
func (g *Guard) Claims() error {
	if g.Stats().Stage >= Claims {
		return ErrClaims
	}
	return nil
}

// diskOf is how many bytes of the folder's disk are free, and how many there are. It is
// replaced in tests.
var diskOf = func(dir string) (free, total uint64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), uint64(st.Blocks) * uint64(st.Bsize), nil
}

func (g *Guard) watchDisk() {
	free, total, err := diskOf(g.cfg.Dir)
	if err != nil || total == 0 {
		return // the histories tell what is wrong with the folder
	}
	g.mu.Lock()
	was := g.stats.DiskLow
	low := free < total/100*lowBelow || was && free < total/100*lowUntil
	g.stats.DiskLow = low
	g.mu.Unlock()
	switch {
	case low && !was:
		words := fmt.Sprintf("the data folder's disk is nearly full: %d MiB free", free>>20)
		g.cfg.Log.Warn(words+"; free some space: once it is full, nothing can be sent", "free", free, "size", total)
		g.cfg.Tell(words)
	case was && !low:
		g.cfg.Log.Info("the data folder's disk has enough space again", "free", free, "size", total)
	}
}
