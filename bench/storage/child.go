package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"whoelse/bench/target"
	"whoelse/room/history"
)

// What a child does with a folder of histories.
const (
	childOpen  = "open"
	childLeave = "leave"
)

// Opened is what opening a folder of histories took.
type Opened struct {
	Millis float64 `json:"ms"`
	Heap   int64   `json:"heap"` // bytes in use after a collection
	RSS    int64   `json:"rss"`  // bytes resident, before it
}

// Child does what needs a process of its own: "open DIR" opens the histories in
// DIR, prints an Opened and closes them; "leave DIR NICKS BYTES"
// writes messages between so many nicks until the journal is that long, and ends
// as a crash would.
func Child(ctx context.Context, out io.Writer, words []string) error {
	switch {
	case len(words) == 2 && words[0] == childOpen:
		return openAndTell(out, words[1])
	case len(words) == 4 && words[0] == childLeave:
		nicks, err1 := strconv.Atoi(words[2])
		size, err2 := strconv.ParseInt(words[3], 10, 64)
		if err := errors.Join(err1, err2); err != nil || nicks < 2 {
			return fmt.Errorf("%q: 2 nicks or more: %w", words, err)
		}
		return leave(ctx, words[1], nicks, size)
	}
	return fmt.Errorf("%q: %s DIR or %s DIR NICKS BYTES", words, childOpen, childLeave)
}

func openAndTell(out io.Writer, dir string) error {
	debug.SetGCPercent(100) // as in the server
	start := time.Now()
	store, err := history.Open(dir, history.Options{})
	took := time.Since(start)
	if err != nil {
		return err
	}
	rss, err := target.OwnRSS()
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	got := Opened{Millis: millis(took), Heap: int64(mem.HeapAlloc), RSS: rss}
	return errors.Join(err, store.Close(), json.NewEncoder(out).Encode(got))
}

// leave fills a journal and is gone. It waits for every message, so that the
// journal holds what was promised and little else.
func leave(ctx context.Context, dir string, nicks int, size int64) error {
	store, err := history.Open(dir, history.Options{})
	if err != nil {
		return err
	}
	lastID.Store(time.Now().UnixNano()) // greater than what is there
	in := newStream(store)
	for n := 0; ; n = (n + 2) % (nicks &^ 1) {
		if err := in.add(ctx, records(message(nick(n), nick(n+1)))...); err != nil {
			return errors.Join(err, store.Close())
		}
		if n%100 != 0 {
			continue
		}
		if err := in.wait(); err != nil {
			return errors.Join(err, store.Close())
		}
		if now, err := sizeOf(filepath.Join(dir, "journal")); err != nil || now >= size {
			return errors.Join(err, killSelf(), errors.New("still alive"))
		}
	}
}
