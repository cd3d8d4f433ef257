package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"whoelse/room/history"
)

const (
	// openedAt is how many nicks there are when opening the folder is measured.
	openedAt = 100_000
	// maxOpen is what the store promises about open files, with what a message
	// in work and the background need.
	maxOpen = 1024 + 64
	// tellEvery is after how many nicks it is told how far it got.
	tellEvery = 100_000
)

// nicks writes histories of one message each, measures opening the folder on
// the way, and then what they take.
func (b *bench) nicks(ctx context.Context) error {
	dir := filepath.Join(b.dir, "nicks")
	if err := b.startUp(ctx, dir, 0); err != nil {
		return err
	}
	w := &nickWriter{dir: dir, tell: b.tell, budget: b.Budget, step: max(b.Nicks/100, 100)}
	first := min(b.Nicks, openedAt)
	if err := w.until(ctx, first); err != nil {
		return err
	}
	if err := b.startUp(ctx, dir, w.written); err != nil {
		return err
	}
	if err := w.until(ctx, b.Nicks); err != nil {
		return err
	}
	if w.written > first {
		if err := b.startUp(ctx, dir, w.written); err != nil {
			return err
		}
	}
	if err := b.nickFigures(w); err != nil {
		return err
	}
	return b.unclean(ctx, dir, w.written)
}

// nickFigures tells what the nicks take.
func (b *bench) nickFigures(w *nickWriter) error {
	settle()
	bytes, files, err := allocated(filepath.Join(w.dir, "users"))
	if err != nil {
		return err
	}
	name, each := fmt.Sprintf("%d nicks: ", w.written), float64(w.written)
	b.add(name+"writing them took", "s", w.took.Seconds())
	if tenth := len(w.steps) / 10; tenth > 0 {
		b.addRatios(name+"writing the last tenth of them to the first", "ms each 1%",
			w.steps[len(w.steps)-tenth:], w.steps[:tenth])
	}
	b.add(name+"blocks of their files and folder", "MiB", mebibytes(bytes))
	b.add(name+"the same for each nick", "bytes", float64(bytes)/each)
	b.add(name+"inodes of them", "", float64(files-1))
	b.add(name+"open files while writing", "", w.open).atMost(maxOpen)
	b.add(name+"journals while writing, at most", "MiB", w.journals)
	if w.written < b.Nicks {
		more := float64(b.Nicks) / each
		b.note("writing nicks was stopped at %d after %.0f s; %d would have taken about %.0f s and %.0f MiB",
			w.written, w.took.Seconds(), b.Nicks, w.took.Seconds()*more, mebibytes(bytes)*more)
	}
	return nil
}

// nickWriter has everyone write to the next one: so there are two records in
// two files for each message, and one record for each nick.
type nickWriter struct {
	dir     string
	tell    func(format string, args ...any)
	budget  time.Duration
	step    int // how many are written between looking at the clock
	written int
	steps   []float64     // milliseconds of each
	took    time.Duration // with closing the store, which finishes it

	open, journals float64 // the most files that were open; MiB of journals
}

func nick(n int) string { return fmt.Sprintf("nick%d", n) }

// until writes up to so many nicks, fewer when the budget ends before.
func (w *nickWriter) until(ctx context.Context, nicks int) error {
	if w.written >= nicks {
		return nil
	}
	start, before := time.Now(), w.took
	defer func() { w.took = before + time.Since(start) }()
	return within(w.dir, history.Options{}, func(store *history.Store) error {
		in := newStream(store)
		for w.written < nicks && (w.written == 0 || before+time.Since(start) < w.budget) {
			began := time.Now()
			for end := min(w.written+w.step, nicks); w.written < end; w.written += 2 {
				if err := in.add(ctx, records(message(nick(w.written), nick(w.written+1)))...); err != nil {
					return err
				}
			}
			w.steps = append(w.steps, millis(time.Since(began)))
			if err := w.look(); err != nil {
				return err
			}
			if w.written%tellEvery == 0 {
				w.tell("storage: nicks: %d written in %s", w.written, (before + time.Since(start)).Round(time.Second))
			}
		}
		return errors.Join(in.wait(), w.look())
	})
}

// look notes the most files that are open and the longest journals.
func (w *nickWriter) look() error {
	open, err1 := openBelow(filepath.Join(w.dir, "users"))
	w.open = max(w.open, float64(open))
	bytes, err2 := sizeOf(filepath.Join(w.dir, "journal"))
	w.journals = max(w.journals, mebibytes(bytes))
	return errors.Join(err1, err2)
}

// sizeOf adds up the files in a folder in which files come and go.
func sizeOf(dir string) (bytes int64, err error) {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			bytes += info.Size()
		}
	}
	return bytes, err
}
