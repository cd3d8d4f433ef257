package storage

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"whoelse/room"
	"whoelse/room/history"
)

const (
	// unreadLeft is how many messages are unread at the end of each history.
	unreadLeft = 3
	// flatWithin is how far lengths may be apart in what reading costs.
	flatWithin = 2.0
	// shortest and middling are the lengths beside the longest.
	shortest, middling = 10, 10_000
	// asks is how often each length is asked for in one round, and asksDisk
	// where each answer has to be read from the disk.
	asks, asksDisk = 40, 10
	// step is by how much longer histories are made grow between rounds, so that
	// their ends come to lie at other distances from the last state line.
	step = 23
)

// Where an owner's unread list and file are when they are asked for.
const (
	inMemory    = "in memory"
	notInMemory = "not in memory"
	notCached   = "not even in the kernel's cache"
)

// reader is somebody with a history.
type reader struct {
	nick   string
	length int
	unread []string // ids
}

// inbox asks for what is unread at the end of histories of different lengths:
// with the owner in memory, without, and with nothing of the file in memory.
func (b *bench) inbox(ctx context.Context) error {
	dir := filepath.Join(b.dir, "inbox")
	readers := b.readers()
	err := within(dir, history.Options{}, func(store *history.Store) error {
		for _, r := range readers {
			b.tell("storage: inbox: writing a history of %d", r.length)
			if err := r.fill(ctx, store); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	costs := map[string][][]float64{}
	for round := range b.Rounds {
		b.tell("storage: inbox: round %d of %d", round+1, b.Rounds)
		if err := b.inboxRound(ctx, dir, readers, costs); err != nil {
			return err
		}
	}
	for _, how := range []string{inMemory, notInMemory, notCached} {
		b.inboxFigures(how, readers, costs[how])
	}
	return nil
}

func (b *bench) readers() []*reader {
	var out []*reader
	for _, n := range []int{shortest, middling, b.Records} {
		if len(out) == 0 || n > out[len(out)-1].length {
			out = append(out, &reader{nick: fmt.Sprint("carol", n), length: n})
		}
	}
	return out
}

// within opens the store in dir for work and closes it.
func within(dir string, opts history.Options, work func(*history.Store) error) error {
	store, err := history.Open(dir, opts)
	if err != nil {
		return err
	}
	return errors.Join(work(store), store.Close())
}

// fill gives r a history of its length: messages from bob, read 50 at a time,
// but for the last three.
func (r *reader) fill(ctx context.Context, store *history.Store) error {
	in := newStream(store)
	marks := 0 // of what was read are records too
	for n := 0; n+marks < r.length; n++ {
		left := r.length - n - marks
		if left == unreadLeft+1 || len(r.unread) >= 50 && left > unreadLeft+2 {
			if err := in.add(ctx, r.mark()); err != nil {
				return err
			}
			marks++
		}
		m := message("bob", r.nick)
		if err := in.add(ctx, room.Record{Owner: r.nick, Message: m}); err != nil {
			return err
		}
		r.unread = append(r.unread, m.ID)
	}
	return in.wait()
}

// mark says that everything is read.
func (r *reader) mark() room.Record {
	read := r.unread
	r.unread = nil
	return room.Record{Owner: r.nick, Read: read}
}

// grow makes a history a little longer, with three unread at the end again.
func (r *reader) grow(ctx context.Context, store *history.Store) error {
	in := newStream(store)
	err := in.add(ctx, r.mark())
	for n := 0; n < step && err == nil; n++ {
		m := message(r.nick, "bob")
		if n >= step-unreadLeft {
			m = message("bob", r.nick)
			r.unread = append(r.unread, m.ID)
		}
		err = in.add(ctx, room.Record{Owner: r.nick, Message: m})
	}
	return errors.Join(err, in.wait())
}

// inboxRound measures all lengths in turn, and lets the longer ones grow.
func (b *bench) inboxRound(ctx context.Context, dir string, readers []*reader, costs map[string][][]float64) error {
	err := within(dir, history.Options{Owners: 1, OpenFiles: 1}, func(store *history.Store) error {
		cold, err := askAll(ctx, store, readers, asks, nil)
		costs[notInMemory] = append(costs[notInMemory], cold)
		if err != nil {
			return err
		}
		disk, err := askAll(ctx, store, readers, asksDisk, func(r *reader) error {
			return forgetContent(filepath.Join(dir, "users", r.nick+".jsonl"))
		})
		costs[notCached] = append(costs[notCached], disk)
		return err
	})
	if err != nil {
		return err
	}
	return within(dir, history.Options{}, func(store *history.Store) error {
		if _, err := askAll(ctx, store, readers, 1, nil); err != nil {
			return err
		}
		warm, err := askAll(ctx, store, readers, asks, nil)
		costs[inMemory] = append(costs[inMemory], warm)
		for _, r := range readers {
			if r.length > shortest {
				err = errors.Join(err, r.grow(ctx, store))
			}
		}
		return err
	})
}

// askAll asks for everybody's unread messages in turn and returns the median
// microseconds of each length.
func askAll(ctx context.Context, store *history.Store, readers []*reader, times int, before func(*reader) error) ([]float64, error) {
	took := make([][]float64, len(readers))
	for range times {
		for i, r := range readers {
			if before != nil {
				if err := before(r); err != nil {
					return nil, err
				}
			}
			start := time.Now()
			got, err := room.Collect(store.Unread(r.nick))
			took[i] = append(took[i], float64(time.Since(start).Nanoseconds())/1000)
			if err = errors.Join(err, context.Cause(ctx)); err != nil {
				return nil, err
			}
			if len(got) != unreadLeft || got[0].ID != r.unread[0] {
				return nil, fmt.Errorf("%s has %d unread messages instead of %d", r.nick, len(got), unreadLeft)
			}
		}
	}
	medians := make([]float64, len(readers))
	for i := range medians {
		medians[i] = spreadOf(took[i]).median
	}
	return medians, nil
}

// inboxFigures are the costs of one way, a row of them for each round: every
// length beside every shorter one.
func (b *bench) inboxFigures(how string, readers []*reader, rounds [][]float64) {
	column := func(i int) (out []float64) {
		for _, row := range rounds {
			out = append(out, row[i])
		}
		return out
	}
	for long := range readers {
		for short := range long {
			what := fmt.Sprintf("%s: a history of %d to one of %d", how, readers[long].length, readers[short].length)
			b.addRatios(what, "us", column(long), column(short)).atMost(flatWithin)
		}
	}
}
