package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
)

// openMillis is what opening a hundred thousand histories may take.
const openMillis = 1000

// startUp opens the folder in a process of its own, as often as there are
// rounds, and tells what it took.
func (b *bench) startUp(ctx context.Context, dir string, nicks int) error {
	var took, heap, rss []float64
	open := func() error {
		got, err := b.opened(ctx, dir)
		if err != nil {
			return err
		}
		took = append(took, got.Millis)
		heap = append(heap, mebibytes(got.Heap))
		rss = append(rss, mebibytes(got.RSS))
		return nil
	}
	b.tell("storage: nicks: opening the folder of %d", nicks)
	for range b.Rounds {
		if err := open(); err != nil {
			return err
		}
	}
	name := fmt.Sprintf("Open with %d nicks: ", nicks)
	b.add(name+"time", "ms", took...).atMost(openMillis)
	b.add(name+"heap after it", "MiB", heap...)
	b.add(name+"resident memory after it", "MiB", rss...)
	if !b.DropCaches {
		return nil
	}
	if err := dropCaches(); err != nil {
		return err
	}
	took = nil
	if err := open(); err != nil {
		return err
	}
	b.add(name+"time, nothing in the kernel's caches", "ms", took...).atMost(openMillis)
	return nil
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// opened has a child open and close the folder.
func (b *bench) opened(ctx context.Context, dir string) (Opened, error) {
	var got Opened
	output, err := b.child(ctx, childOpen, dir).Output()
	if err != nil {
		return got, fmt.Errorf("child that opens: %w", err)
	}
	if err := json.Unmarshal(output, &got); err != nil {
		return got, fmt.Errorf("child that opens: %w in %q", err, output)
	}
	return got, nil
}

func (b *bench) child(ctx context.Context, words ...string) *exec.Cmd {
	words = append(b.Child[1:len(b.Child):len(b.Child)], words...)
	return exec.CommandContext(ctx, b.Child[0], words...)
}

// unclean measures opening after a kill that left a journal that was about to
// be sealed: with messages of few nicks, and of as many as fit.
func (b *bench) unclean(ctx context.Context, dir string, nicks int) error {
	for _, among := range []int{min(nicks, 100), nicks} {
		var took, journals, rss []float64
		for round := range min(b.Rounds, 3) {
			b.tell("storage: nicks: killed with a journal of up to %d nicks, %d", among, round+1)
			child := b.child(ctx, childLeave, dir, strconv.Itoa(among), strconv.FormatInt(b.Journal, 10))
			if output, err := child.CombinedOutput(); child.ProcessState == nil || !killed(child.ProcessState) {
				return fmt.Errorf("child that is to be killed: %w: %s", errors.Join(err, context.Cause(ctx)), output)
			}
			left, files, err := allocated(filepath.Join(dir, "journal"))
			if err != nil {
				return err
			}
			if files < 2 {
				return errors.New("the killed child left no journal")
			}
			got, err := b.opened(ctx, dir)
			if err != nil {
				return err
			}
			took = append(took, got.Millis)
			journals = append(journals, mebibytes(left))
			rss = append(rss, mebibytes(got.RSS))
		}
		name := fmt.Sprintf("Open after a kill, messages of %d nicks: ", among)
		b.add(name+"time", "ms", took...)
		b.add(name+"journals", "MiB", journals...)
		b.add(name+"resident memory after it", "MiB", rss...)
	}
	return nil
}
