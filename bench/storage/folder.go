package storage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"
)

const (
	shards = 256
	// touched is how many files one timing touches, each once.
	touched = 256
)

// operation is what is timed on a layout: a lot of times, or once for all.
type operation struct {
	what string
	once bool
	run  func(l *layout, names [2][]string) error
}

// operations are what the store does with files. Those that look names up get
// names of their own. Creating comes last, since it changes the folder.
func operations() []operation {
	line := make([]byte, recordBytes)
	return []operation{
		{"lstat", false, func(l *layout, names [2][]string) error {
			for _, name := range names[0] {
				if _, err := l.of(name).Lstat(name); err != nil {
					return err
				}
			}
			return nil
		}},
		{"open and append", false, func(l *layout, names [2][]string) error {
			for _, name := range names[1] {
				if err := l.appendTo(name, line); err != nil {
					return err
				}
			}
			return nil
		}},
		{"create", false, func(l *layout, _ [2][]string) error {
			for range touched {
				if err := l.create(line); err != nil {
					return err
				}
			}
			return nil
		}},
		{fmt.Sprintf("make %d new names durable", touched), true,
			func(l *layout, _ [2][]string) error { return l.sync() }},
	}
}

// randomNames are names of files that are there.
func randomNames(files int) []string {
	names := make([]string, touched)
	for i := range names {
		names[i] = fileName(rand.IntN(files))
	}
	return names
}

// folder compares one folder with many: the same operations on as many files.
func (b *bench) folder(ctx context.Context) (err error) {
	dir := filepath.Join(b.dir, "folder")
	one, err := newLayout(filepath.Join(dir, "one"), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, one.close()) }()
	many, err := newLayout(filepath.Join(dir, "many"), shards)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, many.close()) }()
	for _, files := range b.sizes() {
		b.tell("storage: folder: growing to %d files, twice", files)
		if err := errors.Join(one.grow(ctx, files), many.grow(ctx, files)); err != nil {
			return err
		}
		settle()
		if err := b.compare(ctx, one, many, files, "warm", 5*b.Rounds, nil); err != nil {
			return err
		}
		if b.DropCaches {
			if err := b.compare(ctx, one, many, files, "cold", min(b.Rounds, 3), dropCaches); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) sizes() []int {
	sizes := []int{1000, 100_000, 1_000_000}
	for i, n := range sizes {
		if n >= b.Files {
			return append(sizes[:i:i], b.Files)
		}
	}
	return sizes
}

// compare runs all operations on both layouts in turn.
func (b *bench) compare(ctx context.Context, one, many *layout, files int, how string, rounds int, before func() error) error {
	b.tell("storage: folder: %d files, %s", files, how)
	costs := map[string]*[2][]float64{} // microseconds, of both layouts
	for _, op := range operations() {
		costs[op.what] = new([2][]float64)
	}
	for round := range rounds {
		names := [2][]string{randomNames(files), randomNames(files)}
		for turn := range 2 {
			at := (round + turn) % 2 // each is first as often as the other
			if before != nil {
				if err := before(); err != nil {
					return err
				}
			}
			for _, op := range operations() {
				took, err := op.time([]*layout{one, many}[at], names)
				if err := errors.Join(err, context.Cause(ctx)); err != nil {
					return fmt.Errorf("%s: %w", op.what, err)
				}
				costs[op.what][at] = append(costs[op.what][at], took)
			}
		}
	}
	for _, op := range operations() {
		took := costs[op.what]
		b.addRatios(fmt.Sprintf("%d files, %s: %s: %d folders to one", files, how, op.what, shards), "us", took[1], took[0])
	}
	return nil
}

// time tells how many microseconds one of it takes.
func (op operation) time(l *layout, names [2][]string) (float64, error) {
	start := time.Now()
	err := op.run(l, names)
	took := float64(time.Since(start).Nanoseconds()) / 1000
	if !op.once {
		took /= touched
	}
	return took, err
}
