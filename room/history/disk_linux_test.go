package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestSyncFSOfOthers: of a file system that is not known syncfs is not trusted.
func TestSyncFSOfOthers(t *testing.T) {
	proc, err := os.Open("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proc.Close() }()
	if done, err := syncFS(proc); done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
}

// TestLockAtTheSameTime: who makes the lock's file a moment later is told that it is
// taken, and nothing else.
func TestLockAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	for n := range 200 {
		d, err := openDir(filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		start := make(chan bool)
		for range 4 {
			wg.Go(func() {
				<-start
				lock, err := d.lock(backupLock)
				if err == nil {
					err = lock.Close()
				}
				if err != nil && !errors.Is(err, ErrInUse) {
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}
}
