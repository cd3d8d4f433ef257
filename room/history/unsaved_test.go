package history

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"whoelse/internal/disk/disktest"
)

// TestCheckpointThatMayBeSaved: a checkpoint is on disk, and its save fails nevertheless. When later a sync
// fails and the histories are written again, a kill in the middle of that must not lose what is before that
// checkpoint: a start takes it at its word.
func TestCheckpointThatMayBeSaved(t *testing.T) {
	rewritten := 0
	for after := 1; after < 40; after++ {
		synctest.Test(t, func(t *testing.T) {
			fs, l := disktest.New(), &ledger{opts: small}
			var file atomic.Value // the last that was renamed, or is to be synced
			file.Store("")
			fs.Watch(func(op, name string) {
				if op == "sync" || op == "rename" {
					file.Store(op + " " + name)
				}
			})
			unsaved, cut, left := false, false, after
			fs.Fail(func(_ int, op string) (f disktest.Fault) {
				now := file.Load().(string)
				switch {
				case cut:
					if left--; left == 0 {
						f = disktest.Fault{Dead: true}
					}
				case !unsaved:
					if op == "syncdir" && now == "rename checkpoint.json.tmp" {
						unsaved, f = true, disktest.Fault{Err: syscall.EIO}
					}
				case op == "sync" && strings.HasPrefix(now, "sync ") && !strings.HasPrefix(now, "sync 0"): // not the log's
					f = disktest.Fault{Err: syscall.EIO}
				case op == "truncate":
					cut = true
					rewritten++
				}
				return f
			})
			run(t, fs, l)
			fs.Fail(nil)
			recheck(t, fmt.Sprint("killed after ", after), fs.Killed(), l)
		})
	}
	if rewritten < 30 {
		t.Errorf("histories were written again %d times only", rewritten)
	}
}
